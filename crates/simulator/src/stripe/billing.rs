//! The life of an invoice, and the money behind it.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::invoice_item::{attach_pending, pending_lines};
use super::object::invoice::{self, Bill, Charged, Origin};
use super::object::payment::{self, ChargeState, Due};
use super::object::subscription::Period;
use super::shape::Shape;
use super::world::{World, number, rows, text};

/// The term that begins at a time and lasts as long as the price says.
pub(super) fn term(world: &World, price: &Value, start: i64) -> Period {
    let every = world.terms.get(text(price, "/id")).copied().unwrap_or(TimeDelta::zero());
    let end = start + every.num_seconds();
    Period { start, end }
}

/// Drafts the invoice for the terms that the items are in now, and for what waits to be billed with the subscription; the
/// caller links it and makes its event.
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
            origin: Origin::Term { subscription: text(subscription, "/id"), item: text(item, "/id") },
        };
        lines.push(invoice::line(&line_id, &charged));
    }
    let (customer, id) = (text(subscription, "/customer"), text(subscription, "/id"));
    let (waiting, pending) = pending_lines(world, customer, Some(id));
    lines.extend(pending);
    let invoice = bill_lines(world, subscription, reason, period, lines);
    attach_pending(world, &waiting, &invoice);
    invoice
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
        now: after_latest(world, subscription),
        livemode: world.livemode,
    };
    world.put(invoice::invoice(&id, bill))
}

/// Now, but never in the second of the invoice before: renewals follow one another in a moment here, and by their times one could
/// not say which is the newer.
fn after_latest(world: &World, subscription: &Value) -> i64 {
    let latest = world.get(text(subscription, "/latest_invoice"));
    latest.map_or(world.now(), |latest| world.now().max(number(latest, "/created") + 1))
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
    apply_balance(world, id);
    world.emit("invoice.finalized", id);
    if number(world.need(id), "/amount_due") > 0 {
        let amount = number(world.need(id), "/amount_due");
        let intent = open_intent(world, id, amount);
        let payment_id = world.mint("inpay");
        let payment = invoice::payment(&payment_id, world.need(id), &intent, now);
        world.put(payment);
    }
}

/// Pays a part of an open invoice by a payment of its own; the default payment follows what remains
/// (<https://docs.stripe.com/api/invoice-payment/object>, `is_default`).
pub(super) fn pay_part(world: &mut World, id: &str, amount: i64) {
    let now = world.now();
    let intent = open_intent(world, id, amount);
    charge(world, &intent, true);
    let payment_id = world.mint("inpay");
    let mut payment = invoice::payment(&payment_id, world.need(id), &intent, now);
    (payment["is_default"], payment["status"]) = (false.into(), "paid".into());
    (payment["amount_requested"], payment["amount_paid"]) = (amount.into(), amount.into());
    payment["status_transitions"]["paid_at"] = now.into();
    world.put(payment);
    let invoice = world.get_mut(id);
    invoice["amount_paid"] = (number(invoice, "/amount_paid") + amount).into();
    invoice["amount_remaining"] = (number(invoice, "/amount_remaining") - amount).into();
    follow_remaining(world, id);
    world.emit("invoice_payment.paid", &payment_id);
}

/// The default payment asks for what remains of its invoice.
pub(super) fn follow_remaining(world: &mut World, id: &str) {
    let remaining = number(world.need(id), "/amount_remaining");
    if let Some(intent) = world.intent_of(id) {
        world.set(&intent, "amount", remaining);
    }
    if let Some(payment) = payment_of(world, id) {
        world.set(&payment, "amount_requested", remaining);
    }
}

/// Credit of the customer pays first (<https://docs.stripe.com/billing/customer/balance>).
fn apply_balance(world: &mut World, id: &str) {
    let (due, customer) = (number(world.need(id), "/amount_due"), text(world.need(id), "/customer").to_owned());
    let balance = world.get(&customer).map_or(0, |customer| number(customer, "/balance"));
    let used = due.min(-balance);
    if used <= 0 {
        return;
    }
    let invoice = world.get_mut(id);
    invoice["starting_balance"] = balance.into();
    invoice["ending_balance"] = (balance + used).into();
    invoice["amount_due"] = (due - used).into();
    invoice["amount_remaining"] = (due - used).into();
    world.set(&customer, "balance", balance + used);
}

fn open_intent(world: &mut World, invoice: &str, amount: i64) -> String {
    let stored = world.need(invoice).clone();
    let due = Due {
        amount,
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
    let state = if paid { ChargeState::Succeeded } else { ChargeState::Failed };
    let id = world.mint("ch");
    put_charge(world, intent, &id, state);
}

/// Hands a payment intent to the bank, which answers in some days.
pub(super) fn debit(world: &mut World, intent: &str) {
    let id = world.mint("py");
    put_charge(world, intent, &id, ChargeState::Pending);
}

/// The bank has answered: the pending charge of a payment intent succeeds or fails.
pub(super) fn answer_debit(world: &mut World, intent: &str, succeeded: bool) {
    let id = text(world.need(intent), "/latest_charge").to_owned();
    let state = if succeeded { ChargeState::Succeeded } else { ChargeState::Failed };
    let charge = world.get_mut(&id);
    charge["status"] = state.status().into();
    charge["paid"] = succeeded.into();
    if succeeded {
        charge["balance_transaction"] = id.replace("py_", "txn_").into();
    } else {
        charge["failure_code"] = "insufficient_funds".into();
        charge["failure_message"] = "The customer's account has insufficient funds.".into();
    }
    follow_charge(world, intent, &id, state);
}

fn put_charge(world: &mut World, intent: &str, id: &str, state: ChargeState) {
    let made = payment::charge(id, world.need(intent), state, world.now());
    world.put(made);
    world.set(intent, "latest_charge", id);
    follow_charge(world, intent, id, state);
}

/// The payment intent follows its charge.
fn follow_charge(world: &mut World, intent: &str, charge: &str, state: ChargeState) {
    let stored = world.get_mut(intent);
    let (of_charge, of_intent) = match state {
        ChargeState::Succeeded => {
            stored["status"] = "succeeded".into();
            stored["amount_received"] = stored["amount"].clone();
            stored["last_payment_error"] = Value::Null;
            ("charge.succeeded", "payment_intent.succeeded")
        }
        ChargeState::Pending => {
            stored["status"] = "processing".into();
            ("charge.pending", "payment_intent.processing")
        }
        ChargeState::Failed => {
            stored["status"] = "requires_payment_method".into();
            stored["last_payment_error"] = json!({ "code": "card_declined", "charge": charge, "type": "card_error" });
            ("charge.failed", "payment_intent.payment_failed")
        }
    };
    world.emit(of_charge, charge);
    world.emit(of_intent, intent);
}

/// Pays an open invoice in full, with a charge if there is anything to pay.
pub(super) fn pay(world: &mut World, id: &str) {
    let due = number(world.need(id), "/amount_remaining");
    if let Some(intent) = world.intent_of(id).filter(|_| due > 0) {
        charge(world, &intent, true);
    }
    let invoice = world.get_mut(id);
    invoice["attempt_count"] = (number(invoice, "/attempt_count") + i64::from(due > 0)).into();
    mark_paid(world, id);
}

/// What is left of an open invoice was paid.
pub(super) fn mark_paid(world: &mut World, id: &str) {
    let now = world.now();
    let payment = payment_of(world, id);
    let invoice = world.get_mut(id);
    invoice["status"] = "paid".into();
    invoice["amount_paid"] = invoice["amount_due"].clone();
    invoice["amount_remaining"] = 0.into();
    invoice["attempted"] = true.into();
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
    mark_failed(world, id);
}

/// A try to collect an open invoice was in vain.
pub(super) fn mark_failed(world: &mut World, id: &str) {
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
    invoice["auto_advance"] = false.into();
    invoice["next_payment_attempt"] = Value::Null;
    invoice["status_transitions"][transition] = now.into();
    world.emit(event, id);
    if let Some(payment) = payment.filter(|_| status == "void") {
        world.set(&payment, "status", "canceled");
    }
}

fn payment_of(world: &World, invoice: &str) -> Option<String> {
    Some(text(world.payment_of(invoice)?, "/id").to_owned())
}
