//! The cases that are saved, as they were made.

use super::*;

/// Every saved case under its name.
pub(super) fn saved() -> Vec<(&'static str, Case)> {
    let mut cases = running();
    cases.extend(money());
    cases.extend(odd());
    cases.extend(saved_more::states());
    cases.extend(saved_more::choices());
    cases.extend(saved_more::doubts());
    cases
}

fn granted() -> Case {
    of(day(3), [first_month()])
}

fn running() -> Vec<(&'static str, Case)> {
    let failed = Subscription { status: Status::PastDue, ..second_month(InvoiceStatus::Open) };
    let stopping = Subscription { stops_at_period_end: true, ..first_month() };
    let ended = Subscription { status: Status::Canceled, ended_at: Some(day(4)), ..first_month() };
    let paused = Subscription { status: Status::Paused, ..first_month() };
    let mut upgraded = first_month();
    upgraded.items[0] = item("si_1", "gold", period(0, 30));
    vec![
        ("bought", granted()),
        ("on_trial", of(day(1), [trial()])),
        ("renewed", later(granted(), day(30) + hours(1), [second_month(InvoiceStatus::Paid)])),
        ("renewal_is_a_draft", later(granted(), day(30), [second_month(InvoiceStatus::Draft)])),
        ("renewal_failed", later(granted(), day(30) + hours(1), [failed])),
        ("stops_at_period_end", later(granted(), day(4), [stopping])),
        ("canceled_at_once", later(granted(), day(5), [ended])),
        ("paused", later(granted(), day(5), [paused.clone()])),
        ("resumed", later(later(granted(), day(5), [paused]), day(6), [first_month()])),
        ("upgraded", later(granted(), day(10), [upgraded])),
    ]
}

fn money() -> Vec<(&'static str, Case)> {
    let mut refunded = first_month();
    refunded.invoices[0].money_back = refund(999);
    let mut lost = first_month();
    lost.invoices[0].money_back = dispute(DisputeState::Lost);
    let other = Subscription { id: "sub_2".into(), ..first_month() };
    let mut life = case(day(1));
    life.billing.purchases.push(purchase("pi_1", "life", day(0)));
    let mut passes = case(day(11));
    passes.billing.purchases = vec![purchase("pi_1", "pass", day(0)), purchase("pi_2", "pass", day(10))];
    vec![
        ("refunded", later(granted(), day(4), [refunded.clone()])),
        ("refunded_with_another_running", later(granted(), day(4), [refunded, other])),
        ("dispute_lost", later(granted(), day(4), [lost])),
        ("bought_for_life", life),
        ("two_passes", passes),
    ]
}

fn odd() -> Vec<(&'static str, Case)> {
    let mut unmapped = first_month();
    unmapped.items[0] = item("si_1", "other", period(0, 30));
    let seat = sub("sub_2", "seat", period(0, 30));
    let mut given_back = first_month();
    given_back.invoices[0].money_back = refund(999);
    let mut both = of(day(3), [first_month(), seat.clone()]);
    both.rules.catalog.0.extend(ignored());
    let mut store = granted();
    store.profile.levels = vec![foreign("premium", Until::At(day(300)))];
    let mut refused = granted();
    let plan = decide(&refused);
    write_down(&mut refused.ledger, &plan, day(3));
    let mut cut_off = refused.clone();
    refused.ledger.entries[0].state = State::Refused { at: day(3), why: "no such access level (status 400)".into() };
    show(&mut cut_off.profile, &cut_off.ledger.entries[0].step.clone(), day(3));
    cut_off.now = day(3) + seconds(5);
    let mut lagging = later(granted(), day(3) + seconds(5), [first_month()]);
    lagging.profile.levels.clear();
    vec![
        ("price_not_in_catalog", later(granted(), day(4), [unmapped])),
        ("refunded_beside_an_ignored_price", later(both, day(4), [given_back, seat])),
        ("other_store_lasts", store),
        ("step_refused", refused),
        ("cut_off_after_sending", cut_off),
        ("profile_lags", lagging),
    ]
}
