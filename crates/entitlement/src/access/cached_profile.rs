//! When a profile need not be read, since it is cached as our last request left it.

use chrono::Duration;

use crate::access::other_stores::is_ours;
use crate::case::Case;
use crate::model::clock::{Timestamp, after};
use crate::model::key::StepKey;
use crate::model::ledger::{Entry, Ledger, State};
use crate::model::plan::Plan;
use crate::model::reason::Reason;
use crate::model::step::Step;

/// Whether the step under `key` was confirmed within `lag` before `now` and the `ledger` knows of nothing since, whoever
/// sent it: then the profile that answered it is the newest picture there is. What was reported after it, or dropped within
/// the lag, may show later, and the profile is read for it.
#[must_use]
pub fn is_newest(ledger: &Ledger, key: &StepKey, lag: Duration, now: Timestamp) -> bool {
    let Some(sent) = ledger.entries.iter().find(|entry| &entry.key == key) else { return false };
    let Some(at) = sent.confirmed_at().filter(|at| after(*at, lag) > now) else { return false };
    ledger.entries.iter().all(|entry| is_older(entry, sent, at, lag, now))
}

fn is_older(entry: &Entry, sent: &Entry, at: Timestamp, lag: Duration, now: Timestamp) -> bool {
    match entry.state {
        State::Intended { .. } => false,
        State::Confirmed { at: other } if matches!(entry.step, Step::ReportSale(_)) => {
            after(other, lag) <= now || (entry.seq < sent.seq && other <= at)
        }
        State::Confirmed { at: other } => other <= at,
        State::Dropped { at: other } => after(other, lag) <= now,
        State::Refused { at: other, .. } => other <= at,
    }
}

/// Whether `plan` for a profile that is cached since the step under `key` holds as it is: it changes nothing, waits for
/// nothing and doubts nothing, and all that was shown is ours. Whatever is to be sent is decided for a profile that was
/// read.
#[must_use]
pub fn is_enough(case: &Case, plan: &Plan, key: &StepKey) -> bool {
    let changes_nothing =
        plan.steps.is_empty() && plan.settled.is_empty() && plan.dropped.is_empty() && plan.refused.is_empty();
    let waits_for_nothing = plan.notes.iter().all(|note| note.because == Reason::AlreadyThere);
    let is_newest = is_newest(&case.ledger, key, case.rules.policy.lag(), case.now);
    changes_nothing && waits_for_nothing && is_newest && case.profile.levels.iter().all(|actual| is_ours(actual, case))
}
