//! `expand[]`: ids replaced by the objects they name, along a path.

use serde_json::Value;

use super::shape::{self, Shape};
use super::world::{World, text};

/// Expands one path in an object or list; the error is the path that cannot be expanded.
pub(super) fn expand(world: &World, object: &mut Value, path: &str) -> Result<(), String> {
    let steps: Vec<&str> = path.split('.').collect();
    // Stripe's own limit.
    if steps.len() > 4 + usize::from(steps[0] == "data") {
        return Err(path.to_owned());
    }
    along(world, object, &steps).ok_or_else(|| path.to_owned())
}

fn along(world: &World, object: &mut Value, steps: &[&str]) -> Option<()> {
    let Some((field, rest)) = steps.split_first() else {
        return Some(());
    };
    match object {
        Value::Null => return Some(()),
        Value::Array(rows) => return rows.iter_mut().try_for_each(|row| along(world, row, steps)),
        _ => {}
    }
    if object.get(field).is_none() {
        let list = hidden_list(world, object, field)?;
        object[*field] = list;
    }
    let value = object.get_mut(field)?;
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
fn hidden_list(world: &World, object: &Value, field: &str) -> Option<Value> {
    let id = text(object, "/id");
    let (kind, pointer, url) = match (text(object, "/object"), field) {
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
