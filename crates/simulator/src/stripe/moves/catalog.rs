//! Prices, customers, endpoints, and what is written on them.

use serde_json::{Value, json};

use super::{Made, Metadata, NewCustomer, NewPrice, as_json};
use crate::stripe::Stripe;
use crate::stripe::event::Event;
use crate::stripe::object::catalog::{self, Terms};
use crate::stripe::world::{World, text};

impl Stripe {
    /// Adds a price, and its product when that is new.
    pub fn add_price(&self, new: NewPrice) -> Vec<Event> {
        self.act(|world| {
            let (now, livemode) = (world.now(), world.livemode);
            if world.get(&new.product).is_none() {
                world.put(catalog::product(&new.product, now, livemode));
                world.emit("product.created", &new.product);
            }
            let terms = Terms { product: &new.product, amount: new.amount, currency: &new.currency, every: new.every };
            world.put(catalog::price(&new.id, &terms, now, livemode));
            if let Some(every) = new.every {
                world.terms.insert(new.id.clone(), every);
            }
            world.emit("price.created", &new.id);
        })
    }

    /// Adds a customer.
    pub fn add_customer(&self, new: NewCustomer) -> Made {
        let mut id = String::new();
        let events = self.act(|world| id = add_customer(world, &new));
        Made { id, events }
    }

    /// Adds a webhook endpoint to the list of those that are set up; nothing is sent to it.
    pub fn add_webhook_endpoint(&self, url: &str, events: &[&str]) -> String {
        self.with(|world| {
            let id = world.mint("we");
            world.put(json!({
                "id": id,
                "object": "webhook_endpoint",
                "api_version": world.shape.api_version(),
                "application": null,
                "created": world.now(),
                "description": null,
                "enabled_events": events,
                "livemode": world.livemode,
                "metadata": {},
                "status": "enabled",
                "url": url,
            }))
        })
    }

    /// Replaces the metadata of a customer.
    pub fn set_customer_metadata(&self, customer: &str, metadata: &Metadata) -> Vec<Event> {
        let change = |stored: &mut Value| stored["metadata"] = as_json(metadata);
        self.act(|world| world.update("customer.updated", customer, change))
    }

    /// Replaces the metadata of a subscription.
    pub fn set_subscription_metadata(&self, subscription: &str, metadata: &Metadata) -> Vec<Event> {
        let change = |stored: &mut Value| stored["metadata"] = as_json(metadata);
        self.act(|world| world.update("customer.subscription.updated", subscription, change))
    }

    /// Deletes a customer, which cancels its subscriptions; the id then shows only that it is deleted.
    pub fn delete_customer(&self, customer: &str) -> Vec<Event> {
        self.act(|world| {
            let owned = world.having("subscription", "/customer", customer);
            let running = owned.filter(|row| row["status"] != "canceled");
            let ids: Vec<String> = running.map(|row| text(row, "/id").to_owned()).collect();
            for id in ids {
                let now = world.now();
                super::cancel::close(world, &id, now);
            }
            world.emit("customer.deleted", customer);
            *world.get_mut(customer) = json!({ "id": customer, "object": "customer", "deleted": true });
        })
    }
}

pub(super) fn add_customer(world: &mut World, new: &NewCustomer) -> String {
    let id = world.mint("cus");
    let metadata = as_json(&new.metadata);
    let made = catalog::customer(&id, new.email.as_deref(), metadata, world.now(), world.livemode);
    world.put(made);
    world.emit("customer.created", &id);
    id
}
