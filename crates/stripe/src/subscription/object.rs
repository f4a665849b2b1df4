//! The Subscription object as Stripe writes it, in the old shape and the new.

use entitlement::model::account::Account;
use entitlement::model::billing::{self, Collection, Item, Period, Status, Stop};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::Subscription;
use crate::shape::{Expandable, List, Metadata, Object, Price, Seconds, named, read};

/// <https://docs.stripe.com/api/subscriptions/object>. `pending_update` is left out: until it is applied the old items are
/// in force (<https://docs.stripe.com/billing/subscriptions/pending-updates>).
#[derive(Clone, Debug, Deserialize)]
pub(super) struct SubscriptionObject {
    pub(super) id: String,
    pub(super) items: List,
    #[serde(default)]
    pub(super) latest_invoice: Option<Object>,
    status: String,
    created: Seconds,
    #[serde(default)]
    start_date: Option<Seconds>,
    #[serde(default)]
    trial_start: Option<Seconds>,
    #[serde(default)]
    trial_end: Option<Seconds>,
    #[serde(default)]
    cancel_at_period_end: Option<bool>,
    #[serde(default)]
    cancel_at: Option<Seconds>,
    #[serde(default)]
    ended_at: Option<Seconds>,
    #[serde(default)]
    canceled_at: Option<Seconds>,
    /// Read from what may stand there, since no access hangs on it.
    #[serde(default)]
    cancellation_details: Value,
    #[serde(default)]
    currency: Option<String>,
    #[serde(default)]
    collection_method: Option<String>,
    #[serde(default)]
    pause_collection: Option<IgnoredAny>,
    #[serde(default)]
    test_clock: Option<IgnoredAny>,
    #[serde(default)]
    livemode: Option<bool>,
    #[serde(default)]
    metadata: Metadata,
    /// Before 2025-03-31.basil; since then on each item
    /// (<https://docs.stripe.com/changelog/basil/2025-03-31/deprecate-subscription-current-period-start-and-end>).
    #[serde(default)]
    current_period_start: Option<Seconds>,
    #[serde(default)]
    current_period_end: Option<Seconds>,
}

/// <https://docs.stripe.com/api/subscription_items/object>.
#[derive(Clone, Debug, Deserialize)]
struct ItemObject {
    id: String,
    #[serde(default)]
    price: Option<Expandable<Price>>,
    /// Of old versions.
    #[serde(default)]
    plan: Option<Expandable<Price>>,
    /// Absent where usage is metered.
    #[serde(default)]
    quantity: Option<i64>,
    #[serde(default)]
    current_period_start: Option<Seconds>,
    #[serde(default)]
    current_period_end: Option<Seconds>,
}

impl SubscriptionObject {
    /// In the words of the core.
    ///
    /// # Errors
    /// What is missing, in words.
    pub(super) fn into_subscription(
        self,
        account: &Account,
        items: Vec<Item>,
        invoices: Vec<billing::Invoice>,
    ) -> Result<Subscription, String> {
        let billing = billing::Subscription {
            account: account.clone(),
            status: self.status(),
            created: self.created.0,
            started: self.start_date.map(|at| at.0),
            trial: self.trial(),
            stops_at_period_end: self.cancel_at_period_end.unwrap_or(false),
            cancel_at: self.cancel_at.map(|at| at.0),
            canceled_at: self.canceled_at.map(|at| at.0),
            stop: self.stop(),
            ended_at: self.ended_at.map(|at| at.0),
            country: None,
            variation: self.metadata.variation(),
            currency: self.currency()?,
            collection: self.collection(),
            collection_paused: self.pause_collection.is_some(),
            items,
            invoices,
            on_test_clock: self.test_clock.is_some(),
            id: self.id,
        };
        Ok(Subscription { billing, metadata: self.metadata, livemode: self.livemode, awaited: None })
    }

    pub(super) fn status(&self) -> Status {
        match self.status.as_str() {
            "incomplete" => Status::Incomplete,
            "incomplete_expired" => Status::IncompleteExpired,
            "trialing" => Status::Trialing,
            "active" => Status::Active,
            "past_due" => Status::PastDue,
            "unpaid" => Status::Unpaid,
            "canceled" => Status::Canceled,
            "paused" => Status::Paused,
            other => Status::Unknown(other.to_owned()),
        }
    }

    /// # Errors
    /// Which item cannot be read, and why.
    pub(super) fn items(&self) -> Result<Vec<Item>, String> {
        let read_item = |object: &Object| read::<ItemObject>(object).and_then(|item| self.item(item));
        let named = |object| read_item(object).map_err(|why| format!("item `{}`: {why}", named(object)));
        self.items.data.iter().map(named).collect()
    }

    fn item(&self, item: ItemObject) -> Result<Item, String> {
        let price = item.price.as_ref().or(item.plan.as_ref()).ok_or_else(|| missing("price"))?;
        let start = item.current_period_start.or(self.current_period_start);
        let end = item.current_period_end.or(self.current_period_end);
        Ok(Item {
            price: price.id().ok_or_else(|| missing("price.id"))?.to_owned(),
            product: price.product().ok_or_else(|| missing("price.product"))?.to_owned(),
            quantity: item.quantity.map_or(1, |quantity| u64::try_from(quantity).unwrap_or(0)),
            period: Period {
                start: start.ok_or_else(|| missing("current_period_start"))?.0,
                end: end.ok_or_else(|| missing("current_period_end"))?.0,
            },
            id: item.id,
        })
    }

    fn trial(&self) -> Option<Period> {
        let (start, end) = self.trial_start.zip(self.trial_end)?;
        Some(Period { start: start.0, end: end.0 })
    }

    fn stop(&self) -> Option<Stop> {
        Some(match self.cancellation_details.get("reason")?.as_str()? {
            "cancellation_requested" => Stop::Asked,
            "payment_failed" => Stop::PaymentFailed,
            "payment_disputed" => Stop::PaymentDisputed,
            _ => Stop::Unknown,
        })
    }

    pub(super) fn collection(&self) -> Collection {
        match self.collection_method.as_deref() {
            Some("send_invoice") => Collection::SendInvoice,
            Some(_) | None => Collection::Automatic,
        }
    }

    /// Its own, or before it had one, that of its first price.
    fn currency(&self) -> Result<String, String> {
        let currency = self.currency.clone().or_else(|| self.currency_of_price());
        Ok(currency.ok_or_else(|| missing("currency"))?.to_ascii_lowercase())
    }

    fn currency_of_price(&self) -> Option<String> {
        let item: ItemObject = read(self.items.data.first()?).ok()?;
        item.price.or(item.plan)?.currency().map(str::to_owned)
    }
}

fn missing(field: &str) -> String {
    format!("missing field `{field}`")
}
