//! `expand[]`: ids replaced by the objects they name, along a path.

use serde_json::Value;

use super::shape::{self, Shape};
use super::world::{World, text};

/// Expands one path in an object or list; the error is the path that cannot be expanded.
pub(super) fn expand(world: &World, shown: &mut Value, path: &str) -> Result<(), String> {
    let steps: Vec<&str> = path.split('.').collect();
    // Stripe's own limit.
    if steps.len() > 4 + usize::from(steps[0] == "data") {
        return Err(path.to_owned());
    }
    along(world, shown, &steps).ok_or_else(|| path.to_owned())
}

fn along(world: &World, shown: &mut Value, steps: &[&str]) -> Option<()> {
    let Some((field, rest)) = steps.split_first() else {
        return Some(());
    };
    match shown {
        Value::Null => return Some(()),
        Value::Array(rows) => return rows.iter_mut().try_for_each(|row| along(world, row, steps)),
        _ => {}
    }
    if shown.get(field).is_none() {
        let list = hidden_list(world, shown, field)?;
        shown[*field] = list;
    }
    let value = shown.get_mut(field)?;
    if let Value::Array(ids) = value {
        ids.iter_mut().for_each(|id| put_object(world, id));
    }
    put_object(world, value);
    let expandable = value.is_null() || value.is_object() || value.is_array();
    if expandable { along(world, value, rest) } else { None }
}

/// The object in the place of its id.
fn put_object(world: &World, place: &mut Value) {
    if let Some(object) = place.as_str().and_then(|id| world.get(id)) {
        *place = shape::render(world, object);
    }
}

/// The lists that an object shows only when asked.
fn hidden_list(world: &World, shown: &Value, field: &str) -> Option<Value> {
    let id = text(shown, "/id");
    let (kind, pointer, url) = match (text(shown, "/object"), field) {
        ("checkout.session", "line_items") => {
            let rows = world.get(id)?["line_items"].as_array()?;
            let url = format!("/v1/checkout/sessions/{id}/line_items");
            return Some(shape::embedded(world, rows, &url));
        }
        ("invoice", "payments") if world.shape == Shape::Current => {
            ("invoice_payment", "/invoice", "/v1/invoice_payments".to_owned())
        }
        ("charge", "refunds") => ("refund", "/charge", format!("/v1/charges/{id}/refunds")),
        ("customer", "subscriptions") => ("subscription", "/customer", format!("/v1/customers/{id}/subscriptions")),
        _ => return None,
    };
    let rows: Vec<Value> = world.having(kind, pointer, id).rev().cloned().collect();
    Some(shape::embedded(world, &rows, &url))
}
