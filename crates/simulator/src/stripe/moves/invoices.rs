//! Invoices beside the terms of subscriptions, and what is due of an invoice without being paid.

use serde_json::Value;

use super::Made;
use crate::stripe::Stripe;
use crate::stripe::billing::{finalize, follow_remaining, pay, pay_part};
use crate::stripe::event::Event;
use crate::stripe::invoice_item::{self, attach_pending, pending_lines};
use crate::stripe::object::invoice::{self, Bill};
use crate::stripe::object::subscription::Period;
use crate::stripe::world::{World, number, text};

impl Stripe {
    /// An invoice that the merchant makes by hand and sends, for one-time prices with their quantities. It stays open.
    pub fn send_invoice(&self, customer: &str, prices: &[(&str, u64)]) -> Made {
        let mut id = String::new();
        let events = self.act(|world| {
            for (price, quantity) in prices {
                invoice_item::add(world, customer, None, price, *quantity);
            }
            id = bill_pending(world, customer);
            finalize(world, &id);
            world.emit("invoice.sent", &id);
        });
        Made { id, events }
    }

    /// An open invoice is paid by card.
    pub fn pay_invoice(&self, invoice: &str) -> Vec<Event> {
        self.act(|world| pay(world, invoice))
    }

    /// A part of an open invoice is paid by a charge of its own.
    pub fn pay_invoice_in_part(&self, invoice: &str, amount: i64) -> Vec<Event> {
        self.act(|world| pay_part(world, invoice, amount))
    }

    /// A one-time price that is billed with the next renewal.
    pub fn add_invoice_item(&self, subscription: &str, price: &str) -> Made {
        let mut id = String::new();
        let events = self.act(|world| {
            let customer = text(world.need(subscription), "/customer").to_owned();
            id = invoice_item::add(world, &customer, Some(subscription), price, 1);
        });
        Made { id, events }
    }

    /// Sets what the customer owes, in minor units; below 0 it is credit, which pays the next invoices first.
    pub fn set_balance(&self, customer: &str, balance: i64) -> Vec<Event> {
        self.act(|world| world.update("customer.updated", customer, |stored| stored["balance"] = balance.into()))
    }

    /// Takes `amount` off an open invoice by a credit note.
    ///
    /// # Panics
    ///
    /// If the invoice is not open.
    pub fn credit_open_invoice(&self, invoice: &str, amount: i64) -> Made {
        let mut id = String::new();
        let events = self.act(|world| id = credit(world, invoice, amount));
        Made { id, events }
    }
}

fn bill_pending(world: &mut World, customer: &str) -> String {
    let (items, lines) = pending_lines(world, customer, None);
    let (id, now) = (world.mint("in"), world.now());
    let currency = lines.first().map_or("usd", |line| text(line, "/currency")).to_owned();
    let bill = Bill {
        customer: customer.into(),
        reason: "manual",
        collection_method: "send_invoice",
        currency: &currency,
        lines,
        parent: Value::Null,
        period: Period { start: now, end: now },
        now,
        livemode: world.livemode,
    };
    world.put(invoice::invoice(&id, bill));
    attach_pending(world, &items, &id);
    world.emit("invoice.created", &id);
    id
}

fn credit(world: &mut World, invoice: &str, amount: i64) -> String {
    let stored = world.need(invoice).clone();
    assert_eq!(stored["status"], "open", "only what is not paid yet is lowered by a note");
    let id = world.mint("cn");
    let made = invoice::credit_note(&id, &stored, amount, world.now());
    world.put(made);
    world.emit("credit_note.created", &id);
    world.update("invoice.updated", invoice, |stored| {
        let noted = number(stored, "/pre_payment_credit_notes_amount") + amount;
        stored["pre_payment_credit_notes_amount"] = noted.into();
        for field in ["amount_due", "amount_remaining"] {
            stored[field] = (number(stored, &format!("/{field}")) - amount).into();
        }
    });
    follow_remaining(world, invoice);
    id
}
