//! The Invoice object as Stripe writes it, in the old shape and the new.

use entitlement::model::account::Account;
use entitlement::model::billing::{
    self, Collection, InvoiceReason, InvoiceStatus, MoneyBack, Purchase, PurchaseLine, PurchaseState, SoldOn,
};
use entitlement::model::clock::Timestamp;
use entitlement::model::money::Money;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::discount;
use crate::line::LineObject;
use crate::shape::{List, Object, Ref, Seconds, read};

/// <https://docs.stripe.com/api/invoices/object>.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct InvoiceObject {
    pub(super) id: String,
    #[serde(default)]
    pub(super) lines: Option<List>,
    #[serde(default)]
    status: Option<String>,
    /// Of old versions.
    #[serde(default)]
    paid: Option<bool>,
    #[serde(default)]
    billing_reason: Option<String>,
    created: Seconds,
    #[serde(default)]
    status_transitions: Option<Transitions>,
    total: i64,
    currency: String,
    /// Read from what may stand there, since no access hangs on it.
    #[serde(default)]
    discounts: Option<Object>,
    /// Before 2025-03-31.basil; since then in `parent`
    /// (<https://docs.stripe.com/changelog/basil/2025-03-31/adds-new-parent-field-to-invoicing-objects>).
    #[serde(default)]
    subscription: Ref,
    #[serde(default)]
    parent: Option<Parent>,
    #[serde(default)]
    collection_method: Option<String>,
    #[serde(default)]
    attempted: Option<bool>,
    #[serde(default)]
    attempt_count: Option<i64>,
    #[serde(default)]
    auto_advance: Option<bool>,
    /// Of old versions: its id, or the object where it was expanded.
    #[serde(default)]
    pub(super) payment_intent: Value,
    #[serde(default)]
    test_clock: Option<IgnoredAny>,
    #[serde(default)]
    pub(super) livemode: Option<bool>,
}

#[derive(Clone, Debug, Deserialize)]
struct Transitions {
    #[serde(default)]
    paid_at: Option<Seconds>,
}

#[derive(Clone, Debug, Deserialize)]
struct Parent {
    #[serde(default)]
    subscription_details: Option<SubscriptionDetails>,
}

#[derive(Clone, Debug, Deserialize)]
struct SubscriptionDetails {
    #[serde(default)]
    subscription: Ref,
}

impl InvoiceObject {
    /// In the words of the core; `collection` is that of its subscription, for an invoice that does not say its own.
    ///
    /// # Errors
    /// Which line cannot be read, and why.
    pub(super) fn into_invoice(self, collection: Collection) -> Result<billing::Invoice, String> {
        Ok(billing::Invoice {
            status: self.status(),
            reason: self.reason(),
            created: self.created.0,
            paid_at: self.paid_at(),
            total: self.total(),
            lines: self.billed_lines()?,
            is_processing: false,
            is_uncollected: self.is_uncollected(collection),
            money_back: MoneyBack::default(),
            id: self.id,
        })
    }

    /// What was sold once on it, beside the terms of subscriptions; `None` when nothing was.
    ///
    /// # Errors
    /// Which line cannot be read, and why.
    pub(super) fn purchase(&self, account: &Account) -> Result<Option<Purchase>, String> {
        let lines = self.lines_sold_once()?;
        Ok((!lines.is_empty() && self.status() == InvoiceStatus::Paid).then(|| Purchase {
            account: account.clone(),
            id: self.id.clone(),
            state: PurchaseState::Paid(self.paid_at().unwrap_or(self.created.0)),
            created: self.created.0,
            total: self.total(),
            lines,
            money_back: MoneyBack::default(),
            on_test_clock: self.test_clock.is_some(),
            sold_on: self.sold_on(),
            country: None,
            variation: None,
        }))
    }

    /// The first term of a subscription has the subscription's id, each later one that of its invoice.
    fn sold_on(&self) -> SoldOn {
        match (self.of_subscription(), self.reason()) {
            (Some(_), reason) if reason != InvoiceReason::SubscriptionCreate => SoldOn::SubscriptionInvoice,
            (Some(_) | None, _) => SoldOn::Invoice,
        }
    }

    /// How it is collected, by itself, else as `subscription` is.
    pub(super) fn collection(&self, subscription: Collection) -> Collection {
        match self.collection_method.as_deref() {
            Some("send_invoice") => Collection::SendInvoice,
            Some(_) => Collection::Automatic,
            None => subscription,
        }
    }

    pub(super) fn of_subscription(&self) -> Option<&str> {
        let details = self.parent.as_ref().and_then(|parent| parent.subscription_details.as_ref());
        details.and_then(|details| details.subscription.get()).or_else(|| self.subscription.get())
    }

    pub(super) fn is_paid_term(&self) -> bool {
        let reason = self.billing_reason.as_deref();
        self.status() == InvoiceStatus::Paid && matches!(reason, Some("subscription_create" | "subscription_cycle"))
    }

    fn paid_at(&self) -> Option<Timestamp> {
        self.status_transitions.as_ref().and_then(|transitions| transitions.paid_at).map(|at| at.0)
    }

    fn total(&self) -> Money {
        Money { minor: self.total, currency: self.currency.to_ascii_lowercase() }
    }

    /// By what a pause of the collection leaves of an invoice
    /// (<https://docs.stripe.com/billing/subscriptions/pause-payment>). Nobody charges for one that is sent.
    fn is_uncollected(&self, subscription: Collection) -> bool {
        match (self.collection(subscription), self.status()) {
            (Collection::SendInvoice, _) => false,
            (Collection::Automatic, InvoiceStatus::Void | InvoiceStatus::Uncollectible) => !self.was_attempted(),
            (Collection::Automatic, InvoiceStatus::Draft) => self.auto_advance == Some(false),
            (Collection::Automatic, InvoiceStatus::Open | InvoiceStatus::Paid | InvoiceStatus::Unknown(_)) => false,
        }
    }

    /// One that says nothing of it counts as attempted.
    fn was_attempted(&self) -> bool {
        match (self.attempted, self.attempt_count) {
            (None, None) => true,
            (attempted, count) => attempted == Some(true) || count.is_some_and(|count| count > 0),
        }
    }

    fn lines_sold_once(&self) -> Result<Vec<PurchaseLine>, String> {
        let lines = self.lines.iter().flat_map(|lines| &lines.data);
        let sold_once =
            lines.filter_map(|object| read::<LineObject>(object).and_then(|line| line.sold_once()).transpose());
        sold_once.collect::<Result<_, _>>().map_err(|why| self.unreadable_line(&why))
    }

    fn billed_lines(&self) -> Result<Vec<billing::Line>, String> {
        let discounts = discount::of_invoice(self.discounts.as_ref());
        let lines = self.lines.iter().flat_map(|lines| &lines.data);
        let read_line = |object| read::<LineObject>(object).map(|line| line.into_line(&discounts));
        lines.map(read_line).collect::<Result<_, _>>().map_err(|why| self.unreadable_line(&why))
    }

    fn unreadable_line(&self, why: &str) -> String {
        format!("a line of invoice `{}`: {why}", self.id)
    }

    pub(super) fn status(&self) -> InvoiceStatus {
        match (self.status.as_deref(), self.paid) {
            (Some("paid"), _) | (None, Some(true)) => InvoiceStatus::Paid,
            (Some("open"), _) | (None, Some(false)) => InvoiceStatus::Open,
            (Some("draft"), _) => InvoiceStatus::Draft,
            (Some("void"), _) => InvoiceStatus::Void,
            (Some("uncollectible"), _) => InvoiceStatus::Uncollectible,
            (Some(other), _) => InvoiceStatus::Unknown(other.to_owned()),
            (None, None) => InvoiceStatus::Unknown("missing".to_owned()),
        }
    }

    fn reason(&self) -> InvoiceReason {
        match self.billing_reason.as_deref() {
            Some("subscription_create") => InvoiceReason::SubscriptionCreate,
            Some("subscription_cycle") => InvoiceReason::SubscriptionCycle,
            Some("subscription_update") => InvoiceReason::SubscriptionUpdate,
            Some("subscription_threshold") => InvoiceReason::SubscriptionThreshold,
            Some("manual") => InvoiceReason::Manual,
            Some(other) => InvoiceReason::Other(other.to_owned()),
            None => InvoiceReason::Other("missing".to_owned()),
        }
    }
}
