//! Links and former users: whose account it is, and whose it was.

use entitlement::model::user::User;

use super::make::{account, claim, claimed, done, enqueue, leased, memory, now, pass, settle, user};
use crate::claim::Claim;
use crate::link::{Link, Linked, OPERATOR};
use crate::open::Store;
use crate::record::SyncEnding;

const METADATA: &str = "subscription.metadata.customer_user_id";

/// What a sync read at the source.
async fn learn(store: &Store, claim: &Claim, to: &str) -> Linked {
    link_as(store, claim, to, METADATA).await
}

async fn link_as(store: &Store, claim: &Claim, to: &str, origin: &str) -> Linked {
    let link = Link { account: claim.account.clone(), user: user(to), origin: origin.to_owned() };
    store.link(link, Some(claim.lease.clone())).await.unwrap()
}

/// What an operator linked.
async fn link_by_operator(store: &Store, id: &str, to: &str) -> Linked {
    let link = Link { account: account(id), user: user(to), origin: OPERATOR.into() };
    store.link(link, None).await.unwrap()
}

async fn linked(store: &Store, id: &str) -> Option<(String, String)> {
    let link = store.link_of(&account(id)).await.unwrap()?;
    Some((link.user.as_str().to_owned(), link.origin))
}

async fn former_users(store: &Store, id: &str) -> Vec<String> {
    let context = store.account_context(&account(id)).await.unwrap();
    context.former_users.iter().map(|user| user.as_str().to_owned()).collect()
}

async fn user_of(store: &Store, id: &str) -> Option<User> {
    store.account_state(&account(id)).await.unwrap().unwrap().user
}

#[tokio::test]
async fn a_sync_learns_whose_account_it_is() {
    let store = memory().await;
    let claim = leased(&store, "1").await;
    assert_eq!(learn(&store, &claim, "u-1").await, Linked::Done);
    assert_eq!(linked(&store, "1").await, Some(("u-1".into(), METADATA.into())));
    assert_eq!(user_of(&store, "1").await, Some(user("u-1")));
    assert_eq!(former_users(&store, "1").await, [""; 0]);
    assert_eq!(store.accounts_of(&user("u-1")).await.unwrap(), [account("1")]);
    settle(&store, &claim, done()).await;
    assert_eq!(leased(&store, "1").await.user, Some(user("u-1")));
}

#[tokio::test]
async fn a_link_under_a_lost_lease_is_not_made() {
    let store = memory().await;
    let claim = leased(&store, "1").await;
    pass(8);
    assert_eq!(learn(&store, &claim, "u-1").await, Linked::LeaseLost);
    assert_eq!(linked(&store, "1").await, None);
}

#[tokio::test]
async fn an_operators_link_makes_the_account_due_also_when_it_was_never_seen() {
    let store = memory().await;
    assert_eq!(link_by_operator(&store, "1", "u-1").await, Linked::Done);
    let found = claim(&store, "a", 9).await;
    assert_eq!(found.claims[0].user, Some(user("u-1")));
}

#[tokio::test]
async fn an_operators_link_wins_over_what_is_read() {
    let store = memory().await;
    link_by_operator(&store, "1", "u-op").await;
    let claim = leased(&store, "1").await;
    assert_eq!(learn(&store, &claim, "u-meta").await, Linked::Busy);
    assert_eq!(linked(&store, "1").await, Some(("u-op".into(), OPERATOR.into())));
    assert_eq!(user_of(&store, "1").await, Some(user("u-op")));
    assert_eq!(former_users(&store, "1").await, [""; 0]);
    assert_eq!(link_by_operator(&store, "1", "u-new").await, Linked::Done);
    assert_eq!(linked(&store, "1").await, Some(("u-new".into(), OPERATOR.into())));
    assert_eq!(former_users(&store, "1").await, ["u-op"]);
}

#[tokio::test]
async fn an_operators_link_wins_also_while_the_user_that_was_read_is_busy() {
    let store = memory().await;
    link_by_operator(&store, "other", "u-meta").await;
    claim(&store, "a", 1).await;
    link_by_operator(&store, "1", "u-op").await;
    let claim = leased(&store, "1").await;
    assert_eq!(learn(&store, &claim, "u-meta").await, Linked::Busy);
    assert_eq!(linked(&store, "1").await, Some(("u-op".into(), OPERATOR.into())));
    assert_eq!(user_of(&store, "1").await, Some(user("u-op")), "the worklist has the same as the link");
}

#[tokio::test]
async fn what_is_read_against_an_operators_link_forgets_no_former_user() {
    let store = memory().await;
    let claim = leased(&store, "1").await;
    learn(&store, &claim, "u-a").await;
    link_by_operator(&store, "1", "u-op").await;
    assert_eq!(former_users(&store, "1").await, ["u-a"]);
    assert_eq!(learn(&store, &claim, "u-a").await, Linked::Busy);
    assert_eq!(former_users(&store, "1").await, ["u-a"], "what u-a has must still end");
}

#[tokio::test]
async fn a_sync_that_repeats_an_operators_older_link_does_not_undo_the_newer() {
    let store = memory().await;
    link_by_operator(&store, "1", "u-old").await;
    let claim = leased(&store, "1").await;
    assert_eq!(link_as(&store, &claim, "u-old", OPERATOR).await, Linked::Done);
    link_by_operator(&store, "1", "u-new").await;
    assert_eq!(link_as(&store, &claim, "u-old", OPERATOR).await, Linked::Busy);
    assert_eq!(linked(&store, "1").await, Some(("u-new".into(), OPERATOR.into())));
    assert_eq!(former_users(&store, "1").await, ["u-old"]);
}

#[tokio::test]
async fn a_user_who_is_leased_makes_the_sync_wait_and_keeps_the_link() {
    let store = memory().await;
    link_by_operator(&store, "1", "u-1").await;
    let first = claim(&store, "a", 1).await.claims.remove(0);
    let second = leased(&store, "2").await;
    assert_eq!(learn(&store, &second, "u-1").await, Linked::Busy);
    assert_eq!(linked(&store, "2").await, Some(("u-1".into(), METADATA.into())));
    settle(&store, &second, SyncEnding::Yielded { due: now() }).await;
    assert_eq!(claimed(&store, "b", 9).await, [""; 0], "the claim itself passes over it now");
    settle(&store, &first, done()).await;
    assert_eq!(claimed(&store, "b", 9).await, ["2"]);
}

#[tokio::test]
async fn a_leased_user_does_not_block_the_account_that_leases_them() {
    let store = memory().await;
    link_by_operator(&store, "1", "u-1").await;
    let claim = claim(&store, "a", 1).await.claims.remove(0);
    assert_eq!(learn(&store, &claim, "u-1").await, Linked::Busy, "the operator's link counts");
    let claim = leased(&store, "2").await;
    assert_eq!(learn(&store, &claim, "u-2").await, Linked::Done);
    assert_eq!(learn(&store, &claim, "u-2").await, Linked::Done);
}

#[tokio::test]
async fn a_former_user_is_remembered_and_forgotten() {
    let store = memory().await;
    let claim = leased(&store, "1").await;
    for to in ["u-a", "u-b", "u-c"] {
        learn(&store, &claim, to).await;
    }
    assert_eq!(former_users(&store, "1").await, ["u-a", "u-b"]);
    store.forget_former_user(account("1"), user("u-a")).await.unwrap();
    assert_eq!(former_users(&store, "1").await, ["u-b"]);
    assert_eq!(store.accounts_of(&user("u-a")).await.unwrap(), []);
}

#[tokio::test]
async fn a_user_to_whom_an_account_comes_back_is_not_a_former_one() {
    let store = memory().await;
    let claim = leased(&store, "1").await;
    for to in ["u-a", "u-b", "u-a"] {
        learn(&store, &claim, to).await;
    }
    assert_eq!(former_users(&store, "1").await, ["u-b"]);
    assert_eq!(linked(&store, "1").await.unwrap().0, "u-a");
}

#[tokio::test]
async fn the_context_of_an_account_is_read_at_once() {
    let store = memory().await;
    let nothing = store.account_context(&account("b")).await.unwrap();
    assert!(nothing.link.is_none() && nothing.former_users.is_empty() && nothing.accounts.is_empty());
    for (id, to) in [("b", "u-0"), ("c", "u-1"), ("b", "u-1"), ("a", "u-1"), ("d", "u-2")] {
        link_by_operator(&store, id, to).await;
    }
    let context = store.account_context(&account("b")).await.unwrap();
    assert_eq!(context.link.map(|link| link.user), Some(user("u-1")));
    assert_eq!(
        (context.former_users, context.accounts),
        (vec![user("u-0")], vec![account("a"), account("b"), account("c")])
    );
}

#[tokio::test]
async fn the_accounts_of_a_user_are_listed_in_order() {
    let store = memory().await;
    for id in ["b", "a", "c"] {
        link_by_operator(&store, id, "u-1").await;
    }
    link_by_operator(&store, "d", "u-2").await;
    assert_eq!(store.accounts_of(&user("u-1")).await.unwrap(), [account("a"), account("b"), account("c")]);
}

#[tokio::test]
async fn an_account_that_is_enqueued_after_its_link_has_its_user() {
    let store = memory().await;
    let claim = leased(&store, "1").await;
    learn(&store, &claim, "u-1").await;
    settle(&store, &claim, done()).await;
    enqueue(&store, "1").await;
    assert_eq!(user_of(&store, "1").await, Some(user("u-1")));
}
