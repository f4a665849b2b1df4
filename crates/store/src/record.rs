//! What a look writes: intentions before it sends, outcomes and its end after.

use entitlement::clock::Timestamp;
use entitlement::key::StepKey;
use entitlement::names::{Account, Mode, User};
use entitlement::plan::PlannedStep;
use entitlement::status::Status;

use crate::claim::Lease;

/// Steps about to be sent, and what became of earlier ones; written in one transaction before anything is sent.
#[derive(Clone, Debug)]
pub struct Intent {
    pub account: Account,
    pub user: User,
    pub lease: Lease,
    pub destination: String,
    pub mode: Mode,
    /// Answers to steps that were sent before. Written first, so that a step may follow on what they confirm.
    pub results: Vec<StepResult>,
    pub steps: Vec<PlannedStep>,
    /// Earlier steps that the profile shows.
    pub settled: Vec<StepKey>,
    /// Earlier steps that are no longer wanted.
    pub dropped: Vec<StepKey>,
}

/// What became of one step that was sent.
#[derive(Clone, Debug)]
pub struct StepResult {
    pub key: StepKey,
    pub outcome: StepOutcome,
}

/// How the destination answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    Confirmed,
    /// It may or may not have arrived; send again at that moment.
    Again {
        due: Timestamp,
        why: String,
        tries: Attempts,
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
    pub sent: Vec<StepResult>,
    /// Where customers stand by now.
    pub statuses: Vec<(User, Status)>,
}

/// Whether a failure brings the end of all tries nearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempts {
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
    pub sent: Vec<StepResult>,
    /// Where customers stand, as the look saw it.
    pub statuses: Vec<(User, Status)>,
    pub ending: SyncEnding,
}

/// How a look ended.
#[derive(Clone, Debug)]
pub enum SyncEnding {
    /// It came to its end. What is parked for the account is exactly `parked`.
    Done { next: Option<Timestamp>, parked: Vec<Attention> },
    /// It failed; what is parked stays, beside what it found before.
    Failed { next: Timestamp, why: String, parked: Vec<Attention> },
    /// Some of it cannot be done as things are, and is among `parked`, beside what is parked already. `trouble`: why it
    /// could not see all of where the customer stands.
    Partly { next: Option<Timestamp>, parked: Vec<Attention>, trouble: Option<String> },
    /// What was looked at only led to an account, and is not kept.
    Forgotten,
    /// It failed for good: parked beside what is parked already.
    GivenUp(Attention),
    /// It could not begin: another worker holds the customer. Not a failure.
    Yielded { next: Timestamp },
}

/// Something for a human, found by a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attention {
    pub kind: AttentionKind,
    pub user: Option<User>,
    /// What it is about within the account: a price, a step.
    pub subject: String,
    /// What is the matter.
    pub reason: String,
    /// What to do about it.
    pub hint: String,
}

/// Kinds of parked things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttentionKind {
    UnknownUser,
    UnmappedPrice,
    RefusedStep,
    UnreadableEvent,
    UnknownState,
    /// Accepted by the destination, again and again, and never shown.
    NotShown,
    SyncFailed,
}

impl AttentionKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::UnknownUser,
        Self::UnmappedPrice,
        Self::RefusedStep,
        Self::UnreadableEvent,
        Self::UnknownState,
        Self::NotShown,
        Self::SyncFailed,
    ];

    /// The name in the database, on the command line and in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown_customer",
            Self::UnmappedPrice => "unmapped_price",
            Self::RefusedStep => "refused_step",
            Self::UnreadableEvent => "unreadable_event",
            Self::UnknownState => "unknown_state",
            Self::NotShown => "not_shown",
            Self::SyncFailed => "look_failed",
        }
    }
}

/// Whether a write under a lease counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fenced {
    Written,
    /// The lease ran out: nothing was written, and another worker may be at it.
    LeaseLost,
}
