//! The book of steps of one customer.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::key::StepKey;
use crate::names::AccessLevel;
use crate::plan::Step;

/// All entries of one customer that still matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ledger {
    pub entries: Vec<Entry>,
}

/// One step, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Place in the book; later entries have higher numbers.
    pub seq: i64,
    pub key: StepKey,
    pub step: Step,
    pub state: State,
}

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Written down before it is sent. It may or may not have arrived.
    Intended {
        /// Sends that failed so far.
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
    /// The entries about `level`, oldest first.
    #[must_use]
    pub fn about<'a>(&'a self, level: &AccessLevel) -> Vec<&'a Entry> {
        let mut entries: Vec<_> = self.entries.iter().filter(|entry| entry.step.level() == Some(level)).collect();
        entries.sort_by_key(|entry| entry.seq);
        entries
    }

    /// The entries on one subject, in no order.
    pub fn on<'a>(&'a self, subject: &'a str) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(move |entry| entry.step.subject() == subject)
    }

    /// Every level the book speaks of, each once, in order.
    #[must_use]
    pub fn levels(&self) -> Vec<&AccessLevel> {
        let mut levels: Vec<_> = self.entries.iter().filter_map(|entry| entry.step.level()).collect();
        levels.sort_unstable();
        levels.dedup();
        levels
    }
}

impl Entry {
    /// When it was confirmed, if it was.
    #[must_use]
    pub fn confirmed_at(&self) -> Option<Timestamp> {
        match self.state {
            State::Confirmed { at } => Some(at),
            State::Intended { .. } | State::Refused { .. } | State::Dropped { .. } => None,
        }
    }
}
