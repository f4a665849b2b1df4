//! Checkout sessions, and purchases that are paid once.

use serde_json::{Value, json};

use super::{NewPayment, NewSession, Purchase, as_json};
use crate::stripe::Stripe;
use crate::stripe::billing::{charge, fail, finalize, pay};
use crate::stripe::event::Event;
use crate::stripe::object::checkout::{self, Checkout};
use crate::stripe::object::invoice::{self, Bill, Charged, Origin};
use crate::stripe::object::payment::{self, Due};
use crate::stripe::object::subscription::Period;
use crate::stripe::world::{World, number, text};

impl Stripe {
    /// A one-time purchase in Checkout.
    pub fn pay_once(&self, new: NewPayment) -> Purchase {
        let mut session = String::new();
        let events = self.act(|world| session = buy(world, &new));
        let stored = self.with(|world| world.need(&session).clone());
        Purchase {
            payment_intent: self.with(|world| world.intent_of(&session)),
            invoice: stored["invoice"].as_str().map(str::to_owned),
            session,
            events,
        }
    }

    /// Ends the wait for a payment method that takes days.
    pub fn complete_async_payment(&self, session: &str, succeeded: bool) -> Vec<Event> {
        self.act(|world| {
            settle(world, session, succeeded);
            if succeeded {
                world.set(session, "payment_status", "paid");
                world.emit("checkout.session.async_payment_succeeded", session);
            } else {
                world.emit("checkout.session.async_payment_failed", session);
            }
        })
    }
}

pub(super) fn open_session(
    world: &mut World,
    mode: &str,
    asked: &NewSession,
    customer: Option<&str>,
    prices: &[(String, u64)],
) -> String {
    let id = world.mint("cs_test");
    let mut line_items = Vec::new();
    for (price, quantity) in prices {
        let line_id = world.mint("li");
        line_items.push(checkout::line_item(&line_id, world.need(price), *quantity));
    }
    let email = customer.map(|customer| world.need(customer)["email"].clone());
    let made = Checkout {
        mode,
        client_reference_id: asked.client_reference_id.as_deref(),
        metadata: as_json(&asked.metadata),
        customer: customer.into(),
        email: email.unwrap_or_else(|| "guest@example.com".into()),
        currency: line_items.first().map(|line| line["currency"].clone()).unwrap_or_default(),
        line_items,
        now: world.now(),
        livemode: world.livemode,
    };
    world.put(checkout::session(&id, made))
}

fn buy(world: &mut World, new: &NewPayment) -> String {
    let session = open_session(world, "payment", &new.session, new.customer.as_deref(), &new.prices);
    let total = number(world.need(&session), "/amount_total");
    let invoice = new.invoice_creation.then(|| bill_session(world, &session));
    if let Some(invoice) = &invoice {
        world.set(&session, "invoice", invoice.as_str());
        finalize(world, invoice);
    }
    let intent = match &invoice {
        Some(invoice) => world.intent_of(invoice),
        None => (total > 0).then(|| open_intent(world, &session)),
    };
    world.set(&session, "payment_intent", intent.clone());
    let status = match total {
        0 => "no_payment_required",
        _ if new.paid => "paid",
        _ => "unpaid",
    };
    match (&invoice, &intent) {
        (Some(invoice), _) if status != "unpaid" => pay(world, invoice),
        (None, Some(intent)) if status == "paid" => charge(world, intent, true),
        (_, Some(intent)) => world.set(intent, "status", "processing"),
        (_, None) => {}
    }
    world.set(&session, "status", "complete");
    world.set(&session, "payment_status", status);
    world.emit("checkout.session.completed", &session);
    session
}

fn open_intent(world: &mut World, session: &str) -> String {
    let stored = world.need(session).clone();
    let due = Due {
        amount: number(&stored, "/amount_total"),
        currency: &stored["currency"],
        customer: &stored["customer"],
        invoice: Value::Null,
        now: world.now(),
        livemode: world.livemode,
    };
    let id = world.mint("pi");
    world.put(payment::intent(&id, &due));
    world.emit("payment_intent.created", &id);
    id
}

fn bill_session(world: &mut World, session: &str) -> String {
    let stored = world.need(session).clone();
    let now = world.now();
    let period = Period { start: now, end: now };
    let mut lines = Vec::new();
    for item in stored["line_items"].as_array().into_iter().flatten() {
        let (line_id, invoice_item) = (world.mint("il"), world.mint("ii"));
        let charged = Charged {
            price: &item["price"],
            amount: number(item, "/amount_total"),
            quantity: number(item, "/quantity"),
            period,
            origin: Origin::InvoiceItem { invoice_item: &invoice_item, subscription: None },
        };
        lines.push(invoice::line(&line_id, &charged));
    }
    let id = world.mint("in");
    let bill = Bill {
        customer: stored["customer"].clone(),
        reason: "manual",
        collection_method: "charge_automatically",
        currency: text(&stored, "/currency"),
        lines,
        parent: json!(null),
        period,
        now,
        livemode: world.livemode,
    };
    world.put(invoice::invoice(&id, bill));
    world.emit("invoice.created", &id);
    id
}

/// The bank says yes or no to what a session waits for.
fn settle(world: &mut World, session: &str, succeeded: bool) {
    let stored = world.need(session).clone();
    let subscription = stored["subscription"].as_str();
    match (stored["invoice"].as_str(), stored["payment_intent"].as_str()) {
        (Some(invoice), _) if succeeded => pay(world, invoice),
        (Some(invoice), _) => fail(world, invoice),
        (None, Some(intent)) => charge(world, intent, succeeded),
        (None, None) => {}
    }
    if let Some(subscription) = subscription.filter(|_| !succeeded) {
        let change = |stored: &mut Value| stored["status"] = "past_due".into();
        world.update("customer.subscription.updated", subscription, change);
    }
}
