//! A subscription begins.

use chrono::TimeDelta;
use serde_json::Value;

use super::catalog::add_customer;
use super::checkout::open_session;
use super::{Collection, FirstPayment, NewCustomer, NewSubscription, Subscribed, as_json};
use crate::stripe::Stripe;
use crate::stripe::billing::{bill_term, fail, finalize, pay, term};
use crate::stripe::invoice_item;
use crate::stripe::object::subscription::{self, Period, Start};
use crate::stripe::world::{World, number, text};

const UPDATED: &str = "customer.subscription.updated";

impl Stripe {
    /// Begins a subscription, in Checkout when a session is asked for.
    pub fn subscribe(&self, new: NewSubscription) -> Subscribed {
        let mut made = None;
        let events = self.act(|world| made = Some(begin(world, &new)));
        let made = made.expect("the move has run");
        Subscribed { events, ..made }
    }
}

fn begin(world: &mut World, new: &NewSubscription) -> Subscribed {
    let customer = new.customer.clone().unwrap_or_else(|| add_customer(world, &NewCustomer::default()));
    let (subscription, items) = create(world, new, &customer);
    for (price, quantity) in &new.once {
        invoice_item::add(world, &customer, Some(&subscription), price, *quantity);
    }
    let now = world.now();
    let stored = world.need(&subscription).clone();
    let invoice = bill_term(world, &stored, "subscription_create", Period { start: now, end: now });
    world.set(&subscription, "latest_invoice", invoice.as_str());
    world.emit("invoice.created", &invoice);
    finalize(world, &invoice);
    world.emit("customer.subscription.created", &subscription);
    first_payment(world, &subscription, &invoice, new);
    let session = new.session.as_ref().map(|asked| {
        let prices = [new.prices.as_slice(), new.once.as_slice()].concat();
        let session = open_session(world, "subscription", asked, Some(&customer), &prices);
        let stored = world.get_mut(&session);
        stored["subscription"] = subscription.as_str().into();
        stored["invoice"] = invoice.as_str().into();
        session
    });
    if let Some(session) = &session {
        complete_session(world, session, &invoice, new.first_payment);
    }
    Subscribed { customer, subscription, items, invoice, session, events: Vec::new() }
}

fn create(world: &mut World, new: &NewSubscription, customer: &str) -> (String, Vec<String>) {
    let now = world.now();
    let id = world.mint("sub");
    let trial = new.trial.map(|length: TimeDelta| Period { start: now, end: now + length.num_seconds() });
    let mut items = Vec::new();
    for (price, quantity) in &new.prices {
        let item_id = world.mint("si");
        let price = world.need(price);
        let period = trial.unwrap_or_else(|| term(world, price, now));
        items.push(subscription::item(&item_id, &id, price, *quantity, period));
    }
    let item_ids = items.iter().map(|item| text(item, "/id").to_owned()).collect();
    let currency = items.first().map_or("usd", |item| text(item, "/price/currency")).to_owned();
    let start = Start {
        customer,
        metadata: as_json(&new.metadata),
        currency: &currency,
        collection_method: match new.collection {
            Collection::ChargeAutomatically => "charge_automatically",
            Collection::SendInvoice => "send_invoice",
        },
        status: first_status(new, &items),
        items,
        trial,
        now,
        livemode: world.livemode,
    };
    world.put(subscription::subscription(&id, start));
    (id, item_ids)
}

/// A card that must be charged first leaves the subscription incomplete.
fn first_status(new: &NewSubscription, items: &[Value]) -> &'static str {
    let free = items.iter().all(|item| number(item, "/price/unit_amount") * number(item, "/quantity") == 0);
    let waits = new.collection == Collection::ChargeAutomatically && new.first_payment != FirstPayment::Pending;
    match (new.trial.is_some(), waits && !free) {
        (true, _) => "trialing",
        (false, true) => "incomplete",
        (false, false) => "active",
    }
}

fn first_payment(world: &mut World, subscription: &str, invoice: &str, new: &NewSubscription) {
    let due = number(world.need(invoice), "/amount_due");
    let sent = new.collection == Collection::SendInvoice;
    match new.first_payment {
        _ if due == 0 => pay(world, invoice),
        FirstPayment::Paid => {
            pay(world, invoice);
            if world.need(subscription)["status"] == "incomplete" {
                world.update(UPDATED, subscription, |stored| stored["status"] = "active".into());
            }
        }
        FirstPayment::Failed if !sent => fail(world, invoice),
        FirstPayment::Pending if !sent => {
            if let Some(intent) = world.intent_of(invoice) {
                world.set(&intent, "status", "processing");
                world.emit("payment_intent.processing", &intent);
            }
        }
        // An invoice that was sent stays open until it is paid.
        FirstPayment::Failed | FirstPayment::Pending => {}
    }
}

/// A declined card leaves the session open; everything else completes it.
fn complete_session(world: &mut World, session: &str, invoice: &str, first: FirstPayment) {
    let due = number(world.need(invoice), "/amount_due");
    let status = match first {
        _ if due == 0 => "no_payment_required",
        FirstPayment::Paid => "paid",
        FirstPayment::Pending => "unpaid",
        FirstPayment::Failed => return,
    };
    let stored = world.get_mut(session);
    stored["amount_total"] = due.into();
    stored["status"] = "complete".into();
    stored["payment_status"] = status.into();
    world.emit("checkout.session.completed", session);
}
