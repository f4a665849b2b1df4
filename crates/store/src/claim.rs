//! An account taken from the worklist, and the lease it is held under.

use entitlement::clock::Timestamp;
use entitlement::names::{Account, Customer};

/// An account to look at, leased to us.
#[derive(Clone, Debug)]
pub struct Claim {
    pub account: Account,
    /// The app user it belongs to, when that is known.
    pub customer: Option<Customer>,
    /// The bell count this look answers.
    pub generation: i64,
    /// When the first bell not yet answered rang.
    pub rung_at: Option<Timestamp>,
    /// Looks that failed in a row before this one.
    pub attempts: u32,
    /// When the first of them failed.
    pub failing_since: Option<Timestamp>,
    pub lease: Lease,
}

/// How long looks at an account may go on failing before a human is asked.
const PATIENCE: chrono::Duration = chrono::Duration::days(3);

impl Claim {
    /// Whether looks at the account have failed for so long that a further failure is for a human.
    #[must_use]
    pub fn is_tired(&self, now: Timestamp) -> bool {
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

/// What a claim found.
#[derive(Clone, Debug, Default)]
pub struct Claimed {
    pub claims: Vec<Claim>,
    /// When the next account that is not due yet will be.
    pub next_due: Option<Timestamp>,
}

/// How important a touch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// A bell: before everything else.
    Fresh,
    /// Backfill and rounds: when nothing fresh waits.
    Bulk,
}
