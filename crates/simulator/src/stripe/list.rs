//! Lists and their pages.

use serde_json::Value;

use super::filter::{self, Listing};
use super::route::Refusal;
use super::shape;
use super::world::{World, text};
use crate::server::Call;

/// A page of all objects of a kind, newest first.
pub(super) fn of_kind(world: &World, call: &Call, listing: &Listing) -> Result<Value, Refusal> {
    let own: Vec<&str> = listing.filters.iter().map(|(name, _)| *name).collect();
    filter::refuse_unknown_in_list(call, &own)?;
    let newest_first = world.all(listing.kind).iter().rev();
    let fitting: Vec<&Value> = newest_first.filter(|row| filter::fits(call, listing, row)).collect();
    // The cursor may have left the filter since it was handed out, so its place is sought among all.
    let exists = |id: &str| world.get(id).is_some();
    page(world, call, &fitting, exists, |id| place(world, listing.kind, &fitting, id))
}

/// A page of an array, in its own order.
pub(super) fn of_rows(world: &World, call: &Call, own: &[&str], rows: &[Value]) -> Result<Value, Refusal> {
    filter::refuse_unknown_in_list(call, own)?;
    let rows: Vec<&Value> = rows.iter().collect();
    let at = |id: &str| rows.iter().position(|row| text(row, "/id") == id);
    let split = |id: &str| at(id).map_or((0, 0), |at| (at, at + 1));
    page(world, call, &rows, |id| at(id).is_some(), split)
}

/// Where a cursor cuts the rows: how many stand before it, and where those behind it begin.
fn place(world: &World, kind: &str, fitting: &[&Value], id: &str) -> (usize, usize) {
    let mut newer = 0;
    let mut fitting = fitting.iter().peekable();
    for row in world.all(kind).iter().rev() {
        let fits = fitting.next_if(|next| std::ptr::eq(**next, row)).is_some();
        if text(row, "/id") == id {
            return (newer, newer + usize::from(fits));
        }
        newer += usize::from(fits);
    }
    (newer, newer)
}

fn page(
    world: &World,
    call: &Call,
    rows: &[&Value],
    exists: impl Fn(&str) -> bool,
    split: impl Fn(&str) -> (usize, usize),
) -> Result<Value, Refusal> {
    let limit = limit(call)?;
    let cursor = |name: &'static str| match call.param(name) {
        Some(id) if !exists(id) => {
            let message = format!("No such object: '{id}'");
            Err(Refusal::of_param("resource_missing", name, message))
        }
        cursor => Ok(cursor.map(&split)),
    };
    let (page, has_more) = match (cursor("starting_after")?, cursor("ending_before")?) {
        (_, Some((before, _))) => (&rows[before.saturating_sub(limit)..before], before > limit),
        (Some((_, behind)), None) => first(&rows[behind..], limit),
        (None, None) => first(rows, limit),
    };
    let data = page.iter().map(|row| shape::render(world, row)).collect();
    Ok(shape::list(&call.path, data, has_more))
}

fn first<'a, 'b>(rows: &'a [&'b Value], limit: usize) -> (&'a [&'b Value], bool) {
    (&rows[..limit.min(rows.len())], rows.len() > limit)
}

fn limit(call: &Call) -> Result<usize, Refusal> {
    let Some(asked) = call.param("limit") else {
        return Ok(10);
    };
    let limit = asked.parse().ok().filter(|limit| (1..=100).contains(limit));
    let message = || format!("Invalid limit: {asked}; it must be between 1 and 100");
    limit.ok_or_else(|| Refusal::of_param("parameter_invalid_integer", "limit", message()))
}
