//! Every step of one user, and what became of it.

use serde::{Deserialize, Serialize};

use crate::model::access_level::AccessLevel;
use crate::model::clock::Timestamp;
use crate::model::key::StepKey;
use crate::model::step::Step;
use crate::model::stored_step::StoredStep;

/// All entries of one user that still matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ledger {
    pub entries: Vec<Entry>,
}

/// One step, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Place in the ledger; later entries have higher numbers.
    pub seq: i64,
    pub key: StepKey,
    pub step: Step,
    pub state: State,
}

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Written before it is sent. It may or may not have arrived.
    Intended {
        /// Requests that failed so far.
        attempts: u32,
        /// Not to be sent before this moment.
        due: Timestamp,
    },
    /// The destination accepted it, or shows it.
    Confirmed { at: Timestamp },
    /// The destination will never take it as it is; a human must settle it.
    Refused { at: Timestamp, why: String },
    /// It was no longer wanted before it was confirmed.
    Dropped { at: Timestamp },
}

impl Ledger {
    /// All entries, oldest first.
    #[must_use]
    pub fn in_order(&self) -> Vec<&Entry> {
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_by_key(|entry| entry.seq);
        entries
    }

    /// The entries on one subject, oldest first.
    #[must_use]
    pub fn on(&self, subject: &str) -> Vec<&Entry> {
        let mut entries: Vec<_> = self.entries.iter().filter(|entry| entry.step.subject() == subject).collect();
        entries.sort_by_key(|entry| entry.seq);
        entries
    }

    /// Every level that was granted or revoked, each once, in order.
    #[must_use]
    pub fn levels(&self) -> Vec<&AccessLevel> {
        let mut levels: Vec<_> = self.entries.iter().filter_map(|entry| entry.step.level()).collect();
        levels.sort_unstable();
        levels.dedup();
        levels
    }

    /// Every level that reported sales pay for.
    pub fn reported_levels(&self) -> impl Iterator<Item = &AccessLevel> {
        self.entries.iter().filter_map(|entry| match &entry.step {
            Step::ReportSale(report) => Some(&report.level),
            Step::GrantAccess(_) | Step::RevokeAccess(_) | Step::SetAttributes(_) => None,
        })
    }
}

impl Entry {
    /// The entries that one row of the ledger stands for: a confirmed step of the first edition may be two requests.
    #[must_use]
    pub fn from_stored(seq: i64, key: StepKey, step: StoredStep, state: State) -> Vec<Self> {
        let (step, report) = step.into_steps();
        let report = report.filter(|_| matches!(state, State::Confirmed { .. })).map(Step::ReportSale);
        let steps = report.into_iter().chain([step]);
        steps.map(|step| Self { seq, key: key.clone(), step, state: state.clone() }).collect()
    }

    /// When it was confirmed, if it was.
    #[must_use]
    pub fn confirmed_at(&self) -> Option<Timestamp> {
        match self.state {
            State::Confirmed { at } => Some(at),
            State::Intended { .. } | State::Refused { .. } | State::Dropped { .. } => None,
        }
    }

    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.confirmed_at().is_some()
    }
}
