//! What can happen in the Stripe, one method each.
//!
//! A move changes the state and returns the events that Stripe would send for it, in order. Naming an
//! object that is not there is a mistake in the test, so a move panics on it.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::event::Event;

mod cancel;
mod catalog;
mod checkout;
mod invoices;
mod money;
mod plan;
mod renewal;
mod subscribe;

/// Names and values that the merchant puts on an object.
pub type Metadata = BTreeMap<String, String>;

/// Metadata out of literals.
#[must_use]
pub fn metadata(pairs: &[(&str, &str)]) -> Metadata {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// A price to add, and its product when that is not there yet.
#[derive(Debug, Clone)]
pub struct NewPrice {
    /// `price_…`.
    pub id: String,
    /// `prod_…`.
    pub product: String,
    /// In minor units.
    pub amount: i64,
    /// Lower case, as Stripe writes it.
    pub currency: String,
    /// How long a term lasts; `None` for a one-time price.
    pub every: Option<TimeDelta>,
}

impl NewPrice {
    /// A price in dollars that renews.
    #[must_use]
    pub fn recurring(id: &str, product: &str, amount: i64, every: TimeDelta) -> NewPrice {
        let every = Some(every);
        NewPrice { every, ..NewPrice::one_time(id, product, amount) }
    }

    /// A price in dollars that is paid once.
    #[must_use]
    pub fn one_time(id: &str, product: &str, amount: i64) -> NewPrice {
        NewPrice { id: id.to_owned(), product: product.to_owned(), amount, currency: "usd".to_owned(), every: None }
    }
}

/// A customer to add.
#[derive(Debug, Clone, Default)]
pub struct NewCustomer {
    /// On the customer object.
    pub metadata: Metadata,
    /// Its e-mail address.
    pub email: Option<String>,
}

/// A checkout session to go with a purchase.
#[derive(Debug, Clone, Default)]
pub struct NewSession {
    /// What the merchant's page calls the user.
    pub client_reference_id: Option<String>,
    /// On the session object only.
    pub metadata: Metadata,
}

/// How invoices of a subscription are collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Collection {
    /// From the payment method on file.
    #[default]
    ChargeAutomatically,
    /// By an invoice that the customer pays when they will.
    SendInvoice,
}

/// How the first payment goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FirstPayment {
    /// The money is there at once.
    #[default]
    Paid,
    /// The card is declined.
    Failed,
    /// A bank debit that takes days; `complete_async_payment` ends it.
    Pending,
}

/// A subscription to begin.
#[derive(Debug, Clone, Default)]
pub struct NewSubscription {
    /// An existing customer; `None` makes a new one.
    pub customer: Option<String>,
    /// Prices with their quantities, one item each.
    pub prices: Vec<(String, u64)>,
    /// One-time prices with their quantities, sold with it on its first invoice.
    pub once: Vec<(String, u64)>,
    /// On the subscription object.
    pub metadata: Metadata,
    /// Begun in Checkout; `None` for one made through the API.
    pub session: Option<NewSession>,
    /// A free time at the beginning.
    pub trial: Option<TimeDelta>,
    /// How it is collected.
    pub collection: Collection,
    /// How the first payment goes.
    pub first_payment: FirstPayment,
}

/// A one-time purchase in Checkout.
#[derive(Debug, Clone, Default)]
pub struct NewPayment {
    /// An existing customer; `None` buys as a guest.
    pub customer: Option<String>,
    /// Prices with their quantities.
    pub prices: Vec<(String, u64)>,
    /// What the session says of the user.
    pub session: NewSession,
    /// Whether an invoice is made for it.
    pub invoice_creation: bool,
    /// Whether the money is there at once; otherwise `complete_async_payment` ends it.
    pub paid: bool,
}

/// An object that a move has made.
#[derive(Debug, Clone)]
pub struct Made {
    /// Its id.
    pub id: String,
    /// What Stripe sends for it.
    pub events: Vec<Event>,
}

/// What a new subscription consists of.
#[derive(Debug, Clone)]
pub struct Subscribed {
    /// `cus_…`.
    pub customer: String,
    /// `sub_…`.
    pub subscription: String,
    /// `si_…`, in the order of the prices.
    pub items: Vec<String>,
    /// The first `in_…`.
    pub invoice: String,
    /// `cs_test_…`, when there was a checkout.
    pub session: Option<String>,
    /// What Stripe sends for it.
    pub events: Vec<Event>,
}

/// What a one-time purchase consists of.
#[derive(Debug, Clone)]
pub struct Purchase {
    /// `cs_test_…`.
    pub session: String,
    /// `pi_…`; none when there was nothing to pay.
    pub payment_intent: Option<String>,
    /// `in_…`, when one was asked for.
    pub invoice: Option<String>,
    /// What Stripe sends for it.
    pub events: Vec<Event>,
}

fn as_json(metadata: &Metadata) -> Value {
    json!(metadata)
}
