//! What a decision reads of the ledger, and what is listed of it.

use entitlement::model::key::StepKey;
use entitlement::model::ledger::State;
use entitlement::model::mode::Mode;
use entitlement::model::plan::PlannedStep;

use super::make::{
    account, at, done, entries, intent, leased, memory, now, pass, planned, refused, result, settle, settlement, sync,
    user,
};
use crate::claim::Claim;
use crate::ledger::Filter;
use crate::open::Store;
use crate::record::{Fenced, Intent, Progress, Settlement, StepOutcome};

/// Intends and confirms a step on `level` in the sync of `claim`.
async fn confirm(store: &Store, claim: &Claim, key: &str, level: &str) {
    assert_eq!(store.intend(intent(claim, vec![planned(key, level)])).await.unwrap(), Fenced::Written);
    let progress = Progress {
        account: claim.account.clone(),
        lease: claim.lease.clone(),
        results: vec![result(key, StepOutcome::Confirmed)],
        statuses: Vec::new(),
    };
    assert_eq!(store.record_progress(progress).await.unwrap(), Fenced::Written);
}

#[tokio::test]
async fn the_last_confirmed_of_a_quiet_subject_is_read_behind_many_of_a_busy_one() {
    let store = memory().await;
    let claim = leased(&store, "1").await;
    confirm(&store, &claim, "quiet", "gold").await;
    for number in 0..60 {
        confirm(&store, &claim, &format!("busy_{number}"), "premium").await;
    }
    let entries = entries(&store).await;
    assert_eq!(entries[0].key.as_str(), "quiet");
    assert!(entries.len() < 61, "not the whole ledger: {}", entries.len());
    assert_eq!(entries.last().unwrap().key.as_str(), "busy_59");
}

#[tokio::test]
async fn the_last_confirmed_and_the_open_ones_are_read_behind_many_of_their_own_subject() {
    let store = memory().await;
    let claim = leased(&store, "1").await;
    store.intend(intent(&claim, vec![planned("open", "premium")])).await.unwrap();
    confirm(&store, &claim, "confirmed", "premium").await;
    for number in 0..60 {
        let key = format!("refused_{number}");
        store.intend(intent(&claim, vec![planned(&key, "premium")])).await.unwrap();
        let results = vec![result(&key, refused())];
        let progress =
            Progress { account: claim.account.clone(), lease: claim.lease.clone(), results, statuses: Vec::new() };
        store.record_progress(progress).await.unwrap();
    }
    let entries = entries(&store).await;
    assert_eq!(entries[0].state, State::Intended { attempts: 0, due: at(0) });
    assert_eq!(entries[1].state, State::Confirmed { at: at(0) });
    assert_eq!(entries.len(), 52);
}

#[tokio::test]
async fn test_and_live_entries_users_and_destinations_do_not_mix() {
    let store = memory().await;
    let claim = leased(&store, "1").await;
    let of = |key| intent(&claim, vec![planned(key, "premium")]);
    let (live, test) = (of("live"), Intent { mode: Mode::Test, ..of("test") });
    let other = Intent { user: user("u-2"), ..of("other") };
    let elsewhere = Intent { destination: "elsewhere".into(), ..of("elsewhere") };
    for intent in [live, test, other, elsewhere] {
        assert_eq!(store.intend(intent).await.unwrap(), Fenced::Written);
    }
    let reads = [("live", "u-1", "adapty", Mode::Live), ("test", "u-1", "adapty", Mode::Test)];
    let more = [("other", "u-2", "adapty", Mode::Live), ("elsewhere", "u-1", "elsewhere", Mode::Live)];
    for (key, whose, destination, mode) in reads.into_iter().chain(more) {
        let entries = store.ledger(&user(whose), destination, mode).await.unwrap().entries;
        let found: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
        assert_eq!(found, [key]);
    }
}

#[tokio::test]
async fn a_step_is_read_back_as_it_was_written() {
    let store = memory().await;
    let claim = leased(&store, "1").await;
    let intended = planned("k", "premium \u{1f47b} 'x' \" \\ \u{0}");
    store.intend(intent(&claim, vec![intended.clone()])).await.unwrap();
    let entry = entries(&store).await.remove(0);
    assert_eq!((entry.key, entry.step), (intended.key, intended.step));
}

#[tokio::test]
async fn rows_are_listed_newest_first_to_the_limit_and_by_user() {
    let store = memory().await;
    for (id, key, whose) in [("1", "a", "u-1"), ("2", "b", "u-2"), ("3", "c", "u-1")] {
        let claim = leased(&store, id).await;
        let intent = Intent { user: user(whose), ..intent(&claim, vec![planned(key, "premium")]) };
        store.intend(intent).await.unwrap();
        settle(&store, &claim, done()).await;
        pass(1);
    }
    let keys = async |whose: Option<&str>, limit| {
        let filter = Filter { user: whose.map(user), ..Filter::default() };
        let rows = store.ledger_rows(&filter, limit).await.unwrap();
        rows.into_iter().map(|row| row.key).collect::<Vec<_>>()
    };
    assert_eq!(keys(None, 2).await, ["c", "b"]);
    assert_eq!(keys(Some("u-1"), 9).await, ["c", "a"]);
    assert_eq!(keys(Some("nobody"), 9).await, [""; 0]);
}

#[tokio::test]
async fn rows_are_filtered_by_account_state_and_time() {
    let store = memory().await;
    for (id, key, outcome) in [("1", "a", StepOutcome::Confirmed), ("2", "b", refused()), ("1", "c", refused())] {
        sync(&store, id, key, outcome).await;
        pass(1);
    }
    let open = leased(&store, "2").await;
    store.intend(intent(&open, vec![planned("d", "premium")])).await.unwrap();
    let keys = async |filter: Filter| {
        let newest = store.ledger_rows(&filter, 9).await.unwrap();
        let first = store.first_ledger_rows(&filter, 9).await.unwrap();
        assert!(newest.iter().rev().map(|row| &row.key).eq(first.iter().map(|row| &row.key)));
        newest.into_iter().map(|row| row.key).collect::<Vec<_>>()
    };
    assert_eq!(keys(Filter { account: Some(account("1")), ..Filter::default() }).await, ["c", "a"]);
    assert_eq!(keys(Filter { state: Some("refused".into()), ..Filter::default() }).await, ["c", "b"]);
    assert_eq!(keys(Filter { since: Some(at(2)), ..Filter::default() }).await, ["d", "c"]);
    let all = Filter { account: Some(account("2")), user: Some(user("u-1")), ..Filter::default() };
    assert_eq!(keys(Filter { state: Some("intended".into()), since: Some(at(1)), ..all }).await, ["d"]);
    let rows = store.first_ledger_rows(&Filter::default(), 9).await.unwrap();
    let times = rows.iter().map(|row| (row.due_at, row.settled_at)).collect::<Vec<_>>();
    assert_eq!((times[0], times[3]), ((None, Some(at(0))), (Some(at(3)), None)), "either is due or settled");
}

#[tokio::test]
async fn rows_are_found_by_the_beginning_of_their_key_and_along_their_chain() {
    let store = memory().await;
    let claim = leased(&store, "1").await;
    let after = |key: &str, level: &str, previous: &str| PlannedStep {
        previous: Some(StepKey::stored(previous.to_owned())),
        ..planned(key, level)
    };
    confirm(&store, &claim, "abcd01ff", "premium").await;
    let steps = vec![after("abcd02", "premium", "abcd01ff"), after("abcdef", "premium", "abcd01ff")];
    store.intend(intent(&claim, steps)).await.unwrap();
    store.intend(intent(&claim, vec![after("ab09", "gold", "abcd01ff")])).await.unwrap();
    let keys = async |prefix: &str| {
        let rows = store.ledger_rows_with_prefix(prefix, 9).await.unwrap();
        rows.into_iter().map(|row| row.key).collect::<Vec<_>>()
    };
    assert_eq!(keys("abcd0").await, ["abcd02", "abcd01ff"]);
    assert_eq!(keys("abcd01ff").await, ["abcd01ff"]);
    assert_eq!(keys("abcd01ff0").await, [""; 0]);
    assert_eq!(keys("f").await, [""; 0]);
    assert_eq!(store.ledger_rows_with_prefix("ab", 2).await.unwrap().len(), 2);
    let first = store.ledger_rows_with_prefix("abcd01ff", 1).await.unwrap().remove(0);
    let next = store.ledger_rows_after(&first, 9).await.unwrap();
    let next: Vec<_> = next.iter().map(|row| (row.key.as_str(), row.previous.as_deref())).collect();
    assert_eq!(next, [("abcd02", Some("abcd01ff")), ("abcdef", Some("abcd01ff"))], "of the same subject");
    assert_eq!(first.previous, None);
}

#[tokio::test]
async fn an_intent_and_the_settlement_of_its_neighbour_share_a_batch() {
    let store = memory().await;
    let (one, two) = (leased(&store, "1").await, leased(&store, "2").await);
    store.intend(intent(&one, vec![planned("a", "premium")])).await.unwrap();
    let end = Settlement { results: vec![result("a", StepOutcome::Confirmed)], ..settlement(&one, done()) };
    let both = tokio::join!(store.settle(end), store.intend(intent(&two, vec![planned("b", "premium")])));
    assert_eq!((both.0.unwrap(), both.1.unwrap()), (Fenced::Written, Fenced::Written));
    let states: Vec<State> = entries(&store).await.into_iter().map(|entry| entry.state).collect();
    assert_eq!(states, [State::Confirmed { at: now() }, State::Intended { attempts: 0, due: now() }]);
}
