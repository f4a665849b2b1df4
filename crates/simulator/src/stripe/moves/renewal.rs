//! Terms that follow one another, paid or not.

use crate::stripe::Stripe;
use crate::stripe::billing::{
    answer_debit, bill_term, debit, fail, finalize, give_up, mark_failed, mark_paid, pay, period_of, term,
};
use crate::stripe::event::Event;
use crate::stripe::object::subscription::Period;
use crate::stripe::world::{World, rows, text};

const UPDATED: &str = "customer.subscription.updated";

impl Stripe {
    /// Rolls the period forward and drafts the invoice; nothing is paid yet.
    pub fn start_renewal(&self, subscription: &str) -> Vec<Event> {
        self.act(|world| start(world, subscription))
    }

    /// Finalises the latest invoice and pays it, or does with it what `pause_collection` says.
    pub fn pay_renewal(&self, subscription: &str) -> Vec<Event> {
        self.act(|world| collect(world, subscription))
    }

    /// A renewal that goes well.
    pub fn renew(&self, subscription: &str) -> Vec<Event> {
        self.act(|world| {
            start(world, subscription);
            collect(world, subscription);
        })
    }

    /// A renewal that is not paid: the next one, or another try of the one that is open.
    pub fn fail_renewal(&self, subscription: &str) -> Vec<Event> {
        self.act(|world| {
            let latest = latest_invoice(world, subscription);
            let waits = latest.is_some_and(|id| ["draft", "open"].contains(&text(world.need(&id), "/status")));
            if !waits {
                start(world, subscription);
            }
            let Some(invoice) = latest_invoice(world, subscription) else {
                return;
            };
            finalize(world, &invoice);
            fail(world, &invoice);
            if world.need(subscription)["status"] != "past_due" {
                world.update(UPDATED, subscription, |stored| stored["status"] = "past_due".into());
            }
        })
    }

    /// A renewal by a bank debit: the invoice stays open for the days that the bank takes; `settle_debit` ends them.
    pub fn debit_renewal(&self, subscription: &str) -> Vec<Event> {
        self.act(|world| {
            start(world, subscription);
            let Some(invoice) = latest_invoice(world, subscription) else { return };
            finalize(world, &invoice);
            let stored = world.get_mut(&invoice);
            (stored["attempted"], stored["attempt_count"]) = (true.into(), 1.into());
            if let Some(intent) = world.intent_of(&invoice) {
                debit(world, &intent);
            }
        })
    }

    /// The bank answers for the debit of the latest invoice.
    pub fn settle_debit(&self, subscription: &str, succeeded: bool) -> Vec<Event> {
        self.act(|world| {
            let Some(invoice) = latest_invoice(world, subscription) else { return };
            let Some(intent) = world.intent_of(&invoice) else { return };
            answer_debit(world, &intent, succeeded);
            if succeeded {
                mark_paid(world, &invoice);
            } else {
                mark_failed(world, &invoice);
                world.update(UPDATED, subscription, |stored| stored["status"] = "past_due".into());
            }
        })
    }

    /// The open invoice is paid after all.
    pub fn recover(&self, subscription: &str) -> Vec<Event> {
        self.act(|world| collect(world, subscription))
    }

    /// The trial ends and the first full term is paid.
    pub fn convert_trial(&self, subscription: &str) -> Vec<Event> {
        self.renew(subscription)
    }
}

fn latest_invoice(world: &World, subscription: &str) -> Option<String> {
    world.need(subscription)["latest_invoice"].as_str().map(str::to_owned)
}

fn start(world: &mut World, subscription: &str) {
    let stored = world.need(subscription).clone();
    let last = rows(&stored, "items").first().map_or(Period { start: 0, end: 0 }, period_of);
    let mut next = stored.clone();
    for item in next["items"].as_array_mut().into_iter().flatten() {
        let period = term(world, &item["price"], period_of(item).end);
        item["current_period_start"] = period.start.into();
        item["current_period_end"] = period.end.into();
    }
    if next["status"] == "trialing" {
        next["status"] = "active".into();
    }
    let stays_draft = text(&next, "/pause_collection/behavior") == "keep_as_draft";
    // The draft comes into being with the change, so the event of the change already names it.
    let invoice = bill_term(world, &next, "subscription_cycle", last);
    if stays_draft {
        world.set(&invoice, "auto_advance", false);
    }
    next["latest_invoice"] = invoice.as_str().into();
    world.update(UPDATED, subscription, |stored| *stored = next);
    world.emit("invoice.created", &invoice);
}

/// Pays the latest invoice and brings the subscription back to active.
fn collect(world: &mut World, subscription: &str) {
    let Some(invoice) = latest_invoice(world, subscription) else {
        return;
    };
    let behavior = text(world.need(subscription), "/pause_collection/behavior").to_owned();
    if behavior == "keep_as_draft" {
        return;
    }
    finalize(world, &invoice);
    match behavior.as_str() {
        "void" => return give_up(world, &invoice, "void"),
        "mark_uncollectible" => return give_up(world, &invoice, "uncollectible"),
        _ if world.need(&invoice)["status"] == "paid" => {}
        _ => pay(world, &invoice),
    }
    if ["incomplete", "past_due", "unpaid"].contains(&text(world.need(subscription), "/status")) {
        world.update(UPDATED, subscription, |stored| stored["status"] = "active".into());
    }
}
