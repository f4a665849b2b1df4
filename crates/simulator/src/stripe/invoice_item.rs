//! Invoice items: what waits to be billed with the next invoice of a subscription, or of a customer.

use serde_json::Value;

use super::object::invoice::{self, Charged, Origin};
use super::object::subscription::Period;
use super::world::{World, number, text};

/// Adds an invoice item for a one-time price.
pub(super) fn add(world: &mut World, customer: &str, subscription: Option<&str>, price: &str, quantity: u64) -> String {
    let id = world.mint("ii");
    let quantity = i64::try_from(quantity).expect("a few");
    let made = invoice::item(&id, customer, subscription, world.need(price), quantity, world.now());
    world.put(made);
    world.emit("invoiceitem.created", &id);
    id
}

/// The invoice items that wait, and a line for each.
pub(super) fn pending_lines(
    world: &mut World,
    customer: &str,
    subscription: Option<&str>,
) -> (Vec<String>, Vec<Value>) {
    let own = world.having("invoiceitem", "/customer", customer);
    let own = own.filter(|item| item["invoice"].is_null() && of_subscription(item) == subscription);
    let items: Vec<Value> = own.cloned().collect();
    let lines = items.iter().map(|item| line(world, item)).collect();
    (items.iter().map(|item| text(item, "/id").to_owned()).collect(), lines)
}

/// The invoice bills these from now on.
pub(super) fn attach_pending(world: &mut World, items: &[String], invoice: &str) {
    items.iter().for_each(|item| world.set(item, "invoice", invoice));
}

fn of_subscription(item: &Value) -> Option<&str> {
    item.pointer("/parent/subscription_details/subscription")?.as_str()
}

fn line(world: &mut World, item: &Value) -> Value {
    let id = world.mint("il");
    let price = world.need(text(item, "/pricing/price_details/price"));
    let period = Period { start: number(item, "/period/start"), end: number(item, "/period/end") };
    let charged = Charged {
        price,
        amount: number(item, "/amount"),
        quantity: number(item, "/quantity"),
        period,
        origin: Origin::InvoiceItem { invoice_item: text(item, "/id"), subscription: of_subscription(item) },
    };
    invoice::line(&id, &charged)
}
