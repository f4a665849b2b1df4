//! Which attributes and fields of the profile to set: what changed since they were set last, and nothing else.
//!
//! What an app sets by itself is not ours: an attribute is set when our value for it changes.

use std::collections::BTreeSet;

use crate::case::Case;
use crate::enqueue::{Enqueued, enqueue};
use crate::model::attributes::{AttributeName, AttributeValue, Attributes, SetAttributes};
use crate::model::ledger::{Entry, State};
use crate::model::plan::Plan;
use crate::model::reason::Reason;
use crate::model::step::Step;

/// Adds to `plan` the attributes to set, one request of them. Answers which are left out, and why.
pub(crate) fn set_attributes(case: &Case, plan: &mut Plan) -> Vec<Reason> {
    let entries = entries(case);
    let last = entries.iter().rev().find(|(entry, _)| entry.is_confirmed());
    let set = last.map(|(_, set)| *set);
    // what was sent and never answered may have arrived
    let open: Vec<_> = entries.iter().filter(|(entry, _)| matches!(entry.state, State::Intended { .. })).collect();
    let sent: Vec<&SetAttributes> = open.iter().map(|(_, sent)| *sent).collect();
    let (attributes, alarms) = wanted(case, set.map(|set| &set.attributes));
    let step = step(case, attributes, set, &sent);
    let mut key = None;
    if is_news(case, &step, set, &sent) && may_make_profile(case, plan) {
        let rows: Vec<&Entry> = entries.iter().map(|(entry, _)| *entry).collect();
        let step = Step::SetAttributes(one_request(case, step, set));
        match enqueue(step, Reason::AttributesChanged, &rows, last.map(|(entry, _)| *entry), case, plan) {
            // what is open may have arrived, and is not forgotten while nothing can take its place
            Enqueued::Refused(..) => return alarms,
            Enqueued::Waits(waits, _) => key = Some(waits),
            Enqueued::Due(planned) => {
                key = Some(planned.key.clone());
                plan.steps.push(*planned);
            }
        }
    }
    let unwanted = open.iter().map(|(entry, _)| &entry.key).filter(|open| Some(*open) != key.as_ref());
    plan.dropped.extend(unwanted.cloned());
    alarms
}

/// What is to be set now: all `attributes`, and what is to be gone and may stand there. A deletion that was confirmed is not
/// made again, so that what was ever deleted does not grow into what no request holds.
fn step(case: &Case, attributes: Attributes, set: Option<&SetAttributes>, sent: &[&SetAttributes]) -> SetAttributes {
    let mut gone: BTreeSet<AttributeName> = set.iter().flat_map(|set| set.attributes.keys()).cloned().collect();
    gone.extend(sent.iter().flat_map(|sent| sent.attributes.keys().chain(&sent.gone)).cloned());
    let mut stays_gone = BTreeSet::new();
    for (name, _) in case.overrides.attributes.iter().filter(|(_, value)| value.is_none()) {
        let is_gone = set.is_some_and(|set| set.gone.contains(name) || set.stays_gone.contains(name));
        let left = if is_gone && case.profile.exists { &mut stays_gone } else { &mut gone };
        left.insert(name.clone());
    }
    gone.retain(|name| !attributes.contains_key(name));
    stays_gone.retain(|name| !gone.contains(name));
    SetAttributes { attributes, gone, stays_gone, deletes_only: false }
}

/// Whether `step` sets anything that is not set.
fn is_news(case: &Case, step: &SetAttributes, set: Option<&SetAttributes>, sent: &[&SetAttributes]) -> bool {
    // a profile that was deleted knows nothing of what was set
    let is_set = set.is_some_and(|set| case.profile.exists && set.attributes == step.attributes);
    let is_quiet = sent.is_empty() && step.gone.is_empty() && (step.attributes.is_empty() || is_set);
    !is_quiet
}

/// As much of `step` as one request holds: where that is not all, deletions come first, so that a profile never has more
/// attributes than it may. What is left is planned once they are confirmed.
fn one_request(case: &Case, step: SetAttributes, set: Option<&SetAttributes>) -> SetAttributes {
    let most = case.rules.limits.attributes as usize;
    let is_attribute = |name: &&AttributeName| name.field().is_none();
    let deletions = step.gone.iter().filter(is_attribute).count();
    if step.attributes.keys().filter(is_attribute).count() + deletions <= most || deletions == 0 {
        return step;
    }
    let gone: BTreeSet<AttributeName> = step.gone.iter().filter(is_attribute).take(most).cloned().collect();
    let mut attributes = set.map(|set| set.attributes.clone()).unwrap_or_default();
    attributes.retain(|name, _| !gone.contains(name));
    let stays_gone = set.map(|set| &set.stays_gone).into_iter().flatten().cloned().collect();
    SetAttributes { attributes, gone, stays_gone, deletes_only: true }
}

fn entries(case: &Case) -> Vec<(&Entry, &SetAttributes)> {
    let mut entries: Vec<(&Entry, &SetAttributes)> = Vec::new();
    for entry in &case.ledger.entries {
        if let Step::SetAttributes(describe) = &entry.step {
            entries.push((entry, describe));
        }
    }
    entries.sort_by_key(|(entry, _)| entry.seq);
    entries
}

/// Nobody gets a profile for what the source happens to say of them, or for what is to be gone.
fn may_make_profile(case: &Case, plan: &Plan) -> bool {
    // any other step makes a profile first
    case.profile.exists || !plan.steps.is_empty() || case.overrides.attributes.values().any(Option::is_some)
}

/// What the source says, as far as it could be read; an operator's value wins. Answers what is left out, too.
fn wanted(case: &Case, set: Option<&Attributes>) -> (Attributes, Vec<Reason>) {
    let mut attributes = Attributes::new();
    for sourced in &case.rules.sourced_attributes {
        let value = match case.billing.facts.get(&sourced.from) {
            Some(fact) if fact.0.is_empty() => None,
            Some(fact) => Some(AttributeValue::read(&fact.0)),
            // unknown is not no
            None => set.and_then(|set| set.get(&sourced.name).cloned()),
        };
        attributes.extend(value.map(|value| (sourced.name.clone(), value)));
    }
    for (name, value) in &case.overrides.attributes {
        match value {
            Some(value) => drop(attributes.insert(name.clone(), value.clone())),
            None => drop(attributes.remove(name)),
        }
    }
    within_limits(attributes, case)
}

/// What the destination would refuse is left out.
fn within_limits(attributes: Attributes, case: &Case) -> (Attributes, Vec<Reason>) {
    let limits = &case.rules.limits;
    let (mut kept, mut alarms) = (Attributes::new(), Vec::new());
    let mut place = 0;
    for (name, value) in attributes {
        if let Some(write) = name.unfit(&value) {
            alarms.push(Reason::AttributeUnfit { name: name.to_string(), write: write.to_owned() });
        } else if name.field().is_some() {
            kept.insert(name, value);
        } else if value.length() > limits.characters as usize {
            alarms.push(Reason::AttributeTooLong { name: name.to_string(), most: limits.characters });
        } else if place == limits.attributes {
            alarms.push(Reason::TooManyAttributes { name: name.to_string(), most: limits.attributes });
        } else {
            place += 1;
            kept.insert(name, value);
        }
    }
    (kept, alarms)
}
