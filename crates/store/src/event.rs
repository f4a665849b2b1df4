//! An event of a source, as it is recorded in the inbox.

use entitlement::model::account::Account;
use entitlement::model::clock::Timestamp;

/// One event of a source; recorded once, and a trigger for the account that it concerns.
#[derive(Clone, Debug)]
pub struct Event {
    /// `source:event`, or `source:connect/event`; recorded once under this name.
    pub id: String,
    pub kind: String,
    /// The source's object it is about.
    pub object: Option<String>,
    pub outcome: Outcome,
    /// When the source made it.
    pub created: Timestamp,
    /// The raw event, where it is to be stored.
    pub body: Option<String>,
}

impl Event {
    /// The account it enqueues.
    #[must_use]
    pub fn account(&self) -> Option<&Account> {
        match &self.outcome {
            Outcome::Enqueued(account) => Some(account),
            Outcome::NoAccount | Outcome::OtherMode | Outcome::Unreadable { .. } => None,
        }
    }
}

/// What an event causes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Enqueued(Account),
    /// It concerns no account.
    NoAccount,
    /// It is of the other mode (test or live) than the key.
    OtherMode,
    /// Its signature is right, but it is no event that can be read: parked.
    Unreadable {
        reason: String,
    },
}

impl Outcome {
    /// The name in the database and in metrics.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Enqueued(_) => "enqueued",
            Self::NoAccount => "no_account",
            Self::OtherMode => "other_mode",
            Self::Unreadable { .. } => "unreadable",
        }
    }
}

/// Whether an event was seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    New,
    Duplicate,
}
