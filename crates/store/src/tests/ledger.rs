//! The ledger: intended, then confirmed, refused or dropped.

use entitlement::key::StepKey;
use entitlement::ledger::State;

use super::make::{
    account, again, at, claimed, done, entries, held, intend, intent, look, memory, pass, planned, refused, sent,
    settle, settle_sent, settlement, state, user,
};
use crate::ledger::Filter;
use crate::open::Store;
use crate::record::{SyncEnding, Fenced, Intent, StepOutcome, Settlement, Attempt};

fn keys(of: &[&str]) -> Vec<StepKey> {
    of.iter().map(|key| StepKey::stored((*key).to_owned())).collect()
}

/// A look that settles earlier steps without a step of its own.
async fn tidy(store: &Store, settled: &[&str], dropped: &[&str]) {
    let claim = held(store, "1").await;
    let tidying = Intent { settled: keys(settled), dropped: keys(dropped), ..intent(&claim, Vec::new()) };
    assert_eq!(store.intend(tidying).await.unwrap(), Fenced::Written);
    settle(store, &claim, done()).await;
}

#[tokio::test]
async fn a_step_is_intended_and_then_confirmed() {
    let store = memory().await;
    let claim = held(&store, "1").await;
    assert_eq!(intend(&store, &claim, &["k"]).await, Fenced::Written);
    assert_eq!(state(&store, "k").await, State::Intended { attempts: 0, due: at(0) });
    pass(1);
    settle_sent(&store, &claim, vec![sent("k", StepOutcome::Confirmed)]).await;
    assert_eq!(state(&store, "k").await, State::Confirmed { at: at(1) });
    let lines = store.ledger_rows(&Filter { user: Some(user("u-1")), ..Filter::default() }, 9).await.unwrap();
    let line = &lines[0];
    assert_eq!((line.account.as_str(), line.state.as_str(), line.attempts), ("stripe:cus_1", "confirmed", 1));
    assert_eq!((line.intended_at, line.settled_at, line.environment.as_str()), (at(0), Some(at(1)), "live"));
    assert!(!line.because.is_empty());
}

#[tokio::test]
async fn a_step_tried_again_counts_its_attempts_and_waits() {
    let store = memory().await;
    look(&store, "1", "k", again(at(30), Attempt::Counted)).await;
    assert_eq!(state(&store, "k").await, State::Intended { attempts: 1, due: at(30) });
    // intended again by the next look, the entry is the same
    look(&store, "1", "k", again(at(60), Attempt::Counted)).await;
    assert_eq!(state(&store, "k").await, State::Intended { attempts: 2, due: at(60) });
    assert_eq!(entries(&store).await.len(), 1);
}

#[tokio::test]
async fn a_free_try_moves_the_moment_and_does_not_count() {
    let store = memory().await;
    look(&store, "1", "k", again(at(60), Attempt::Free)).await;
    assert_eq!(state(&store, "k").await, State::Intended { attempts: 0, due: at(60) });
}

#[tokio::test]
async fn a_confirmed_step_is_never_intended_again() {
    let store = memory().await;
    look(&store, "1", "k", StepOutcome::Confirmed).await;
    pass(1);
    let claim = held(&store, "1").await;
    assert_eq!(intend(&store, &claim, &["k"]).await, Fenced::LeaseLost);
    assert_eq!(intend(&store, &claim, &["other", "k"]).await, Fenced::LeaseLost);
    assert_eq!(state(&store, "k").await, State::Confirmed { at: at(0) });
    for outcome in [again(at(9), Attempt::Counted), refused(), StepOutcome::Confirmed] {
        let claim = held(&store, "2").await;
        settle_sent(&store, &claim, vec![sent("k", outcome)]).await;
        assert_eq!(state(&store, "k").await, State::Confirmed { at: at(0) });
    }
    tidy_of(&store, "3", &["k"]).await;
    assert_eq!(state(&store, "k").await, State::Confirmed { at: at(0) });
}

/// A look at `id` to which the steps are moot.
async fn tidy_of(store: &Store, id: &str, dropped: &[&str]) {
    let claim = held(store, id).await;
    store.intend(Intent { dropped: keys(dropped), ..intent(&claim, Vec::new()) }).await.unwrap();
}

#[tokio::test]
async fn one_settled_step_does_not_lose_the_neighbours_intents() {
    let store = memory().await;
    look(&store, "1", "k", StepOutcome::Confirmed).await;
    let (one, two) = (held(&store, "1").await, held(&store, "2").await);
    let both = tokio::join!(intend(&store, &one, &["k"]), intend(&store, &two, &["l"]));
    assert_eq!(both, (Fenced::LeaseLost, Fenced::Written));
}

#[tokio::test]
async fn a_refused_step_is_not_intended_again_by_itself() {
    let store = memory().await;
    look(&store, "1", "k", refused()).await;
    pass(1);
    let claim = held(&store, "1").await;
    assert_eq!(intend(&store, &claim, &["k"]).await, Fenced::LeaseLost);
    assert_eq!(state(&store, "k").await, State::Refused { at: at(0), why: "400: no".into() });
}

#[tokio::test]
async fn steps_that_the_profile_shows_are_confirmed_and_moot_ones_dropped() {
    let store = memory().await;
    let claim = held(&store, "1").await;
    intend(&store, &claim, &["k", "l"]).await;
    settle(&store, &claim, done()).await;
    pass(1);
    tidy(&store, &["k"], &["l"]).await;
    assert_eq!(state(&store, "k").await, State::Confirmed { at: at(1) });
    assert_eq!(state(&store, "l").await, State::Dropped { at: at(1) });
}

#[tokio::test]
async fn a_dropped_step_that_is_wanted_again_begins_anew() {
    let store = memory().await;
    look(&store, "1", "k", again(at(3600), Attempt::Counted)).await;
    tidy(&store, &[], &["k"]).await;
    pass(5);
    let claim = held(&store, "1").await;
    assert_eq!(intend(&store, &claim, &["k"]).await, Fenced::Written);
    assert_eq!(state(&store, "k").await, State::Intended { attempts: 0, due: at(5) });
    assert_eq!(store.ledger_rows(&Filter::default(), 9).await.unwrap()[0].why, None);
}

#[tokio::test]
async fn the_same_new_step_twice_in_one_intent_is_one_entry() {
    let store = memory().await;
    let claim = held(&store, "1").await;
    let twice = vec![planned("k", "premium"), planned("k", "premium")];
    assert_eq!(store.intend(intent(&claim, twice)).await.unwrap(), Fenced::Written);
    assert_eq!(entries(&store).await.len(), 1);
}

#[tokio::test]
async fn retrying_all_makes_waiting_steps_and_their_accounts_due() {
    let store = memory().await;
    let claim = held(&store, "1").await;
    intend(&store, &claim, &["k"]).await;
    let sent = vec![sent("k", again(at(3600), Attempt::Counted))];
    let ending = SyncEnding::Done { due: Some(at(3600)), attention: Vec::new() };
    store.settle(Settlement { results: sent, ..settlement(&claim, ending) }).await.unwrap();
    pass(10);
    assert_eq!(claimed(&store, "a", 9).await, [""; 0]);
    store.retry_all().await.unwrap();
    assert_eq!(state(&store, "k").await, State::Intended { attempts: 1, due: at(10) });
    assert_eq!(claimed(&store, "a", 9).await, ["1"]);
    assert_eq!(store.account_state(&account("1")).await.unwrap().unwrap().generation, 1, "no bell rang");
}

#[tokio::test]
async fn a_confirmed_step_and_the_next_intention_are_written_together() {
    let store = memory().await;
    let claim = held(&store, "1").await;
    intend(&store, &claim, &["k"]).await;
    pass(1);
    let next = Intent { results: vec![sent("k", StepOutcome::Confirmed)], ..intent(&claim, vec![planned("l", "gold")]) };
    assert_eq!(store.intend(next).await.unwrap(), Fenced::Written);
    assert_eq!(state(&store, "k").await, State::Confirmed { at: at(1) });
    assert_eq!(state(&store, "l").await, State::Intended { attempts: 0, due: at(1) });
}

#[tokio::test]
async fn results_are_written_without_a_next_step() {
    let store = memory().await;
    let claim = held(&store, "1").await;
    intend(&store, &claim, &["k", "l", "m"]).await;
    pass(1);
    let results = vec![
        sent("k", StepOutcome::Confirmed),
        sent("l", again(at(60), Attempt::Counted)),
        sent("m", refused()),
    ];
    let end = Intent { results, ..intent(&claim, Vec::new()) };
    assert_eq!(store.intend(end).await.unwrap(), Fenced::Written);
    assert_eq!(state(&store, "k").await, State::Confirmed { at: at(1) });
    assert_eq!(state(&store, "l").await, State::Intended { attempts: 1, due: at(60) });
    assert_eq!(state(&store, "m").await, State::Refused { at: at(1), why: "400: no".into() });
}

#[tokio::test]
async fn a_step_that_must_wait_is_confirmed_where_the_profile_shows_it_all_the_same() {
    let store = memory().await;
    let claim = held(&store, "1").await;
    intend(&store, &claim, &["k", "l"]).await;
    let results = vec![sent("k", again(at(60), Attempt::Counted)), sent("l", again(at(60), Attempt::Counted))];
    let next = Intent { results, settled: keys(&["k"]), dropped: keys(&["l"]), ..intent(&claim, Vec::new()) };
    assert_eq!(store.intend(next).await.unwrap(), Fenced::Written);
    assert_eq!(state(&store, "k").await, State::Confirmed { at: at(0) });
    assert_eq!(state(&store, "l").await, State::Dropped { at: at(0) });
}

#[tokio::test]
async fn results_count_even_where_the_next_step_is_settled_already() {
    let store = memory().await;
    look(&store, "1", "done", StepOutcome::Confirmed).await;
    let claim = held(&store, "1").await;
    intend(&store, &claim, &["k"]).await;
    let results = vec![sent("k", StepOutcome::Confirmed)];
    let next = Intent { results, ..intent(&claim, vec![planned("done", "premium")]) };
    assert_eq!(store.intend(next).await.unwrap(), Fenced::LeaseLost, "it must not be sent");
    assert_eq!(state(&store, "k").await, State::Confirmed { at: at(0) });
}
