//! To when one item of a subscription is covered by money, whatever levels it gives.

use crate::access::running_invoice::{RunningInvoice, billed, is_trusted, is_waived, paid_through, running_invoice};
use crate::model::billing::{Invoice, InvoiceReason, InvoiceStatus, Item, Status, Subscription};
use crate::model::clock::{Timestamp, after};
use crate::model::expected::Refund;
use crate::model::reason::Reason;
use crate::model::rules::{Choice, Policy};
use crate::sales::refund::{Effect, Refunds};
use crate::sales::sale_status::Covered;

/// How an item is covered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Coverage {
    Until(Covered, Reason),
    Nothing(Refund, Reason),
    Unknown(Reason),
}

impl Coverage {
    pub(crate) fn to(until: Timestamp, renews: bool, because: Reason) -> Self {
        Self::Until(Covered { until, renews, unpaid_since: None }, because)
    }
}

/// How `item` is covered at `now`, by what is paid.
#[must_use]
pub fn coverage(
    subscription: &Subscription,
    item: &Item,
    policy: &Policy,
    refunds: &Refunds,
    now: Timestamp,
) -> Coverage {
    let chain = subscription.id.clone();
    let nothing = |because| Coverage::Nothing(Refund::No, because);
    if item.quantity == 0 {
        return nothing(Reason::NothingOrdered { chain });
    }
    let running = match &subscription.status {
        Status::Incomplete => return nothing(Reason::NotPaidYet { chain, status: "incomplete".into() }),
        Status::IncompleteExpired => return nothing(Reason::NotPaidYet { chain, status: "incomplete_expired".into() }),
        Status::Unpaid => return nothing(Reason::PaymentFailedForGood { chain }),
        Status::Paused => return nothing(Reason::Paused { chain }),
        Status::Unknown(status) => {
            return Coverage::Unknown(Reason::UnknownStatus { chain, status: status.clone() });
        }
        Status::Canceled => canceled(subscription, item, now),
        Status::Trialing => trialing(subscription, item, policy),
        Status::Active => active(subscription, item, policy),
        Status::PastDue => past_due(subscription, item, policy),
    };
    let limited = limited(running, subscription.cancel_at);
    without_refunded(limited, subscription, item, refunds)
}

/// Access ends when the subscription did, not with the period it was canceled in.
fn canceled(subscription: &Subscription, item: &Item, now: Timestamp) -> Coverage {
    let at = subscription.ended_at.unwrap_or_else(|| now.min(item.period.end));
    Coverage::to(at, false, Reason::Ended { chain: subscription.id.clone(), at })
}

fn trialing(subscription: &Subscription, item: &Item, policy: &Policy) -> Coverage {
    let end = subscription.trial.map_or(item.period.end, |trial| trial.end);
    let renews = renews(subscription, end);
    let because = Reason::Trial { chain: subscription.id.clone(), end };
    Coverage::to(held(end, renews, policy), renews, because)
}

fn active(subscription: &Subscription, item: &Item, policy: &Policy) -> Coverage {
    if subscription.collection_paused {
        return collection_paused(subscription, item, policy);
    }
    let invoice = match running_invoice(subscription, item) {
        RunningInvoice::Unknown => return paid(subscription, item, policy),
        RunningInvoice::NotBilledYet => return not_billed_yet(subscription, item, policy),
        RunningInvoice::Billed(invoice) => invoice,
    };
    match &invoice.status {
        InvoiceStatus::Paid => paid(subscription, item, policy),
        InvoiceStatus::Unknown(status) => unknown_invoice(invoice, status),
        _ if is_waived(invoice, policy) => waived(subscription, item, invoice, policy),
        InvoiceStatus::Draft | InvoiceStatus::Open => awaiting(subscription, item, invoice, policy),
        InvoiceStatus::Void | InvoiceStatus::Uncollectible => never_paid(subscription, item, invoice, policy),
    }
}

fn paid(subscription: &Subscription, item: &Item, policy: &Policy) -> Coverage {
    let period_end = item.period.end;
    let renews = renews(subscription, period_end);
    let end = subscription.cancel_at.map_or(period_end, |cancel_at| cancel_at.min(period_end));
    Coverage::to(held(end, renews, policy), renews, paid_to(subscription, end, renews))
}

fn paid_to(subscription: &Subscription, end: Timestamp, renews: bool) -> Reason {
    let chain = subscription.id.clone();
    if renews { Reason::Paid { chain, end } } else { Reason::PaidAndEnds { chain, end } }
}

/// The period moved, the money did not: only what is before it may be paid.
fn awaiting(subscription: &Subscription, item: &Item, invoice: &Invoice, policy: &Policy) -> Coverage {
    let chain = subscription.id.clone();
    if is_trusted(subscription, policy) {
        let (end, renews) = (item.period.end, renews(subscription, item.period.end));
        let because = Reason::SentInvoiceTrusted { chain, invoice: invoice.id.clone() };
        return Coverage::to(held(end, renews, policy), renews, because);
    }
    if invoice.reason == InvoiceReason::SubscriptionCreate {
        return Coverage::Nothing(Refund::No, Reason::InvoiceNotPaid { chain, invoice: invoice.id.clone() });
    }
    if invoice.is_processing {
        return processing(subscription, paid_through(subscription, item, policy), item, invoice, policy);
    }
    let paid_end = paid_through(subscription, item, policy);
    let because = Reason::AwaitingPayment { chain, invoice: invoice.id.clone(), paid_end };
    Coverage::to(after(paid_end, policy.slack()), true, because)
}

/// The payment of what is unpaid `since` then is on its way: a bank debit takes days. It covers no more than the period.
pub(crate) fn processing(
    subscription: &Subscription,
    since: Timestamp,
    item: &Item,
    invoice: &Invoice,
    policy: &Policy,
) -> Coverage {
    let until = after(since, policy.processing()).min(item.period.end);
    let (chain, invoice) = (subscription.id.clone(), invoice.id.clone());
    let because = Reason::Processing { chain, invoice, until };
    limited(Coverage::to(until, renews(subscription, item.period.end), because), subscription.cancel_at)
}

/// A pause of the collection closed the invoice of the running term, or left it as a draft: nobody is to pay it.
fn waived(subscription: &Subscription, item: &Item, invoice: &Invoice, policy: &Policy) -> Coverage {
    let (end, renews) = (item.period.end, renews(subscription, item.period.end));
    let because = Reason::Waived { chain: subscription.id.clone(), invoice: invoice.id.clone(), end };
    Coverage::to(held(end, renews, policy), renews, because)
}

fn not_billed_yet(subscription: &Subscription, item: &Item, policy: &Policy) -> Coverage {
    let paid_end = paid_through(subscription, item, policy);
    let because = Reason::NotBilledYet { chain: subscription.id.clone(), paid_end };
    Coverage::to(after(paid_end, policy.slack()), true, because)
}

fn collection_paused(subscription: &Subscription, item: &Item, policy: &Policy) -> Coverage {
    let (chain, end) = (subscription.id.clone(), item.period.end);
    match policy.pause_collection {
        Choice::Revoke => Coverage::Nothing(Refund::No, Reason::CollectionPausedWithholds { chain }),
        Choice::Keep => {
            let renews = renews(subscription, end);
            let because = Reason::CollectionPaused { chain, end };
            Coverage::to(held(end, renews, policy), renews, because)
        }
    }
}

fn past_due(subscription: &Subscription, item: &Item, policy: &Policy) -> Coverage {
    let RunningInvoice::Billed(invoice) = running_invoice(subscription, item) else {
        return grace(subscription, paid_through(subscription, item, policy), item, policy);
    };
    match &invoice.status {
        // the running term is paid; some other invoice is overdue. A grace that is longer than the period stays
        InvoiceStatus::Paid => {
            let (end, renews) = (item.period.end, renews(subscription, item.period.end));
            let graced = after(item.period.start, policy.grace());
            Coverage::to(end.max(graced), renews, paid_to(subscription, end, renews))
        }
        InvoiceStatus::Unknown(status) => unknown_invoice(invoice, status),
        _ if is_waived(invoice, policy) => waived(subscription, item, invoice, policy),
        InvoiceStatus::Void | InvoiceStatus::Uncollectible => never_paid(subscription, item, invoice, policy),
        InvoiceStatus::Draft | InvoiceStatus::Open if invoice.reason == InvoiceReason::SubscriptionCreate => {
            let (chain, invoice) = (subscription.id.clone(), invoice.id.clone());
            Coverage::Nothing(Refund::No, Reason::InvoiceNotPaid { chain, invoice })
        }
        InvoiceStatus::Draft | InvoiceStatus::Open if invoice.is_processing => {
            processing(subscription, paid_through(subscription, item, policy), item, invoice, policy)
        }
        InvoiceStatus::Draft | InvoiceStatus::Open => {
            grace(subscription, paid_through(subscription, item, policy), item, policy)
        }
    }
}

/// A payment failed: access for the grace from where the unpaid time began.
pub(crate) fn grace(subscription: &Subscription, since: Timestamp, item: &Item, policy: &Policy) -> Coverage {
    let renews = renews(subscription, item.period.end);
    let covered = Covered { until: after(since, policy.grace()), renews, unpaid_since: Some(since) };
    let because = Reason::Grace { chain: subscription.id.clone(), unpaid_since: since };
    limited(Coverage::Until(covered, because), subscription.cancel_at)
}

/// The running term will not be paid: access ends where the paid time did.
fn never_paid(subscription: &Subscription, item: &Item, invoice: &Invoice, policy: &Policy) -> Coverage {
    let because = Reason::InvoiceNotPaid { chain: subscription.id.clone(), invoice: invoice.id.clone() };
    Coverage::to(paid_through(subscription, item, policy), false, because)
}

fn unknown_invoice(invoice: &Invoice, status: &str) -> Coverage {
    Coverage::Unknown(Reason::UnknownStatus { chain: invoice.id.clone(), status: status.to_owned() })
}

/// Whether another period follows the one that ends at `end`.
fn renews(subscription: &Subscription, end: Timestamp) -> bool {
    !subscription.stops_at_period_end && subscription.cancel_at.is_none_or(|at| at > end)
}

/// While it will renew, access is held a little past the paid end; else exactly to it.
fn held(end: Timestamp, renews: bool, policy: &Policy) -> Timestamp {
    if renews { after(end, policy.slack()) } else { end }
}

pub(crate) fn limited(coverage: Coverage, cancel_at: Option<Timestamp>) -> Coverage {
    match (coverage, cancel_at) {
        (Coverage::Until(covered, because), Some(limit)) => {
            Coverage::Until(Covered { until: covered.until.min(limit), ..covered }, because)
        }
        (coverage, _) => coverage,
    }
}

/// Takes back what a payment that went back had paid for.
fn without_refunded(coverage: Coverage, subscription: &Subscription, item: &Item, refunds: &Refunds) -> Coverage {
    let Coverage::Until(..) = coverage else { return coverage };
    match money_back(subscription, item, refunds) {
        Effect::Stands | Effect::StandsBut(_) => coverage,
        Effect::Withheld(refund, because) => Coverage::Nothing(*refund, because.clone()),
    }
}

/// What became of the money of the running term of `item`.
#[must_use]
pub fn money_back<'a>(subscription: &Subscription, item: &Item, refunds: &'a Refunds) -> &'a Effect {
    billed(subscription, item).map_or(&Effect::Stands, |invoice| refunds.of_invoice(subscription, invoice))
}
