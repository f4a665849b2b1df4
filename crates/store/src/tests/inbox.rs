//! Events: each recorded once, each a trigger.

use super::make::{account, at, claimed, event, is_pending, memory, memory_with_slots, parked, pass, record};
use crate::claim::Urgency;
use crate::event::{Event, Outcome, Recorded};
use crate::inbox::{Filter, KindFilter, ReceivedEvent};

#[tokio::test]
async fn an_event_is_recorded_once() {
    let store = memory().await;
    assert_eq!(record(&store, event("evt_1", "1")).await, Recorded::New);
    assert_eq!(record(&store, event("evt_1", "1")).await, Recorded::Duplicate);
    assert_eq!(store.events(&Filter::default(), 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_event_is_recorded_once_also_when_one_batch_has_it_twice() {
    let store = memory().await;
    let both = tokio::join!(record(&store, event("evt_1", "1")), record(&store, event("evt_1", "1")));
    assert_eq!(both, (Recorded::New, Recorded::Duplicate));
    assert_eq!(store.events(&Filter::default(), 10).await.unwrap().len(), 1);
    assert_eq!(store.account_state(&account("1")).await.unwrap().unwrap().generation, 1);
}

#[tokio::test]
async fn a_duplicate_triggers_nothing() {
    let store = memory().await;
    record(&store, event("evt_1", "1")).await;
    assert_eq!(record(&store, event("evt_1", "1")).await, Recorded::Duplicate);
    // also not the account that it names the second time
    assert_eq!(record(&store, event("evt_1", "2")).await, Recorded::Duplicate);
    assert_eq!(store.account_state(&account("1")).await.unwrap().unwrap().generation, 1);
    assert!(store.account_state(&account("2")).await.unwrap().is_none());
    assert_eq!(store.backlog().await.unwrap().due, 1);
}

#[tokio::test]
async fn a_burst_is_one_due_account_whose_generation_counts_the_events() {
    let store = memory().await;
    for number in 0..5 {
        record(&store, event(&format!("evt_{number}"), "1")).await;
        pass(1);
    }
    assert_eq!(store.account_state(&account("1")).await.unwrap().unwrap().generation, 5);
    let backlog = store.backlog().await.unwrap();
    assert_eq!((backlog.due, backlog.oldest), (1, Some(at(0))), "it is due since the first event");
    assert_eq!(claimed(&store, "a", 10).await, ["1"]);
}

#[tokio::test]
async fn events_of_one_batch_make_one_due_account_too() {
    let store = memory().await;
    let (first, second) = (event("evt_1", "1"), event("evt_2", "1"));
    assert_eq!(tokio::join!(record(&store, first), record(&store, second)), (Recorded::New, Recorded::New));
    assert!(store.account_state(&account("1")).await.unwrap().unwrap().generation >= 1);
    assert_eq!(store.backlog().await.unwrap().due, 1);
}

#[tokio::test]
async fn an_event_of_no_account_or_of_the_other_mode_is_recorded_and_triggers_nothing() {
    let store = memory().await;
    for (id, outcome) in [("evt_1", Outcome::NoAccount), ("evt_2", Outcome::OtherMode)] {
        record(&store, Event { outcome, ..event(id, "1") }).await;
    }
    let outcomes: Vec<String> =
        store.events(&Filter::default(), 10).await.unwrap().into_iter().map(|event| event.outcome).collect();
    assert_eq!(outcomes, ["other_mode", "no_account"]);
    assert_eq!((store.backlog().await.unwrap().due, parked(&store).await), (0, Vec::new()));
}

#[tokio::test]
async fn events_are_listed_newest_first_to_the_limit_and_by_account() {
    let store = memory().await;
    for (id, of) in [("evt_1", "1"), ("evt_2", "2"), ("evt_3", "1")] {
        record(&store, event(id, of)).await;
        pass(1);
    }
    let ids = |events: Vec<ReceivedEvent>| events.into_iter().map(|event| event.id).collect::<Vec<_>>();
    assert_eq!(ids(store.events(&Filter::default(), 2).await.unwrap()), ["stripe:evt_3", "stripe:evt_2"]);
    let of = |ids: &[&str]| Filter { accounts: ids.iter().map(|id| account(id)).collect(), ..Filter::default() };
    assert_eq!(ids(store.events(&of(&["1"]), 9).await.unwrap()), ["stripe:evt_3", "stripe:evt_1"]);
    assert_eq!(ids(store.events(&of(&["2", "3", "1"]), 2).await.unwrap()), ["stripe:evt_3", "stripe:evt_2"]);
    let first = store.events(&of(&["2"]), 9).await.unwrap().remove(0);
    assert_eq!((first.created, first.received, first.object.as_deref()), (at(1), at(1), Some("in_1")));
}

#[tokio::test]
async fn events_are_chosen_by_type_outcome_and_time() {
    let store = memory().await;
    let kinds = ["invoice.paid", "invoice.payment_failed", "v1.invoice.paid", "charge.refunded"];
    for (number, kind) in kinds.into_iter().enumerate() {
        let outcome = if kind == "charge.refunded" { Outcome::NoAccount } else { Outcome::Enqueued(account("1")) };
        let id = format!("evt_{}", number + 1);
        record(&store, Event { kind: kind.into(), outcome, ..event(&id, "1") }).await;
        pass(1);
    }
    let ids = async |filter: Filter| {
        let events = store.events(&filter, 9).await.unwrap();
        events.into_iter().map(|event| event.id.trim_start_matches("stripe:evt_").to_owned()).collect::<Vec<_>>()
    };
    let kind = |kind| Filter { kind: Some(kind), ..Filter::default() };
    let exact = |text: &str| kind(KindFilter::Exact(text.into()));
    let prefix = |text: &str| kind(KindFilter::Prefix(text.into()));
    assert_eq!(ids(exact("invoice.paid")).await, ["3", "1"], "thin events too");
    assert_eq!(ids(exact("v1.invoice.paid")).await, ["3"]);
    assert_eq!(ids(exact("invoice.")).await, [""; 0]);
    assert_eq!(ids(prefix("invoice.pa")).await, ["3", "2", "1"]);
    assert_eq!(ids(prefix("v1.")).await, ["3"]);
    assert_eq!(ids(prefix("invoice_")).await, [""; 0], "`_` stands for itself");
    assert_eq!(ids(prefix("")).await, ["4", "3", "2", "1"]);
    assert_eq!(ids(Filter { outcome: Some("no_account".into()), ..Filter::default() }).await, ["4"]);
    assert_eq!(ids(Filter { since: Some(at(2)), ..Filter::default() }).await, ["4", "3"]);
    let all = Filter { accounts: vec![account("1")], since: Some(at(1)), ..exact("invoice.paid") };
    assert_eq!(ids(Filter { outcome: Some("enqueued".into()), ..all }).await, ["3"]);
}

#[tokio::test]
async fn one_event_is_read_with_its_body_where_that_is_stored() {
    let store = memory().await;
    record(&store, event("evt_1", "1")).await;
    record(&store, Event { body: Some("{}".into()), ..event("evt_2", "1") }).await;
    let bodies = [("stripe:evt_1", None), ("stripe:evt_2", Some("{}"))];
    for (id, body) in bodies {
        let whole = store.event(id).await.unwrap().unwrap();
        assert_eq!((whole.event.id.as_str(), whole.body.as_deref()), (id, body));
    }
    assert!(store.event("evt_1").await.unwrap().is_none());
}

#[tokio::test]
async fn slots_are_bounded_and_free_again_after_the_write() {
    let store = memory_with_slots(2).await;
    let (first, second) = (store.slot().unwrap(), store.slot().unwrap());
    assert!(!store.has_slots() && store.slot().is_none());
    drop(second);
    assert!(store.has_slots(), "one that was not used is free again");
    let second = store.slot().unwrap();
    first.record(event("evt_1", "1")).await.unwrap();
    assert!(store.slot().is_some());
    // the client gave up: the slot is taken until the writer is done, and the event is recorded
    let mut given_up = Box::pin(second.record(event("evt_2", "1")));
    assert!(is_pending(&mut given_up).await);
    drop(given_up);
    store.enqueue(vec![account("2")], Urgency::Fresh).await.unwrap();
    assert_eq!(store.events(&Filter::default(), 9).await.unwrap().len(), 2);
    assert_eq!((store.slot().is_some(), store.has_slots()), (true, true));
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_parked_once() {
    let store = memory().await;
    let unreadable = || Event { outcome: Outcome::Unreadable { reason: "no type".into() }, ..event("evt_1", "1") };
    assert_eq!(
        tokio::join!(record(&store, unreadable()), record(&store, unreadable())),
        (Recorded::New, Recorded::Duplicate)
    );
    assert_eq!(record(&store, unreadable()).await, Recorded::Duplicate);
    assert_eq!(parked(&store).await, [("unreadable_event".to_owned(), "stripe:evt_1".to_owned())]);
    assert_eq!(store.backlog().await.unwrap().due, 0);
}
