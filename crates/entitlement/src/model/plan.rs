//! What to send for one user at one destination, and when to sync again.

use serde::{Deserialize, Serialize};

use crate::model::access_level::AccessLevel;
use crate::model::clock::{Timestamp, earliest};
use crate::model::expected::Expected;
use crate::model::key::StepKey;
use crate::model::reason::Reason;
use crate::model::step::Step;

/// All there is to do. It leaves nothing to choose when it is executed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub expected: Expected,
    /// To be sent, in this order; each answer may change what is left.
    pub steps: Vec<PlannedStep>,
    /// Intended earlier and visible by now: confirm, do not send.
    pub settled: Vec<StepKey>,
    /// Intended earlier and no longer wanted: drop.
    pub dropped: Vec<StepKey>,
    /// Wanted, and refused before: a human must settle it.
    pub refused: Vec<RefusedStep>,
    /// Why something that is expected or withheld needs no step.
    pub notes: Vec<Note>,
    pub sync_again_at: Option<Timestamp>,
    /// Nothing of ours is waited for: only what another store may renew.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waits_for_other_stores_only: bool,
}

/// A step, its key and its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStep {
    pub key: StepKey,
    /// Key of the last confirmed step on the same subject.
    pub previous: Option<StepKey>,
    pub step: Step,
    pub because: Reason,
    /// Requests that failed so far.
    #[serde(default)]
    pub attempts: u32,
}

/// Why nothing is done about a level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    pub level: AccessLevel,
    pub because: Reason,
}

/// A wanted step that the destination will not take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedStep {
    pub key: StepKey,
    pub step: Step,
    pub why: String,
}

impl Plan {
    pub(crate) fn sync_again_by(&mut self, at: Timestamp) {
        self.sync_again_at = Some(earliest(self.sync_again_at, at));
    }

    pub(crate) fn note(&mut self, level: &AccessLevel, because: Reason) {
        self.notes.push(Note { level: level.clone(), because });
    }

    /// Whether the plan says what became of earlier steps.
    #[must_use]
    pub fn changes_ledger(&self) -> bool {
        !(self.settled.is_empty() && self.dropped.is_empty())
    }

    /// Whether a step of the plan takes `level`.
    #[must_use]
    pub fn revokes(&self, level: &AccessLevel) -> bool {
        self.steps.iter().any(|planned| matches!(&planned.step, Step::RevokeAccess(revoke) if revoke.level == *level))
    }
}
