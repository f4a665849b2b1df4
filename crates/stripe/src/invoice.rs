//! Invoices of a subscription, in the old shape and the new.

use entitlement::billing::{self, InvoiceReason, InvoiceStatus, Item, MoneyBack};
use entitlement::failure::Failure;
use entitlement::money::Money;
use entitlement::worth::bills;
use serde::{Deserialize, Serialize};
use stripe_billing::invoice::{ListInvoice, RetrieveInvoice};
use stripe_client_core::{RequestBuilder, StripeMethod, StripeRequest};

use crate::api::Api;
use crate::discount::{self, Discounts};
use crate::line;
use crate::shape::{List, Object, Ref, Seconds, named, read};

/// Pages of 100 lines read of one invoice beyond those it carries.
const LINE_PAGES: usize = 10;

/// Pages of 100 invoices read of one subscription.
const INVOICE_PAGES: usize = 5;

/// An invoice as Stripe writes it.
#[derive(Clone, Debug, Deserialize)]
struct Written {
    id: String,
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
    #[serde(default)]
    lines: Option<List>,
    /// Read from what may stand there, since no access hangs on it.
    #[serde(default)]
    discounts: Option<Object>,
    /// Of old versions.
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

/// The invoice that a subscription carries or names as its latest.
///
/// # Errors
/// Outer: the request failed. Inner: it cannot be read, in words.
pub(crate) async fn latest(api: Api<'_>, latest: &Object) -> Result<Result<billing::Invoice, String>, Failure> {
    let fetched;
    let object = match latest.unexpanded() {
        Some(id) => {
            fetched = api.get(&format!("invoice `{id}`"), RetrieveInvoice::new(id.as_str()).build()).await?;
            &fetched
        }
        None => latest,
    };
    let mut invoice = match readable(object) {
        Ok(invoice) => invoice,
        Err(why) => return Ok(Err(why)),
    };
    complete(api, &mut invoice).await?;
    Ok(invoice.billing())
}

/// The other invoices of a subscription, newest first, until each item's last paid term is among them.
///
/// # Errors
/// Outer: a request failed. Inner: one cannot be read, in words.
pub(crate) async fn former(
    api: Api<'_>,
    subscription: &str,
    latest: &billing::Invoice,
    items: &[Item],
    discounts: Discounts,
) -> Result<Result<Vec<billing::Invoice>, String>, Failure> {
    let request = |after: Option<String>| {
        let list = ListInvoice::new().subscription(subscription).limit(100);
        let list = match discounts {
            Discounts::Wanted => list.expand(vec!["data.discounts".to_owned()]),
            Discounts::NotWanted => list,
        };
        after.into_iter().fold(list, ListInvoice::starting_after).build()
    };
    let enough = |list: &List| invoices(list, subscription, latest).is_ok_and(|read| covers(&read, items));
    let what = format!("invoices of `{subscription}`");
    let list = api.finish(&what, List::unread(), INVOICE_PAGES, request, enough).await?;
    let mut written = match others(&list, subscription, latest) {
        Ok(written) => written,
        Err(why) => return Ok(Err(why)),
    };
    if let Some(last_paid) = written.iter_mut().find(|invoice| invoice.is_paid_term()) {
        complete(api, last_paid).await?;
    }
    Ok(written.into_iter().map(Written::billing).collect())
}

/// Whether the last paid term of each item is known.
pub(crate) fn covers(invoices: &[billing::Invoice], items: &[Item]) -> bool {
    let terms = || {
        invoices.iter().filter(|invoice| {
            let begins = matches!(invoice.reason, InvoiceReason::SubscriptionCreate | InvoiceReason::SubscriptionCycle);
            begins && invoice.status == InvoiceStatus::Paid
        })
    };
    let billed = |invoice: &billing::Invoice, item| {
        invoice.lines.is_empty() || invoice.lines.iter().any(|line| bills(line, item))
    };
    terms().next().is_some() && items.iter().all(|item| terms().any(|invoice| billed(invoice, item)))
}

/// The latest and those listed so far.
fn invoices(list: &List, subscription: &str, latest: &billing::Invoice) -> Result<Vec<billing::Invoice>, String> {
    let others = others(list, subscription, latest)?.into_iter().map(Written::billing);
    std::iter::once(Ok(latest.clone())).chain(others).collect()
}

fn others(list: &List, subscription: &str, latest: &billing::Invoice) -> Result<Vec<Written>, String> {
    let read: Result<Vec<Written>, String> = list.data.iter().map(readable).collect();
    let wanted = |invoice: &Written| {
        invoice.id != latest.id && invoice.of_subscription().is_none_or(|named| named == subscription)
    };
    Ok(read?.into_iter().filter(wanted).collect())
}

fn readable(object: &Object) -> Result<Written, String> {
    read(object).map_err(|why| format!("invoice `{}`: {why}", named(object)))
}

#[derive(Serialize)]
struct LinesQuery {
    limit: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    starting_after: Option<String>,
}

/// Reads the lines beyond those an invoice carries. async-stripe has no request for them without a further feature.
async fn complete(api: Api<'_>, invoice: &mut Written) -> Result<(), Failure> {
    let Some(lines) = invoice.lines.take() else { return Ok(()) };
    let path = format!("/invoices/{}/lines", invoice.id);
    let request = |starting_after: Option<String>| {
        RequestBuilder::new(StripeMethod::Get, path.clone()).query(&LinesQuery { limit: 100, starting_after })
    };
    let what = format!("lines of invoice `{}`", invoice.id);
    invoice.lines = Some(api.finish(&what, lines, LINE_PAGES, request, |_| false).await?);
    Ok(())
}

impl Written {
    fn of_subscription(&self) -> Option<&str> {
        let details = self.parent.as_ref().and_then(|parent| parent.subscription_details.as_ref());
        details.and_then(|details| details.subscription.get()).or_else(|| self.subscription.get())
    }

    fn is_paid_term(&self) -> bool {
        let reason = self.billing_reason.as_deref();
        self.status() == InvoiceStatus::Paid && matches!(reason, Some("subscription_create" | "subscription_cycle"))
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

    fn billing(self) -> Result<billing::Invoice, String> {
        let lines = self.lines.as_ref().map_or(&[][..], |lines| lines.data.as_slice());
        let discounts = discount::of_invoice(self.discounts.as_ref());
        let lines = lines.iter().map(|object| read::<line::Written>(object).map(|line| line.billing(&discounts)));
        let lines = lines.collect::<Result<_, _>>().map_err(|why| format!("a line of invoice `{}`: {why}", self.id))?;
        Ok(billing::Invoice {
            status: self.status(),
            reason: self.reason(),
            created: self.created.0,
            paid_at: self.status_transitions.and_then(|transitions| transitions.paid_at).map(|at| at.0),
            total: Money { minor: self.total, currency: self.currency.to_ascii_lowercase() },
            lines,
            money_back: MoneyBack::default(),
            id: self.id,
        })
    }
}
