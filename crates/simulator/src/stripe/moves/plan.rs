//! Items that change: another price, another quantity.

use serde_json::Value;

use crate::stripe::Stripe;
use crate::stripe::billing::{bill_lines, finalize, pay, period_of, term};
use crate::stripe::event::Event;
use crate::stripe::object::catalog;
use crate::stripe::object::invoice::{self, Charged, Origin};
use crate::stripe::object::subscription::Period;
use crate::stripe::world::{World, number, rows, text};

const UPDATED: &str = "customer.subscription.updated";

impl Stripe {
    /// Moves an item to another price; with `prorate` the difference is billed and paid at once.
    ///
    /// A price of another length begins a new term now, as in Stripe.
    pub fn change_price(&self, subscription: &str, item: &str, price: &str, prorate: bool) -> Vec<Event> {
        self.act(|world| {
            let old = item_of(world.need(subscription), item).clone();
            let new_price = world.need(price).clone();
            let same_length = world.terms.get(text(&old, "/price/id")) == world.terms.get(price);
            let period = match same_length {
                true => period_of(&old),
                false => term(world, &new_price, world.now()),
            };
            let new = moved(&old, &new_price, period);
            change_item(world, subscription, item, |stored| *stored = new.clone());
            if prorate {
                bill_difference(world, subscription, &old, &new);
            }
        })
    }

    /// Sets the quantity of an item; nothing is billed for it.
    pub fn set_quantity(&self, subscription: &str, item: &str, quantity: u64) -> Vec<Event> {
        self.act(|world| {
            change_item(world, subscription, item, |stored| stored["quantity"] = quantity.into());
        })
    }
}

fn item_of<'a>(subscription: &'a Value, id: &str) -> &'a Value {
    let found = rows(subscription, "items").iter().find(|item| text(item, "/id") == id);
    found.unwrap_or_else(|| panic!("the subscription has no item `{id}`"))
}

fn change_item(world: &mut World, subscription: &str, id: &str, change: impl Fn(&mut Value)) {
    world.update(UPDATED, subscription, |stored| {
        let items = stored["items"].as_array_mut().into_iter().flatten();
        items.filter(|item| text(item, "/id") == id).for_each(change);
    });
}

fn moved(old: &Value, price: &Value, period: Period) -> Value {
    let mut new = old.clone();
    new["price"] = price.clone();
    new["plan"] = catalog::plan(price);
    new["current_period_start"] = period.start.into();
    new["current_period_end"] = period.end.into();
    new
}

/// Gives back the rest of the old term and bills the rest of the new one.
fn bill_difference(world: &mut World, subscription: &str, old: &Value, new: &Value) {
    let now = world.now();
    let lines = vec![proration(world, subscription, old, -1, now), proration(world, subscription, new, 1, now)];
    let period = Period { start: now, end: now };
    let stored = world.need(subscription).clone();
    let invoice = bill_lines(world, &stored, "subscription_update", period, lines);
    world.set(subscription, "latest_invoice", invoice.as_str());
    world.emit("invoice.created", &invoice);
    finalize(world, &invoice);
    pay(world, &invoice);
}

fn proration(world: &mut World, subscription: &str, item: &Value, sign: i64, now: i64) -> Value {
    let period = period_of(item);
    let whole = (period.end - period.start).max(1);
    let left = (period.end - now).clamp(0, whole);
    let full = number(item, "/price/unit_amount") * number(item, "/quantity");
    let (line_id, invoice_item) = (world.mint("il"), world.mint("ii"));
    let charged = Charged {
        price: &item["price"],
        amount: sign * full * left / whole,
        quantity: number(item, "/quantity"),
        period: Period { start: now.min(period.end), end: period.end },
        origin: Origin::Proration { subscription, item: text(item, "/id"), invoice_item: &invoice_item },
    };
    invoice::line(&line_id, &charged)
}
