//! Money that goes back, is fought over, or is given up.

use serde_json::{Value, json};

use super::Made;
use crate::stripe::Stripe;
use crate::stripe::billing::give_up;
use crate::stripe::event::Event;
use crate::stripe::object::payment;
use crate::stripe::world::{World, number, text};

impl Stripe {
    /// Refunds what was paid for an invoice, a payment intent, a charge or a session; `None` is all of it.
    ///
    /// # Panics
    ///
    /// If nothing was paid for it.
    pub fn refund(&self, target: &str, amount: Option<i64>, status: &str) -> Made {
        let mut id = String::new();
        let events = self.act(|world| id = refund(world, target, amount, status));
        Made { id, events }
    }

    /// Moves a refund to another status; a failed one gives the money back to the merchant.
    pub fn set_refund_status(&self, refund: &str, status: &str) -> Vec<Event> {
        self.act(|world| {
            let stored = world.need(refund).clone();
            let charge = text(&stored, "/charge").to_owned();
            let counted = counts(text(&stored, "/status"));
            let change = i64::from(counts(status)) - i64::from(counted);
            add_refunded(world, &charge, change * number(&stored, "/amount"));
            world.update("refund.updated", refund, |stored| stored["status"] = status.into());
            world.emit("charge.refund.updated", refund);
            match (change, status) {
                (1, _) => world.emit("charge.refunded", &charge),
                (_, "failed") => world.emit("refund.failed", refund),
                _ => {}
            }
        })
    }

    /// Disputes the charge behind an invoice, a payment intent, a session, or the charge itself.
    ///
    /// # Panics
    ///
    /// If nothing was paid for it.
    pub fn dispute(&self, target: &str, status: &str) -> Made {
        let mut id = String::new();
        let events = self.act(|world| id = dispute(world, target, status));
        Made { id, events }
    }

    /// Moves a dispute to another status.
    pub fn set_dispute_status(&self, dispute: &str, status: &str) -> Vec<Event> {
        self.act(|world| {
            let closed = ["won", "lost", "warning_closed", "prevented"].contains(&status);
            let event = if closed { "charge.dispute.closed" } else { "charge.dispute.updated" };
            world.update(event, dispute, |stored| stored["status"] = status.into());
            if status == "won" {
                world.emit("charge.dispute.funds_reinstated", dispute);
            }
        })
    }

    /// Takes `off` from each line of an invoice by a coupon, which the customer may have entered a code for.
    pub fn discount(&self, invoice: &str, coupon: &str, code: Option<&str>, off: i64) -> Vec<Event> {
        self.act(|world| {
            let id = world.mint("di");
            let stored = world.need(invoice);
            let subscription = stored.pointer("/parent/subscription_details/subscription");
            let discount = json!({
                "id": id, "object": "discount", "checkout_session": null, "customer": stored["customer"], "end": null,
                "invoice": invoice, "invoice_item": null, "promotion_code": code,
                "source": { "coupon": coupon, "type": "coupon" }, "start": world.now(), "subscription": subscription,
            });
            world.put(discount);
            world.update("invoice.updated", invoice, |stored| take_off(stored, &id, off));
        })
    }

    /// Voids an invoice.
    pub fn void_invoice(&self, invoice: &str) -> Vec<Event> {
        self.act(|world| give_up(world, invoice, "void"))
    }

    /// Writes an invoice off.
    pub fn mark_uncollectible(&self, invoice: &str) -> Vec<Event> {
        self.act(|world| give_up(world, invoice, "uncollectible"))
    }
}

fn take_off(invoice: &mut Value, discount: &str, off: i64) {
    let taken = json!([{ "amount": off, "discount": discount }]);
    let lines = invoice["lines"].as_array_mut().expect("an invoice has lines");
    let sum = off * i64::try_from(lines.len()).expect("a few lines");
    for line in lines {
        (line["discount_amounts"], line["discounts"]) = (taken.clone(), json!([discount]));
    }
    invoice["discounts"] = json!([discount]);
    invoice["total_discount_amounts"] = json!([{ "amount": sum, "discount": discount }]);
    for field in ["total", "amount_due", "amount_paid"] {
        invoice[field] = (number(invoice, &format!("/{field}")) - sum).into();
    }
}

/// Whether a refund of this status is in the charge's `amount_refunded`.
fn counts(status: &str) -> bool {
    ["succeeded", "pending"].contains(&status)
}

fn paid_charge(world: &World, target: &str) -> String {
    let charge = world.charge_of(target).filter(|id| world.need(id)["paid"] == true);
    charge.unwrap_or_else(|| panic!("nothing was paid for `{target}`"))
}

fn refund(world: &mut World, target: &str, amount: Option<i64>, status: &str) -> String {
    let charge = paid_charge(world, target);
    let stored = world.need(&charge).clone();
    let rest = number(&stored, "/amount") - number(&stored, "/amount_refunded");
    let amount = amount.unwrap_or(rest);
    let id = world.mint("re");
    let made = payment::refund(&id, &stored, amount, status, world.now());
    world.put(made);
    world.emit("refund.created", &id);
    if counts(status) {
        add_refunded(world, &charge, amount);
        world.emit("charge.refunded", &charge);
    }
    id
}

fn add_refunded(world: &mut World, charge: &str, amount: i64) {
    let stored = world.get_mut(charge);
    let refunded = number(stored, "/amount_refunded") + amount;
    stored["amount_refunded"] = refunded.into();
    stored["refunded"] = (refunded >= number(stored, "/amount")).into();
}

fn dispute(world: &mut World, target: &str, status: &str) -> String {
    let charge = paid_charge(world, target);
    let id = world.mint("du");
    let made = payment::dispute(&id, world.need(&charge), status, world.now());
    world.put(made);
    let stored = world.get_mut(&charge);
    stored["disputed"] = true.into();
    stored["dispute"] = id.as_str().into();
    world.emit("charge.dispute.created", &id);
    if !status.starts_with("warning_") {
        world.emit("charge.dispute.funds_withdrawn", &id);
    }
    id
}
