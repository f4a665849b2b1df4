//! The ledger: intended, then confirmed, refused or dropped.

use entitlement::model::key::StepKey;
use entitlement::model::ledger::State;

use super::make::{
    account, at, claimed, done, entries, intend, intent, leased, memory, pass, planned, refused, result, retry, settle,
    settle_with, settlement, state, sync, user,
};
use crate::ledger::Filter;
use crate::open::Store;
use crate::record::{Attempt, Fenced, Intent, Settlement, StepOutcome, SyncEnding};

fn keys(of: &[&str]) -> Vec<StepKey> {
    of.iter().map(|key| StepKey::stored((*key).to_owned())).collect()
}

/// A sync that settles earlier steps without a step of its own.
async fn tidy(store: &Store, settled: &[&str], dropped: &[&str]) {
    let claim = leased(store, "1").await;
    let tidying = Intent { settled: keys(settled), dropped: keys(dropped), ..intent(&claim, Vec::new()) };
    assert_eq!(store.intend(tidying).await.unwrap(), Fenced::Written);
    settle(store, &claim, done()).await;
}

#[tokio::test]
async fn a_step_is_intended_and_then_confirmed() {
    let store = memory().await;
    let claim = leased(&store, "1").await;
    assert_eq!(intend(&store, &claim, &["k"]).await, Fenced::Written);
    assert_eq!(state(&store, "k").await, State::Intended { attempts: 0, due: at(0) });
    pass(1);
    settle_with(&store, &claim, vec![result("k", StepOutcome::Confirmed)]).await;
    assert_eq!(state(&store, "k").await, State::Confirmed { at: at(1) });
    let rows = store.ledger_rows(&Filter { user: Some(user("u-1")), ..Filter::default() }, 9).await.unwrap();
    let row = &rows[0];
    assert_eq!((row.account.as_str(), row.state.as_str(), row.attempts), ("stripe:cus_1", "confirmed", 1));
    assert_eq!((row.intended_at, row.settled_at, row.environment.as_str()), (at(0), Some(at(1)), "live"));
    assert!(!row.because.is_empty());
}

#[tokio::test]
async fn a_step_that_is_retried_counts_its_attempts_and_waits() {
    let store = memory().await;
    sync(&store, "1", "k", retry(at(30), Attempt::Counted)).await;
    assert_eq!(state(&store, "k").await, State::Intended { attempts: 1, due: at(30) });
    // intended again by the next sync, the entry is the same
    sync(&store, "1", "k", retry(at(60), Attempt::Counted)).await;
    assert_eq!(state(&store, "k").await, State::Intended { attempts: 2, due: at(60) });
    assert_eq!(entries(&store).await.len(), 1);
}

#[tokio::test]
async fn a_free_attempt_moves_the_due_time_and_does_not_count() {
    let store = memory().await;
    sync(&store, "1", "k", retry(at(60), Attempt::Free)).await;
    assert_eq!(state(&store, "k").await, State::Intended { attempts: 0, due: at(60) });
}

#[tokio::test]
async fn a_confirmed_step_is_never_intended_again() {
    let store = memory().await;
    sync(&store, "1", "k", StepOutcome::Confirmed).await;
    pass(1);
    let claim = leased(&store, "1").await;
    assert_eq!(intend(&store, &claim, &["k"]).await, Fenced::LeaseLost);
    assert_eq!(intend(&store, &claim, &["other", "k"]).await, Fenced::LeaseLost);
    assert_eq!(state(&store, "k").await, State::Confirmed { at: at(0) });
    for outcome in [retry(at(9), Attempt::Counted), refused(), StepOutcome::Confirmed] {
        let claim = leased(&store, "2").await;
        settle_with(&store, &claim, vec![result("k", outcome)]).await;
        assert_eq!(state(&store, "k").await, State::Confirmed { at: at(0) });
    }
    tidy_of(&store, "3", &["k"]).await;
    assert_eq!(state(&store, "k").await, State::Confirmed { at: at(0) });
}

/// A sync of `id` that drops the steps.
async fn tidy_of(store: &Store, id: &str, dropped: &[&str]) {
    let claim = leased(store, id).await;
    store.intend(Intent { dropped: keys(dropped), ..intent(&claim, Vec::new()) }).await.unwrap();
}

#[tokio::test]
async fn one_settled_step_does_not_lose_the_neighbours_intents() {
    let store = memory().await;
    sync(&store, "1", "k", StepOutcome::Confirmed).await;
    let (one, two) = (leased(&store, "1").await, leased(&store, "2").await);
    let both = tokio::join!(intend(&store, &one, &["k"]), intend(&store, &two, &["l"]));
    assert_eq!(both, (Fenced::LeaseLost, Fenced::Written));
}

#[tokio::test]
async fn a_refused_step_is_not_intended_again_by_itself() {
    let store = memory().await;
    sync(&store, "1", "k", refused()).await;
    pass(1);
    let claim = leased(&store, "1").await;
    assert_eq!(intend(&store, &claim, &["k"]).await, Fenced::LeaseLost);
    assert_eq!(state(&store, "k").await, State::Refused { at: at(0), why: "400: no".into() });
}

#[tokio::test]
async fn steps_that_the_profile_shows_are_confirmed_and_needless_ones_dropped() {
    let store = memory().await;
    let claim = leased(&store, "1").await;
    intend(&store, &claim, &["k", "l"]).await;
    settle(&store, &claim, done()).await;
    pass(1);
    tidy(&store, &["k"], &["l"]).await;
    assert_eq!(state(&store, "k").await, State::Confirmed { at: at(1) });
    assert_eq!(state(&store, "l").await, State::Dropped { at: at(1) });
}

#[tokio::test]
async fn a_dropped_step_that_is_intended_again_begins_anew() {
    let store = memory().await;
    sync(&store, "1", "k", retry(at(3600), Attempt::Counted)).await;
    tidy(&store, &[], &["k"]).await;
    pass(5);
    let claim = leased(&store, "1").await;
    assert_eq!(intend(&store, &claim, &["k"]).await, Fenced::Written);
    assert_eq!(state(&store, "k").await, State::Intended { attempts: 0, due: at(5) });
    assert_eq!(store.ledger_rows(&Filter::default(), 9).await.unwrap()[0].why, None);
}

#[tokio::test]
async fn the_same_new_step_twice_in_one_intent_is_one_entry() {
    let store = memory().await;
    let claim = leased(&store, "1").await;
    let twice = vec![planned("k", "premium"), planned("k", "premium")];
    assert_eq!(store.intend(intent(&claim, twice)).await.unwrap(), Fenced::Written);
    assert_eq!(entries(&store).await.len(), 1);
}

#[tokio::test]
async fn retrying_all_makes_waiting_steps_and_their_accounts_due() {
    let store = memory().await;
    let claim = leased(&store, "1").await;
    intend(&store, &claim, &["k"]).await;
    let results = vec![result("k", retry(at(3600), Attempt::Counted))];
    let ending = SyncEnding::Done { due: Some(at(3600)), attention: Vec::new() };
    store.settle(Settlement { results, ..settlement(&claim, ending) }).await.unwrap();
    pass(10);
    assert_eq!(claimed(&store, "a", 9).await, [""; 0]);
    store.retry_all().await.unwrap();
    assert_eq!(state(&store, "k").await, State::Intended { attempts: 1, due: at(10) });
    assert_eq!(claimed(&store, "a", 9).await, ["1"]);
    assert_eq!(store.account_state(&account("1")).await.unwrap().unwrap().generation, 1, "nothing triggered it");
}

#[tokio::test]
async fn a_confirmed_step_and_the_next_intention_are_written_together() {
    let store = memory().await;
    let claim = leased(&store, "1").await;
    intend(&store, &claim, &["k"]).await;
    pass(1);
    let next =
        Intent { results: vec![result("k", StepOutcome::Confirmed)], ..intent(&claim, vec![planned("l", "gold")]) };
    assert_eq!(store.intend(next).await.unwrap(), Fenced::Written);
    assert_eq!(state(&store, "k").await, State::Confirmed { at: at(1) });
    assert_eq!(state(&store, "l").await, State::Intended { attempts: 0, due: at(1) });
}

#[tokio::test]
async fn results_are_written_without_a_next_step() {
    let store = memory().await;
    let claim = leased(&store, "1").await;
    intend(&store, &claim, &["k", "l", "m"]).await;
    pass(1);
    let results =
        vec![result("k", StepOutcome::Confirmed), result("l", retry(at(60), Attempt::Counted)), result("m", refused())];
    let end = Intent { results, ..intent(&claim, Vec::new()) };
    assert_eq!(store.intend(end).await.unwrap(), Fenced::Written);
    assert_eq!(state(&store, "k").await, State::Confirmed { at: at(1) });
    assert_eq!(state(&store, "l").await, State::Intended { attempts: 1, due: at(60) });
    assert_eq!(state(&store, "m").await, State::Refused { at: at(1), why: "400: no".into() });
}

#[tokio::test]
async fn a_step_that_must_wait_is_confirmed_where_the_profile_shows_it_all_the_same() {
    let store = memory().await;
    let claim = leased(&store, "1").await;
    intend(&store, &claim, &["k", "l"]).await;
    let results = vec![result("k", retry(at(60), Attempt::Counted)), result("l", retry(at(60), Attempt::Counted))];
    let next = Intent { results, settled: keys(&["k"]), dropped: keys(&["l"]), ..intent(&claim, Vec::new()) };
    assert_eq!(store.intend(next).await.unwrap(), Fenced::Written);
    assert_eq!(state(&store, "k").await, State::Confirmed { at: at(0) });
    assert_eq!(state(&store, "l").await, State::Dropped { at: at(0) });
}

#[tokio::test]
async fn results_count_even_where_the_next_step_is_settled_already() {
    let store = memory().await;
    sync(&store, "1", "done", StepOutcome::Confirmed).await;
    let claim = leased(&store, "1").await;
    intend(&store, &claim, &["k"]).await;
    let results = vec![result("k", StepOutcome::Confirmed)];
    let next = Intent { results, ..intent(&claim, vec![planned("done", "premium")]) };
    assert_eq!(store.intend(next).await.unwrap(), Fenced::LeaseLost, "it must not be sent");
    assert_eq!(state(&store, "k").await, State::Confirmed { at: at(0) });
}
