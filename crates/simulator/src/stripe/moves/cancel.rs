//! Subscriptions that end, are going to end, or stand still.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::stripe::Stripe;
use crate::stripe::billing::period_of;
use crate::stripe::event::Event;
use crate::stripe::world::{World, rows};

const UPDATED: &str = "customer.subscription.updated";

impl Stripe {
    /// Switches the renewal off, or on again.
    pub fn cancel_at_period_end(&self, subscription: &str, on: bool) -> Vec<Event> {
        self.act(|world| {
            let now = world.now();
            let end = earliest_end(world.need(subscription));
            world.update(UPDATED, subscription, |stored| {
                stored["cancel_at_period_end"] = on.into();
                stored["cancel_at"] = on.then_some(end).into();
                stored["canceled_at"] = on.then_some(now).into();
                stored["cancellation_details"]["reason"] = on.then_some("cancellation_requested").into();
            });
        })
    }

    /// Sets the time at which it will end, or takes that back.
    pub fn cancel_at(&self, subscription: &str, at: Option<DateTime<Utc>>) -> Vec<Event> {
        self.act(|world| {
            let now = world.now();
            world.update(UPDATED, subscription, |stored| {
                stored["cancel_at"] = at.map(|at| at.timestamp()).into();
                stored["canceled_at"] = at.map(|_| now).into();
            });
        })
    }

    /// Ends it at once; the items still show the period that was paid for.
    pub fn cancel_now(&self, subscription: &str) -> Vec<Event> {
        self.act(|world| {
            let now = world.now();
            close(world, subscription, now);
        })
    }

    /// Ends it because its time has come: at the period's end, or now if the test is ahead of that.
    pub fn end(&self, subscription: &str) -> Vec<Event> {
        self.act(|world| {
            let stored = world.need(subscription);
            let due = stored["cancel_at"].as_i64().unwrap_or_else(|| earliest_end(stored));
            let at = due.min(world.now());
            close(world, subscription, at);
        })
    }

    /// Sets the status and nothing else.
    pub fn set_status(&self, subscription: &str, status: &str) -> Vec<Event> {
        let change = |stored: &mut Value| stored["status"] = status.into();
        self.act(|world| world.update(UPDATED, subscription, change))
    }

    /// Stops collecting: `keep_as_draft`, `mark_uncollectible`, `void`; `None` collects again.
    pub fn pause_collection(&self, subscription: &str, behavior: Option<&str>) -> Vec<Event> {
        let pause = behavior.map(|behavior| json!({ "behavior": behavior, "resumes_at": null }));
        let change = |stored: &mut Value| stored["pause_collection"] = pause.into();
        self.act(|world| world.update(UPDATED, subscription, change))
    }

    /// Suspends the subscription itself.
    pub fn pause(&self, subscription: &str) -> Vec<Event> {
        let details = json!({ "paused": { "subscription": { "type": "pause_requested" } } });
        self.act(|world| {
            let change = |stored: &mut Value| {
                stored["status"] = "paused".into();
                stored["status_details"] = details;
            };
            world.update(UPDATED, subscription, change);
            world.emit("customer.subscription.paused", subscription);
        })
    }

    /// Takes a paused subscription up again, with the period it had.
    pub fn resume(&self, subscription: &str) -> Vec<Event> {
        self.act(|world| {
            let change = |stored: &mut Value| {
                stored["status"] = "active".into();
                stored["status_details"] = Value::Null;
            };
            world.update(UPDATED, subscription, change);
            world.emit("customer.subscription.resumed", subscription);
        })
    }
}

/// With several periods Stripe cancels at the earliest end.
fn earliest_end(subscription: &Value) -> i64 {
    let ends = rows(subscription, "items").iter().map(|item| period_of(item).end);
    ends.min().unwrap_or_default()
}

pub(super) fn close(world: &mut World, subscription: &str, at: i64) {
    let now = world.now();
    let stored = world.get_mut(subscription);
    stored["status"] = "canceled".into();
    stored["ended_at"] = at.into();
    if stored["canceled_at"].is_null() {
        stored["canceled_at"] = now.into();
        stored["cancellation_details"]["reason"] = "cancellation_requested".into();
    }
    world.emit("customer.subscription.deleted", subscription);
}
