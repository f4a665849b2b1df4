//! Claims: at most so many, the oldest first, one a user.

use super::make::{account, at, claim, claimed, done, enqueue, failed, leased, memory, now, pass, settle, user};
use crate::claim::Urgency;
use crate::link::{Link, Linked, OPERATOR};
use crate::open::Store;
use crate::record::SyncEnding;

async fn link(store: &Store, id: &str, to: &str) {
    let link = Link { account: account(id), user: user(to), origin: OPERATOR.into() };
    assert_eq!(store.link(link, None).await.unwrap(), Linked::Done);
}

#[tokio::test]
async fn a_claim_gives_at_most_its_limit_and_the_oldest_first() {
    let store = memory().await;
    for id in ["c", "a", "b"] {
        enqueue(&store, id).await;
        pass(1);
    }
    assert_eq!(claimed(&store, "x", 2).await, ["c", "a"]);
    assert_eq!(claimed(&store, "y", 2).await, ["b"]);
    assert_eq!(claimed(&store, "z", 2).await, [""; 0]);
}

#[tokio::test]
async fn a_claim_has_the_generation_and_the_time_of_the_first_unanswered_trigger() {
    let store = memory().await;
    enqueue(&store, "1").await;
    pass(5);
    enqueue(&store, "1").await;
    let found = claim(&store, "a", 1).await;
    let first = &found.claims[0];
    assert_eq!((first.generation, first.triggered_at), (2, Some(at(0))));
    assert_eq!((first.user.clone(), first.attempts), (None, 0));
    settle(&store, first, done()).await;
    pass(5);
    let next = leased(&store, "1").await;
    assert_eq!((next.generation, next.triggered_at), (3, Some(at(10))));
}

#[tokio::test]
async fn one_claim_never_takes_two_accounts_of_one_user() {
    let store = memory().await;
    for id in ["a", "b", "c"] {
        link(&store, id, "u-1").await;
        pass(1);
    }
    link(&store, "d", "u-2").await;
    assert_eq!(claimed(&store, "x", 10).await, ["a", "d"]);
}

#[tokio::test]
async fn a_second_claim_passes_over_a_user_who_is_leased() {
    let store = memory().await;
    link(&store, "a", "u-1").await;
    let first = claim(&store, "x", 1).await.claims.remove(0);
    assert_eq!(first.user, Some(user("u-1")));
    pass(1);
    link(&store, "b", "u-1").await;
    assert_eq!(claimed(&store, "y", 10).await, [""; 0]);
    settle(&store, &first, done()).await;
    assert_eq!(claimed(&store, "y", 10).await, ["b"]);
}

#[tokio::test]
async fn a_user_is_free_again_when_the_lease_ran_out() {
    let store = memory().await;
    link(&store, "a", "u-1").await;
    claim(&store, "x", 1).await;
    pass(1);
    link(&store, "b", "u-1").await;
    pass(8);
    assert_eq!(claimed(&store, "y", 10).await, ["a"], "still one at a time");
}

#[tokio::test]
async fn a_fresh_account_goes_before_a_bulk_one_of_the_same_user() {
    let store = memory().await;
    for id in ["a", "b"] {
        link(&store, id, "u-1").await;
        let claim = claim(&store, id, 1).await.claims.remove(0);
        settle(&store, &claim, done()).await;
    }
    store.enqueue(vec![account("a")], Urgency::Bulk).await.unwrap();
    pass(1);
    enqueue(&store, "b").await;
    assert_eq!(claimed(&store, "x", 10).await, ["b"]);
}

#[tokio::test]
async fn accounts_without_a_user_do_not_exclude_each_other() {
    let store = memory().await;
    store.enqueue(vec![account("a"), account("b")], Urgency::Fresh).await.unwrap();
    assert_eq!(claim(&store, "x", 10).await.claims.len(), 2);
}

#[tokio::test]
async fn a_requested_sync_stays_requested_until_one_is_done() {
    let store = memory().await;
    enqueue(&store, "1").await;
    store.enqueue(vec![account("1")], Urgency::Requested).await.unwrap();
    enqueue(&store, "1").await;
    let requested = leased(&store, "1").await;
    assert_eq!(requested.urgency, Urgency::Requested, "events before and after make no difference");
    settle(&store, &requested, failed(now())).await;
    let again = leased(&store, "1").await;
    assert_eq!(again.urgency, Urgency::Requested, "it failed");
    settle(&store, &again, done()).await;
    enqueue(&store, "1").await;
    let fresh = leased(&store, "1").await;
    assert_eq!((fresh.urgency, fresh.is_from_event(), again.is_from_event()), (Urgency::Fresh, true, false));
    store.enqueue(vec![account("1")], Urgency::Requested).await.unwrap();
    settle(&store, &fresh, done()).await;
    assert_eq!(leased(&store, "1").await.urgency, Urgency::Requested, "it was requested during the sync");
}

#[tokio::test]
async fn an_account_whose_time_has_come_is_due_without_a_trigger() {
    let store = memory().await;
    enqueue(&store, "1").await;
    let fresh = leased(&store, "1").await;
    settle(&store, &fresh, SyncEnding::Done { due: Some(at(5)), attention: Vec::new() }).await;
    pass(5);
    let due = claim(&store, "a", 1).await.claims.remove(0);
    assert_eq!((fresh.is_from_event(), due.is_from_event()), (true, false));
    settle(&store, &due, SyncEnding::Done { due: Some(at(10)), attention: Vec::new() }).await;
    pass(10);
    assert!(!leased(&store, "1").await.is_from_event(), "also where an event comes before it is claimed");
}

#[tokio::test]
async fn an_event_does_not_hide_that_a_reconciliation_asked() {
    let store = memory().await;
    store.enqueue(vec![account("1")], Urgency::Bulk).await.unwrap();
    enqueue(&store, "1").await;
    assert_eq!(leased(&store, "1").await.urgency, Urgency::Requested);
}
