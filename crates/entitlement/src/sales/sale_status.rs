//! How the subscription or purchase behind a sale stands, for destinations that keep sales.

use crate::model::billing::{Invoice, Item, Purchase, PurchaseLine, SoldOn, Subscription};
use crate::model::clock::Timestamp;
use crate::model::sale::{Sale, SaleStatus, reported_id};
use crate::model::until::Until;

/// To when an item is covered, whether it renews, and since when it is not paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Covered {
    /// Final: slack, grace and the end of a cancellation are in it.
    pub until: Timestamp,
    pub renews: bool,
    /// The start of what is not paid, while it is covered by grace.
    pub unpaid_since: Option<Timestamp>,
}

/// The sale of `item` with its status while it gives access as it is `covered`.
///
/// In grace, what was paid for ended where the first unpaid period began, and that is when the payment failed.
#[must_use]
pub fn of_item(sale: Sale, subscription: &Subscription, item: &Item, covered: Covered) -> Sale {
    let began = subscription.started.unwrap_or(subscription.created);
    let invoice = subscription.invoices.iter().find(|invoice| invoice.id == sale.id);
    let bought_at = invoice.map_or(began, paid_at);
    let stopped_at = subscription.canceled_at.or(subscription.ended_at).filter(|_| !covered.renews);
    let status = SaleStatus {
        paid_until: Until::At(covered.unpaid_since.unwrap_or(covered.until)),
        renews: covered.renews,
        stopped_at,
        stop: subscription.stop.filter(|_| stopped_at.is_some()),
        payment_failed_at: covered.unpaid_since,
        grace_until: covered.unpaid_since.map(|_| covered.until),
        country: subscription.country.clone(),
        variation: subscription.variation.clone(),
        ..bought(&sale, apart(subscription, item), began, bought_at)
    };
    Sale { status: Some(Box::new(status)), ..sale }
}

/// The sale of a line of a one-time purchase with its status.
#[must_use]
pub fn of_purchase(sale: Sale, purchase: &Purchase, line: &PurchaseLine, paid_at: Timestamp, until: Until) -> Sale {
    let is_first = purchase.lines.iter().all(|other| line.price <= other.price);
    let is_plain = is_first && purchase.sold_on != SoldOn::SubscriptionInvoice;
    let apart = (!is_plain).then_some(sale.product.as_str());
    let status = SaleStatus {
        paid_until: until,
        country: purchase.country.clone(),
        variation: purchase.variation.clone(),
        ..bought(&sale, apart, paid_at, paid_at)
    };
    Sale { status: Some(Box::new(status)), ..sale }
}

/// What is over or stops, as it renews no more; its end stays that of what was paid for.
#[must_use]
pub fn stopped(status: &SaleStatus, ended: &SaleStatus) -> SaleStatus {
    let (stopped_at, stop) = (ended.stopped_at, ended.stop);
    SaleStatus { renews: false, stopped_at, stop, grace_until: None, ..status.clone() }
}

fn paid_at(invoice: &Invoice) -> Timestamp {
    invoice.paid_at.unwrap_or(invoice.created)
}

/// What keeps the ids of `item` apart from those of the first item; nothing for the first.
fn apart<'a>(subscription: &Subscription, item: &'a Item) -> Option<&'a str> {
    let is_first = first_item(subscription).is_none_or(|first| *first == item.id);
    (!is_first).then_some(item.id.as_str())
}

/// The item whose transactions keep the plain ids: the first of the oldest invoice that is known, so that it stays the
/// same whatever is added or removed later; else the first there is.
fn first_item(subscription: &Subscription) -> Option<&String> {
    let oldest = subscription.invoices.iter().min_by_key(|invoice| (invoice.created, &invoice.id));
    let billed = oldest.and_then(|invoice| invoice.lines.iter().filter_map(|line| line.item.as_ref()).min());
    billed.or_else(|| subscription.items.iter().map(|item| &item.id).min())
}

/// A sale that neither renews nor failed. `apart` keeps the ids of a further product of one payment apart from the first's.
fn bought(sale: &Sale, apart: Option<&str>, began: Timestamp, bought_at: Timestamp) -> SaleStatus {
    SaleStatus {
        id: reported_id(&sale.id, apart),
        original: reported_id(&sale.original, apart),
        bought_at,
        chain_began_at: began.min(bought_at),
        paid_until: Until::At(bought_at),
        renews: false,
        stopped_at: None,
        stop: None,
        payment_failed_at: None,
        grace_until: None,
        country: None,
        variation: None,
    }
}
