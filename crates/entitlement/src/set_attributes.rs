//! What is to be told about the customer: what changed since it was told last, and nothing else. What an app says about
//! its users is not ours: an attribute is written when our word on it changes.

use std::collections::BTreeSet;

use crate::attributes::{AttributeName, AttributeValue, Attributes, SetAttributes};
use crate::decide::Case;
use crate::ledger::{Entry, State};
use crate::plan::{Plan, PlannedStep, Step};
use crate::reason::Reason;
use crate::reconcile::{enqueue, next_link};

/// Adds to `plan` what is to be told of the details in `case`.
pub(crate) fn set_attributes(case: &Case, plan: &mut Plan) {
    let entries = described(case);
    let confirmed = entries.iter().rev().find(|(entry, _)| entry.confirmed_at().is_some());
    let last = confirmed.map(|(entry, _)| *entry);
    let told = confirmed.map(|(_, told)| *told);
    // what was sent and never answered may have arrived
    let open: Vec<_> = entries.iter().filter(|(entry, _)| matches!(entry.state, State::Intended { .. })).collect();
    let sent: Vec<&SetAttributes> = open.iter().map(|(_, sent)| *sent).collect();
    let attributes = wanted(case, told.map(|told| &told.attributes), plan);
    let wish = wish(case, attributes, told, &sent);
    // a profile that was deleted knows nothing of what it was told
    let is_as_told = told.is_some_and(|told| case.profile.exists && told.attributes == wish.attributes);
    let is_told = sent.is_empty() && wish.gone.is_empty() && (wish.attributes.is_empty() || is_as_told);
    let mut key = None;
    if !is_told && is_known(case, plan) {
        let step = Step::SetAttributes(wish);
        let entries: Vec<&Entry> = entries.iter().map(|(entry, _)| *entry).collect();
        let (previous, next) = next_link(&case.rules, &case.profile.user, &entries, &step, last);
        let planned = PlannedStep { key: next.clone(), previous, step, because: Reason::Described, attempts: 0 };
        // no level is concerned, so there is none to note why it waits
        let waits = enqueue(planned, &entries, case.now, plan);
        if matches!(waits, Some(Reason::Refusal { .. })) {
            // what is open may have arrived, and is not forgotten while nothing can take its place
            return;
        }
        key = Some(next);
    }
    let unwanted = open.iter().map(|(entry, _)| &entry.key).filter(|open| Some(*open) != key.as_ref());
    plan.dropped.extend(unwanted.cloned());
}

/// What is to be said now: all `attributes`, and what is to be gone and may stand there. A deletion that was confirmed is not
/// made again, so that what was ever deleted does not grow into what no request holds.
fn wish(case: &Case, attributes: Attributes, told: Option<&SetAttributes>, sent: &[&SetAttributes]) -> SetAttributes {
    let mut gone: BTreeSet<AttributeName> = told.iter().flat_map(|told| told.attributes.keys()).cloned().collect();
    gone.extend(sent.iter().flat_map(|sent| sent.attributes.keys().chain(&sent.gone)).cloned());
    let mut stays_gone = BTreeSet::new();
    for (name, _) in case.overrides.attributes.iter().filter(|(_, value)| value.is_none()) {
        let is_gone = told.is_some_and(|told| told.gone.contains(name) || told.stays_gone.contains(name));
        let left = if is_gone && case.profile.exists { &mut stays_gone } else { &mut gone };
        left.insert(name.clone());
    }
    gone.retain(|name| !attributes.contains_key(name));
    stays_gone.retain(|name| !gone.contains(name));
    SetAttributes { attributes, gone, stays_gone }
}

fn described(case: &Case) -> Vec<(&Entry, &SetAttributes)> {
    let mut entries: Vec<(&Entry, &SetAttributes)> = Vec::new();
    for entry in &case.ledger.entries {
        if let Step::SetAttributes(describe) = &entry.step {
            entries.push((entry, describe));
        }
    }
    entries.sort_by_key(|(entry, _)| entry.seq);
    entries
}

/// Nobody is made known to a destination for what the source happens to say of them, or for what is to be gone.
fn is_known(case: &Case, plan: &Plan) -> bool {
    // any other step makes a profile first
    case.profile.exists || !plan.steps.is_empty() || case.overrides.attributes.values().any(Option::is_some)
}

/// What the source says, as far as it could be read; an operator's word wins.
fn wanted(case: &Case, told: Option<&Attributes>, plan: &mut Plan) -> Attributes {
    let mut attributes = Attributes::new();
    for sourced_attributes in &case.rules.sourced_attributes {
        let value = match case.billing.facts.get(&sourced_attributes.from) {
            Some(fact) if fact.0.is_empty() => None,
            Some(fact) => Some(AttributeValue::read(&fact.0)),
            // unknown is not no
            None => told.and_then(|told| told.get(&sourced_attributes.name).cloned()),
        };
        attributes.extend(value.map(|value| (sourced_attributes.name.clone(), value)));
    }
    for (name, value) in &case.overrides.attributes {
        match value {
            Some(value) => drop(attributes.insert(name.clone(), value.clone())),
            None => drop(attributes.remove(name)),
        }
    }
    within_limits(attributes, case, plan)
}

/// What the destination would refuse is left out, and an operator told.
fn within_limits(mut attributes: Attributes, case: &Case, plan: &mut Plan) -> Attributes {
    let limits = &case.rules.limits;
    let (characters, most) = (limits.characters as usize, limits.attributes as usize);
    let mut place = 0;
    attributes.retain(|name, value| {
        if let Some(write) = name.unfit(value) {
            plan.expected.alarms.push(Reason::DetailUnfit { name: name.to_string(), write: write.to_owned() });
            return false;
        }
        if name.field().is_some() {
            return true;
        }
        if value.length() > characters {
            plan.expected.alarms.push(Reason::DetailTooLong { name: name.to_string(), most: limits.characters });
            return false;
        }
        place += 1;
        if place > most {
            plan.expected.alarms.push(Reason::TooManyDetails { name: name.to_string(), most: limits.attributes });
        }
        place <= most
    });
    attributes
}
