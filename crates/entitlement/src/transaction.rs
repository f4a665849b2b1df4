//! Which transaction ids a right is told under: the one rule, in one place.
//!
//! The original id of a subscription's chain is the subscription's. Its first term carries that same id (equal ids mean
//! "first purchase" to Adapty); each later paid invoice that bills the item is a transaction of its own. A one-time
//! purchase carries its payment's id twice. A change without a new paid invoice keeps the last transaction.

use chrono::Duration;
use sha2::{Digest, Sha256};

use crate::billing::{
    DisputeState, Invoice, InvoiceReason, InvoiceStatus, Item, Line, Purchase, PurchaseLine, Subscription,
};
use crate::catalog::Offering;
use crate::clock::{Timestamp, after};
use crate::money::Money;
use crate::plan::{Offer, Standing, Transaction, Until};
use crate::worth::bills;

/// The transaction that carries what `item` gives by `offering`.
#[must_use]
pub fn of_item(subscription: &Subscription, item: &Item, offering: &Offering) -> Transaction {
    let later = latest_paid(subscription, item);
    let first = first_paid(subscription);
    let trial = later.is_none() && began_with_trial(subscription);
    let price = match (later, first) {
        (Some(invoice), _) => charged(invoice, item),
        (None, _) if trial => Some(Money::zero(&subscription.currency)),
        (None, Some(invoice)) => charged(invoice, item),
        (None, None) => None,
    };
    Transaction {
        original: subscription.id.clone(),
        id: later.map_or_else(|| subscription.id.clone(), |invoice| invoice.id.clone()),
        product: offering.vendor_product_id.clone().unwrap_or_else(|| item.product.clone()),
        base_plan: item.price.clone(),
        price,
        offer: trial.then_some(Offer::FreeTrial),
        standing: None,
    }
}

/// The transaction of one line of a one-time purchase.
#[must_use]
pub fn of_purchase(purchase: &Purchase, line: &PurchaseLine, offering: &Offering) -> Transaction {
    let same_product = purchase.lines.iter().filter(|other| other.product == line.product);
    let minor = same_product.map(|other| other.amount).fold(0_i64, i64::saturating_add);
    Transaction {
        original: purchase.id.clone(),
        id: purchase.id.clone(),
        product: offering.vendor_product_id.clone().unwrap_or_else(|| line.product.clone()),
        base_plan: line.price.clone(),
        price: Some(Money { minor, currency: purchase.total.currency.clone() }),
        offer: None,
        standing: None,
    }
}

/// Where the transaction of `item` stands while it gives access until `until`.
///
/// In grace the running period is not paid: what was paid for ended where it began, and that is when the payment failed.
#[must_use]
pub fn standing_of_item(
    subscription: &Subscription,
    item: &Item,
    until: Timestamp,
    renews: bool,
    grace: bool,
) -> Standing {
    let began = subscription.started.unwrap_or(subscription.created);
    let paid_at = |invoice: &Invoice| invoice.paid_at.unwrap_or(invoice.created);
    let bought_at = latest_paid(subscription, item).map_or(began, paid_at);
    let paid_until = if grace { item.period.start } else { until };
    Standing {
        bought_at,
        chain_began_at: began.min(bought_at),
        paid_until: Until::At(paid_until),
        renews,
        payment_failed_at: grace.then_some(item.period.start),
    }
}

/// The newest transaction of `item` whose money went back in full; else the newest.
#[must_use]
pub fn refunded_of_item(subscription: &Subscription, item: &Item, offering: &Offering) -> Transaction {
    let newest = of_item(subscription, item, offering);
    let lost =
        |invoice: &Invoice| invoice.money_back.disputes.iter().any(|dispute| dispute.state == DisputeState::Lost);
    let whole = |invoice: &Invoice| invoice.total.minor > 0 && invoice.money_back.refunded >= invoice.total.minor;
    let gone = |invoice: &&Invoice| whole(invoice) || lost(invoice);
    let paid = subscription.invoices.iter().filter(|invoice| invoice.status == InvoiceStatus::Paid);
    let billing =
        paid.filter(|invoice| invoice.lines.is_empty() || invoice.lines.iter().any(|line| charges(line, item)));
    let Some(invoice) = billing.filter(gone).max_by_key(|invoice| (invoice.created, &invoice.id)) else {
        let standing = standing_of_item(subscription, item, item.period.end, false, false);
        return Transaction { standing: Some(Box::new(standing)), ..newest };
    };
    let is_first = invoice.reason == InvoiceReason::SubscriptionCreate;
    let began = subscription.started.unwrap_or(subscription.created);
    let bought_at = if is_first { began } else { invoice.paid_at.unwrap_or(invoice.created) };
    let term = invoice.lines.iter().filter(|line| charges(line, item)).find_map(|line| line.period);
    let paid_until = Until::At(term.map_or(item.period.end, |term| term.end));
    let standing = Standing {
        bought_at,
        chain_began_at: began.min(bought_at),
        paid_until,
        renews: false,
        payment_failed_at: None,
    };
    Transaction {
        id: if is_first { subscription.id.clone() } else { invoice.id.clone() },
        price: charged(invoice, item),
        offer: None,
        standing: Some(Box::new(standing)),
        ..newest
    }
}

/// The longest transaction id that a destination with books takes: Adapty's `store_transaction_id`.
const LONGEST_ID: usize = 50;

/// The transaction with ids that such books can hold: each of one product alone, and none too long.
#[must_use]
pub fn fit(transaction: Transaction, is_first: bool) -> Transaction {
    let of_product = |id: &str| if is_first { id.to_owned() } else { format!("{id}:{}", transaction.product) };
    let (id, original) = (short(&of_product(&transaction.id)), short(&of_product(&transaction.original)));
    Transaction { id, original, ..transaction }
}

/// An id as it is, or its hash where it is too long, as those of checkout sessions are.
fn short(id: &str) -> String {
    if id.chars().count() <= LONGEST_ID {
        return id.to_owned();
    }
    format!("sha_{}", &hex::encode(Sha256::digest(id))[..40])
}

/// Where a one-time purchase stands.
#[must_use]
pub fn standing_of_purchase(paid_at: Timestamp, until: Until) -> Standing {
    Standing { bought_at: paid_at, chain_began_at: paid_at, paid_until: until, renews: false, payment_failed_at: None }
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

/// Whether `line` bills `item` and is no credit for it.
fn charges(line: &Line, item: &Item) -> bool {
    bills(line, item) && line.amount >= 0
}

/// Whether the first term is a trial; a trial added later belongs to no first purchase.
fn began_with_trial(subscription: &Subscription) -> bool {
    let begin = subscription.started.unwrap_or(subscription.created).min(subscription.created);
    subscription.trial.is_some_and(|trial| trial.start <= after(begin, Duration::days(1)) && trial.end > begin)
}

/// What `invoice` charged for the product of `item`; an invoice without lines does not say.
fn charged(invoice: &Invoice, item: &Item) -> Option<Money> {
    if invoice.lines.is_empty() {
        return None;
    }
    let for_product = invoice.lines.iter().filter(|line| match &line.product {
        Some(product) => product == &item.product,
        None => line.price.as_ref() == Some(&item.price),
    });
    let minor = for_product.map(|line| line.amount).fold(0_i64, i64::saturating_add);
    Some(Money { minor: minor.max(0), currency: invoice.total.currency.clone() })
}
