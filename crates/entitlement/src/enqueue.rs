//! From a wanted step to the plan: its key, and whether it is due.

use crate::case::Case;
use crate::model::key::StepKey;
use crate::model::ledger::{Entry, State};
use crate::model::plan::{Plan, PlannedStep, RefusedStep};
use crate::model::reason::Reason;
use crate::model::step::Step;

/// What became of a wanted step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Enqueued {
    /// To be sent now.
    Due(Box<PlannedStep>),
    /// It is not sent now: it waits for its retry.
    Waits(StepKey, Reason),
    /// It was refused before.
    Refused(StepKey, Reason),
}

impl Enqueued {
    pub(crate) fn key(&self) -> &StepKey {
        match self {
            Self::Due(planned) => &planned.key,
            Self::Waits(key, _) | Self::Refused(key, _) => key,
        }
    }

    /// Why it is not sent now.
    pub(crate) fn why_not(&self) -> Option<&Reason> {
        match self {
            Self::Due(_) => None,
            Self::Waits(_, because) | Self::Refused(_, because) => Some(because),
        }
    }
}

/// Links `step` to the chain of its subject, whose `entries` are given, and says whether it is due. `last` is the last
/// that is known to have arrived. Notes refusals and retries in `plan`.
pub(crate) fn enqueue(
    step: Step,
    because: Reason,
    entries: &[&Entry],
    last: Option<&Entry>,
    case: &Case,
    plan: &mut Plan,
) -> Enqueued {
    let (previous, key) = next_link(case, entries, &step, last);
    let entry = entries.iter().find(|entry| entry.key == key);
    let attempts = match entry.map(|entry| &entry.state) {
        Some(State::Intended { due, .. }) if *due > case.now => {
            plan.sync_again_by(*due);
            return Enqueued::Waits(key, Reason::WaitsForRetry { due: *due });
        }
        Some(State::Refused { why, .. }) => {
            plan.refused.push(RefusedStep { key: key.clone(), step, why: why.clone() });
            return Enqueued::Refused(key, Reason::Refusal { why: why.clone() });
        }
        Some(State::Intended { attempts, .. }) => *attempts,
        Some(State::Dropped { .. } | State::Confirmed { .. }) | None => 0,
    };
    Enqueued::Due(Box::new(PlannedStep { key, previous, step, because, attempts }))
}

/// The key of `step` after `last` among `entries`, and the key before it. A confirmed key is never taken twice.
fn next_link(case: &Case, entries: &[&Entry], step: &Step, last: Option<&Entry>) -> (Option<StepKey>, StepKey) {
    let mut previous = last.map(|entry| entry.key.clone());
    let mut key = key_after(case, step, previous.as_ref());
    while entries.iter().any(|entry| entry.key == key && entry.is_confirmed()) {
        let next = key_after(case, step, Some(&key));
        previous = Some(std::mem::replace(&mut key, next));
    }
    (previous, key)
}

fn key_after(case: &Case, step: &Step, previous: Option<&StepKey>) -> StepKey {
    StepKey::of(&case.rules.destination, case.rules.mode, &case.profile.user, step, previous)
}
