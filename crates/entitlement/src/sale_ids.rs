//! Which transaction ids a right is told under: the one rule, in one place.
//!
//! The original id of a subscription's chain is the subscription's. Its first term carries that same id (equal ids mean
//! "first purchase" to Adapty); each later paid invoice that bills the item is a transaction of its own. A one-time
//! purchase carries its payment's id twice. A change without a new paid invoice keeps the last transaction.

use chrono::Duration;
use sha2::{Digest, Sha256};

use crate::billing::{Invoice, InvoiceReason, InvoiceStatus, Item, Line, Purchase, PurchaseLine, Subscription};
use crate::catalog::Offering;
use crate::clock::{Timestamp, after};
use crate::money::Money;
use crate::plan::{Offer, Sale, SaleStatus, Until};
use crate::rules::Rules;
use crate::share;
use crate::worth::{billed, bills};

/// The transaction that carries what `item` gives by `offering`.
#[must_use]
pub fn of_item(subscription: &Subscription, item: &Item, offering: &Offering, rules: &Rules) -> Sale {
    let terms = (first_paid(subscription), latest_paid(subscription, item));
    carried(subscription, item, offering, rules, terms)
}

/// That of the invoice that bills the running term: the one whose money went back, when a refund ends the term.
#[must_use]
pub fn of_term(subscription: &Subscription, item: &Item, offering: &Offering, rules: &Rules) -> Sale {
    let terms = match billed(subscription, item) {
        Some(invoice) if invoice.reason == InvoiceReason::SubscriptionCreate => (Some(invoice), None),
        invoice => (None, invoice),
    };
    carried(subscription, item, offering, rules, terms)
}

fn carried(
    subscription: &Subscription,
    item: &Item,
    offering: &Offering,
    rules: &Rules,
    (first, later): (Option<&Invoice>, Option<&Invoice>),
) -> Sale {
    let apart = share::items_apart(subscription, item, offering, rules);
    let trial = later.is_none() && began_with_trial(subscription);
    let price = match (later, first) {
        (Some(invoice), _) => charged(invoice, item, &apart),
        (None, _) if trial => Some(Money::zero(&subscription.currency)),
        (None, Some(invoice)) => charged(invoice, item, &apart),
        (None, None) => None,
    };
    Sale {
        original: subscription.id.clone(),
        id: later.map_or_else(|| subscription.id.clone(), |invoice| invoice.id.clone()),
        product: share::called(offering, &item.product).to_owned(),
        base_plan: item.price.clone(),
        price,
        offer: if trial { Some(Offer::FreeTrial) } else { reduced(later.or(first), item) },
        status: None,
    }
}

/// The transaction of one line of a one-time purchase.
#[must_use]
pub fn of_purchase(purchase: &Purchase, line: &PurchaseLine, offering: &Offering, rules: &Rules) -> Sale {
    let apart = share::lines_apart(purchase, line, offering, rules);
    let same_product = purchase.lines.iter().filter(|other| other.product == line.product && !apart.contains(other));
    let minor = same_product.map(|other| other.amount).fold(0_i64, i64::saturating_add);
    Sale {
        original: purchase.id.clone(),
        id: purchase.id.clone(),
        product: share::called(offering, &line.product).to_owned(),
        base_plan: line.price.clone(),
        price: Some(Money { minor, currency: purchase.total.currency.clone() }),
        offer: None,
        status: None,
    }
}

/// A transaction of `item` with where it stands while it gives access until `until`.
///
/// In grace the running period is not paid: what was paid for ended where it began, and that is when the payment failed.
#[must_use]
pub fn standing_of_item(
    sale: Sale,
    subscription: &Subscription,
    item: &Item,
    until: Timestamp,
    renews: bool,
    grace: bool,
) -> Sale {
    let began = subscription.started.unwrap_or(subscription.created);
    let paid_at = |invoice: &Invoice| invoice.paid_at.unwrap_or(invoice.created);
    let invoice = subscription.invoices.iter().find(|invoice| invoice.id == sale.id);
    let is_first = first_item(subscription).is_none_or(|first| *first == item.id);
    let apart = (!is_first).then_some(item.id.as_str());
    let paid_until = Until::At(if grace { item.period.start } else { until });
    let status = status(&sale, apart, began, invoice.map_or(began, paid_at), paid_until);
    let stopped_at = subscription.canceled_at.or(subscription.ended_at).filter(|_| !renews);
    let payment_failed_at = grace.then_some(item.period.start);
    let (country, variation) = (subscription.country.clone(), subscription.variation.clone());
    let (stop, grace_until) = (subscription.stop.filter(|_| stopped_at.is_some()), grace.then_some(until));
    let status = SaleStatus { renews, stopped_at, stop, payment_failed_at, grace_until, country, variation, ..status };
    Sale { status: Some(Box::new(status)), ..sale }
}

/// The transaction of a line of a one-time purchase with where it stands.
#[must_use]
pub fn standing_of_purchase(
    sale: Sale,
    purchase: &Purchase,
    line: &PurchaseLine,
    paid_at: Timestamp,
    until: Until,
) -> Sale {
    let is_first = purchase.lines.iter().all(|other| line.price <= other.price);
    let apart = (!is_first).then_some(sale.product.as_str());
    let status = status(&sale, apart, paid_at, paid_at, until);
    let (country, variation) = (purchase.country.clone(), purchase.variation.clone());
    let status = SaleStatus { country, variation, ..status };
    Sale { status: Some(Box::new(status)), ..sale }
}

/// The item whose transactions keep the plain ids: the first of the oldest invoice that is known, so that it stays the
/// same whatever is added or removed later; else the first there is.
fn first_item(subscription: &Subscription) -> Option<&String> {
    let oldest = subscription.invoices.iter().min_by_key(|invoice| (invoice.created, &invoice.id));
    let billed = oldest.and_then(|invoice| invoice.lines.iter().filter_map(|line| line.item.as_ref()).min());
    billed.or_else(|| subscription.items.iter().map(|item| &item.id).min())
}

/// One that neither renews nor failed. `apart` keeps the ids of a further product of one payment apart from the first's.
fn status(sale: &Sale, apart: Option<&str>, began: Timestamp, bought_at: Timestamp, paid_until: Until) -> SaleStatus {
    SaleStatus {
        id: entered(&sale.id, apart),
        original: entered(&sale.original, apart),
        bought_at,
        chain_began_at: began.min(bought_at),
        paid_until,
        renews: false,
        stopped_at: None,
        stop: None,
        payment_failed_at: None,
        grace_until: None,
        country: None,
        variation: None,
    }
}

/// The id under which books know `id`; that of a further product of one payment is kept `apart` from the first's.
pub(crate) fn entered(id: &str, apart: Option<&str>) -> String {
    apart.map_or_else(|| short(id), |apart| short(&format!("{id}:{apart}")))
}

/// The longest id that books take: Adapty's `store_transaction_id`.
const LONGEST_ID: usize = 50;

/// An id as it is, or its hash where it is too long, as those of checkout sessions are.
fn short(id: &str) -> String {
    if id.chars().count() <= LONGEST_ID {
        return id.to_owned();
    }
    format!("sha_{}", &hex::encode(Sha256::digest(id))[..40])
}

/// The newest paid invoice after the first that bills `item`.
fn latest_paid<'a>(subscription: &'a Subscription, item: &Item) -> Option<&'a Invoice> {
    subscription
        .invoices
        .iter()
        .filter(|invoice| invoice.status == InvoiceStatus::Paid && invoice.reason != InvoiceReason::SubscriptionCreate)
        .filter(|invoice| invoice.lines.is_empty() || invoice.lines.iter().any(|line| charges(line, item)))
        .max_by_key(|invoice| (invoice.created, &invoice.id))
}

fn first_paid(subscription: &Subscription) -> Option<&Invoice> {
    subscription
        .invoices
        .iter()
        .filter(|invoice| invoice.status == InvoiceStatus::Paid && invoice.reason == InvoiceReason::SubscriptionCreate)
        .max_by_key(|invoice| (invoice.created, &invoice.id))
}

/// The offer by which `invoice` charged less for `item`.
fn reduced(invoice: Option<&Invoice>, item: &Item) -> Option<Offer> {
    let mut lines = invoice?.lines.iter().filter(|line| charges(line, item));
    lines.find_map(|line| line.discount.as_ref()).map(Offer::of)
}

/// Whether `line` bills `item` and is no credit for it.
fn charges(line: &Line, item: &Item) -> bool {
    bills(line, item) && line.amount >= 0
}

/// Whether the first term is a trial; a trial added later belongs to no first purchase.
fn began_with_trial(subscription: &Subscription) -> bool {
    let begin = subscription.started.unwrap_or(subscription.created).min(subscription.created);
    subscription.trial.is_some_and(|trial| trial.start <= after(begin, Duration::days(1)) && trial.end > begin)
}

/// What `invoice` charged for the product of `item` without the items that are told `apart`; what bills none of them goes
/// with the first. An invoice without lines does not say.
fn charged(invoice: &Invoice, item: &Item, apart: &[&Item]) -> Option<Money> {
    if invoice.lines.is_empty() {
        return None;
    }
    let for_product = invoice.lines.iter().filter(|line| match &line.product {
        Some(product) => product == &item.product,
        None => line.price.as_ref() == Some(&item.price),
    });
    let is_first = apart.iter().all(|other| item.id <= other.id);
    let of_none = |line: &Line| is_first && !apart.iter().any(|other| bills(line, other));
    let of_item = for_product.filter(|line| of_none(line) || bills(line, item));
    let minor = of_item.map(|line| line.amount).fold(0_i64, i64::saturating_add);
    Some(Money { minor: minor.max(0), currency: invoice.total.currency.clone() })
}
