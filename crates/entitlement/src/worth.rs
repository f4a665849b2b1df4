//! What one item of a subscription is worth, whatever levels it gives.

use crate::billing::{Collection, Invoice, InvoiceReason, InvoiceStatus, Item, Line, Status, Subscription};
use crate::clock::{Timestamp, after};
use crate::plan::Refund;
use crate::reason::Reason;
use crate::refund::{self, Effect};
use crate::rules::{Choice, Policy, Unpaid};

/// What an item is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Worth {
    /// Access to a moment.
    Until {
        at: Timestamp,
        renews: bool,
        grace: bool,
        because: Reason,
    },
    Nothing(Refund, Reason),
    Unsure(Reason),
}

/// What `item` is worth at `now`, by what is paid.
#[must_use]
pub fn worth(
    subscription: &Subscription,
    item: &Item,
    policy: &Policy,
    alarms: &mut Vec<Reason>,
    now: Timestamp,
) -> Worth {
    let chain = subscription.id.clone();
    let nothing = |because| Worth::Nothing(Refund::No, because);
    if item.quantity == 0 {
        return nothing(Reason::NothingOrdered { chain });
    }
    let running = match &subscription.status {
        Status::Incomplete => return nothing(Reason::NotPaidYet { chain, status: "incomplete".into() }),
        Status::IncompleteExpired => return nothing(Reason::NotPaidYet { chain, status: "incomplete_expired".into() }),
        Status::Unpaid => return nothing(Reason::PaymentFailedForGood { chain }),
        Status::Paused => return nothing(Reason::Paused { chain }),
        Status::Unknown(status) => {
            return Worth::Unsure(Reason::UnknownStatus { chain, status: status.clone() });
        }
        Status::Canceled => canceled(subscription, item, now),
        Status::Trialing => trialing(subscription, item, policy),
        Status::Active => active(subscription, item, policy),
        Status::PastDue => past_due(subscription, item, policy),
    };
    let limited = limited(running, subscription.cancel_at);
    refunded(limited, subscription, item, policy, alarms)
}

/// Access ends when the subscription did, not with the period it was canceled in.
fn canceled(subscription: &Subscription, item: &Item, now: Timestamp) -> Worth {
    let at = subscription.ended_at.unwrap_or_else(|| now.min(item.period.end));
    Worth::Until { at, renews: false, grace: false, because: Reason::Ended { chain: subscription.id.clone(), at } }
}

fn trialing(subscription: &Subscription, item: &Item, policy: &Policy) -> Worth {
    let end = subscription.trial.map_or(item.period.end, |trial| trial.end);
    let renews = renews(subscription, end);
    let because = Reason::Trial { chain: subscription.id.clone(), end };
    Worth::Until { at: held(end, renews, policy), renews, grace: false, because }
}

fn active(subscription: &Subscription, item: &Item, policy: &Policy) -> Worth {
    if subscription.collection_paused {
        return collection_paused(subscription, item, policy);
    }
    let term = match term(subscription, item) {
        Term::Untold => return paid(subscription, item, policy),
        Term::NotBilledYet => return not_billed_yet(subscription, item, policy),
        Term::Billed(term) => term,
    };
    match &term.status {
        InvoiceStatus::Paid => paid(subscription, item, policy),
        InvoiceStatus::Draft | InvoiceStatus::Open => awaiting(subscription, item, term, policy),
        InvoiceStatus::Void | InvoiceStatus::Uncollectible => never_paid(subscription, item, term),
        InvoiceStatus::Unknown(status) => unknown_invoice(term, status),
    }
}

fn paid(subscription: &Subscription, item: &Item, policy: &Policy) -> Worth {
    let (chain, period_end) = (subscription.id.clone(), item.period.end);
    let renews = renews(subscription, period_end);
    let end = subscription.cancel_at.map_or(period_end, |cancel_at| cancel_at.min(period_end));
    let because = if renews { Reason::Paid { chain, end } } else { Reason::PaidAndEnds { chain, end } };
    Worth::Until { at: held(end, renews, policy), renews, grace: false, because }
}

/// The period moved, the money did not: the former period was paid to where this one begins.
fn awaiting(subscription: &Subscription, item: &Item, term: &Invoice, policy: &Policy) -> Worth {
    let (chain, invoice) = (subscription.id.clone(), term.id.clone());
    if subscription.collection == Collection::SendInvoice && policy.unpaid_invoice == Unpaid::Grant {
        let (end, renews) = (item.period.end, renews(subscription, item.period.end));
        let because = Reason::SentInvoiceTrusted { chain, invoice };
        return Worth::Until { at: held(end, renews, policy), renews, grace: false, because };
    }
    if term.reason == InvoiceReason::SubscriptionCreate {
        return Worth::Nothing(Refund::No, Reason::InvoiceNotPaid { chain, invoice });
    }
    let paid_end = item.period.start;
    let because = Reason::AwaitingPayment { chain, invoice, paid_end };
    Worth::Until { at: after(paid_end, policy.slack()), renews: true, grace: false, because }
}

fn not_billed_yet(subscription: &Subscription, item: &Item, policy: &Policy) -> Worth {
    let paid_end = item.period.start;
    let because = Reason::NotBilledYet { chain: subscription.id.clone(), paid_end };
    Worth::Until { at: after(paid_end, policy.slack()), renews: true, grace: false, because }
}

fn collection_paused(subscription: &Subscription, item: &Item, policy: &Policy) -> Worth {
    let (chain, end) = (subscription.id.clone(), item.period.end);
    match policy.pause_collection {
        Choice::Revoke => Worth::Nothing(Refund::No, Reason::CollectionPausedWithholds { chain }),
        Choice::Keep => {
            let renews = renews(subscription, end);
            let because = Reason::CollectionPaused { chain, end };
            Worth::Until { at: held(end, renews, policy), renews, grace: false, because }
        }
    }
}

/// The payment of the running period failed: access from its start for as long as grace lasts.
fn past_due(subscription: &Subscription, item: &Item, policy: &Policy) -> Worth {
    let (chain, unpaid_since) = (subscription.id.clone(), item.period.start);
    let renews = renews(subscription, item.period.end);
    let at = after(unpaid_since, policy.grace());
    let grace = Reason::Grace { chain: chain.clone(), unpaid_since };
    let in_grace = Worth::Until { at, renews, grace: true, because: grace };
    let Term::Billed(term) = term(subscription, item) else { return in_grace };
    match &term.status {
        // the running term is paid; some other invoice is overdue
        InvoiceStatus::Paid => {
            let because = Reason::PaidAndEnds { chain, end: item.period.end };
            Worth::Until { at: at.max(item.period.end), renews: false, grace: false, because }
        }
        InvoiceStatus::Void | InvoiceStatus::Uncollectible => never_paid(subscription, item, term),
        InvoiceStatus::Draft | InvoiceStatus::Open if term.reason == InvoiceReason::SubscriptionCreate => {
            Worth::Nothing(Refund::No, Reason::InvoiceNotPaid { chain, invoice: term.id.clone() })
        }
        InvoiceStatus::Draft | InvoiceStatus::Open => in_grace,
        InvoiceStatus::Unknown(status) => unknown_invoice(term, status),
    }
}

/// The running term will not be paid: access ends where it began.
fn never_paid(subscription: &Subscription, item: &Item, term: &Invoice) -> Worth {
    let because = Reason::InvoiceNotPaid { chain: subscription.id.clone(), invoice: term.id.clone() };
    Worth::Until { at: item.period.start, renews: false, grace: false, because }
}

fn unknown_invoice(term: &Invoice, status: &str) -> Worth {
    Worth::Unsure(Reason::UnknownStatus { chain: term.id.clone(), status: status.to_owned() })
}

/// Whether another period follows the one that ends at `end`.
fn renews(subscription: &Subscription, end: Timestamp) -> bool {
    !subscription.stops_at_period_end && subscription.cancel_at.is_none_or(|at| at > end)
}

/// While it will renew, access is held a little past the paid end; else exactly to it.
fn held(end: Timestamp, renews: bool, policy: &Policy) -> Timestamp {
    if renews { after(end, policy.slack()) } else { end }
}

fn limited(worth: Worth, cancel_at: Option<Timestamp>) -> Worth {
    match (worth, cancel_at) {
        (Worth::Until { at, renews, grace, because }, Some(limit)) => {
            Worth::Until { at: at.min(limit), renews, grace, because }
        }
        (worth, _) => worth,
    }
}

/// What is known of the invoice of the running term.
enum Term<'a> {
    /// No invoice says anything about it.
    Untold,
    /// The newest is of a former period: the running one is not billed yet.
    NotBilledYet,
    Billed(&'a Invoice),
}

/// The invoice that bills the running term of `item`, where one is known.
#[must_use]
pub fn billed<'a>(subscription: &'a Subscription, item: &Item) -> Option<&'a Invoice> {
    match term(subscription, item) {
        Term::Billed(invoice) => Some(invoice),
        Term::Untold | Term::NotBilledYet => None,
    }
}

/// The newest invoice that begins a term of `item`.
fn term<'a>(subscription: &'a Subscription, item: &Item) -> Term<'a> {
    let terms = subscription.invoices.iter().filter(|invoice| begins_term(invoice, item));
    match terms.max_by_key(|invoice| (invoice.created, &invoice.id)) {
        None => Term::Untold,
        Some(newest) if is_former(newest, item) => Term::NotBilledYet,
        Some(newest) => Term::Billed(newest),
    }
}

/// The first invoice, a renewal, or a change that begins a whole new period (monthly to yearly).
fn begins_term(invoice: &Invoice, item: &Item) -> bool {
    let whole_period = |line: &Line| bills(line, item) && !line.proration && line.period == Some(item.period);
    match &invoice.reason {
        InvoiceReason::SubscriptionCreate | InvoiceReason::SubscriptionCycle => concerns(invoice, item),
        InvoiceReason::SubscriptionUpdate => invoice.lines.iter().any(whole_period),
        InvoiceReason::SubscriptionThreshold | InvoiceReason::Manual | InvoiceReason::Other(_) => false,
    }
}

/// Whether `invoice` bills `item`; one whose lines are not told bills everything.
fn concerns(invoice: &Invoice, item: &Item) -> bool {
    invoice.lines.is_empty() || invoice.lines.iter().any(|line| bills(line, item))
}

/// Whether `line` bills `item`, under its price of now or a former one.
#[must_use]
pub fn bills(line: &Line, item: &Item) -> bool {
    match &line.item {
        Some(id) => id == &item.id,
        None => line.price.as_ref() == Some(&item.price),
    }
}

/// Made before the running period began, for a period that was over by then. (Usage is billed after the fact, by an
/// invoice made when the next period begins.)
fn is_former(invoice: &Invoice, item: &Item) -> bool {
    let mut ends = invoice.lines.iter().filter(|line| bills(line, item)).filter_map(|line| line.period);
    let billed = |period: crate::billing::Period| period.end <= item.period.start;
    invoice.created < item.period.start && ends.clone().next().is_some() && ends.all(billed)
}

/// Takes back what a payment that went back had paid for.
fn refunded(
    worth: Worth,
    subscription: &Subscription,
    item: &Item,
    policy: &Policy,
    alarms: &mut Vec<Reason>,
) -> Worth {
    let Worth::Until { .. } = worth else { return worth };
    let Some(term) = billed(subscription, item) else { return worth };
    match refund::effect(&term.id, term.total.minor, &term.money_back, policy) {
        Effect::Stands => worth,
        Effect::StandsBut(because) => {
            alarms.push(because);
            worth
        }
        Effect::Withheld(refund, because) => Worth::Nothing(refund, because),
    }
}
