//! What goes before what, and what a refusal or a retry holds up.

use super::*;
use crate::model::attributes::{AttributeName, AttributeValue};
use crate::model::overrides::Block;
use crate::model::rules::Protocol;
use make::settle;

/// A subscription to `premium` that was upgraded to `gold`.
fn upgraded() -> Case {
    let mut upgraded = first_month();
    upgraded.items[0] = item("si_1", "gold", period(0, 30));
    later(of(day(3), [first_month()]), day(10), [upgraded])
}

/// Writes the first step of the plan down in `state`.
fn leave_first_step(case: &mut Case, state: State) {
    let plan = decide(case);
    write_down(&mut case.ledger, &plan, case.now);
    settle(&mut case.ledger, &plan.steps[0].key, state);
}

fn refused(case: &Case) -> State {
    State::Refused { at: case.now, why: "no such level".into() }
}

fn waiting(case: &Case) -> State {
    State::Intended { attempts: 1, due: case.now + hours(1) }
}

#[test]
fn a_level_is_kept_while_its_replacement_is_refused() {
    let mut case = upgraded();
    assert_eq!(steps(&case), ["grant gold until 2026-01-31T02:00:00Z by sub_1", "revoke premium"]);
    let state = refused(&case);
    leave_first_step(&mut case, state);
    let plan = decide(&case);
    assert_eq!((plan.steps.len(), plan.refused.len()), (0, 1), "{plan:?}");
    assert!(notes(&case).iter().any(|note| note.contains("gold")), "{:?}", notes(&case));
}

#[test]
fn a_level_is_kept_while_its_replacement_waits_for_a_retry() {
    let mut case = upgraded();
    let state = waiting(&case);
    leave_first_step(&mut case, state);
    assert_eq!(steps(&case), [""; 0]);
    case.now += hours(1);
    assert_eq!(steps(&case), ["grant gold until 2026-01-31T02:00:00Z by sub_1", "revoke premium"]);
}

#[test]
fn a_block_waits_for_no_replacement() {
    let mut case = upgraded();
    let state = refused(&case);
    leave_first_step(&mut case, state);
    case.overrides.blocks = vec![Block { level: level("premium"), by: "op".into(), why: "fraud".into() }];
    assert_eq!(steps(&case), ["revoke premium"]);
}

#[test]
fn a_refused_report_withholds_no_level() {
    let mut case = of(day(3), [first_month()]);
    case.rules.protocol = Protocol::SalesAndAccess;
    assert!(steps(&case)[0].starts_with("report sub_1"));
    let state = refused(&case);
    leave_first_step(&mut case, state);
    assert_eq!(steps(&case), ["grant premium until 2026-01-31T02:00:00Z by sub_1"]);
    assert_eq!(decide(&case).refused.len(), 1, "and it stays parked");
}

#[test]
fn a_report_that_waits_for_its_retry_holds_up_the_level_that_it_may_bring() {
    let mut case = of(day(3), [first_month()]);
    case.rules.protocol = Protocol::SalesAndAccess;
    let state = waiting(&case);
    leave_first_step(&mut case, state);
    let plan = decide(&case);
    assert_eq!((plan.steps.len(), plan.sync_again_at), (0, Some(case.now + hours(1))));
    case.now += hours(1);
    assert!(steps(&case)[0].starts_with("report sub_1"));
}

#[test]
fn deletions_come_first_where_one_request_does_not_hold_them_beside_the_values() {
    let name = |text: &str| AttributeName::parse(text).unwrap();
    let mut case = of(day(3), [first_month()]);
    case.rules.limits.attributes = 2;
    for (attribute, value) in [("plan", "gold"), ("zone", "north")] {
        case.overrides.attributes.insert(name(attribute), Some(AttributeValue::read(value)));
    }
    execute(&mut case);
    case.overrides.attributes.insert(name("plan"), None);
    case.overrides.attributes.insert(name("team"), Some(AttributeValue::read("red")));
    assert_eq!(steps(&case), ["set no plan", "set team=red zone=north"]);
    let first = decide(&case).steps.remove(0);
    let Step::SetAttributes(deletions) = &first.step else { panic!("{first:?}") };
    assert!(deletions.deletes_only);
}
