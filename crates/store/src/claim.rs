//! An account taken from the worklist, and the lease it is held under.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use entitlement::model::account::Account;
use entitlement::model::clock::Timestamp;
use entitlement::model::user::User;

/// An account to sync, leased to us.
#[derive(Clone, Debug)]
pub struct Claim {
    pub account: Account,
    /// The app user it belongs to, when that is known.
    pub user: Option<User>,
    /// How many triggers there were so far; the sync answers all of them.
    pub generation: i64,
    /// When the first trigger came that no sync has answered yet.
    pub triggered_at: Option<Timestamp>,
    /// Syncs that failed in a row before this one.
    pub attempts: u32,
    /// When the first of them failed.
    pub failing_since: Option<Timestamp>,
    pub urgency: Urgency,
    pub lease: Lease,
    pub deadline: LeaseDeadline,
}

/// Until when a lease is surely ours; shared with whoever renews it. Asked before anything is sent, so that a process
/// that slept past its lease sends nothing.
#[derive(Clone, Debug, Default)]
pub struct LeaseDeadline(Arc<AtomicI64>);

impl LeaseDeadline {
    /// Sets the deadline; the beginning of time when the lease was lost.
    pub fn set(&self, until: Timestamp) {
        self.0.store(until.timestamp_millis(), Ordering::Release);
    }

    /// Whether the lease is still ours at `now`.
    #[must_use]
    pub fn is_ahead(&self, now: Timestamp) -> bool {
        now.timestamp_millis() < self.0.load(Ordering::Acquire)
    }
}

/// How long syncs of an account may go on failing before it is parked.
const RETRY_FOR: chrono::Duration = chrono::Duration::days(3);

impl Claim {
    /// Whether an event alone made it due: neither did its time come, nor did somebody ask.
    #[must_use]
    pub fn is_from_event(&self) -> bool {
        self.urgency == Urgency::Fresh && self.triggered_at.is_some()
    }

    /// Whether syncs of the account have failed for so long that a further failure is parked.
    #[must_use]
    pub fn has_exhausted_retries(&self, now: Timestamp) -> bool {
        self.failing_since.is_some_and(|since| now - since > RETRY_FOR)
    }
}

/// The right to sync one account. It expires by itself when its holder dies.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lease(String);

impl Lease {
    /// The `number`-th claim of process `owner`. Both together never come twice.
    #[must_use]
    pub fn new(owner: &str, number: u64) -> Self {
        Self(format!("{owner}/{number}"))
    }

    /// A lease as the database stored it.
    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }

    /// The text that the database stores.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How many accounts may be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    pub total: usize,
    /// How many of these may be of a backfill or reconciliation.
    pub bulk: usize,
}

impl Capacity {
    /// As many, of whatever urgency.
    #[must_use]
    pub fn of(total: usize) -> Self {
        Self { total, bulk: total }
    }
}

/// What a claim found.
#[derive(Clone, Debug, Default)]
pub struct Claimed {
    pub claims: Vec<Claim>,
    /// When the next account becomes due that is not due yet.
    pub next_due: Option<Timestamp>,
}

/// The longest idle time; nothing becomes due by itself later than that without being claimed again before.
const LONGEST_IDLE: Duration = Duration::from_secs(24 * 60 * 60);

impl Claimed {
    /// Whether more may be due than there was `capacity` for.
    pub(crate) fn fills(&self, capacity: Capacity) -> bool {
        let bulk = self.claims.iter().filter(|claim| claim.urgency == Urgency::Bulk).count();
        self.claims.len() >= capacity.total || bulk >= capacity.bulk
    }

    /// How long after `now` nothing becomes due without a trigger.
    pub(crate) fn idle(&self, now: Timestamp) -> Duration {
        let until_due = self.next_due.map(|due| (due - now).to_std().unwrap_or_default());
        until_due.unwrap_or(LONGEST_IDLE).min(LONGEST_IDLE)
    }
}

/// How urgent a trigger is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// An event came: before everything else.
    Fresh,
    /// Somebody asked: as urgent, and the profile is read anew whatever is cached.
    Requested,
    /// Backfill and reconciliation: when nothing fresh waits, and the profile is read anew.
    Bulk,
}

impl Urgency {
    /// The urgency of two triggers together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self == other { self } else { Self::Requested }
    }
}
