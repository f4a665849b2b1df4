//! Which invoice bills the running term of an item.

use crate::model::billing::{Invoice, InvoiceReason, Item, Line, Period, Subscription};

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
