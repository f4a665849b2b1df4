//! The life of an invoice, and the money behind it.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::object::invoice::{self, Bill, Charged};
use super::object::payment::{self, Due};
use super::object::subscription::Period;
use super::shape::Shape;
use super::world::{World, number, rows, text};

/// The term that begins at a time and lasts as long as the price says.
pub(super) fn term(world: &World, price: &Value, start: i64) -> Period {
    let every = world.terms.get(text(price, "/id")).copied().unwrap_or(TimeDelta::zero());
    let end = start + every.num_seconds();
    Period { start, end }
}

/// Drafts the invoice for the terms that the items are in now; the caller links it and makes its event.
pub(super) fn bill_term(world: &mut World, subscription: &Value, reason: &str, period: Period) -> String {
    let free = subscription["status"] == "trialing";
    let mut lines = Vec::new();
    for item in rows(subscription, "items") {
        let quantity = number(item, "/quantity");
        let full = number(item, "/price/unit_amount") * quantity;
        let line_id = world.mint("il");
        let charged = Charged {
            price: &item["price"],
            amount: if free { 0 } else { full },
            quantity,
            period: period_of(item),
            item: Some((text(subscription, "/id"), text(item, "/id"))),
            proration: None,
        };
        lines.push(invoice::line(&line_id, &charged));
    }
    bill_lines(world, subscription, reason, period, lines)
}

/// The term that an item is in.
pub(super) fn period_of(item: &Value) -> Period {
    Period { start: number(item, "/current_period_start"), end: number(item, "/current_period_end") }
}

/// Drafts an invoice of these lines for a subscription; the caller links it and makes its event.
pub(super) fn bill_lines(
    world: &mut World,
    subscription: &Value,
    reason: &str,
    period: Period,
    lines: Vec<Value>,
) -> String {
    let id = world.mint("in");
    let bill = Bill {
        customer: subscription["customer"].clone(),
        reason,
        collection_method: text(subscription, "/collection_method"),
        currency: text(subscription, "/currency"),
        lines,
        parent: invoice::parent(text(subscription, "/id"), &subscription["metadata"]),
        period,
        now: world.now(),
        livemode: world.livemode,
    };
    world.put(invoice::invoice(&id, bill))
}

/// Opens a draft; when there is something to pay it gets a payment intent.
pub(super) fn finalize(world: &mut World, id: &str) {
    if world.need(id)["status"] != "draft" {
        return;
    }
    let now = world.now();
    let invoice = world.get_mut(id);
    invoice["status"] = "open".into();
    invoice["effective_at"] = now.into();
    invoice["status_transitions"]["finalized_at"] = now.into();
    invoice["number"] = format!("SANDBOX-{}", &id[id.len() - 4..]).to_uppercase().into();
    invoice["hosted_invoice_url"] = format!("https://invoice.example.com/{id}").into();
    world.emit("invoice.finalized", id);
    if number(world.need(id), "/amount_due") > 0 {
        let intent = open_intent(world, id);
        let payment_id = world.mint("inpay");
        let payment = invoice::payment(&payment_id, world.need(id), &intent, now);
        world.put(payment);
    }
}

fn open_intent(world: &mut World, invoice: &str) -> String {
    let stored = world.need(invoice).clone();
    let due = Due {
        amount: number(&stored, "/amount_due"),
        currency: &stored["currency"],
        customer: &stored["customer"],
        invoice: invoice.into(),
        now: world.now(),
        livemode: world.livemode,
    };
    let id = world.mint("pi");
    world.put(payment::intent(&id, &due));
    world.emit("payment_intent.created", &id);
    id
}

/// Takes the money of a payment intent, or fails to.
pub(super) fn charge(world: &mut World, intent: &str, paid: bool) {
    let now = world.now();
    let id = world.mint("ch");
    let made = payment::charge(&id, world.need(intent), paid, now);
    world.put(made);
    let stored = world.get_mut(intent);
    stored["latest_charge"] = id.as_str().into();
    if paid {
        stored["status"] = "succeeded".into();
        stored["amount_received"] = stored["amount"].clone();
        stored["last_payment_error"] = Value::Null;
    } else {
        stored["status"] = "requires_payment_method".into();
        stored["last_payment_error"] = json!({ "code": "card_declined", "charge": id, "type": "card_error" });
    }
    let (of_charge, of_intent) = match paid {
        true => ("charge.succeeded", "payment_intent.succeeded"),
        false => ("charge.failed", "payment_intent.payment_failed"),
    };
    world.emit(of_charge, &id);
    world.emit(of_intent, intent);
}

/// Pays an open invoice in full, with a charge if there is anything to pay.
pub(super) fn pay(world: &mut World, id: &str) {
    let now = world.now();
    let due = number(world.need(id), "/amount_remaining");
    if let Some(intent) = world.intent_of(id).filter(|_| due > 0) {
        charge(world, &intent, true);
    }
    let payment = payment_of(world, id);
    let invoice = world.get_mut(id);
    invoice["status"] = "paid".into();
    invoice["amount_paid"] = invoice["amount_due"].clone();
    invoice["amount_remaining"] = 0.into();
    invoice["attempted"] = true.into();
    invoice["attempt_count"] = (number(invoice, "/attempt_count") + i64::from(due > 0)).into();
    invoice["next_payment_attempt"] = Value::Null;
    invoice["status_transitions"]["paid_at"] = now.into();
    world.emit("invoice.paid", id);
    world.emit("invoice.payment_succeeded", id);
    if let Some(payment) = payment {
        let stored = world.get_mut(&payment);
        stored["status"] = "paid".into();
        stored["amount_paid"] = stored["amount_requested"].clone();
        stored["status_transitions"]["paid_at"] = now.into();
        if world.shape == Shape::Current {
            world.emit("invoice_payment.paid", &payment);
        }
    }
}

/// Tries to collect an open invoice in vain.
pub(super) fn fail(world: &mut World, id: &str) {
    if let Some(intent) = world.intent_of(id) {
        charge(world, &intent, false);
    }
    let retry_at = world.now() + 3 * 86_400;
    let invoice = world.get_mut(id);
    invoice["attempted"] = true.into();
    invoice["attempt_count"] = (number(invoice, "/attempt_count") + 1).into();
    invoice["next_payment_attempt"] = retry_at.into();
    world.emit("invoice.payment_failed", id);
}

/// Gives an invoice up: `void` or `uncollectible`.
pub(super) fn give_up(world: &mut World, id: &str, status: &str) {
    let now = world.now();
    let (transition, event) = match status {
        "void" => ("voided_at", "invoice.voided"),
        _ => ("marked_uncollectible_at", "invoice.marked_uncollectible"),
    };
    let payment = payment_of(world, id);
    let invoice = world.get_mut(id);
    invoice["status"] = status.into();
    invoice["next_payment_attempt"] = Value::Null;
    invoice["status_transitions"][transition] = now.into();
    world.emit(event, id);
    if let Some(payment) = payment.filter(|_| status == "void") {
        world.set(&payment, "status", "canceled");
    }
}

fn payment_of(world: &World, invoice: &str) -> Option<String> {
    let payment = world.having("invoice_payment", "/invoice", invoice).next_back()?;
    Some(text(payment, "/id").to_owned())
}
