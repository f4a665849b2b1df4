//! What a sync leaves to be written when it ends.

use entitlement::model::clock::{Timestamp, earliest};
use entitlement::model::failure::Failure;
use entitlement::model::user::User;
use entitlement::status::Status;
use store::error::StoreError;
use store::record::{Attention, StepResult};

/// What a sync that came to its end leaves.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Answers that are not written yet.
    pub(crate) results: Vec<StepResult>,
    pub(crate) attention: Vec<Attention>,
    pub(crate) due: Option<Timestamp>,
    /// Nothing is left to be done or waited for, as read after the last request.
    pub(crate) is_settled: bool,
    /// It was no account, and only led to one.
    pub(crate) leads_elsewhere: bool,
    /// What the user of the account has.
    pub(crate) status: Option<(User, Status)>,
    /// What those have to whom the account belonged before.
    pub(crate) former_statuses: Vec<(User, Status)>,
    /// What failed for one destination or user, while others went on: tried again.
    pub(crate) failure: Option<Failure>,
    /// What could not be done since an upstream's gate is closed.
    pub(crate) gated: Option<Gated>,
    /// The same, for good; it is among the attention.
    pub(crate) is_incomplete: bool,
    /// Why a destination could not be observed, so that the status may be out of date.
    pub(crate) unobserved: Option<String>,
}

impl Outcome {
    /// Adds what another decision of the same sync leaves.
    pub(crate) fn add(&mut self, other: Self) {
        self.results.extend(other.results);
        for attention in other.attention {
            if !self.attention.contains(&attention) {
                self.attention.push(attention);
            }
        }
        self.failure = self.failure.take().or(other.failure);
        self.gated = self.gated.take().max(other.gated);
        self.is_incomplete |= other.is_incomplete;
        self.unobserved = self.unobserved.take().or(other.unobserved);
        self.former_statuses.extend(other.former_statuses);
        other.due.into_iter().for_each(|at| self.due_by(at));
        self.is_settled &= other.is_settled;
    }

    /// What two destinations leave of one user.
    pub(crate) fn and(mut self, other: Self) -> Self {
        let statuses = self.status.take().zip(other.status.clone());
        self.status = statuses.map(|((user, one), (_, another))| (user, one.and(another)));
        self.add(other);
        self
    }

    /// Notes that something waits for a gate.
    pub(crate) fn wait_for(&mut self, gated: Gated) {
        self.is_settled = false;
        self.gated = self.gated.take().max(Some(gated));
    }

    pub(crate) fn due_by(&mut self, at: Timestamp) {
        self.due = Some(earliest(self.due, at));
    }
}

/// What waits for an upstream's gate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Gated {
    /// Sales alone: what the user has does not depend on it.
    Sales { upstream: String },
    /// Access, and why it is not known.
    Access { upstream: String, error: String },
}

impl Gated {
    /// What waits for access after `failure`, if it is one that waits for a gate.
    pub(crate) fn access(failure: &Failure) -> Option<Self> {
        let upstream = failure.upstream.clone().filter(|_| failure.waits_for_gate())?;
        Some(Self::Access { upstream, error: failure.to_string() })
    }

    pub(crate) fn upstream(&self) -> &str {
        match self {
            Self::Sales { upstream } | Self::Access { upstream, .. } => upstream,
        }
    }
}

/// Why a sync did not come to its end.
#[derive(Debug)]
pub(crate) enum SyncError {
    Upstream(Failure),
    Store(StoreError),
    /// Another worker syncs the same user.
    Busy,
    /// The lease ran out; another worker may sync the account. Nothing may be written.
    LeaseLost,
}

impl From<Failure> for SyncError {
    fn from(failure: Failure) -> Self {
        Self::Upstream(failure)
    }
}

impl From<StoreError> for SyncError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
