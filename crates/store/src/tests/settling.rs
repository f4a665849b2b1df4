//! The end of a look against bells that rang meanwhile.

use super::make::{account, at, claim, claimed, done, failed, held, memory, pass, settle, enqueue};
use crate::claim::Urgency;
use crate::record::{SyncEnding, Fenced};

#[tokio::test]
async fn a_look_that_ends_well_rests_until_its_next_moment() {
    let store = memory().await;
    let held = held(&store, "1").await;
    settle(&store, &held, SyncEnding::Done { due: Some(at(100)), attention: Vec::new() }).await;
    assert_eq!(claim(&store, "a", 1).await.next_due, Some(at(100)));
    pass(99);
    assert_eq!(claimed(&store, "a", 1).await, [""; 0]);
    pass(1);
    assert_eq!(claimed(&store, "a", 1).await, ["1"]);
}

#[tokio::test]
async fn a_settlement_with_a_stale_generation_leaves_the_account_due() {
    let store = memory().await;
    for ending in [done(), failed(at(3600)), SyncEnding::Yielded { due: at(3600) }] {
        let held = held(&store, "1").await;
        enqueue(&store, "1").await;
        assert_eq!(settle(&store, &held, ending).await, Fenced::Written);
        let standing = store.account_state(&account("1")).await.unwrap().unwrap();
        assert_eq!((standing.due_at, standing.leased), (Some(at(0)), false));
        let next = claim(&store, "b", 1).await.claims.remove(0);
        assert_eq!(next.generation, held.generation + 1);
        settle(&store, &next, done()).await;
        assert_eq!(store.account_state(&account("1")).await.unwrap().unwrap().due_at, None);
    }
}

#[tokio::test]
async fn a_stale_settlement_is_not_told_as_a_look_that_ended_well() {
    let store = memory().await;
    let held = held(&store, "1").await;
    enqueue(&store, "1").await;
    settle(&store, &held, done()).await;
    assert_eq!(store.account_state(&account("1")).await.unwrap().unwrap().settled_at, None);
}

#[tokio::test]
async fn a_bell_and_a_settlement_in_one_batch_leave_the_account_due() {
    let store = memory().await;
    let held = held(&store, "1").await;
    tokio::join!(settle(&store, &held, done()), enqueue(&store, "1"));
    assert_eq!(claimed(&store, "b", 1).await, ["1"]);
}

#[tokio::test]
async fn a_bulk_touch_during_a_look_leaves_the_account_due_as_well() {
    let store = memory().await;
    let held = held(&store, "1").await;
    store.enqueue(vec![account("1")], Urgency::Bulk).await.unwrap();
    settle(&store, &held, done()).await;
    assert_eq!(claimed(&store, "b", 1).await, ["1"]);
}

#[tokio::test]
async fn a_settled_lease_cannot_settle_twice() {
    let store = memory().await;
    let held = held(&store, "1").await;
    assert_eq!(settle(&store, &held, done()).await, Fenced::Written);
    enqueue(&store, "1").await;
    assert_eq!(settle(&store, &held, done()).await, Fenced::LeaseLost);
    assert_eq!(claimed(&store, "b", 1).await, ["1"]);
}

#[tokio::test]
async fn settling_wakes_whoever_claims() {
    let store = memory().await;
    let held = held(&store, "1").await;
    store.triggered().await;
    settle(&store, &held, done()).await;
    store.triggered().await;
}

#[tokio::test]
async fn what_only_led_to_an_account_is_not_kept_unless_a_bell_rang_meanwhile() {
    let store = memory().await;
    let first = held(&store, "1").await;
    settle(&store, &first, SyncEnding::Discarded).await;
    assert!(store.account_state(&account("1")).await.unwrap().is_none());
    let second = held(&store, "1").await;
    enqueue(&store, "1").await;
    settle(&store, &second, SyncEnding::Discarded).await;
    assert!(store.account_state(&account("1")).await.unwrap().unwrap().due_at.is_some());
}
