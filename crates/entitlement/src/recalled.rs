//! When a profile need not be read, since it is remembered as our last write left it.

use crate::decide::Case;
use crate::elsewhere::is_ours;
use crate::key::StepKey;
use crate::ledger::{Ledger, State};
use crate::plan::Plan;
use crate::reason::Reason;

/// Whether the step under `key` is the last that the `ledger` knows of, whoever sent it, and nothing is open: then the
/// profile that answered it is the newest picture there is.
#[must_use]
pub fn is_as_left(ledger: &Ledger, key: &StepKey) -> bool {
    let is_open = |state: &State| matches!(state, State::Intended { .. });
    let last = ledger.entries.iter().max_by_key(|entry| entry.seq);
    last.is_some_and(|entry| &entry.key == key && entry.confirmed_at().is_some())
        && !ledger.entries.iter().any(|entry| is_open(&entry.state))
}

/// Whether `plan` for a remembered profile holds as it is: it changes nothing, waits for nothing and doubts nothing, and
/// all that was shown is ours. Whatever is to be written is decided anew for a profile that was read.
#[must_use]
pub fn holds_unread(case: &Case, plan: &Plan) -> bool {
    let is_still = plan.steps.is_empty() && plan.seen.is_empty() && plan.moot.is_empty() && plan.refused.is_empty();
    let is_plain = plan.notes.iter().all(|note| note.because == Reason::AlreadyThere);
    is_still && is_plain && case.profile.levels.iter().all(|shown| is_ours(shown, case))
}
