//! The sale behind a right: its transaction ids, its price, and its offer.
//!
//! The original id of a subscription's chain is the subscription's. Its first term carries that same id (equal ids mean
//! "first purchase" to Adapty); each later paid invoice that bills the item is a transaction of its own. A one-time
//! purchase carries its payment's id twice. A change without a new paid invoice keeps the last transaction.

use chrono::Duration;

use crate::access::running_invoice::{billed, bills};
use crate::model::billing::{Invoice, InvoiceReason, InvoiceStatus, Item, Line, Purchase, PurchaseLine, Subscription};
use crate::model::catalog::Offering;
use crate::model::clock::after;
use crate::model::money::Money;
use crate::model::rules::Rules;
use crate::model::sale::{Offer, Sale};
use crate::sales::allocation;

/// The sale that carries what `item` gives by `offering`: that of the latest term that is paid.
#[must_use]
pub fn item(subscription: &Subscription, item: &Item, offering: &Offering, rules: &Rules) -> Sale {
    let renewal = latest_paid(subscription, item);
    sold(subscription, item, offering, rules, renewal, renewal.or_else(|| first_paid(subscription)))
}

/// That of the invoice that bills the running term: the one whose money went back, when a refund ends the term.
#[must_use]
pub fn running_term(subscription: &Subscription, item: &Item, offering: &Offering, rules: &Rules) -> Sale {
    let paid = billed(subscription, item);
    let renewal = paid.filter(|invoice| invoice.reason != InvoiceReason::SubscriptionCreate);
    sold(subscription, item, offering, rules, renewal, paid)
}

/// `renewal`: the invoice that gives the sale its id, none for the first term; `paid`: the invoice that charged for it.
fn sold(
    subscription: &Subscription,
    item: &Item,
    offering: &Offering,
    rules: &Rules,
    renewal: Option<&Invoice>,
    paid: Option<&Invoice>,
) -> Sale {
    let is_trial = renewal.is_none() && began_with_trial(subscription);
    Sale {
        original: subscription.id.clone(),
        id: renewal.map_or_else(|| subscription.id.clone(), |invoice| invoice.id.clone()),
        product: allocation::product_name(offering, &item.product).to_owned(),
        base_plan: item.price.clone(),
        price: match paid {
            _ if is_trial => Some(Money::zero(&subscription.currency)),
            Some(invoice) => charged(invoice, item, &allocation::items_apart(subscription, item, offering, rules)),
            None => None,
        },
        offer: if is_trial { Some(Offer::FreeTrial) } else { reduced(paid, item) },
        status: None,
    }
}

/// The sale of one line of a one-time purchase.
#[must_use]
pub fn purchase(purchase: &Purchase, line: &PurchaseLine, offering: &Offering, rules: &Rules) -> Sale {
    let apart = allocation::lines_apart(purchase, line, offering, rules);
    let same_product = purchase.lines.iter().filter(|other| other.product == line.product && !apart.contains(other));
    let minor = same_product.map(|other| other.amount).fold(0_i64, i64::saturating_add);
    Sale {
        original: purchase.id.clone(),
        id: purchase.id.clone(),
        product: allocation::product_name(offering, &line.product).to_owned(),
        base_plan: line.price.clone(),
        price: Some(Money { minor, currency: purchase.total.currency.clone() }),
        offer: None,
        status: None,
    }
}

/// The transaction id of the term that `invoice` of `subscription` pays for.
#[must_use]
pub fn transaction_id(subscription: &Subscription, invoice: &Invoice) -> String {
    match invoice.reason {
        InvoiceReason::SubscriptionCreate => subscription.id.clone(),
        InvoiceReason::SubscriptionCycle
        | InvoiceReason::SubscriptionUpdate
        | InvoiceReason::SubscriptionThreshold
        | InvoiceReason::Manual
        | InvoiceReason::Other(_) => invoice.id.clone(),
    }
}

/// The newest paid invoice after the first that bills `item`.
fn latest_paid<'a>(subscription: &'a Subscription, item: &Item) -> Option<&'a Invoice> {
    let paid = subscription.invoices.iter().filter(|invoice| invoice.status == InvoiceStatus::Paid);
    paid.filter(|invoice| invoice.reason != InvoiceReason::SubscriptionCreate)
        .filter(|invoice| invoice.lines.is_empty() || invoice.lines.iter().any(|line| charges(line, item)))
        .max_by_key(|invoice| (invoice.created, &invoice.id))
}

fn first_paid(subscription: &Subscription) -> Option<&Invoice> {
    let paid = subscription.invoices.iter().filter(|invoice| invoice.status == InvoiceStatus::Paid);
    paid.filter(|invoice| invoice.reason == InvoiceReason::SubscriptionCreate)
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

/// What `invoice` charged for the product of `item` without the items that are reported `apart`. An invoice without lines
/// does not say.
fn charged(invoice: &Invoice, item: &Item, apart: &[&Item]) -> Option<Money> {
    if invoice.lines.is_empty() {
        return None;
    }
    let of_product = invoice.lines.iter().filter(|line| is_for_product(line, item));
    let own = of_product.filter(|line| bills(line, item) || goes_with_first(line, item, apart));
    let minor = own.map(|line| line.amount).fold(0_i64, i64::saturating_add);
    Some(Money { minor: minor.max(0), currency: invoice.total.currency.clone() })
}

fn is_for_product(line: &Line, item: &Item) -> bool {
    match &line.product {
        Some(product) => product == &item.product,
        None => line.price.as_ref() == Some(&item.price),
    }
}

/// A line of the product that bills none of its items, such as one that was removed, goes with the first of them.
fn goes_with_first(line: &Line, item: &Item, apart: &[&Item]) -> bool {
    let is_first = apart.iter().all(|other| item.id <= other.id);
    is_first && !apart.iter().any(|other| bills(line, other))
}
