//! Customers who live through what customers live through.

use chrono::Duration;

use super::make::{dispute, invoice, item, purchase, refund, sub};
use crate::model::billing::{Billing, DisputeState, Invoice, InvoiceReason, InvoiceStatus, MoneyBack, Period, Status};
use crate::model::billing::{Purchase, Subscription};
use crate::model::clock::Timestamp;
use crate::model::mode::Mode;

/// Numbers as if by chance and are the same for the same seed (xorshift64*).
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number in `0..below`.
    pub(super) fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % below
    }

    pub(super) fn one_in(&mut self, many: u64) -> bool {
        self.roll(many) == 0
    }

    pub(super) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.place(of.len())]
    }

    fn place(&mut self, len: usize) -> usize {
        usize::try_from(self.roll(len as u64)).unwrap()
    }
}

/// What one customer is billed, and how it goes on.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) billing: Billing,
    invoices: u32,
}

impl Life {
    pub(super) fn new() -> Self {
        Self { billing: Billing::empty(Mode::Live), invoices: 0 }
    }

    /// Something happens.
    pub(super) fn goes_on(&mut self, now: Timestamp, dice: &mut Dice) {
        let count = self.billing.subscriptions.len();
        if count == 0 || (count < 3 && dice.one_in(8)) {
            return self.subscribes(now, dice);
        }
        if dice.one_in(12) {
            return self.buys_once(now, dice);
        }
        let place = dice.place(count);
        let number = self.invoices;
        self.invoices += 1;
        let sub = &mut self.billing.subscriptions[place];
        match dice.roll(10) {
            0..=2 => renews(sub, number, now),
            3 => is_billed(sub, InvoiceStatus::Paid, Status::Active, now),
            4 => is_billed(sub, InvoiceStatus::Open, Status::PastDue, now),
            5 => stops(sub, now, dice),
            6 => goes_back(sub, dice),
            7 => changes(sub, number, now),
            8 => pauses_or_resumes(sub),
            _ => is_given_up(sub, now, dice),
        }
    }

    fn subscribes(&mut self, now: Timestamp, dice: &mut Dice) {
        let id = format!("sub_{}", self.billing.subscriptions.len());
        let period = Period { start: now, end: now + Duration::days(30) };
        let price = dice.pick(&["month", "month", "gold"]);
        let mut sub = sub(&id, price, period);
        let status = if dice.one_in(6) { InvoiceStatus::Open } else { InvoiceStatus::Paid };
        if status == InvoiceStatus::Open {
            sub.status = Status::Incomplete;
        } else if dice.one_in(3) {
            let trial = Period { start: now, end: now + Duration::days(7) };
            (sub.status, sub.trial, sub.items[0].period) = (Status::Trialing, Some(trial), trial);
        }
        let period = sub.items[0].period;
        let mut first = invoice(&format!("in_{id}"), InvoiceReason::SubscriptionCreate, status, price, period);
        if sub.trial.is_some() {
            first.total.minor = 0;
            first.lines[0].amount = 0;
        }
        sub.invoices.push(first);
        self.billing.subscriptions.push(sub);
    }

    fn buys_once(&mut self, now: Timestamp, dice: &mut Dice) {
        let id = format!("pi_{}", self.billing.purchases.len());
        match self.billing.purchases.last_mut() {
            Some(last) if dice.one_in(2) => last.money_back = refund(last.total.minor),
            _ => self.billing.purchases.push(Purchase { created: now, ..purchase(&id, "pass", now) }),
        }
    }
}

fn runs(sub: &Subscription) -> bool {
    matches!(sub.status, Status::Active | Status::PastDue | Status::Trialing)
}

/// The period moves, and its invoice is a draft.
fn renews(sub: &mut Subscription, number: u32, now: Timestamp) {
    let period = sub.items[0].period;
    if !runs(sub) || period.end > now {
        return;
    }
    if sub.stops_at_period_end || sub.cancel_at.is_some_and(|at| at <= period.end) {
        (sub.status, sub.ended_at) = (Status::Canceled, Some(period.end));
        return;
    }
    let mut next = period;
    while next.end <= now {
        next = Period { start: next.end, end: next.end + Duration::days(30) };
    }
    let price = sub.items[0].price.clone();
    let cycle = InvoiceReason::SubscriptionCycle;
    sub.invoices.push(invoice(&format!("in_{number}"), cycle, InvoiceStatus::Draft, &price, next));
    (sub.items[0].period, sub.trial) = (next, None);
    if sub.status == Status::Trialing {
        sub.status = Status::Active;
    }
}

fn unpaid(sub: &mut Subscription) -> Option<&mut Invoice> {
    let waits = |of: &&mut Invoice| matches!(of.status, InvoiceStatus::Draft | InvoiceStatus::Open);
    sub.invoices.iter_mut().rev().find(waits)
}

/// The invoice that waits is paid, or fails.
fn is_billed(sub: &mut Subscription, status: InvoiceStatus, then: Status, now: Timestamp) {
    let began = sub.status == Status::Incomplete && then == Status::Active;
    if !(runs(sub) || began || sub.status == Status::Unpaid) {
        return;
    }
    if let Some(invoice) = unpaid(sub) {
        invoice.paid_at = (status == InvoiceStatus::Paid).then_some(now);
        invoice.status = status;
        sub.status = then;
    }
}

fn stops(sub: &mut Subscription, now: Timestamp, dice: &mut Dice) {
    match dice.roll(4) {
        0 => sub.stops_at_period_end = !sub.stops_at_period_end,
        1 => sub.cancel_at = Some(now + Duration::days(10)),
        2 => sub.cancel_at = None,
        _ if runs(sub) => (sub.status, sub.ended_at) = (Status::Canceled, Some(now)),
        _ => {}
    }
}

/// Money goes back, or a refund turns out to have failed.
fn goes_back(sub: &mut Subscription, dice: &mut Dice) {
    let back = match dice.roll(6) {
        0 => MoneyBack::default(),
        1 => refund(500),
        2 => dispute(DisputeState::Open),
        3 if dice.one_in(2) => dispute(DisputeState::Lost),
        3 => dispute(DisputeState::Won),
        _ => refund(999),
    };
    let place = dice.place(sub.invoices.len());
    if sub.invoices[place].status == InvoiceStatus::Paid {
        sub.invoices[place].money_back = back;
    }
}

/// Month to gold or back, with a proration.
fn changes(sub: &mut Subscription, number: u32, now: Timestamp) {
    let period = sub.items[0].period;
    if sub.status != Status::Active || period.end <= now {
        return;
    }
    let price = if sub.items[0].price == "month" { "gold" } else { "month" };
    sub.items[0] = item("si_1", price, period);
    let change = InvoiceReason::SubscriptionUpdate;
    let mut proration = invoice(&format!("in_{number}"), change, InvoiceStatus::Paid, price, period);
    proration.created = now;
    proration.lines[0].proration = true;
    sub.invoices.push(proration);
}

fn pauses_or_resumes(sub: &mut Subscription) {
    match sub.status {
        Status::Active => sub.status = Status::Paused,
        Status::Paused => sub.status = Status::Active,
        Status::Trialing | Status::PastDue => sub.collection_paused = !sub.collection_paused,
        Status::Incomplete | Status::IncompleteExpired | Status::Unpaid | Status::Canceled | Status::Unknown(_) => {}
    }
}

/// All tries to collect failed.
fn is_given_up(sub: &mut Subscription, now: Timestamp, dice: &mut Dice) {
    if sub.status != Status::PastDue {
        return;
    }
    match dice.roll(3) {
        0 => sub.status = Status::Unpaid,
        1 => (sub.status, sub.ended_at) = (Status::Canceled, Some(now)),
        _ => {
            let never = dice.pick(&[true, false]);
            let status = if never { InvoiceStatus::Uncollectible } else { InvoiceStatus::Void };
            unpaid(sub).into_iter().for_each(|invoice| invoice.status = status.clone());
        }
    }
}
