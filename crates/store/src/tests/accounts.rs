//! Accounts, workers and statuses.

use entitlement::model::clock::Timestamp;
use entitlement::status::{LevelStatus, Status};
use entitlement::model::until::Until;

use super::make::{
    SPAN, account, at, attention, claim, done, enqueue, failed, leased, memory, pass, settle, settlement, user,
};
use crate::claim::{Capacity, Lease, Urgency};
use crate::link::Link;
use crate::open::Store;
use crate::record::{AttentionKind, Fenced, Settlement, SyncEnding};

fn status(until: i64) -> Status {
    let level = LevelStatus {
        app: None,
        level: entitlement::model::access_level::AccessLevel("premium".into()),
        until: Some(Until::At(at(until))),
        will_renew: Some(true),
        in_grace: false,
        billing_issue: false,
        store: Some("stripe".into()),
        because: "it is paid".into(),
    };
    Status { levels: vec![level], double_subscription: false }
}

/// A sync of `id` of u-1 that saw their status.
async fn seen(store: &Store, id: &str, status: Status) {
    let link = Link { account: account(id), user: user("u-1"), origin: "operator".into() };
    store.link(link, None).await.unwrap();
    let claim = claim(store, "a", 1).await.claims.remove(0);
    let settlement = Settlement { statuses: vec![(user("u-1"), status)], ..settlement(&claim, done()) };
    assert_eq!(store.settle(settlement).await.unwrap(), Fenced::Written);
}

#[tokio::test]
async fn a_status_is_what_the_last_sync_saw() {
    let store = memory().await;
    assert_eq!(store.status_of(&user("u-1")).await.unwrap(), None);
    seen(&store, "1", status(100)).await;
    pass(5);
    seen(&store, "1", status(200)).await;
    let known = store.status_of(&user("u-1")).await.unwrap().unwrap();
    assert_eq!((known.status, known.as_of, known.overdue_since), (status(200), at(5), None));
}

#[tokio::test]
async fn a_status_says_since_when_an_account_of_its_user_is_overdue_or_fails() {
    let store = memory().await;
    seen(&store, "1", status(100)).await;
    pass(10);
    enqueue(&store, "1").await;
    pass(10);
    let overdue = async || store.status_of(&user("u-1")).await.unwrap().unwrap().overdue_since;
    assert_eq!(overdue().await, Some(at(10)));
    let claim = claim(&store, "a", 1).await.claims.remove(0);
    settle(&store, &claim, failed(at(5000))).await;
    assert_eq!(overdue().await, Some(at(20)), "since it fails");
}

#[tokio::test]
async fn a_status_is_overdue_at_once_after_a_sync_was_given_up_or_incomplete_until_a_trigger_or_a_good_end() {
    let store = memory().await;
    seen(&store, "1", status(100)).await;
    pass(10);
    let overdue = async || store.status_of(&user("u-1")).await.unwrap().unwrap().overdue_since;
    let sync = async |ending| {
        enqueue(&store, "1").await;
        let claim = claim(&store, "a", 1).await.claims.remove(0);
        assert_eq!(settle(&store, &claim, ending).await, Fenced::Written);
    };
    sync(SyncEnding::GivenUp(attention(AttentionKind::SyncFailed, "1"))).await;
    assert_eq!(overdue().await, Some(Timestamp::UNIX_EPOCH));
    enqueue(&store, "1").await;
    assert_eq!(overdue().await, Some(at(10)), "since the trigger");
    let error = Some("an app could not be synced".to_owned());
    sync(SyncEnding::Incomplete { due: Some(at(5000)), attention: Vec::new(), error }).await;
    assert_eq!(overdue().await, Some(Timestamp::UNIX_EPOCH));
    sync(SyncEnding::Incomplete { due: None, attention: Vec::new(), error: None }).await;
    assert_eq!(overdue().await, None);
    sync(done()).await;
    assert_eq!(overdue().await, None);
}

#[tokio::test]
async fn of_one_user_seen_by_two_syncs_at_once_one_status_is_stored() {
    let store = memory().await;
    let (one, two) = (leased(&store, "1").await, leased(&store, "2").await);
    let end = |claim, until| Settlement { statuses: vec![(user("u-1"), status(until))], ..settlement(claim, done()) };
    let (first, second) = tokio::join!(store.settle(end(&one, 1)), store.settle(end(&two, 2)));
    assert_eq!((first.unwrap(), second.unwrap()), (Fenced::Written, Fenced::Written));
    let known = store.status_of(&user("u-1")).await.unwrap().unwrap().status;
    assert!(known == status(1) || known == status(2), "{known:?}");
}

#[tokio::test]
async fn a_status_under_a_lost_lease_is_not_stored() {
    let store = memory().await;
    let lost = leased(&store, "1").await;
    pass(8);
    let settlement = Settlement { statuses: vec![(user("u-1"), status(1))], ..settlement(&lost, done()) };
    assert_eq!(store.settle(settlement).await.unwrap(), Fenced::LeaseLost);
    assert_eq!(store.status_of(&user("u-1")).await.unwrap(), None);
}

#[tokio::test]
async fn accounts_are_listed_by_name_page_by_page() {
    let store = memory().await;
    for id in ["c", "a", "b"] {
        enqueue(&store, id).await;
    }
    let first = store.accounts_after(None, 2).await.unwrap();
    assert_eq!(first, [account("a"), account("b")]);
    assert_eq!(store.accounts_after(first.last(), 2).await.unwrap(), [account("c")]);
    assert_eq!(store.unknown_accounts(&[account("x"), account("a")]).await.unwrap(), [account("x")]);
}

#[tokio::test]
async fn a_worker_is_counted_until_it_is_silent() {
    let store = memory().await;
    assert_eq!(store.live_workers().await.unwrap(), 0);
    for owner in ["a", "b", "a"] {
        store.report_worker(owner, SPAN).await.unwrap();
    }
    assert_eq!(store.live_workers().await.unwrap(), 2);
    pass(7);
    store.report_worker("b", SPAN).await.unwrap();
    pass(1);
    assert_eq!(store.live_workers().await.unwrap(), 1);
}

#[tokio::test]
async fn no_more_bulk_accounts_are_claimed_than_there_is_capacity_for() {
    let store = memory().await;
    let bulk: Vec<_> = (0..9).map(|number| account(&format!("bulk{number}"))).collect();
    store.enqueue(bulk, Urgency::Bulk).await.unwrap();
    pass(1);
    enqueue(&store, "fresh").await;
    let capacity = Capacity { total: 5, bulk: 2 };
    let claims = store.claim(Lease::new("a", 1), capacity, SPAN).await.unwrap().claims;
    let urgencies: Vec<_> = claims.iter().map(|claim| claim.urgency).collect();
    assert_eq!(urgencies, [Urgency::Fresh, Urgency::Bulk, Urgency::Bulk]);
    assert_eq!(claims[0].account, account("fresh"));
    let capacity = Capacity { total: 5, bulk: 0 };
    assert!(store.claim(Lease::new("a", 2), capacity, SPAN).await.unwrap().claims.is_empty());
    assert_eq!(store.bulk_backlog().await.unwrap(), 9, "until they are synced");
    for claim in &claims {
        settle(&store, claim, done()).await;
    }
    assert_eq!(store.bulk_backlog().await.unwrap(), 7);
}
