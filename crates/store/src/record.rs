//! What a look writes: intentions before it sends, outcomes and its end after.

use entitlement::clock::Timestamp;
use entitlement::key::StepKey;
use entitlement::names::{Account, Customer, Mode};
use entitlement::plan::Planned;
use entitlement::status::Status;

use crate::claim::Lease;

/// Steps about to be sent, and what became of earlier ones; written before anything is sent.
#[derive(Clone, Debug)]
pub struct Intent {
    pub account: Account,
    pub customer: Customer,
    pub lease: Lease,
    pub destination: String,
    pub mode: Mode,
    pub steps: Vec<Planned>,
    /// Earlier steps that the profile shows.
    pub seen: Vec<StepKey>,
    /// Earlier steps that are no longer wanted.
    pub moot: Vec<StepKey>,
}

/// What became of one step that was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub key: StepKey,
    pub outcome: SentOutcome,
}

/// How the destination answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SentOutcome {
    Confirmed,
    /// It may or may not have arrived; send again at that moment.
    Again {
        due: Timestamp,
        why: String,
        tries: Tries,
    },
    /// It will never be taken as it is.
    Refused {
        why: String,
    },
}

/// Outcomes written before the look ends, under the same lease.
#[derive(Clone, Debug)]
pub struct Outcomes {
    pub account: Account,
    pub lease: Lease,
    pub sent: Vec<Sent>,
    /// Where customers stand by now.
    pub statuses: Vec<(Customer, Status)>,
}

/// Whether a failure brings the end of all tries nearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tries {
    Counted,
    /// The cause lies outside the step (a refused key): it may last as long as it likes.
    Free,
}

/// The end of a look: outcomes, what is parked, and when to look again.
#[derive(Clone, Debug)]
pub struct Settlement {
    pub account: Account,
    pub lease: Lease,
    /// The generation the look answered; a bell since then leaves the account due.
    pub generation: i64,
    pub sent: Vec<Sent>,
    /// Where customers stand, as the look saw it.
    pub statuses: Vec<(Customer, Status)>,
    pub ending: Ending,
}

/// How a look ended.
#[derive(Clone, Debug)]
pub enum Ending {
    /// It came to its end. What is parked for the account is exactly `parked`.
    Done { next: Option<Timestamp>, parked: Vec<Finding> },
    /// It failed; what is parked stays, beside what it found before.
    Failed { next: Timestamp, why: String, parked: Vec<Finding> },
    /// Some of it cannot be done as things are, and is among `parked`, beside what is parked already. `trouble`: why it
    /// could not see all of where the customer stands.
    Partly { next: Option<Timestamp>, parked: Vec<Finding>, trouble: Option<String> },
    /// What was looked at only led to an account, and is not kept.
    Forgotten,
    /// It failed for good: parked beside what is parked already.
    GivenUp(Finding),
    /// It could not begin: another worker holds the customer. Not a failure.
    Yielded { next: Timestamp },
}

/// Something for a human, found by a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub kind: Kind,
    pub customer: Option<Customer>,
    /// What it is about within the account: a price, a step.
    pub subject: String,
    /// What is the matter.
    pub reason: String,
    /// What to do about it.
    pub hint: String,
}

/// Kinds of parked things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    UnknownCustomer,
    UnmappedPrice,
    RefusedStep,
    UnreadableEvent,
    UnknownState,
    /// Accepted by the destination, again and again, and never shown.
    NotShown,
    LookFailed,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::UnknownCustomer,
        Self::UnmappedPrice,
        Self::RefusedStep,
        Self::UnreadableEvent,
        Self::UnknownState,
        Self::NotShown,
        Self::LookFailed,
    ];

    /// The name in the database, on the command line and in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownCustomer => "unknown_customer",
            Self::UnmappedPrice => "unmapped_price",
            Self::RefusedStep => "refused_step",
            Self::UnreadableEvent => "unreadable_event",
            Self::UnknownState => "unknown_state",
            Self::NotShown => "not_shown",
            Self::LookFailed => "look_failed",
        }
    }
}

/// Whether a write under a lease counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    Yes,
    /// The lease ran out: nothing was written, and another worker may be at it.
    Lost,
}
