//! An event as the inbox keeps it.

use entitlement::clock::Timestamp;
use entitlement::names::Account;

/// One event of a source, to be kept and, when it concerns an account, to ring for it.
#[derive(Clone, Debug)]
pub struct Event {
    /// `source:event`, or `source:connect/event`; an event is kept once under this name.
    pub id: String,
    pub kind: String,
    /// The source's object it is about.
    pub object: Option<String>,
    pub outcome: Outcome,
    /// When the source made it.
    pub created: Timestamp,
    /// The raw event, when it is to be kept.
    pub body: Option<String>,
}

/// What an event does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Look at this account.
    Rung(Account),
    /// It concerns no customer.
    Nobody,
    /// It is of the other mode (test or live) than the key.
    OtherMode,
    /// Verified, but not an event that can be read: parked.
    Unreadable { reason: String },
}

impl Outcome {
    /// The name the database keeps.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Rung(_) => "rung",
            Self::Nobody => "nobody",
            Self::OtherMode => "other_mode",
            Self::Unreadable { .. } => "unreadable",
        }
    }
}

/// Whether an event was seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    New,
    Duplicate,
}
