//! The Invoice object as Stripe writes it, in the old shape and the new.

use entitlement::model::billing::{self, InvoiceReason, InvoiceStatus, MoneyBack};
use entitlement::model::money::Money;
use serde::Deserialize;

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
    /// In the words of the core.
    ///
    /// # Errors
    /// Which line cannot be read, and why.
    pub(super) fn into_invoice(self) -> Result<billing::Invoice, String> {
        Ok(billing::Invoice {
            status: self.status(),
            reason: self.reason(),
            created: self.created.0,
            paid_at: self.status_transitions.as_ref().and_then(|transitions| transitions.paid_at).map(|at| at.0),
            total: Money { minor: self.total, currency: self.currency.to_ascii_lowercase() },
            lines: self.billed_lines()?,
            is_processing: false,
            is_uncollected: false,
            money_back: MoneyBack::default(),
            id: self.id,
        })
    }

    pub(super) fn of_subscription(&self) -> Option<&str> {
        let details = self.parent.as_ref().and_then(|parent| parent.subscription_details.as_ref());
        details.and_then(|details| details.subscription.get()).or_else(|| self.subscription.get())
    }

    pub(super) fn is_paid_term(&self) -> bool {
        let reason = self.billing_reason.as_deref();
        self.status() == InvoiceStatus::Paid && matches!(reason, Some("subscription_create" | "subscription_cycle"))
    }

    fn billed_lines(&self) -> Result<Vec<billing::Line>, String> {
        let discounts = discount::of_invoice(self.discounts.as_ref());
        let lines = self.lines.iter().flat_map(|lines| &lines.data);
        let read_line = |object| read::<LineObject>(object).map(|line| line.into_line(&discounts));
        lines.map(read_line).collect::<Result<_, _>>().map_err(|why| format!("a line of invoice `{}`: {why}", self.id))
    }

    fn status(&self) -> InvoiceStatus {
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
