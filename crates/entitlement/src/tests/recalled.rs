//! When a remembered profile will do.

use super::*;
use crate::key::StepKey;
use crate::ledger::Ledger;
use crate::orders::Block;
use crate::recalled::{holds_unread, is_as_left};

/// Granted and remembered, a moment ago.
fn granted() -> Case {
    let mut case = of(day(3), [first_month()]);
    carry_out(&mut case);
    Case { now: case.now + seconds(5), ..case }
}

fn last_key(case: &Case) -> StepKey {
    case.ledger.entries.last().unwrap().key.clone()
}

#[test]
fn what_our_last_write_left_holds_while_nothing_new_is_billed() {
    let case = granted();
    assert!(is_as_left(&case.ledger, &last_key(&case)) && holds_unread(&case, &decide(&case)));
    let ended = Subscription { status: Status::Canceled, ended_at: Some(day(3)), ..first_month() };
    for changed in
        [later(case.clone(), case.now, [ended]), later(case.clone(), case.now, [second_month(InvoiceStatus::Paid)])]
    {
        assert!(!holds_unread(&changed, &decide(&changed)), "what is to be written is decided on what is read");
    }
    let mut unsure = case;
    unsure.billing.gaps.push(Gap { about: About::Everything, what: "invoices".into() });
    assert!(!holds_unread(&unsure, &decide(&unsure)));
}

#[test]
fn what_may_not_be_ours_is_read() {
    let mut case = granted();
    case.profile.levels.push(foreign("gold", Until::At(day(40))));
    assert!(!holds_unread(&case, &decide(&case)));
    let mut waiting = granted();
    waiting.profile.levels.clear();
    assert!(!holds_unread(&waiting, &decide(&waiting)), "what does not show yet is waited for");
    let mut blocked = granted();
    blocked.orders.blocks.push(Block { level: level("premium"), by: "ops".into(), why: String::new() });
    assert!(!holds_unread(&blocked, &decide(&blocked)));
}

#[test]
fn a_step_of_anybody_since_makes_the_memory_void() {
    let mut case = granted();
    let key = last_key(&case);
    let renewed = later(case.clone(), day(30), [second_month(InvoiceStatus::Paid)]);
    intend(&mut case.ledger, &decide(&renewed).steps[0], case.now);
    assert!(!is_as_left(&case.ledger, &key), "it is open");
    let sent = last_key(&case);
    case.ledger.entries.last_mut().unwrap().state = State::Confirmed { at: case.now };
    assert!(!is_as_left(&case.ledger, &key) && is_as_left(&case.ledger, &sent));
    case.ledger.entries[0].state = State::Intended { attempts: 1, due: case.now };
    assert!(!is_as_left(&case.ledger, &sent) && !is_as_left(&Ledger::default(), &sent));
}
