//! An account taken from the worklist, and the lease it is held under.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use entitlement::clock::Timestamp;
use entitlement::names::{Account, User};

/// An account to look at, leased to us.
#[derive(Clone, Debug)]
pub struct Claim {
    pub account: Account,
    /// The app user it belongs to, when that is known.
    pub user: Option<User>,
    /// The bell count this look answers.
    pub generation: i64,
    /// When the first bell not yet answered rang.
    pub triggered_at: Option<Timestamp>,
    /// Looks that failed in a row before this one.
    pub attempts: u32,
    /// When the first of them failed.
    pub failing_since: Option<Timestamp>,
    pub urgency: Urgency,
    pub lease: Lease,
    /// Whether the lease is still ours, as far as we know.
    pub hold: Hold,
}

/// Until when a lease is surely held. It is prolonged by whoever renews it; whoever is about to send asks it, so that a
/// process that slept past its lease sends nothing.
#[derive(Clone, Debug, Default)]
pub struct Hold(Arc<AtomicI64>);

impl Hold {
    /// Sets the end; the beginning of time when the lease was lost.
    pub fn set(&self, until: Timestamp) {
        self.0.store(until.timestamp_millis(), Ordering::Release);
    }

    /// Whether it is held at `now`.
    #[must_use]
    pub fn stands(&self, now: Timestamp) -> bool {
        now.timestamp_millis() < self.0.load(Ordering::Acquire)
    }
}

/// How long looks at an account may go on failing before a human is asked.
const PATIENCE: chrono::Duration = chrono::Duration::days(3);

impl Claim {
    /// Whether a bell alone made it due: neither its time has come, nor did somebody ask.
    #[must_use]
    pub fn is_from_event(&self) -> bool {
        self.urgency == Urgency::Fresh && self.triggered_at.is_some()
    }

    /// Whether looks at the account have failed for so long that a further failure is for a human.
    #[must_use]
    pub fn has_exhausted_retries(&self, now: Timestamp) -> bool {
        self.failing_since.is_some_and(|since| now - since > PATIENCE)
    }
}

/// The right to look at one account. It runs out by itself when its holder dies.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lease(String);

impl Lease {
    /// The `number`-th claim of process `owner`. Both together never come twice.
    #[must_use]
    pub fn new(owner: &str, number: u64) -> Self {
        Self(format!("{owner}/{number}"))
    }

    /// A lease as the database kept it.
    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }

    /// The text the database keeps.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How many accounts may be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    pub all: usize,
    /// Of these, at most so many of backfills and rounds: looks under way must leave room for what is fresh.
    pub bulk: usize,
}

impl Room {
    /// Room for whatever comes.
    #[must_use]
    pub fn of(all: usize) -> Self {
        Self { all, bulk: all }
    }
}

/// What a claim found.
#[derive(Clone, Debug, Default)]
pub struct Claimed {
    pub claims: Vec<Claim>,
    /// When the next account that is not due yet will be.
    pub next_due: Option<Timestamp>,
}

/// Longer than anybody rests.
const LONGEST_REST: Duration = Duration::from_secs(24 * 60 * 60);

impl Claimed {
    /// Whether there may be more that is due than there was `room` for.
    pub(crate) fn fills(&self, room: Room) -> bool {
        let bulk = self.claims.iter().filter(|claim| claim.urgency == Urgency::Bulk).count();
        self.claims.len() >= room.all || bulk >= room.bulk
    }

    /// How long there is nothing to claim at `now`, unless something rings.
    pub(crate) fn rest(&self, now: Timestamp) -> Duration {
        let rest = self.next_due.map(|due| (due - now).to_std().unwrap_or_default());
        rest.unwrap_or(LONGEST_REST).min(LONGEST_REST)
    }
}

/// How important a touch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// A bell: before everything else.
    Fresh,
    /// Somebody asked: like a bell, and nothing that is remembered of a destination will do.
    Asked,
    /// Backfill and rounds: when nothing fresh waits; nothing that is remembered will do.
    Bulk,
}

impl Urgency {
    /// That of both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self == other { self } else { Self::Asked }
    }
}
