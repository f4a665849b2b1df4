//! The end of a sync against triggers that came meanwhile.

use super::make::{account, at, claim, claimed, done, enqueue, leased, memory, pass, settle, waiting};
use crate::claim::Urgency;
use crate::record::{Fenced, SyncEnding};

#[tokio::test]
async fn an_account_whose_sync_is_done_is_idle_until_its_next_due_time() {
    let store = memory().await;
    let first = leased(&store, "1").await;
    settle(&store, &first, SyncEnding::Done { due: Some(at(100)), attention: Vec::new() }).await;
    assert_eq!(claim(&store, "a", 1).await.next_due, Some(at(100)));
    pass(99);
    assert_eq!(claimed(&store, "a", 1).await, [""; 0]);
    pass(1);
    assert_eq!(claimed(&store, "a", 1).await, ["1"]);
}

#[tokio::test]
async fn a_settlement_that_a_trigger_has_overtaken_leaves_the_account_due() {
    let store = memory().await;
    for ending in [done(), waiting(None), SyncEnding::Yielded { due: at(3600) }] {
        let first = leased(&store, "1").await;
        enqueue(&store, "1").await;
        assert_eq!(settle(&store, &first, ending).await, Fenced::Written);
        let state = store.account_state(&account("1")).await.unwrap().unwrap();
        assert_eq!((state.due_at, state.leased), (Some(at(0)), false));
        let next = claim(&store, "b", 1).await.claims.remove(0);
        assert_eq!(next.generation, first.generation + 1);
        settle(&store, &next, done()).await;
        assert_eq!(store.account_state(&account("1")).await.unwrap().unwrap().due_at, None);
    }
}

#[tokio::test]
async fn an_overtaken_settlement_does_not_count_as_settled() {
    let store = memory().await;
    let first = leased(&store, "1").await;
    enqueue(&store, "1").await;
    settle(&store, &first, done()).await;
    assert_eq!(store.account_state(&account("1")).await.unwrap().unwrap().settled_at, None);
}

#[tokio::test]
async fn a_trigger_and_a_settlement_in_one_batch_leave_the_account_due() {
    let store = memory().await;
    let first = leased(&store, "1").await;
    tokio::join!(settle(&store, &first, done()), enqueue(&store, "1"));
    assert_eq!(claimed(&store, "b", 1).await, ["1"]);
}

#[tokio::test]
async fn a_bulk_trigger_during_a_sync_leaves_the_account_due_as_well() {
    let store = memory().await;
    let first = leased(&store, "1").await;
    store.enqueue(vec![account("1")], Urgency::Bulk).await.unwrap();
    settle(&store, &first, done()).await;
    assert_eq!(claimed(&store, "b", 1).await, ["1"]);
}

#[tokio::test]
async fn a_settled_lease_cannot_settle_twice() {
    let store = memory().await;
    let first = leased(&store, "1").await;
    assert_eq!(settle(&store, &first, done()).await, Fenced::Written);
    enqueue(&store, "1").await;
    assert_eq!(settle(&store, &first, done()).await, Fenced::LeaseLost);
    assert_eq!(claimed(&store, "b", 1).await, ["1"]);
}

#[tokio::test]
async fn settling_wakes_whoever_claims() {
    let store = memory().await;
    let first = leased(&store, "1").await;
    store.triggered().await;
    settle(&store, &first, done()).await;
    store.triggered().await;
}

#[tokio::test]
async fn an_account_that_only_led_to_another_is_removed_unless_it_was_triggered_meanwhile() {
    let store = memory().await;
    let first = leased(&store, "1").await;
    settle(&store, &first, SyncEnding::Discarded).await;
    assert!(store.account_state(&account("1")).await.unwrap().is_none());
    let second = leased(&store, "1").await;
    enqueue(&store, "1").await;
    settle(&store, &second, SyncEnding::Discarded).await;
    assert!(store.account_state(&account("1")).await.unwrap().unwrap().due_at.is_some());
}
