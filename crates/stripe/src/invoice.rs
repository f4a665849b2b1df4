//! Reads the invoices of a subscription, as many as say what was last paid, and what else invoices sold.

mod object;
pub(crate) mod payment;
pub(crate) mod sold_once;

use entitlement::access::running_invoice::bills;
use entitlement::model::billing::{self, Collection, InvoiceReason, InvoiceStatus, Item};
use entitlement::model::failure::Failure;
use serde::Serialize;
use stripe_billing::invoice::{ListInvoice, RetrieveInvoice};
use stripe_client_core::{RequestBuilder, StripeMethod, StripeRequest};

use self::object::InvoiceObject;
use self::payment::AwaitedPayment;
use crate::api::Api;
use crate::discount::Discounts;
use crate::partial::ReadError;
use crate::shape::{List, Object, named, read};

/// Pages of 100 lines read of one invoice beyond those it carries.
const LINE_PAGES: usize = 10;

/// Pages of 100 invoices read of one subscription.
const INVOICE_PAGES: usize = 5;

/// The latest invoice of a subscription.
pub(crate) struct Latest {
    pub(crate) invoice: billing::Invoice,
    /// The payment of an open one that is collected automatically.
    pub(crate) awaited: Option<AwaitedPayment>,
}

/// The invoice that a subscription carries or names as its latest; `collection` is how the subscription collects.
pub(crate) async fn latest(api: Api<'_>, latest: &Object, collection: Collection) -> Result<Latest, ReadError> {
    let mut invoice = match latest.unexpanded() {
        Some(id) => {
            let fetched = api.get(&format!("invoice `{id}`"), RetrieveInvoice::new(id.as_str()).build()).await?;
            readable(&fetched)?
        }
        None => readable(latest)?,
    };
    read_further_lines(api, &mut invoice).await?;
    let awaited = payment::awaited(&invoice, collection);
    Ok(Latest { invoice: invoice.into_invoice(collection)?, awaited })
}

/// Whose former invoices are read.
#[derive(Clone, Copy)]
pub(crate) struct Former<'a> {
    pub(crate) subscription: &'a str,
    pub(crate) items: &'a [Item],
    pub(crate) collection: Collection,
}

/// The other invoices of a subscription, newest first, until each item's last paid term is among them.
pub(crate) async fn former(
    api: Api<'_>,
    subscription: Former<'_>,
    latest: &billing::Invoice,
    discounts: Discounts,
) -> Result<Vec<billing::Invoice>, ReadError> {
    let Former { subscription, items, collection } = subscription;
    let request = |after: Option<String>| {
        let list = ListInvoice::new().subscription(subscription).limit(100);
        let list = match discounts {
            Discounts::Wanted => list.expand(vec!["data.discounts".to_owned()]),
            Discounts::NotWanted => list,
        };
        after.into_iter().fold(list, ListInvoice::starting_after).build()
    };
    let enough =
        |list: &List| with_latest(list, subscription, latest, collection).is_ok_and(|read| covers(&read, items));
    let what = format!("invoices of `{subscription}`");
    let list = api.finish(&what, List::unread(), INVOICE_PAGES, request, enough).await?;
    let mut others = others(&list, subscription, latest)?;
    if let Some(last_paid) = others.iter_mut().find(|invoice| invoice.is_paid_term()) {
        read_further_lines(api, last_paid).await?;
    }
    Ok(others.into_iter().map(|invoice| invoice.into_invoice(collection)).collect::<Result<_, _>>()?)
}

/// Whether the last paid term of each item is known.
pub(crate) fn covers(invoices: &[billing::Invoice], items: &[Item]) -> bool {
    let paid_terms: Vec<&billing::Invoice> = invoices.iter().filter(|invoice| is_paid_term(invoice)).collect();
    let is_known = |item: &Item| paid_terms.iter().any(|invoice| is_billed_by(item, invoice));
    !paid_terms.is_empty() && items.iter().all(is_known)
}

fn is_paid_term(invoice: &billing::Invoice) -> bool {
    let begins_term = matches!(invoice.reason, InvoiceReason::SubscriptionCreate | InvoiceReason::SubscriptionCycle);
    begins_term && invoice.status == InvoiceStatus::Paid
}

/// An invoice without lines may have billed anything.
fn is_billed_by(item: &Item, invoice: &billing::Invoice) -> bool {
    invoice.lines.is_empty() || invoice.lines.iter().any(|line| bills(line, item))
}

/// The latest and those listed so far.
fn with_latest(
    list: &List,
    subscription: &str,
    latest: &billing::Invoice,
    collection: Collection,
) -> Result<Vec<billing::Invoice>, String> {
    let others = others(list, subscription, latest)?.into_iter();
    let others = others.map(|invoice| invoice.into_invoice(collection));
    std::iter::once(Ok(latest.clone())).chain(others).collect()
}

fn others(list: &List, subscription: &str, latest: &billing::Invoice) -> Result<Vec<InvoiceObject>, String> {
    let mut invoices: Vec<InvoiceObject> = list.data.iter().map(readable).collect::<Result<_, _>>()?;
    invoices.retain(|invoice| {
        invoice.id != latest.id && invoice.of_subscription().is_none_or(|named| named == subscription)
    });
    Ok(invoices)
}

fn readable(object: &Object) -> Result<InvoiceObject, String> {
    read(object).map_err(|why| format!("invoice `{}`: {why}", named(object)))
}

#[derive(Serialize)]
struct LinesQuery {
    limit: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    starting_after: Option<String>,
}

/// Reads the lines beyond those an invoice carries. async-stripe has no request for them without a further feature.
async fn read_further_lines(api: Api<'_>, invoice: &mut InvoiceObject) -> Result<(), Failure> {
    let Some(lines) = invoice.lines.take() else { return Ok(()) };
    let path = format!("/invoices/{}/lines", invoice.id);
    let request = |starting_after: Option<String>| {
        RequestBuilder::new(StripeMethod::Get, path.clone()).query(&LinesQuery { limit: 100, starting_after })
    };
    let what = format!("lines of invoice `{}`", invoice.id);
    invoice.lines = Some(api.finish(&what, lines, LINE_PAGES, request, |_| false).await?);
    Ok(())
}
