//! When a remembered profile will do.

use super::*;
use crate::access::cached_profile::{is_enough, is_newest};
use crate::model::key::StepKey;
use crate::model::ledger::{Entry, Ledger};
use crate::model::overrides::Block;
use crate::model::step::{ReportSale, SaleEvent};

/// Granted and remembered, a moment ago.
fn granted() -> Case {
    let mut case = of(day(3), [first_month()]);
    carry_out(&mut case);
    Case { now: case.now + seconds(5), ..case }
}

fn last_key(case: &Case) -> StepKey {
    case.ledger.entries.last().unwrap().key.clone()
}

/// Whether what the last step left will do for `case`.
fn holds(case: &Case) -> bool {
    is_enough(case, &decide(case), &last_key(case))
}

fn is_left(case: &Case, key: &StepKey) -> bool {
    is_newest(&case.ledger, key, seconds(30), case.now)
}

#[test]
fn what_our_last_write_left_holds_while_nothing_new_is_billed() {
    let case = granted();
    assert!(is_left(&case, &last_key(&case)) && holds(&case));
    let ended = Subscription { status: Status::Canceled, ended_at: Some(day(3)), ..first_month() };
    for changed in
        [later(case.clone(), case.now, [ended]), later(case.clone(), case.now, [second_month(InvoiceStatus::Paid)])]
    {
        assert!(!holds(&changed), "what is to be written is decided on what is read");
    }
    let mut unknown = case;
    unknown.billing.gaps.push(Gap { about: About::Everything, what: "invoices".into() });
    assert!(!holds(&unknown));
}

#[test]
fn what_may_not_be_ours_is_read() {
    let mut case = granted();
    case.profile.levels.push(foreign("gold", Until::At(day(40))));
    assert!(!holds(&case));
    let mut waiting = granted();
    waiting.profile.levels.clear();
    assert!(!holds(&waiting), "what does not show yet is waited for");
    let mut blocked = granted();
    blocked.overrides.blocks.push(Block { level: level("premium"), by: "ops".into(), why: String::new() });
    assert!(!holds(&blocked));
}

#[test]
fn a_step_of_anybody_since_makes_the_memory_void() {
    let mut case = granted();
    let key = last_key(&case);
    let renewed = later(case.clone(), day(30), [second_month(InvoiceStatus::Paid)]);
    intend(&mut case.ledger, &decide(&renewed).steps[0], case.now);
    assert!(!is_left(&case, &key), "it is open");
    let sent = last_key(&case);
    case.ledger.entries.last_mut().unwrap().state = State::Confirmed { at: case.now };
    assert!(!is_left(&case, &key) && is_left(&case, &sent));
    case.ledger.entries[0].state = State::Intended { attempts: 1, due: case.now };
    assert!(!is_left(&case, &sent) && !is_newest(&Ledger::default(), &sent, seconds(30), case.now));
}

#[test]
fn what_a_memory_is_good_for_ends_with_the_lag_that_the_rules_count() {
    let case = granted();
    let confirmed = case.ledger.entries[0].confirmed_at().unwrap();
    let at = |late: i64| Case { now: confirmed + seconds(late), ..case.clone() };
    assert!(holds(&at(29)) && !holds(&at(30)));
}

#[test]
fn what_was_reported_or_dropped_within_the_lag_is_read_for() {
    let mut case = granted();
    let key = last_key(&case);
    let entry = Entry { seq: 0, key: StepKey::stored("before".into()), ..case.ledger.entries[0].clone() };
    case.ledger.entries.insert(0, entry);
    let with = |state: State, step: Option<Step>| {
        let mut case = case.clone();
        case.ledger.entries[0].state = state;
        case.ledger.entries[0].step = step.unwrap_or_else(|| case.ledger.entries[0].step.clone());
        is_left(&case, &key)
    };
    let Step::GrantAccess(grant) = case.ledger.entries[0].step.clone() else { panic!("a grant") };
    let report = || Some(Step::ReportSale(ReportSale::of(grant.clone(), SaleEvent::Sold)));
    let (lately, before) = (case.now - seconds(20), case.now - seconds(30));
    assert!(with(State::Confirmed { at: lately }, None) && with(State::Confirmed { at: lately }, report()));
    assert!(with(State::Confirmed { at: before }, report()));
    let since = |at| {
        let mut case = case.clone();
        case.ledger.entries[0].seq = 9;
        (case.ledger.entries[0].step, case.ledger.entries[0].state) = (report().unwrap(), State::Confirmed { at });
        is_left(&case, &key)
    };
    assert!(!since(lately) && since(before), "a report after it may show later");
    assert!(!with(State::Dropped { at: lately }, None) && with(State::Dropped { at: before }, None));
    assert!(!with(State::Confirmed { at: case.now }, None), "an older one that was sent again since");
}
