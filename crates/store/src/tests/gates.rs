//! Accounts that wait for a gate, and accounts that fail by themselves.

use super::make::{
    account, at, claim, claimed, done, enqueue, failed, leased, memory, now, pass, settle, settlement, waiting,
};
use crate::claim::{Claim, Urgency};
use crate::open::Store;
use crate::record::{Fenced, Settlement, SyncEnding};

/// Ends the sync: what is left waits for the gate of `upstream`.
async fn settle_waiting(store: &Store, claim: &Claim, upstream: &str, ending: SyncEnding) {
    let settlement = Settlement { waits_for: Some(upstream.to_owned()), ..settlement(claim, ending) };
    assert_eq!(store.settle(settlement).await.unwrap(), Fenced::Written);
}

async fn due_at(store: &Store, id: &str) -> i64 {
    let state = store.account_state(&account(id)).await.unwrap().unwrap();
    (state.due_at.unwrap() - at(0)).num_seconds()
}

/// Whether an event makes the failing account due.
async fn an_event_is_heeded(store: &Store, id: &str) -> bool {
    enqueue(store, id).await;
    due_at(store, id).await <= (now() - at(0)).num_seconds()
}

#[tokio::test]
async fn accounts_that_wait_for_a_gate_are_due_when_it_opens_fresh_ones_first() {
    let store = memory().await;
    store.enqueue(vec![account("bulk")], Urgency::Bulk).await.unwrap();
    pass(1);
    for id in ["first", "second"] {
        enqueue(&store, id).await;
        pass(1);
    }
    for claim in claim(&store, "a", 10).await.claims {
        settle_waiting(&store, &claim, "adapty", waiting(None)).await;
    }
    let other = leased(&store, "other").await;
    settle_waiting(&store, &other, "stripe", waiting(None)).await;
    pass(1800);
    assert_eq!(claimed(&store, "b", 10).await, [""; 0]);
    assert_eq!(store.waiting_for("adapty").await.unwrap(), 3);
    assert_eq!(store.gate_opened("adapty").await.unwrap(), 3);
    assert_eq!(claimed(&store, "b", 10).await, ["first", "second", "bulk"]);
    assert_eq!((store.gate_opened("adapty").await.unwrap(), store.waiting_for("stripe").await.unwrap()), (0, 1));
}

#[tokio::test]
async fn waiting_for_a_gate_counts_nothing_and_leaves_the_trigger_unanswered() {
    let store = memory().await;
    let first = leased(&store, "1").await;
    settle(&store, &first, failed(at(1))).await;
    pass(1);
    let second = claim(&store, "a", 1).await.claims.remove(0);
    assert_eq!((second.attempts, second.failing_since), (1, Some(at(0))));
    settle_waiting(&store, &second, "adapty", waiting(None)).await;
    store.gate_opened("adapty").await.unwrap();
    let third = claim(&store, "a", 1).await.claims.remove(0);
    assert_eq!((third.attempts, third.failing_since, third.triggered_at), (1, None, Some(at(0))));
}

#[tokio::test]
async fn an_event_for_an_account_that_waits_for_a_gate_makes_it_due() {
    let store = memory().await;
    let first = leased(&store, "1").await;
    settle_waiting(&store, &first, "tv", waiting(None)).await;
    // another app may be open
    enqueue(&store, "1").await;
    assert_eq!(store.waiting_for("tv").await.unwrap(), 0);
    assert_eq!(claimed(&store, "a", 1).await, ["1"]);
}

#[tokio::test]
async fn what_does_not_wait_for_the_gate_wants_its_sync_in_time() {
    let store = memory().await;
    let first = leased(&store, "1").await;
    settle_waiting(&store, &first, "tv", waiting(Some(at(60)))).await;
    assert_eq!(due_at(&store, "1").await, 60);
    let second = leased(&store, "2").await;
    settle_waiting(&store, &second, "iaphub", done()).await;
    assert_eq!(due_at(&store, "2").await, 3600, "should nobody see the gate open");
}

#[tokio::test]
async fn a_start_makes_accounts_due_that_wait_for_a_gate() {
    let store = memory().await;
    let first = leased(&store, "1").await;
    settle_waiting(&store, &first, "adapty", waiting(None)).await;
    store.retry_all().await.unwrap();
    assert_eq!(claimed(&store, "a", 1).await, ["1"]);
    assert_eq!(store.waiting_for("adapty").await.unwrap(), 0);
}

#[tokio::test]
async fn events_neither_shorten_nor_lengthen_the_schedule_of_a_failing_account() {
    let store = memory().await;
    let first = leased(&store, "1").await;
    for _ in 0..7 {
        enqueue(&store, "1").await;
    }
    settle(&store, &first, failed(at(64))).await;
    for _ in 0..9 {
        assert!(!an_event_is_heeded(&store, "1").await);
        pass(1);
    }
    assert_eq!(due_at(&store, "1").await, 64);
    let state = store.account_state(&account("1")).await.unwrap().unwrap();
    assert_eq!(state.last_error.as_deref(), Some("stripe does not answer"));
}

#[tokio::test]
async fn ten_seconds_after_a_failure_an_event_has_the_account_tried_once_at_once() {
    let store = memory().await;
    let first = leased(&store, "1").await;
    settle(&store, &first, failed(at(64))).await;
    pass(10);
    assert!(an_event_is_heeded(&store, "1").await);
    let early = claim(&store, "a", 1).await.claims.remove(0);
    settle(&store, &early, failed(at(200))).await;
    assert_eq!(due_at(&store, "1").await, 64, "the schedule stands");
    assert!(!an_event_is_heeded(&store, "1").await);
    pass(54);
    let due = claim(&store, "a", 1).await.claims.remove(0);
    assert_eq!(due.attempts, 1, "an early try is no attempt");
    settle(&store, &due, failed(at(200))).await;
    pass(136);
    assert_eq!(claim(&store, "a", 1).await.claims[0].attempts, 2);
}

#[tokio::test]
async fn whoever_asks_for_a_failing_account_has_it_tried_at_once() {
    let store = memory().await;
    let first = leased(&store, "1").await;
    settle(&store, &first, failed(at(64))).await;
    store.enqueue(vec![account("1")], Urgency::Requested).await.unwrap();
    assert_eq!(claimed(&store, "a", 1).await, ["1"]);
}
