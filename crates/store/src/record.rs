//! What a sync writes: intentions and results while it runs, and how it ended.

use entitlement::model::account::Account;
use entitlement::model::clock::Timestamp;
use entitlement::model::key::StepKey;
use entitlement::model::mode::Mode;
use entitlement::model::plan::PlannedStep;
use entitlement::model::user::User;
use entitlement::status::Status;

use crate::claim::Lease;

/// Results of steps that were sent and steps about to be sent, written in one transaction before anything is sent.
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
    /// Earlier steps whose effect the profile shows: confirmed.
    pub settled: Vec<StepKey>,
    /// Earlier steps that are no longer needed.
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
    /// It may or may not have arrived: sent again at `due`.
    Retry {
        due: Timestamp,
        error: String,
        attempt: Attempt,
    },
    /// The destination will never take it as it is.
    Refused {
        error: String,
    },
}

/// Whether a failed attempt counts towards giving up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    Counted,
    /// The cause lies outside the step (a refused key): it may fail any number of times.
    Free,
}

/// Results and statuses written while the sync goes on, under its lease.
#[derive(Clone, Debug)]
pub struct Progress {
    pub account: Account,
    pub lease: Lease,
    pub results: Vec<StepResult>,
    /// What users have by now.
    pub statuses: Vec<(User, Status)>,
}

/// The end of a sync: results, attention, and when the account is due again.
#[derive(Clone, Debug)]
pub struct Settlement {
    pub account: Account,
    pub lease: Lease,
    /// The generation that was claimed; a trigger since then leaves the account due.
    pub generation: i64,
    pub results: Vec<StepResult>,
    /// What users have, as the sync saw it.
    pub statuses: Vec<(User, Status)>,
    /// The upstream whose gate is closed: when it opens, the account is due at once.
    pub waits_for: Option<String>,
    pub ending: SyncEnding,
}

/// How a sync ended.
#[derive(Clone, Debug)]
pub enum SyncEnding {
    /// It came to its end. `attention` replaces what is parked for the account.
    Done { due: Option<Timestamp>, attention: Vec<Attention> },
    /// It failed. `attention` is added to what is parked for the account.
    Failed { due: Timestamp, error: String, attention: Vec<Attention> },
    /// Part of it cannot be done as things are. `attention` is added to what is parked for the account; `error` says
    /// why not everything that the user has could be read.
    Incomplete { due: Option<Timestamp>, attention: Vec<Attention>, error: Option<String> },
    /// The account only led to another one; its row is removed.
    Discarded,
    /// It failed for good: added to what is parked for the account.
    GivenUp(Attention),
    /// The rest waits for a gate, through no fault of its own: nothing is counted. `due` is when what does not wait wants
    /// another sync. `attention` is added to what is parked for the account; `error` says what is not known meanwhile.
    Waiting { due: Option<Timestamp>, attention: Vec<Attention>, error: String },
    /// It could not begin, since another worker holds the user. Not a failure.
    Yielded { due: Timestamp },
}

/// What a human must settle, found by a sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attention {
    pub kind: AttentionKind,
    pub user: Option<User>,
    /// What it is about within the account: a price, a step.
    pub subject: String,
    pub reason: String,
    /// What to do about it.
    pub hint: String,
}

/// Kinds of attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttentionKind {
    UnknownUser,
    UnmappedPrice,
    RefusedStep,
    UnreadableEvent,
    UnknownState,
    /// Accepted by the destination again and again, and never visible in the profile.
    NotShown,
    SyncFailed,
}

impl AttentionKind {
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
    /// The lease ran out: nothing was written, and another worker may hold the account.
    LeaseLost,
}
