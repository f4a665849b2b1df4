//! Links and handovers: whose account it is, and whose it was.

use entitlement::names::User;

use super::make::{account, claim, claimed, done, held, memory, now, pass, settle, enqueue, user};
use crate::claim::Claim;
use crate::open::Store;
use crate::link::{Link, Linked, OPERATOR};
use crate::record::SyncEnding;

const METADATA: &str = "subscription.metadata.customer_user_id";

/// What a look read at the source.
async fn learn(store: &Store, claim: &Claim, to: &str) -> Linked {
    say(store, claim, to, METADATA).await
}

async fn say(store: &Store, claim: &Claim, to: &str, origin: &str) -> Linked {
    let link = Link { account: claim.account.clone(), user: user(to), origin: origin.to_owned() };
    store.link(link, Some(claim.lease.clone())).await.unwrap()
}

/// What an operator said.
async fn order(store: &Store, id: &str, to: &str) -> Linked {
    let link = Link { account: account(id), user: user(to), origin: OPERATOR.into() };
    store.link(link, None).await.unwrap()
}

async fn linked(store: &Store, id: &str) -> Option<(String, String)> {
    let link = store.link_of(&account(id)).await.unwrap()?;
    Some((link.user.as_str().to_owned(), link.origin))
}

async fn formers(store: &Store, id: &str) -> Vec<String> {
    let account_context = store.account_context(&account(id)).await.unwrap();
    account_context.former_users.iter().map(|former| former.as_str().to_owned()).collect()
}

async fn user_of(store: &Store, id: &str) -> Option<User> {
    store.account_state(&account(id)).await.unwrap().unwrap().user
}

#[tokio::test]
async fn a_look_learns_whose_account_it_is() {
    let store = memory().await;
    let claim = held(&store, "1").await;
    assert_eq!(learn(&store, &claim, "u-1").await, Linked::Done);
    assert_eq!(linked(&store, "1").await, Some(("u-1".into(), METADATA.into())));
    assert_eq!(user_of(&store, "1").await, Some(user("u-1")));
    assert_eq!(formers(&store, "1").await, [""; 0]);
    assert_eq!(store.accounts_of(&user("u-1")).await.unwrap(), [account("1")]);
    settle(&store, &claim, done()).await;
    assert_eq!(held(&store, "1").await.user, Some(user("u-1")));
}

#[tokio::test]
async fn a_link_under_a_lost_lease_is_not_made() {
    let store = memory().await;
    let claim = held(&store, "1").await;
    pass(8);
    assert_eq!(learn(&store, &claim, "u-1").await, Linked::LeaseLost);
    assert_eq!(linked(&store, "1").await, None);
}

#[tokio::test]
async fn an_operators_link_makes_the_account_due_also_when_it_was_never_seen() {
    let store = memory().await;
    assert_eq!(order(&store, "1", "u-1").await, Linked::Done);
    let found = claim(&store, "a", 9).await;
    assert_eq!(found.claims[0].user, Some(user("u-1")));
}

#[tokio::test]
async fn the_operators_word_wins_over_what_is_read() {
    let store = memory().await;
    order(&store, "1", "u-op").await;
    let claim = held(&store, "1").await;
    assert_eq!(learn(&store, &claim, "u-meta").await, Linked::Busy);
    assert_eq!(linked(&store, "1").await, Some(("u-op".into(), OPERATOR.into())));
    assert_eq!(user_of(&store, "1").await, Some(user("u-op")));
    assert_eq!(formers(&store, "1").await, [""; 0]);
    assert_eq!(order(&store, "1", "u-new").await, Linked::Done);
    assert_eq!(linked(&store, "1").await, Some(("u-new".into(), OPERATOR.into())));
    assert_eq!(formers(&store, "1").await, ["u-op"]);
}

#[tokio::test]
async fn the_operators_word_wins_also_while_the_read_customer_is_busy() {
    let store = memory().await;
    order(&store, "other", "u-meta").await;
    claim(&store, "a", 1).await;
    order(&store, "1", "u-op").await;
    let claim = held(&store, "1").await;
    assert_eq!(learn(&store, &claim, "u-meta").await, Linked::Busy);
    assert_eq!(linked(&store, "1").await, Some(("u-op".into(), OPERATOR.into())));
    assert_eq!(user_of(&store, "1").await, Some(user("u-op")), "the worklist says the same as the link");
}

#[tokio::test]
async fn what_is_read_against_the_operators_word_ends_no_handover() {
    let store = memory().await;
    let claim = held(&store, "1").await;
    learn(&store, &claim, "u-a").await;
    order(&store, "1", "u-op").await;
    assert_eq!(formers(&store, "1").await, ["u-a"]);
    assert_eq!(learn(&store, &claim, "u-a").await, Linked::Busy);
    assert_eq!(formers(&store, "1").await, ["u-a"], "what u-a has must still end");
}

#[tokio::test]
async fn a_look_that_repeats_an_operators_older_word_does_not_undo_the_newer() {
    let store = memory().await;
    order(&store, "1", "u-old").await;
    let claim = held(&store, "1").await;
    assert_eq!(say(&store, &claim, "u-old", OPERATOR).await, Linked::Done);
    order(&store, "1", "u-new").await;
    assert_eq!(say(&store, &claim, "u-old", OPERATOR).await, Linked::Busy);
    assert_eq!(linked(&store, "1").await, Some(("u-new".into(), OPERATOR.into())));
    assert_eq!(formers(&store, "1").await, ["u-old"]);
}

#[tokio::test]
async fn a_customer_who_is_held_makes_the_look_wait_and_keeps_the_link() {
    let store = memory().await;
    order(&store, "1", "u-1").await;
    let first = claim(&store, "a", 1).await.claims.remove(0);
    let second = held(&store, "2").await;
    assert_eq!(learn(&store, &second, "u-1").await, Linked::Busy);
    assert_eq!(linked(&store, "2").await, Some(("u-1".into(), METADATA.into())));
    settle(&store, &second, SyncEnding::Yielded { due: now() }).await;
    assert_eq!(claimed(&store, "b", 9).await, [""; 0], "the claim itself passes over it now");
    settle(&store, &first, done()).await;
    assert_eq!(claimed(&store, "b", 9).await, ["2"]);
}

#[tokio::test]
async fn a_held_customer_does_not_hinder_the_account_that_holds_them() {
    let store = memory().await;
    order(&store, "1", "u-1").await;
    let claim = claim(&store, "a", 1).await.claims.remove(0);
    assert_eq!(learn(&store, &claim, "u-1").await, Linked::Busy, "the operator's word stands");
    let claim = held(&store, "2").await;
    assert_eq!(learn(&store, &claim, "u-2").await, Linked::Done);
    assert_eq!(learn(&store, &claim, "u-2").await, Linked::Done);
}

#[tokio::test]
async fn a_handover_is_recorded_and_ended() {
    let store = memory().await;
    let claim = held(&store, "1").await;
    for to in ["u-a", "u-b", "u-c"] {
        learn(&store, &claim, to).await;
    }
    assert_eq!(formers(&store, "1").await, ["u-a", "u-b"]);
    store.forget_former_user(account("1"), user("u-a")).await.unwrap();
    assert_eq!(formers(&store, "1").await, ["u-b"]);
    assert_eq!(store.accounts_of(&user("u-a")).await.unwrap(), []);
}

#[tokio::test]
async fn linking_back_removes_the_handover_of_whom_it_comes_back_to() {
    let store = memory().await;
    let claim = held(&store, "1").await;
    for to in ["u-a", "u-b", "u-a"] {
        learn(&store, &claim, to).await;
    }
    assert_eq!(formers(&store, "1").await, ["u-b"]);
    assert_eq!(linked(&store, "1").await.unwrap().0, "u-a");
}

#[tokio::test]
async fn what_is_known_around_an_account_is_read_at_once() {
    let store = memory().await;
    let nothing = store.account_context(&account("b")).await.unwrap();
    assert!(nothing.link.is_none() && nothing.former_users.is_empty() && nothing.accounts.is_empty());
    for (id, to) in [("b", "u-0"), ("c", "u-1"), ("b", "u-1"), ("a", "u-1"), ("d", "u-2")] {
        order(&store, id, to).await;
    }
    let account_context = store.account_context(&account("b")).await.unwrap();
    assert_eq!(account_context.link.map(|link| link.user), Some(user("u-1")));
    assert_eq!((account_context.former_users, account_context.accounts), (vec![user("u-0")], vec![account("a"), account("b"), account("c")]));
}

#[tokio::test]
async fn the_accounts_of_a_user_are_told_in_order() {
    let store = memory().await;
    for id in ["b", "a", "c"] {
        order(&store, id, "u-1").await;
    }
    order(&store, "d", "u-2").await;
    assert_eq!(store.accounts_of(&user("u-1")).await.unwrap(), [account("a"), account("b"), account("c")]);
}

#[tokio::test]
async fn an_account_rung_for_after_its_link_knows_its_customer() {
    let store = memory().await;
    let claim = held(&store, "1").await;
    learn(&store, &claim, "u-1").await;
    settle(&store, &claim, done()).await;
    enqueue(&store, "1").await;
    assert_eq!(user_of(&store, "1").await, Some(user("u-1")));
}
