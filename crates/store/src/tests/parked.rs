//! Attention: found, kept, released, dropped.

use entitlement::model::ledger::State;

use super::make::{
    account, at, attention, claim, claimed, done, done_with, event, failed, intend, leased, memory, now, parked, pass,
    record, refused, result, settle, settlement, state, sync, user,
};
use crate::event::{Event, Outcome};
use crate::open::Store;
use crate::parked::Filter;
use crate::record::{Attention, AttentionKind, Fenced, Settlement, SyncEnding};
use crate::selection::Selection;

/// A sync of `id` that parks an unmapped price for each of `subjects`.
async fn parks(store: &Store, id: &str, subjects: &[&str]) {
    let claim = leased(store, id).await;
    let found = subjects.iter().map(|subject| attention(AttentionKind::UnmappedPrice, subject)).collect();
    assert_eq!(settle(store, &claim, done_with(found)).await, Fenced::Written);
}

async fn subjects(store: &Store) -> Vec<String> {
    parked(store).await.into_iter().map(|(_, subject)| subject).collect()
}

#[tokio::test]
async fn parked_is_exactly_what_the_last_sync_found() {
    let store = memory().await;
    parks(&store, "1", &["a", "b"]).await;
    parks(&store, "2", &["a"]).await;
    assert_eq!(subjects(&store).await, ["a", "b", "a"]);
    pass(5);
    parks(&store, "1", &["b", "c"]).await;
    let rows = store.parked().await.unwrap();
    let rows: Vec<_> = rows.iter().map(|row| (row.account.as_str(), row.subject.as_str(), row.since)).collect();
    let (one, two) = ("stripe:cus_1", "stripe:cus_2");
    assert_eq!(rows, [(one, "b", at(0)), (two, "a", at(0)), (one, "c", at(5))], "what stays keeps its date");
    parks(&store, "1", &[]).await;
    assert_eq!(subjects(&store).await, ["a"]);
}

#[tokio::test]
async fn attention_that_is_found_again_has_its_newest_words() {
    let store = memory().await;
    parks(&store, "1", &["a"]).await;
    let claim = leased(&store, "1").await;
    let newer = Attention {
        user: Some(user("u-1")),
        reason: "now so".into(),
        hint: "do that".into(),
        ..attention(AttentionKind::UnmappedPrice, "a")
    };
    settle(&store, &claim, done_with(vec![newer])).await;
    let row = store.parked().await.unwrap().remove(0);
    assert_eq!((row.reason.as_str(), row.hint.as_str(), row.user.as_deref()), ("now so", "do that", Some("u-1")));
}

#[tokio::test]
async fn an_incomplete_sync_adds_to_what_is_parked() {
    let store = memory().await;
    parks(&store, "1", &["a"]).await;
    let refused_step = |subject| vec![attention(AttentionKind::RefusedStep, subject)];
    let claim = leased(&store, "1").await;
    let ending =
        SyncEnding::Failed { due: at(60), error: "one app does not answer".into(), attention: refused_step("b") };
    assert_eq!(settle(&store, &claim, ending).await, Fenced::Written);
    assert_eq!(subjects(&store).await, ["a", "b"]);
    pass(10);
    let claim = leased(&store, "1").await;
    assert_eq!(
        settle(&store, &claim, SyncEnding::Incomplete { due: Some(at(90)), attention: refused_step("c"), error: None })
            .await,
        Fenced::Written
    );
    assert_eq!(subjects(&store).await, ["a", "b", "c"]);
    let state = store.account_state(&account("1")).await.unwrap().unwrap();
    assert_eq!(
        (state.due_at, state.last_error),
        (Some(at(90)), None),
        "what may be tried again is due, and nothing fails"
    );
    parks(&store, "1", &[]).await;
    assert_eq!(subjects(&store).await, [""; 0]);
}

#[tokio::test]
async fn a_sync_that_failed_or_yielded_leaves_what_is_parked() {
    let store = memory().await;
    parks(&store, "1", &["a"]).await;
    for ending in [failed(now()), SyncEnding::Yielded { due: now() }] {
        let claim = leased(&store, "1").await;
        settle(&store, &claim, ending).await;
        assert_eq!(subjects(&store).await, ["a"]);
    }
}

#[tokio::test]
async fn a_sync_that_was_given_up_adds_to_what_is_parked() {
    let store = memory().await;
    parks(&store, "1", &["a"]).await;
    let claim = leased(&store, "1").await;
    settle(&store, &claim, SyncEnding::GivenUp(attention(AttentionKind::SyncFailed, "stripe:cus_1"))).await;
    assert_eq!(subjects(&store).await, ["a", "stripe:cus_1"]);
    let counts = store.parked_counts().await.unwrap();
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [("look_failed".into(), 1), ("unmapped_price".into(), 1)]);
    parks(&store, "1", &["a"]).await;
    assert_eq!(subjects(&store).await, ["a"], "a sync that is done removes it");
}

#[tokio::test]
async fn what_was_dropped_stays_dropped_while_it_is_found() {
    let store = memory().await;
    parks(&store, "1", &["a", "b"]).await;
    let id = store.parked().await.unwrap()[0].id;
    assert_eq!(store.drop_parked(Selection::Ids(vec![id]), "known".into()).await.unwrap(), 1);
    assert_eq!(store.drop_parked(Selection::Ids(vec![id]), "known".into()).await.unwrap(), 0);
    parks(&store, "1", &["a", "b"]).await;
    assert_eq!(subjects(&store).await, ["b"]);
    assert_eq!(store.parked_counts().await.unwrap()["unmapped_price"], 1);
    assert_eq!(store.release(Selection::Ids(vec![id])).await.unwrap(), 0);
    // what is gone and comes back is attention again
    parks(&store, "1", &[]).await;
    parks(&store, "1", &["a"]).await;
    assert_eq!(subjects(&store).await, ["a"]);
}

#[tokio::test]
async fn parked_rows_are_selected_by_id_by_kind_or_all() {
    let store = memory().await;
    let claim = leased(&store, "1").await;
    let kinds = [
        AttentionKind::UnmappedPrice,
        AttentionKind::UnknownState,
        AttentionKind::NotShown,
        AttentionKind::UnknownUser,
    ];
    settle(&store, &claim, done_with(kinds.map(|kind| attention(kind, "x")).to_vec())).await;
    let why = || "so".to_owned();
    let first = store.parked().await.unwrap()[0].id;
    assert_eq!(store.drop_parked(Selection::Ids(vec![first, 4711]), why()).await.unwrap(), 1);
    assert_eq!(store.drop_parked(Selection::Kind(AttentionKind::NotShown), why()).await.unwrap(), 1);
    assert_eq!(store.drop_parked(Selection::Kind(AttentionKind::NotShown), why()).await.unwrap(), 0);
    assert_eq!(store.drop_parked(Selection::All, why()).await.unwrap(), 2);
    assert_eq!(parked(&store).await, []);
}

#[tokio::test]
async fn parked_rows_are_listed_by_kind_account_and_user() {
    let store = memory().await;
    parks(&store, "1", &["a", "b"]).await;
    parks(&store, "2", &["a"]).await;
    let claim = leased(&store, "3").await;
    let of_user = Attention { user: Some(user("u-1")), ..attention(AttentionKind::NotShown, "premium") };
    settle(&store, &claim, done_with(vec![of_user])).await;
    let listed = async |filter: Filter| {
        let rows = store.parked_matching(&filter).await.unwrap();
        rows.into_iter().map(|row| format!("{} {}", row.account, row.subject)).collect::<Vec<_>>()
    };
    let of = |ids: &[&str]| Filter { accounts: ids.iter().map(|id| account(id)).collect(), ..Filter::default() };
    assert_eq!(listed(of(&["1"])).await, ["stripe:cus_1 a", "stripe:cus_1 b"]);
    assert_eq!(listed(of(&["2", "3"])).await, ["stripe:cus_2 a", "stripe:cus_3 premium"]);
    assert_eq!(
        listed(Filter { kind: Some(AttentionKind::NotShown), ..Filter::default() }).await,
        ["stripe:cus_3 premium"]
    );
    assert_eq!(listed(Filter { user: Some(user("u-1")), ..Filter::default() }).await, ["stripe:cus_3 premium"]);
    assert_eq!(listed(Filter { kind: Some(AttentionKind::NotShown), ..of(&["1"]) }).await, [""; 0]);
    assert_eq!(listed(Filter::default()).await.len(), 4);
}

#[tokio::test]
async fn one_parked_row_is_read_also_when_it_was_dropped() {
    let store = memory().await;
    parks(&store, "1", &["a"]).await;
    let id = store.parked().await.unwrap()[0].id;
    assert_eq!(store.parked_by_id(id).await.unwrap().unwrap().dropped, None);
    store.drop_parked(Selection::Ids(vec![id]), "known".into()).await.unwrap();
    let row = store.parked_by_id(id).await.unwrap().unwrap();
    assert_eq!((row.subject.as_str(), row.dropped.as_deref()), ("a", Some("known")));
    assert!(store.parked_by_id(id + 1).await.unwrap().is_none());
}

#[tokio::test]
async fn a_release_makes_every_account_due_that_waits_for_the_same_subject() {
    let store = memory().await;
    parks(&store, "1", &["price_1"]).await;
    parks(&store, "2", &["price_1"]).await;
    parks(&store, "3", &["price_2"]).await;
    pass(1);
    let id = store.parked().await.unwrap()[0].id;
    assert_eq!(store.release(Selection::Ids(vec![id])).await.unwrap(), 1);
    let mut due = claimed(&store, "a", 9).await;
    due.sort_unstable();
    assert_eq!(due, ["1", "2"]);
    assert_eq!(subjects(&store).await.len(), 3, "only a sync removes them");
}

#[tokio::test]
async fn a_release_enqueues_the_account_and_intends_its_refused_step_again() {
    let store = memory().await;
    sync(&store, "1", "k", refused()).await;
    sync(&store, "2", "l", refused()).await;
    let first = leased(&store, "1").await;
    settle(&store, &first, done_with(vec![attention(AttentionKind::RefusedStep, "k")])).await;
    pass(5);
    assert_eq!(store.release(Selection::Kind(AttentionKind::RefusedStep)).await.unwrap(), 1);
    assert_eq!(state(&store, "k").await, State::Intended { attempts: 0, due: at(5) });
    assert!(matches!(state(&store, "l").await, State::Refused { .. }), "it was not parked");
    let next = claim(&store, "a", 9).await.claims.remove(0);
    assert_eq!((next.account.clone(), next.triggered_at), (account("1"), Some(at(5))));
    assert_eq!(intend(&store, &next, &["k"]).await, Fenced::Written);
}

#[tokio::test]
async fn a_release_of_an_event_that_cannot_be_read_releases_nothing() {
    let store = memory().await;
    let outcome = Outcome::Unreadable { reason: "no type".into() };
    record(&store, Event { outcome, ..event("evt_1", "1") }).await;
    assert_eq!(store.release(Selection::All).await.unwrap(), 0);
    assert_eq!(store.backlog().await.unwrap().due, 0);
    assert_eq!(store.drop_parked(Selection::Kind(AttentionKind::UnreadableEvent), "seen".into()).await.unwrap(), 1);
    assert_eq!(parked(&store).await, []);
}

#[tokio::test]
async fn syncs_that_end_in_one_batch_park_each_their_own() {
    let store = memory().await;
    parks(&store, "1", &["a"]).await;
    parks(&store, "2", &["a"]).await;
    let (one, two) = (leased(&store, "1").await, leased(&store, "2").await);
    let second = settlement(&two, done_with(vec![attention(AttentionKind::UnmappedPrice, "b")]));
    let (first, second) = tokio::join!(settle(&store, &one, done()), store.settle(second));
    assert_eq!((first, second.unwrap()), (Fenced::Written, Fenced::Written));
    let rows = store.parked().await.unwrap();
    let rows: Vec<_> = rows.iter().map(|row| (row.account.as_str(), row.subject.as_str())).collect();
    assert_eq!(rows, [("stripe:cus_2", "b")]);
}

#[tokio::test]
async fn a_refused_step_and_its_attention_are_one_write() {
    let store = memory().await;
    let claim = leased(&store, "1").await;
    intend(&store, &claim, &["k"]).await;
    let ending = done_with(vec![attention(AttentionKind::RefusedStep, "k")]);
    let end = Settlement { results: vec![result("k", refused())], ..settlement(&claim, ending) };
    assert_eq!(store.settle(end).await.unwrap(), Fenced::Written);
    assert_eq!(subjects(&store).await, ["k"]);
    assert_eq!(state(&store, "k").await, State::Refused { at: at(0), why: "400: no".into() });
}
