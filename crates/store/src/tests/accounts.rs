//! Walking over everything, who works, and where users stand.

use entitlement::clock::Timestamp;
use entitlement::until::Until;
use entitlement::status::{LevelStatus, Status};

use super::make::{
    SPAN, account, at, claim, done, failed, finding, held, memory, pass, settle, settlement, enqueue, user,
};
use crate::claim::{Lease, Capacity, Urgency};
use crate::open::Store;
use crate::link::Link;
use crate::record::{SyncEnding, Fenced, AttentionKind, Settlement};

fn standing(until: i64) -> Status {
    let level = LevelStatus {
        app: None,
        level: entitlement::names::AccessLevel("premium".into()),
        until: Some(Until::At(at(until))),
        will_renew: Some(true),
        in_grace: false,
        billing_issue: false,
        store: Some("stripe".into()),
        because: "it is paid".into(),
    };
    Status { levels: vec![level], double_subscription: false }
}

/// A look at `id` of u-1 that saw where they stand.
async fn seen(store: &Store, id: &str, status: Status) {
    let link = Link { account: account(id), user: user("u-1"), origin: "operator".into() };
    store.link(link, None).await.unwrap();
    let claim = claim(store, "a", 1).await.claims.remove(0);
    let settlement = Settlement { statuses: vec![(user("u-1"), status)], ..settlement(&claim, done()) };
    assert_eq!(store.settle(settlement).await.unwrap(), Fenced::Written);
}

#[tokio::test]
async fn where_a_user_stands_is_what_the_last_look_saw() {
    let store = memory().await;
    assert_eq!(store.status_of(&user("u-1")).await.unwrap(), None);
    seen(&store, "1", standing(100)).await;
    pass(5);
    seen(&store, "1", standing(200)).await;
    let known = store.status_of(&user("u-1")).await.unwrap().unwrap();
    assert_eq!((known.status, known.as_of, known.overdue_since), (standing(200), at(5), None));
}

#[tokio::test]
async fn a_user_whose_account_is_overdue_or_fails_is_told_since_when() {
    let store = memory().await;
    seen(&store, "1", standing(100)).await;
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
async fn a_look_that_was_given_up_or_did_not_see_all_is_overdue_at_once_until_a_bell_or_a_good_end() {
    let store = memory().await;
    seen(&store, "1", standing(100)).await;
    pass(10);
    let overdue = async || store.status_of(&user("u-1")).await.unwrap().unwrap().overdue_since;
    let look = async |ending| {
        enqueue(&store, "1").await;
        let claim = claim(&store, "a", 1).await.claims.remove(0);
        assert_eq!(settle(&store, &claim, ending).await, Fenced::Written);
    };
    look(SyncEnding::GivenUp(finding(AttentionKind::SyncFailed, "1"))).await;
    assert_eq!(overdue().await, Some(Timestamp::UNIX_EPOCH));
    enqueue(&store, "1").await;
    assert_eq!(overdue().await, Some(at(10)), "since the bell");
    let trouble = Some("an app could not be served".to_owned());
    look(SyncEnding::Incomplete { due: Some(at(5000)), attention: Vec::new(), error: trouble }).await;
    assert_eq!(overdue().await, Some(Timestamp::UNIX_EPOCH));
    look(SyncEnding::Incomplete { due: None, attention: Vec::new(), error: None }).await;
    assert_eq!(overdue().await, None);
    look(done()).await;
    assert_eq!(overdue().await, None);
}

#[tokio::test]
async fn of_one_user_seen_by_two_looks_at_once_one_status_is_kept() {
    let store = memory().await;
    let (one, two) = (held(&store, "1").await, held(&store, "2").await);
    let end = |claim, until| Settlement { statuses: vec![(user("u-1"), standing(until))], ..settlement(claim, done()) };
    let (first, second) = tokio::join!(store.settle(end(&one, 1)), store.settle(end(&two, 2)));
    assert_eq!((first.unwrap(), second.unwrap()), (Fenced::Written, Fenced::Written));
    let known = store.status_of(&user("u-1")).await.unwrap().unwrap().status;
    assert!(known == standing(1) || known == standing(2), "{known:?}");
}

#[tokio::test]
async fn a_status_under_a_lost_lease_is_not_kept() {
    let store = memory().await;
    let lost = held(&store, "1").await;
    pass(8);
    let settlement = Settlement { statuses: vec![(user("u-1"), standing(1))], ..settlement(&lost, done()) };
    assert_eq!(store.settle(settlement).await.unwrap(), Fenced::LeaseLost);
    assert_eq!(store.status_of(&user("u-1")).await.unwrap(), None);
}

#[tokio::test]
async fn accounts_are_walked_over_by_name_page_by_page() {
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
async fn whoever_works_is_counted_until_they_fall_silent() {
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
async fn of_what_is_in_bulk_no_more_is_claimed_than_there_is_room_for() {
    let store = memory().await;
    let bulk: Vec<_> = (0..9).map(|number| account(&format!("bulk{number}"))).collect();
    store.enqueue(bulk, Urgency::Bulk).await.unwrap();
    pass(1);
    enqueue(&store, "fresh").await;
    let room = Capacity { total: 5, bulk: 2 };
    let claims = store.claim(Lease::new("a", 1), room, SPAN).await.unwrap().claims;
    let urgencies: Vec<_> = claims.iter().map(|claim| claim.urgency).collect();
    assert_eq!(urgencies, [Urgency::Fresh, Urgency::Bulk, Urgency::Bulk]);
    assert_eq!(claims[0].account, account("fresh"));
    let room = Capacity { total: 5, bulk: 0 };
    assert!(store.claim(Lease::new("a", 2), room, SPAN).await.unwrap().claims.is_empty());
    assert_eq!(store.bulk_backlog().await.unwrap(), 9, "until they are looked at");
    for claim in &claims {
        settle(&store, claim, done()).await;
    }
    assert_eq!(store.bulk_backlog().await.unwrap(), 7);
}
