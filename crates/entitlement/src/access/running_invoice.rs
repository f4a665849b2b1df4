//! Which invoice bills the running term of an item, and to where the terms before it are paid.

use std::cmp::Reverse;

use crate::model::billing::{Collection, Invoice, InvoiceReason, InvoiceStatus, Item, Line, Period, Subscription};
use crate::model::clock::Timestamp;
use crate::model::rules::{Choice, Policy, Unpaid};

/// What is known of the invoice that bills the running term.
pub(crate) enum RunningInvoice<'a> {
    /// No invoice is known that bills it.
    Unknown,
    /// The newest is of a former period: the running one is not billed yet.
    NotBilledYet,
    Billed(&'a Invoice),
}

/// The invoice that bills the running term of `item`, where one is known.
#[must_use]
pub fn billed<'a>(subscription: &'a Subscription, item: &Item) -> Option<&'a Invoice> {
    match running_invoice(subscription, item) {
        RunningInvoice::Billed(invoice) => Some(invoice),
        RunningInvoice::Unknown | RunningInvoice::NotBilledYet => None,
    }
}

/// The newest invoice that begins a term of `item`.
pub(crate) fn running_invoice<'a>(subscription: &'a Subscription, item: &Item) -> RunningInvoice<'a> {
    let terms = subscription.invoices.iter().filter(|invoice| begins_term(invoice, item));
    match terms.max_by_key(|invoice| (invoice.created, &invoice.id)) {
        None => RunningInvoice::Unknown,
        Some(newest) if is_former(newest, item) => RunningInvoice::NotBilledYet,
        Some(newest) => RunningInvoice::Billed(newest),
    }
}

/// To where `item` is paid for, when its running term is not: the start of the first of the unpaid terms in a row.
pub(crate) fn paid_through(subscription: &Subscription, item: &Item, policy: &Policy) -> Timestamp {
    let running = billed(subscription, item).map(|invoice| &invoice.id);
    let terms = subscription.invoices.iter().filter(|invoice| begins_term(invoice, item));
    let mut former: Vec<&Invoice> = terms.filter(|invoice| Some(&invoice.id) != running).collect();
    former.sort_by_key(|invoice| Reverse((invoice.created, &invoice.id)));
    let unpaid = former.into_iter().take_while(|invoice| is_unpaid(invoice, subscription, policy));
    unpaid.map(|invoice| term_start(invoice, item)).fold(item.period.start, Timestamp::min)
}

/// Whether nothing was paid for what `invoice` bills, and nothing is trusted or waived.
pub(crate) fn is_unpaid(invoice: &Invoice, subscription: &Subscription, policy: &Policy) -> bool {
    match &invoice.status {
        InvoiceStatus::Paid | InvoiceStatus::Unknown(_) => false,
        InvoiceStatus::Draft | InvoiceStatus::Open => !is_waived(invoice, policy) && !is_trusted(subscription, policy),
        InvoiceStatus::Void | InvoiceStatus::Uncollectible => !is_waived(invoice, policy),
    }
}

/// Whether nobody is asked to pay `invoice`: a pause of the collection, which keeps access, closed it or left it as a draft.
pub(crate) fn is_waived(invoice: &Invoice, policy: &Policy) -> bool {
    let is_closed = match invoice.status {
        InvoiceStatus::Draft | InvoiceStatus::Void | InvoiceStatus::Uncollectible => true,
        InvoiceStatus::Open | InvoiceStatus::Paid | InvoiceStatus::Unknown(_) => false,
    };
    is_closed && invoice.is_uncollected && policy.pause_collection == Choice::Keep
}

/// Whether an invoice that was sent counts as paid before it is.
pub(crate) fn is_trusted(subscription: &Subscription, policy: &Policy) -> bool {
    subscription.collection == Collection::SendInvoice && policy.unpaid_invoice == Unpaid::Grant
}

/// Usage is billed after the fact, by the invoice that begins the next term.
fn term_start(invoice: &Invoice, item: &Item) -> Timestamp {
    let periods = invoice.lines.iter().filter(|line| bills(line, item)).filter_map(|line| line.period);
    let ahead = periods.filter(|period| period.end > invoice.created);
    ahead.map(|period| period.start).min().unwrap_or(invoice.created)
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

/// Whether `invoice` bills `item`; one whose lines are not known bills everything.
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
    let billed = |period: Period| period.end <= item.period.start;
    invoice.created < item.period.start && ends.clone().next().is_some() && ends.all(billed)
}
