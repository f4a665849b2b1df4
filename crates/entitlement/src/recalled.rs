//! When a profile need not be read, since it is remembered as our last write left it.

use chrono::Duration;

use crate::clock::{Timestamp, after};
use crate::decide::Case;
use crate::elsewhere::is_ours;
use crate::key::StepKey;
use crate::ledger::{Entry, Ledger, State};
use crate::plan::{Plan, Step};
use crate::reason::Reason;

/// Whether the step under `key` was confirmed within `lag` before `now` and the `ledger` knows of nothing since, whoever
/// sent it: then the profile that answered it is the newest picture there is. What was reported or dropped within the lag
/// may show later, and is read for.
#[must_use]
pub fn is_as_left(ledger: &Ledger, key: &StepKey, lag: Duration, now: Timestamp) -> bool {
    let sent = ledger.entries.iter().find(|entry| &entry.key == key);
    let Some(at) = sent.and_then(Entry::confirmed_at).filter(|at| after(*at, lag) > now) else { return false };
    ledger.entries.iter().all(|entry| match entry.state {
        State::Intended { .. } => false,
        State::Confirmed { at: other } if matches!(entry.step, Step::ReportSale(_)) => after(other, lag) <= now,
        State::Confirmed { at: other } => other <= at,
        State::Dropped { at: other } => after(other, lag) <= now,
        State::Refused { at: other, .. } => other <= at,
    })
}

/// Whether `plan` for a profile that is remembered of the step under `key` holds as it is: it changes nothing, waits for
/// nothing and doubts nothing, and all that was shown is ours. Whatever is to be written is decided anew for a profile
/// that was read.
#[must_use]
pub fn holds_unread(case: &Case, plan: &Plan, key: &StepKey) -> bool {
    let is_still =
        plan.steps.is_empty() && plan.settled.is_empty() && plan.dropped.is_empty() && plan.refused.is_empty();
    let is_plain = plan.notes.iter().all(|note| note.because == Reason::AlreadyThere);
    let is_recent = is_as_left(&case.ledger, key, case.rules.policy.lag(), case.now);
    is_still && is_plain && is_recent && case.profile.levels.iter().all(|shown| is_ours(shown, case))
}
