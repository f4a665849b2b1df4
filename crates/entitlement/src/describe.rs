//! What is to be told about the customer: what changed since it was told last, and nothing else. What an app says about
//! its users is not ours: an attribute is written when our word on it changes.

use std::collections::BTreeSet;

use crate::decide::Case;
use crate::details::{Describe, DetailName, DetailValue, Details};
use crate::ledger::{Entry, State};
use crate::plan::{Plan, Planned, Refused, Step};
use crate::reason::Reason;
use crate::reconcile::{look_again, next_link};

/// Adds to `plan` what is to be told of the details in `case`.
pub(crate) fn describe(case: &Case, plan: &mut Plan) {
    let entries = described(case);
    let last = entries.iter().rev().find(|(entry, _)| entry.confirmed_at().is_some());
    let told = last.map(|(_, told)| *told);
    let wanted = wanted(case, told.map(|told| &told.details), plan);
    let open = entries.iter().filter(|(entry, _)| matches!(entry.state, State::Intended { .. }));
    // what was sent and never answered may have arrived
    let ever = open
        .clone()
        .flat_map(|(_, sent)| sent.details.keys())
        .chain(told.into_iter().flat_map(|told| told.details.keys()));
    let gone: BTreeSet<DetailName> = ever.filter(|name| !wanted.contains_key(*name)).cloned().collect();
    let as_told = told.map_or(wanted.is_empty(), |told| told.details == wanted);
    let entries: Vec<&Entry> = entries.iter().map(|(entry, _)| *entry).collect();
    let step = Step::Describe(Describe { details: wanted, gone: gone.clone() });
    let key = if (as_told && gone.is_empty()) || !is_known(case, plan) {
        None
    } else {
        let last = last.map(|(entry, _)| *entry);
        let (previous, key) = next_link(&case.rules, &case.profile.customer, &entries, &step, last);
        Some(queue(Planned { key, previous, step, because: Reason::Described, attempts: 0 }, &entries, case, plan))
    };
    let unwanted = open.map(|(entry, _)| &entry.key).filter(|open| Some(*open) != key.as_ref());
    plan.moot.extend(unwanted.cloned());
}

fn described(case: &Case) -> Vec<(&Entry, &Describe)> {
    let mut entries: Vec<(&Entry, &Describe)> = Vec::new();
    for entry in &case.ledger.entries {
        if let Step::Describe(describe) = &entry.step {
            entries.push((entry, describe));
        }
    }
    entries.sort_by_key(|(entry, _)| entry.seq);
    entries
}

/// Nobody is made known to a destination for what the source happens to say of them.
fn is_known(case: &Case, plan: &Plan) -> bool {
    // any other step makes a profile first
    case.profile.exists || !plan.steps.is_empty() || !case.orders.details.is_empty()
}

/// What the source says, as far as it could be read; an operator's word wins.
fn wanted(case: &Case, told: Option<&Details>, plan: &mut Plan) -> Details {
    let mut details = Details::new();
    for sourced in &case.rules.sourced {
        let value = match case.billing.facts.get(&sourced.from) {
            Some(text) if text.is_empty() => None,
            Some(text) => Some(DetailValue::read(text)),
            // unknown is not no
            None => told.and_then(|told| told.get(&sourced.name).cloned()),
        };
        details.extend(value.map(|value| (sourced.name.clone(), value)));
    }
    for (name, value) in &case.orders.details {
        match value {
            Some(value) => drop(details.insert(name.clone(), value.clone())),
            None => drop(details.remove(name)),
        }
    }
    within_limits(details, case, plan)
}

/// What the destination would refuse is left out, and an operator told.
fn within_limits(mut details: Details, case: &Case, plan: &mut Plan) -> Details {
    let limits = &case.rules.limits;
    let (characters, most) = (limits.characters as usize, limits.attributes as usize);
    let too_long = |name: &DetailName, value: &DetailValue| name.field().is_none() && value.length() > characters;
    let mut place = 0;
    details.retain(|name, value| {
        place += usize::from(name.field().is_none());
        let because = match (too_long(name, value), name.field().is_none() && place > most) {
            (true, _) => Reason::DetailTooLong { name: name.to_string(), most: limits.characters },
            (false, true) => Reason::TooManyDetails { name: name.to_string(), most: limits.attributes },
            (false, false) => return true,
        };
        plan.verdict.alarms.push(because);
        false
    });
    details
}

/// Puts the step into the plan, unless its entry says that it is not due or was refused. Answers its key.
fn queue(planned: Planned, entries: &[&Entry], case: &Case, plan: &mut Plan) -> crate::key::StepKey {
    let key = planned.key.clone();
    match entries.iter().find(|entry| entry.key == key).map(|entry| &entry.state) {
        Some(State::Intended { due, .. }) if *due > case.now => look_again(plan, *due),
        Some(State::Refused { why, .. }) => {
            plan.refused.push(Refused { key: key.clone(), step: planned.step, why: why.clone() });
        }
        Some(State::Intended { attempts, .. }) => plan.steps.push(Planned { attempts: *attempts, ..planned }),
        Some(State::Dropped { .. } | State::Confirmed { .. }) | None => plan.steps.push(planned),
    }
    key
}
