//! What becomes due, and in which order.

use super::make::{account, at, attention, claim, claimed, done, enqueue, failed, leased, memory, now, pass, settle};
use crate::claim::Urgency;
use crate::record::{AttentionKind, Fenced, SyncEnding};

#[tokio::test]
async fn fresh_goes_before_due_by_itself_and_that_before_bulk() {
    let store = memory().await;
    let claim = leased(&store, "again").await;
    settle(&store, &claim, SyncEnding::Done { due: Some(at(1)), attention: Vec::new() }).await;
    store.enqueue(vec![account("bulk")], Urgency::Bulk).await.unwrap();
    pass(5);
    enqueue(&store, "fresh").await;
    assert_eq!(claimed(&store, "a", 10).await, ["fresh", "again", "bulk"]);
}

#[tokio::test]
async fn a_bulk_trigger_does_not_make_a_fresh_account_bulk() {
    let store = memory().await;
    store.enqueue(vec![account("bulk")], Urgency::Bulk).await.unwrap();
    pass(1);
    enqueue(&store, "fresh").await;
    store.enqueue(vec![account("fresh")], Urgency::Bulk).await.unwrap();
    assert_eq!(claimed(&store, "a", 10).await, ["fresh", "bulk"]);
}

#[tokio::test]
async fn an_event_makes_a_bulk_account_fresh() {
    let store = memory().await;
    store.enqueue(vec![account("a"), account("b")], Urgency::Bulk).await.unwrap();
    pass(1);
    enqueue(&store, "b").await;
    assert_eq!(claimed(&store, "x", 10).await, ["b", "a"]);
}

#[tokio::test]
async fn an_event_makes_an_account_due_that_waits_for_later() {
    let store = memory().await;
    let first = leased(&store, "1").await;
    settle(&store, &first, SyncEnding::Done { due: Some(at(3600)), attention: Vec::new() }).await;
    assert_eq!(store.backlog().await.unwrap().due, 0);
    assert_eq!(claim(&store, "a", 1).await.next_due, Some(at(3600)));
    pass(10);
    enqueue(&store, "1").await;
    let state = store.account_state(&account("1")).await.unwrap().unwrap();
    assert_eq!((state.due_at, state.generation), (Some(at(10)), 2));
    assert_eq!(claimed(&store, "a", 1).await, ["1"]);
}

#[tokio::test]
async fn a_later_trigger_does_not_make_an_account_wait_longer() {
    let store = memory().await;
    enqueue(&store, "first").await;
    pass(1);
    enqueue(&store, "second").await;
    pass(1);
    enqueue(&store, "first").await;
    assert_eq!(claimed(&store, "a", 1).await, ["first"]);
}

#[tokio::test]
async fn failing_since_is_set_once_and_cleared_by_a_sync_that_is_done() {
    let store = memory().await;
    for attempt in 0..3 {
        let claim = leased(&store, "1").await;
        let since = (attempt > 0).then(|| at(0));
        assert_eq!((claim.attempts, claim.failing_since), (attempt, since));
        settle(&store, &claim, failed(now())).await;
        pass(60);
    }
    let claim = leased(&store, "1").await;
    assert!(!claim.has_exhausted_retries(now()) && claim.has_exhausted_retries(at(4 * 86_400)));
    settle(&store, &claim, done()).await;
    let claim = leased(&store, "1").await;
    assert_eq!((claim.attempts, claim.failing_since), (0, None));
}

#[tokio::test]
async fn an_account_that_was_given_up_is_idle_until_the_next_trigger_and_has_all_its_retries_then() {
    let store = memory().await;
    let claim = leased(&store, "1").await;
    settle(&store, &claim, failed(now())).await;
    let claim = leased(&store, "1").await;
    settle(&store, &claim, SyncEnding::GivenUp(attention(AttentionKind::SyncFailed, "stripe:cus_1"))).await;
    let state = store.account_state(&account("1")).await.unwrap().unwrap();
    assert_eq!((state.due_at, state.last_error.as_deref()), (None, Some("it is so")));
    let claim = leased(&store, "1").await;
    assert_eq!(claim.failing_since, None);
}

#[tokio::test]
async fn a_failed_sync_shows_its_error_until_a_trigger_or_a_good_end() {
    let store = memory().await;
    let last_error = async || store.account_state(&account("1")).await.unwrap().unwrap().last_error;
    let first = leased(&store, "1").await;
    settle(&store, &first, failed(at(60))).await;
    assert_eq!(last_error().await.as_deref(), Some("stripe does not answer"));
    pass(10);
    let second = leased(&store, "1").await;
    assert_eq!(last_error().await, None);
    settle(&store, &second, failed(at(60))).await;
    pass(50);
    let found = claim(&store, "a", 1).await;
    settle(&store, &found.claims[0], done()).await;
    let state = store.account_state(&account("1")).await.unwrap().unwrap();
    assert_eq!((state.last_error, state.settled_at, state.leased), (None, Some(at(60)), false));
}

#[tokio::test]
async fn a_sync_that_yields_is_no_failure_and_leaves_its_trigger_unanswered() {
    let store = memory().await;
    let first = leased(&store, "1").await;
    assert_eq!(settle(&store, &first, SyncEnding::Yielded { due: at(1) }).await, Fenced::Written);
    pass(1);
    let found = claim(&store, "a", 1).await;
    assert_eq!((found.claims[0].attempts, found.claims[0].triggered_at), (0, Some(at(0))));
    assert_eq!(found.claims[0].failing_since, None);
}

#[tokio::test]
async fn retrying_all_makes_failed_accounts_due_and_leaves_the_others() {
    let store = memory().await;
    let claim = leased(&store, "failed").await;
    settle(&store, &claim, failed(at(3600))).await;
    let claim = leased(&store, "well").await;
    settle(&store, &claim, SyncEnding::Done { due: Some(at(3600)), attention: Vec::new() }).await;
    store.retry_all().await.unwrap();
    assert_eq!(claimed(&store, "a", 10).await, ["failed"]);
}

#[tokio::test]
async fn an_account_that_was_never_enqueued_has_no_row() {
    let store = memory().await;
    assert!(store.account_state(&account("1")).await.unwrap().is_none());
    let found = claim(&store, "a", 1).await;
    assert_eq!((found.claims.len(), found.next_due), (0, None));
    let backlog = store.backlog().await.unwrap();
    assert_eq!((backlog.due, backlog.oldest), (0, None));
}
