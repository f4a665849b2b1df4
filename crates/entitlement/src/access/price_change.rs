//! A change of price that is billed and not paid: the new price has the grace, and the old one is kept to its paid end.
//!
//! A change that bills nothing is as it stands: whoever sells asked for no money.

use crate::access::coverage::{Coverage, grace, limited, processing};
use crate::access::running_invoice::{RunningInvoice, bills, is_unpaid, running_invoice};
use crate::model::access_level::AccessLevel;
use crate::model::billing::{Invoice, InvoiceReason, InvoiceStatus, Item, Line, Status, Subscription};
use crate::model::catalog::{Catalog, Mapped};
use crate::model::clock::Timestamp;
use crate::model::expected::Refund;
use crate::model::reason::Reason;
use crate::model::rules::Rules;
use crate::sales::refund::{Effect, Refunds};

/// What `item` gives of `level` after a change of its price that is billed and not paid; `None` where there is no such
/// change, or the level is paid for at its former price as well.
pub(crate) fn unpaid_change(
    subscription: &Subscription,
    item: &Item,
    level: &AccessLevel,
    rules: &Rules,
) -> Option<Coverage> {
    if subscription.collection_paused || !is_running(subscription) || !may_be_paid(subscription, item) {
        return None;
    }
    let changes =
        changes(subscription, rules).flat_map(|invoice| invoice.lines.iter().map(move |line| (invoice, line)));
    let charges = changes
        .filter(|(_, line)| is_charge(line) && is_of(line, item) && gives(line, level, &rules.catalog) == Some(true));
    let (invoice, line) = charges.max_by_key(|(invoice, _)| (invoice.created, &invoice.id))?;
    let since = line.period.map_or(invoice.created, |period| period.start).max(item.period.start);
    if is_paid_at(subscription, level, since, &rules.catalog) {
        return None;
    }
    let policy = &rules.policy;
    match &invoice.status {
        InvoiceStatus::Draft | InvoiceStatus::Open if invoice.is_processing => {
            Some(processing(subscription, since, item, invoice, policy))
        }
        InvoiceStatus::Draft | InvoiceStatus::Open => Some(grace(subscription, since, item, policy)),
        InvoiceStatus::Void | InvoiceStatus::Uncollectible => {
            let (chain, invoice) = (subscription.id.clone(), invoice.id.clone());
            Some(Coverage::Nothing(Refund::No, Reason::InvoiceNotPaid { chain, invoice }))
        }
        InvoiceStatus::Paid | InvoiceStatus::Unknown(_) => None,
    }
}

/// What was paid for and is credited by a change that is not paid, and so still stands: as an item of its own, covered to
/// the end of what was paid.
pub(crate) fn kept(subscription: &Subscription, rules: &Rules, refunds: &Refunds) -> Vec<(Item, Coverage)> {
    if !is_running(subscription) {
        return Vec::new();
    }
    let credits = changes(subscription, rules).flat_map(|invoice| invoice.lines.iter().filter(|line| line.amount < 0));
    let mut kept: Vec<(Item, Coverage)> = credits
        .filter_map(|credit| paid_for(subscription, credit))
        .filter_map(|(invoice, line)| kept_item(subscription, invoice, line, refunds))
        .collect();
    kept.sort_by(|(one, _), (other, _)| (&one.id, &one.price).cmp(&(&other.id, &other.price)));
    kept.dedup_by(|(one, _), (other, _)| (&one.id, &one.price) == (&other.id, &other.price));
    kept
}

/// Whether `line` bills `item` for a part of its running period.
fn is_of(line: &Line, item: &Item) -> bool {
    bills(line, item) && line.period.is_none_or(|period| period.end > item.period.start)
}

/// Whether the running term of `item` is paid, or nobody says what bills it, as of an item that was just added.
fn may_be_paid(subscription: &Subscription, item: &Item) -> bool {
    match running_invoice(subscription, item) {
        RunningInvoice::Billed(invoice) => invoice.status == InvoiceStatus::Paid,
        RunningInvoice::Unknown => true,
        RunningInvoice::NotBilledYet => false,
    }
}

fn is_running(subscription: &Subscription) -> bool {
    match &subscription.status {
        Status::Active | Status::PastDue => true,
        Status::Incomplete
        | Status::IncompleteExpired
        | Status::Trialing
        | Status::Unpaid
        | Status::Canceled
        | Status::Paused
        | Status::Unknown(_) => false,
    }
}

/// Invoices of changes in mid-period that are not paid.
fn changes<'a>(subscription: &'a Subscription, rules: &'a Rules) -> impl Iterator<Item = &'a Invoice> {
    let unpaid = subscription.invoices.iter().filter(|invoice| is_unpaid(invoice, subscription, &rules.policy));
    unpaid.filter(|invoice| match invoice.reason {
        InvoiceReason::SubscriptionUpdate | InvoiceReason::Manual | InvoiceReason::Other(_) => true,
        InvoiceReason::SubscriptionCreate | InvoiceReason::SubscriptionCycle | InvoiceReason::SubscriptionThreshold => {
            false
        }
    })
}

/// Whether a price that gives `level` was paid for at `at`. A paid invoice without lines may have billed anything.
fn is_paid_at(subscription: &Subscription, level: &AccessLevel, at: Timestamp, catalog: &Catalog) -> bool {
    let mut paid = subscription.invoices.iter().filter(|invoice| invoice.status == InvoiceStatus::Paid);
    if paid.any(|invoice| invoice.lines.is_empty()) {
        return true;
    }
    let mut charges = paid_lines(subscription).filter(|(_, line)| gives(line, level, catalog) != Some(false));
    charges.any(|(_, line)| line.period.is_none_or(|period| period.start <= at && period.end > at))
}

/// The newest charge that `credit` takes back.
fn paid_for<'a>(subscription: &'a Subscription, credit: &Line) -> Option<(&'a Invoice, &'a Line)> {
    let same = paid_lines(subscription)
        .filter(|(_, line)| (&line.item, &line.price) == (&credit.item, &credit.price) && ends_together(line, credit));
    same.max_by_key(|(invoice, _)| (invoice.created, &invoice.id))
}

fn ends_together(line: &Line, credit: &Line) -> bool {
    line.period.is_some_and(|paid| credit.period.is_none_or(|credited| credited.end == paid.end))
}

fn paid_lines(subscription: &Subscription) -> impl Iterator<Item = (&Invoice, &Line)> {
    let paid = subscription.invoices.iter().filter(|invoice| invoice.status == InvoiceStatus::Paid);
    paid.flat_map(|invoice| invoice.lines.iter().filter(|line| is_charge(line)).map(move |line| (invoice, line)))
}

fn kept_item(
    subscription: &Subscription,
    invoice: &Invoice,
    line: &Line,
    refunds: &Refunds,
) -> Option<(Item, Coverage)> {
    let item = Item {
        id: line.item.clone().unwrap_or_default(),
        price: line.price.clone()?,
        product: line.product.clone().unwrap_or_default(),
        quantity: 1,
        period: line.period?,
    };
    let end = item.period.end;
    let coverage = match refunds.of_invoice(subscription, invoice) {
        Effect::Withheld(refund, because) => Coverage::Nothing(*refund, because.clone()),
        Effect::Stands | Effect::StandsBut(_) => {
            Coverage::to(end, false, Reason::PaidAndEnds { chain: subscription.id.clone(), end })
        }
    };
    Some((item, limited(coverage, subscription.cancel_at)))
}

/// Whether the price of `line` gives `level`; `None` where the line does not say its price.
fn gives(line: &Line, level: &AccessLevel, catalog: &Catalog) -> Option<bool> {
    let price = line.price.as_ref()?;
    Some(match catalog.of(price, line.product.as_deref().unwrap_or_default()) {
        Mapped::Gives(offerings) => offerings.iter().any(|offering| offering.level == *level),
        // what nobody lists was granted nothing for
        Mapped::Ignored | Mapped::Unmapped => false,
    })
}

fn is_charge(line: &Line) -> bool {
    line.amount >= 0
}
