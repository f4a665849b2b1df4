//! Leases: they run out, are renewed, are given back, and fence.

use std::time::Duration;

use super::make::{
    SPAN, account, at, attention, claim, claimed, done, done_with, enqueue, entries, intend, intent, leased, memory,
    now, parked, pass, planned, result, retry, settle, settle_with, state,
};
use crate::claim::Claim;
use crate::open::Store;
use crate::record::{Attempt, AttentionKind, Fenced, Intent, Progress, StepOutcome};

async fn renew(store: &Store, claim: &Claim, span: Duration) {
    store.renew(vec![(claim.account.clone(), claim.lease.clone())], span).await.unwrap();
}

#[tokio::test]
async fn a_lease_runs_out_after_its_span_and_another_claim_gets_the_account() {
    let store = memory().await;
    enqueue(&store, "1").await;
    claim(&store, "a", 1).await;
    pass(7);
    assert_eq!(claimed(&store, "b", 1).await, [""; 0]);
    assert!(store.account_state(&account("1")).await.unwrap().unwrap().leased);
    pass(1);
    assert!(!store.account_state(&account("1")).await.unwrap().unwrap().leased);
    assert_eq!(claimed(&store, "b", 1).await, ["1"]);
}

#[tokio::test]
async fn a_renewed_lease_does_not_run_out() {
    let store = memory().await;
    let claim = leased(&store, "1").await;
    for _ in 0..5 {
        pass(6);
        renew(&store, &claim, SPAN).await;
        assert_eq!(claimed(&store, "b", 1).await, [""; 0]);
    }
    assert_eq!(settle(&store, &claim, done()).await, Fenced::Written);
}

#[tokio::test]
async fn a_renewal_of_zero_gives_the_account_back() {
    let store = memory().await;
    let claim = leased(&store, "1").await;
    renew(&store, &claim, Duration::ZERO).await;
    assert_eq!(settle(&store, &claim, done()).await, Fenced::LeaseLost);
    assert_eq!(claimed(&store, "b", 1).await, ["1"]);
}

#[tokio::test]
async fn a_lease_that_another_took_over_cannot_be_renewed() {
    let store = memory().await;
    let first = leased(&store, "1").await;
    pass(8);
    let second = claim(&store, "b", 1).await.claims.remove(0);
    renew(&store, &first, Duration::ZERO).await;
    assert_eq!(claimed(&store, "c", 1).await, [""; 0]);
    assert_eq!(settle(&store, &second, done()).await, Fenced::Written);
    renew(&store, &first, SPAN).await;
    assert!(!store.account_state(&account("1")).await.unwrap().unwrap().leased);
}

#[tokio::test]
async fn a_lease_that_ran_out_and_nobody_took_is_held_again_by_its_renewal() {
    let store = memory().await;
    let claim = leased(&store, "1").await;
    pass(20);
    renew(&store, &claim, SPAN).await;
    assert_eq!(settle(&store, &claim, done()).await, Fenced::Written);
}

#[tokio::test]
async fn a_settlement_under_a_lost_lease_writes_nothing() {
    let store = memory().await;
    let lost = leased(&store, "1").await;
    assert_eq!(intend(&store, &lost, &["k"]).await, Fenced::Written);
    pass(8);
    let before = state(&store, "k").await;
    let second = claim(&store, "b", 1).await.claims.remove(0);
    assert_eq!(settle_with(&store, &lost, vec![result("k", StepOutcome::Confirmed)]).await, Fenced::LeaseLost);
    let ending = done_with(vec![attention(AttentionKind::UnmappedPrice, "price_1")]);
    assert_eq!(settle(&store, &lost, ending).await, Fenced::LeaseLost);
    assert_eq!(state(&store, "k").await, before);
    assert_eq!(parked(&store).await, []);
    let state = store.account_state(&account("1")).await.unwrap().unwrap();
    assert_eq!((state.leased, state.settled_at, state.due_at), (true, None, Some(at(0))));
    assert_eq!(settle(&store, &second, done()).await, Fenced::Written);
}

#[tokio::test]
async fn a_settlement_under_a_lease_that_ran_out_and_nobody_took_writes_nothing_either() {
    let store = memory().await;
    let lost = leased(&store, "1").await;
    pass(8);
    assert_eq!(settle(&store, &lost, done()).await, Fenced::LeaseLost);
    assert_eq!(claimed(&store, "b", 1).await, ["1"]);
}

#[tokio::test]
async fn an_intent_under_a_lost_lease_writes_nothing() {
    let store = memory().await;
    let lost = leased(&store, "1").await;
    pass(8);
    assert_eq!(intend(&store, &lost, &["k"]).await, Fenced::LeaseLost);
    claim(&store, "b", 1).await;
    assert_eq!(intend(&store, &lost, &["k"]).await, Fenced::LeaseLost);
    assert_eq!(entries(&store).await, []);
}

#[tokio::test]
async fn an_intent_under_a_lost_lease_writes_neither_results_nor_steps() {
    let store = memory().await;
    let lost = leased(&store, "1").await;
    intend(&store, &lost, &["k"]).await;
    let before = state(&store, "k").await;
    pass(8);
    let next = || Intent {
        results: vec![result("k", StepOutcome::Confirmed)],
        ..intent(&lost, vec![planned("l", "premium")])
    };
    assert_eq!(store.intend(next()).await.unwrap(), Fenced::LeaseLost);
    claim(&store, "b", 1).await;
    assert_eq!(store.intend(next()).await.unwrap(), Fenced::LeaseLost);
    assert_eq!(entries(&store).await.len(), 1);
    assert_eq!(state(&store, "k").await, before);
}

#[tokio::test]
async fn results_before_the_end_are_fenced_as_well() {
    let store = memory().await;
    let claim = leased(&store, "1").await;
    intend(&store, &claim, &["k", "l"]).await;
    let progress = |key, outcome| Progress {
        account: claim.account.clone(),
        lease: claim.lease.clone(),
        results: vec![result(key, outcome)],
        statuses: Vec::new(),
    };
    let confirm = |key| store.record_progress(progress(key, StepOutcome::Confirmed));
    assert_eq!(confirm("k").await.unwrap(), Fenced::Written);
    pass(8);
    let before = state(&store, "l").await;
    assert_eq!(confirm("l").await.unwrap(), Fenced::LeaseLost);
    let late = progress("l", retry(now(), Attempt::Counted));
    assert_eq!(store.record_progress(late).await.unwrap(), Fenced::LeaseLost);
    assert_eq!(state(&store, "l").await, before);
}

#[tokio::test]
async fn one_lost_lease_does_not_cost_its_neighbours_in_the_batch_theirs() {
    let store = memory().await;
    let lost = leased(&store, "1").await;
    pass(8);
    let (fine, also) = (leased(&store, "2").await, leased(&store, "3").await);
    let all = tokio::join!(
        settle(&store, &fine, done()),
        settle(&store, &lost, done()),
        intend(&store, &also, &["k"]),
        intend(&store, &lost, &["l"])
    );
    assert_eq!(all, (Fenced::Written, Fenced::LeaseLost, Fenced::Written, Fenced::LeaseLost));
    assert_eq!(entries(&store).await.len(), 1);
}
