//! Objects as one API version shows them.
//!
//! 2025-03-31 moved the period from the subscription to its items, took the invoice off charges and
//! payment intents, and put the links of invoices and lines under `parent` and `pricing`.

use serde_json::{Value, json};

use super::world::{World, rows, text};

/// The API version that answers and events are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shape {
    /// 2025-03-31 and later.
    #[default]
    Current,
    /// Before 2025-03-31.
    PreBasil,
}

impl Shape {
    pub(super) fn api_version(self) -> &'static str {
        match self {
            Shape::Current => "2026-09-30.endive",
            Shape::PreBasil => "2024-06-20",
        }
    }
}

/// A stored object as the world's API version shows it, with nothing expanded.
pub(super) fn render(world: &World, stored: &Value) -> Value {
    let mut object = stored.clone();
    match text(stored, "/object") {
        "subscription" => subscription(world, &mut object),
        "subscription_item" => item(world, &mut object),
        "invoice" => invoice(world, &mut object),
        "line_item" => line(world, &mut object),
        "charge" | "payment_intent" if world.shape == Shape::Current => remove(&mut object, &["invoice"]),
        "checkout.session" => remove(&mut object, &["line_items"]),
        _ => {}
    }
    object
}

/// A list object; `data` is what it shows of all there is.
pub(super) fn list(url: &str, data: Vec<Value>, has_more: bool) -> Value {
    json!({ "object": "list", "data": data, "has_more": has_more, "url": url })
}

/// The page of an array that an object embeds.
pub(super) fn embedded(world: &World, all: &[Value], url: &str) -> Value {
    let data = all.iter().take(world.embedded_page).map(|row| render(world, row));
    let mut page = list(url, data.collect(), all.len() > world.embedded_page);
    if world.shape == Shape::PreBasil {
        page["total_count"] = all.len().into();
    }
    page
}

fn subscription(world: &World, object: &mut Value) {
    let url = format!("/v1/subscription_items?subscription={}", text(object, "/id"));
    let items = rows(object, "items").to_vec();
    if world.shape == Shape::PreBasil {
        // All items of an old subscription share one period.
        let first = items.first().unwrap_or(&Value::Null);
        for field in ["current_period_start", "current_period_end"] {
            object[field] = first.get(field).cloned().unwrap_or_default();
        }
        object["plan"] = if items.len() == 1 { first["plan"].clone() } else { Value::Null };
        object["quantity"] = if items.len() == 1 { first["quantity"].clone() } else { Value::Null };
        object["discount"] = Value::Null;
        remove(object, &["billing_mode", "billing_schedules", "status_details"]);
    }
    object["items"] = embedded(world, &items, &url);
}

fn item(world: &World, object: &mut Value) {
    if world.shape == Shape::PreBasil {
        remove(object, &["current_period_start", "current_period_end"]);
    }
}

fn invoice(world: &World, object: &mut Value) {
    let id = text(object, "/id").to_owned();
    let lines = rows(object, "lines").to_vec();
    object["lines"] = embedded(world, &lines, &format!("/v1/invoices/{id}/lines"));
    if world.shape == Shape::Current {
        return;
    }
    let details = object.pointer("/parent/subscription_details").cloned().unwrap_or_default();
    object["subscription"] = details.get("subscription").cloned().unwrap_or_default();
    object["subscription_details"] = json!({ "metadata": details.get("metadata") });
    object["payment_intent"] = world.intent_of(&id).into();
    object["charge"] = world.charge_of(&id).into();
    object["paid"] = (object["status"] == "paid").into();
    object["paid_out_of_band"] = (object["paid"] == true && object["charge"].is_null() && object["total"] != 0).into();
    object["discount"] = Value::Null;
    object["tax"] = Value::Null;
    object["total_tax_amounts"] = object["total_taxes"].clone();
    remove(object, &["parent", "total_taxes", "amount_overpaid", "total_pretax_credit_amounts"]);
}

fn line(world: &World, object: &mut Value) {
    if world.shape == Shape::Current {
        return;
    }
    let details = |kind: &str| object.pointer(&format!("/parent/{kind}")).filter(|details| !details.is_null()).cloned();
    let term = details("subscription_item_details");
    let of_item = term.as_ref().is_some_and(|details| details["invoice_item"].is_null());
    let details = term.or_else(|| details("invoice_item_details")).unwrap_or_default();
    let price = world.get(text(object, "/pricing/price_details/price")).cloned();
    object["type"] = if of_item { "subscription" } else { "invoiceitem" }.into();
    for field in ["subscription", "subscription_item", "invoice_item"] {
        object[field] = details.get(field).cloned().unwrap_or_default();
    }
    object["proration"] = details.get("proration").cloned().unwrap_or(false.into());
    object["price"] = price.into();
    object["tax_amounts"] = object["taxes"].clone();
    object["tax_rates"] = json!([]);
    remove(object, &["parent", "pricing", "taxes", "subtotal", "pretax_credit_amounts"]);
}

fn remove(object: &mut Value, fields: &[&str]) {
    if let Some(object) = object.as_object_mut() {
        object.retain(|name, _| !fields.contains(&name.as_str()));
    }
}
