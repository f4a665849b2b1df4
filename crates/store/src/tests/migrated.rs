//! Databases of former versions: everything in them is read as it was written.

use entitlement::model::attributes::AttributeName;
use entitlement::model::ledger::State;
use entitlement::model::mode::Mode;
use entitlement::model::until::Until;

use super::make::{account, at, claimed, entries, memory_of_version, now, pass, try_memory_of_version, user};
use crate::audit;
use crate::error::OpenError;
use crate::claim::{Capacity, Lease, Urgency};
use crate::inbox::Filter;
use crate::task::Task;

/// The last version of the first edition.
const FIRST_EDITION: i64 = 7;

/// One row and more of every table of the first edition. Times are the clock's beginning and what is around it.
const ROWS: &str = r#"
INSERT INTO inbox (id, kind, account, object, outcome, created, received, body) VALUES
  ('stripe:evt_1', 'invoice.paid', 'stripe:cus_1', 'in_1', 'rung', 1750000000000, 1750000000001, NULL),
  ('stripe:evt_2', 'balance.available', NULL, NULL, 'nobody', 1750000000000, 1750000000002, NULL),
  ('stripe:evt_3', 'invoice.paid', NULL, NULL, 'other_mode', 1750000000000, 1750000000003, NULL),
  ('stripe:evt_4', '?', NULL, NULL, 'unreadable', 1750000000000, 1750000000004, '{}');
INSERT INTO worklist (account, customer, due_at, class, generation, rung_at, lease, lease_until, attempts, failing_since,
                      trouble, settled_at, asked) VALUES
  ('stripe:cus_1', 'u-1', 1750000000000, 0, 3, 1749999999000, NULL, NULL, 2, 1749999998000, 'it failed', 1749999990000, 1),
  ('stripe:cus_2', 'u-2', 1750000000000, 2, 1, NULL, 'dead/1', 1750000002000, 0, NULL, NULL, NULL, 1),
  ('stripe:cus_3', NULL, NULL, 1, 7, NULL, NULL, NULL, 0, NULL, NULL, 1749999990000, 0);
INSERT INTO links (account, customer, origin, learnt_at) VALUES
  ('stripe:cus_1', 'u-1', 'operator', 1749999990000), ('stripe:cus_2', 'u-2', 'client_reference_id', 1749999990000);
INSERT INTO handovers (account, customer) VALUES ('stripe:cus_1', 'u-0');
INSERT INTO ledger (key, previous, destination, environment, customer, account, subject, step, because, state, attempts,
                    due_at, intended_at, settled_at, why) VALUES
  ('k1', NULL, 'adapty', 'live', 'u-1', 'stripe:cus_1', 'premium', 'STEP', 'REASON', 'confirmed', 1,
   1749999990000, 1749999990000, 1749999991000, NULL),
  ('k2', 'k1', 'adapty', 'live', 'u-1', 'stripe:cus_1', 'premium', 'STEP', 'REASON', 'intended', 3,
   1750000009000, 1749999990000, NULL, 'it did not answer'),
  ('k3', NULL, 'adapty', 'live', 'u-1', 'stripe:cus_1', 'gold', 'STEP', 'REASON', 'refused', 1,
   1749999990000, 1749999990000, 1749999991000, '400: no');
INSERT INTO parked (kind, account, customer, subject, reason, hint, since, dropped) VALUES
  ('refused_step', 'stripe:cus_1', 'u-1', 'k3', 'it was refused', 'do this', 1749999991000, NULL);
INSERT INTO statuses (customer, status, as_of) VALUES ('u-1', '{"levels":[],"double_subscription":false}', 1749999991000);
INSERT INTO promotions (customer, destination, level, until, request, who, why, given_at, ended_at, ended_by, ended_why)
VALUES
  ('u-1', 'adapty', 'premium', NULL, 'r-1', 'ops', 'they asked', 1749999980000, NULL, NULL, NULL),
  ('u-1', 'adapty', 'gold', 1760000000000, NULL, 'ops', 'they asked', 1749999981000, 1749999982000, 'ops', 'enough');
INSERT INTO blocks (customer, destination, level, who, why, since) VALUES
  ('u-1', 'adapty', 'gold', 'ops', 'fraud', 1749999982000);
INSERT INTO details (customer, destination, name, value, who, since) VALUES
  ('u-1', 'adapty', 'plan', 'null', 'ops', 1749999983000);
INSERT INTO orders (customer, destination, kind, subject, promotion, who, why, ordered_at) VALUES
  ('u-1', 'adapty', 'grant', 'premium', 1, 'ops', 'they asked', 1749999980000),
  ('u-1', 'adapty', 'describe', 'plan', NULL, 'ops', '', 1749999983000),
  ('u-1', 'adapty', 'forget', 'seats', NULL, 'ops', '', 1749999984000);
INSERT INTO witnessed (customer, levels, as_of) VALUES ('u-1', '[]', 1749999991000);
INSERT INTO notes (name, value) VALUES ('catch_up', '2025-01-01T00:00:00Z'), ('rounds', '[]');
INSERT INTO limits (name, full_at, held_until) VALUES ('stripe:0123', 1750000000000000, 1750000030000000);
INSERT INTO turns (task, owner, lease_until) VALUES ('round', 'a', 1750000005000), ('worker a', 'a', 1750000005000);
"#;

/// The rows, with a step and a reason in the JSON that this version writes.
fn rows() -> &'static str {
    let planned = super::make::planned("k1", "premium");
    let step = serde_json::to_string(&planned.step).unwrap();
    let reason = serde_json::to_string(&planned.because).unwrap();
    Box::leak(ROWS.replace("STEP", &step).replace("REASON", &reason).into_boxed_str())
}

/// Migrations of another program in the same database, numbered from 1 and by date.
const THEIRS: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES
    (1, 'theirs', true, 'ab', 0), (20240101000000, 'theirs too', true, 'cd', 0)";

#[tokio::test]
async fn migrations_of_another_program_in_the_same_database_are_left_alone() {
    for rows in [THEIRS, "DROP TABLE _sqlx_migrations; CREATE TABLE _sqlx_migrations (version TEXT)"] {
        let store = memory_of_version(0, rows).await;
        store.probe().await.unwrap();
        store.again().await.probe().await.unwrap();
        let theirs = if rows == THEIRS { 2 } else { 0 };
        assert_eq!(store.number("SELECT count(*) FROM _sqlx_migrations").await, theirs);
        assert_eq!(store.number("SELECT min(version) FROM grantsync_migrations").await, 1);
    }
}

#[tokio::test]
async fn what_was_applied_under_the_drivers_name_is_not_applied_again() {
    let theirs = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                  VALUES (20240101000000, 'theirs', true, 'cd', 0)";
    for (rows, before) in [("", 7), (theirs, 8)] {
        let store = memory_of_version(FIRST_EDITION, rows).await;
        store.again().await.probe().await.unwrap();
        let applied = store.number("SELECT count(*) FROM grantsync_migrations WHERE version <= 7").await;
        assert_eq!(applied, FIRST_EDITION);
        // a program of before finds what it left
        assert_eq!(store.number("SELECT count(*) FROM _sqlx_migrations").await, before);
    }
}

#[tokio::test]
async fn a_newer_version_under_the_drivers_name_is_refused() {
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (9999, 'from the future', true, 'ab', 0)";
    let error = try_memory_of_version(FIRST_EDITION, newer).await.err().unwrap();
    assert!(matches!(error, OpenError::Newer { version: 9999 }), "{error:?}");
}

#[tokio::test]
async fn events_of_the_first_edition_are_listed_by_their_outcomes() {
    let store = memory_of_version(FIRST_EDITION, rows()).await;
    let events = store.events(&Filter::default(), 9).await.unwrap();
    let outcomes: Vec<_> = events.iter().map(|event| event.outcome.as_str()).collect();
    assert_eq!(outcomes, ["unreadable", "other_mode", "no_account", "enqueued"]);
    assert_eq!(events[3].account.as_deref(), Some("stripe:cus_1"));
    assert_eq!(store.event("stripe:evt_4").await.unwrap().unwrap().body.as_deref(), Some("{}"));
}

#[tokio::test]
async fn the_worklist_of_the_first_edition_is_claimed_as_it_was_left() {
    let store = memory_of_version(FIRST_EDITION, rows()).await;
    let found = store.claim(Lease::new("b", 1), Capacity::of(9), super::make::SPAN).await.unwrap();
    let claim = &found.claims[0];
    assert_eq!((found.claims.len(), &claim.account, claim.user.clone()), (1, &account("1"), Some(user("u-1"))));
    assert_eq!((claim.urgency, claim.generation, claim.attempts), (Urgency::Requested, 3, 2));
    assert_eq!((claim.triggered_at, claim.failing_since), (Some(at(-1)), Some(at(-2))));
    pass(2);
    assert_eq!(claimed(&store, "c", 9).await, ["2"], "once the lease of the dead worker has run out");
    let idle = store.account_state(&account("3")).await.unwrap().unwrap();
    assert_eq!((idle.due_at, idle.generation, idle.settled_at), (None, 7, Some(at(-10))));
}

#[tokio::test]
async fn the_ledger_of_the_first_edition_keeps_its_states_and_chains() {
    let store = memory_of_version(FIRST_EDITION, rows()).await;
    let states: Vec<_> = entries(&store).await.into_iter().map(|entry| entry.state).collect();
    let refused = State::Refused { at: at(-9), why: "400: no".into() };
    assert_eq!(states, [State::Confirmed { at: at(-9) }, State::Intended { attempts: 3, due: at(9) }, refused]);
    let row = store.ledger_rows_with_prefix("k2", 1).await.unwrap().remove(0);
    assert_eq!((row.previous.as_deref(), row.environment.as_str()), (Some("k1"), "live"));
    assert_eq!(row.why.as_deref(), Some("it did not answer"));
    assert!(store.ledger(&user("u-1"), "adapty", Mode::Test).await.unwrap().entries.is_empty());
    let parked = store.parked().await.unwrap().remove(0);
    assert_eq!((parked.user.as_deref(), parked.subject.as_str()), (Some("u-1"), "k3"));
}

#[tokio::test]
async fn links_and_overrides_of_the_first_edition_count() {
    let store = memory_of_version(FIRST_EDITION, rows()).await;
    let context = store.account_context(&account("1")).await.unwrap();
    assert_eq!((context.link.unwrap().user, context.former_users), (user("u-1"), vec![user("u-0")]));
    let overrides = store.overrides(&user("u-1"), "adapty").await.unwrap();
    let grants: Vec<_> =
        overrides.promotions.iter().map(|grant| (grant.id.as_str(), grant.until, grant.ended)).collect();
    assert_eq!(grants[0], ("promo_1", Until::Lifetime, false));
    assert_eq!((grants[1].0, grants[1].2, overrides.blocks.len()), ("promo_2", true, 1));
    assert_eq!(overrides.attributes[&AttributeName::parse("plan").unwrap()], None);
    let log = store.audit_entries(&audit::Filter::default(), 9).await.unwrap();
    let kinds: Vec<_> = log.iter().map(|entry| (entry.kind.as_str(), entry.promotion.as_deref())).collect();
    assert_eq!(kinds, [("forget_attributes", None), ("set_attributes", None), ("grant", Some("promo_1"))]);
}

#[tokio::test]
async fn what_processes_of_the_first_edition_shared_is_still_shared() {
    let store = memory_of_version(FIRST_EDITION, rows()).await;
    assert!(store.status_of(&user("u-1")).await.unwrap().is_some());
    assert!(store.store_purchases(&user("u-1")).await.unwrap().is_some());
    assert_eq!(store.daemon_state("catch_up").await.unwrap().as_deref(), Some("2025-01-01T00:00:00Z"));
    assert_eq!(store.daemon_state("reconciliations").await.unwrap().as_deref(), Some("[]"));
    assert_eq!(store.live_workers().await.unwrap(), 1);
    let take = || store.take_task_lease(Task::Reconciliation, "b", super::make::SPAN);
    assert_eq!(take().await.unwrap(), crate::record::Fenced::LeaseLost);
    pass(5);
    assert_eq!(take().await.unwrap(), crate::record::Fenced::Written);
}

/// Overrides from before there was an audit log.
const BEFORE_THE_AUDIT_LOG: &str = "
INSERT INTO promotions (customer, destination, level, until, request, who, why, given_at, ended_at, ended_by, ended_why)
VALUES
  ('u-1', 'adapty', 'premium', 1760000000000, NULL, 'ops', 'they asked', 1750000000000, 1750000001000, 'ops', NULL),
  ('u-1', 'adapty', 'premium', NULL, NULL, 'ops', 'they asked', 1750000000000, 1750000001000, 'ops', NULL);
INSERT INTO blocks (customer, destination, level, who, why, since) VALUES
  ('u-1', 'adapty', 'premium', 'ops', 'fraud', 1750000001000);
INSERT INTO details (customer, destination, name, value, who, since) VALUES
  ('u-1', 'adapty', 'plan', 'null', 'ops', 1750000002000);
";

#[tokio::test]
async fn overrides_from_before_the_audit_log_are_entered_as_far_as_they_are_known() {
    let store = memory_of_version(5, BEFORE_THE_AUDIT_LOG).await;
    let rows = store.audit_entries(&audit::Filter::default(), 100).await.unwrap();
    let mut entered: Vec<_> = rows.iter().rev().map(|row| (row.kind.as_str(), row.at)).collect();
    entered[2..4].sort();
    let expected = [("grant", at(0)), ("grant", at(0)), ("block", at(1)), ("revoke", at(1)), ("set_attributes", at(2))];
    assert_eq!((entered.as_slice(), now()), (expected.as_slice(), at(0)));
    assert!(rows.iter().all(|row| row.user == "u-1" && row.app == "adapty" && row.by == "ops"));
    assert!(rows.iter().all(|row| row.promotion.is_some() == (row.kind == "grant")));
}
