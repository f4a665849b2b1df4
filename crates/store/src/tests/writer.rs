//! The one writer: many writes a transaction, none at another's cost.

use entitlement::model::account::Account;

use super::make::{SPAN, account, claimed, event, is_pending, memory, memory_with_slots, record};
use crate::claim::{Capacity, Lease, Urgency};
use crate::error::StoreError;
use crate::event::Recorded;

/// An account that no part of the program would make: rows with it cannot be read back.
fn nonsense() -> Account {
    serde_json::from_str("\"nonsense\"").unwrap()
}

#[tokio::test]
async fn a_write_that_cannot_be_answered_does_not_refuse_its_neighbours() {
    let store = memory().await;
    store.enqueue(vec![nonsense()], Urgency::Fresh).await.unwrap();
    let claim = store.claim(Lease::new("a", 1), Capacity::of(9), SPAN);
    let enqueue = store.enqueue(vec![account("1")], Urgency::Fresh);
    let (recorded, enqueued, state, claimed) =
        tokio::join!(record(&store, event("evt_1", "2")), enqueue, store.set_daemon_state("n", "1".into()), claim);
    assert_eq!(recorded, Recorded::New);
    assert!(enqueued.is_ok() && state.is_ok());
    assert!(matches!(claimed, Err(StoreError::Refused(why)) if why.contains("worklist")));
    assert_eq!(store.backlog().await.unwrap().due, 3, "nothing was leased by the refused claim");
    store.probe().await.unwrap();
}

#[tokio::test]
async fn daemon_state_is_stored_by_name_and_the_newest_value_counts() {
    let store = memory().await;
    assert_eq!(store.daemon_state("name").await.unwrap(), None);
    for value in ["1", "2"] {
        store.set_daemon_state("name", value.into()).await.unwrap();
    }
    store.set_daemon_state("other", "3".into()).await.unwrap();
    assert_eq!(store.daemon_state("name").await.unwrap().as_deref(), Some("2"));
}

#[tokio::test]
async fn more_writes_than_one_transaction_takes_are_all_answered() {
    let store = memory_with_slots(2000).await;
    let events: Vec<_> = (0..1200)
        .map(|number| {
            let (slot, event) = (store.slot().unwrap(), event(&format!("evt_{number}"), &number.to_string()));
            tokio::spawn(slot.record(event))
        })
        .collect();
    for event in events {
        assert_eq!(event.await.unwrap().unwrap(), Recorded::New);
    }
    assert_eq!(store.backlog().await.unwrap().due, 1200);
    assert_eq!(claimed(&store, "a", 5000).await.len(), 1200);
}

#[tokio::test]
async fn a_write_whose_waiter_gave_up_counts_all_the_same() {
    let store = memory().await;
    let mut given_up = Box::pin(store.set_daemon_state("n", "1".into()));
    assert!(is_pending(&mut given_up).await);
    drop(given_up);
    store.set_daemon_state("after", "1".into()).await.unwrap();
    assert_eq!(store.daemon_state("n").await.unwrap().as_deref(), Some("1"));
}
