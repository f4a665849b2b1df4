//! What retention removes, and what it never does.

use super::make::{account, at, entries, event, memory, now, pass, planned, record, refused, settle_with, sync};
use crate::expired::{Expired, Removed};
use crate::inbox::Filter;
use crate::open::Store;
use crate::record::StepOutcome;
use crate::tokens::TokenRequest;

/// Removes until nothing is left; answers how many rows were removed, in how many batches.
async fn remove(store: &Store, expired: Expired, before: i64) -> (u64, u32) {
    let (mut next, mut removed, mut batches) = (Some(expired), 0, 0);
    while let Some(expired) = next {
        let batch = store.remove_expired(expired, at(before)).await.unwrap();
        (next, removed, batches) = (batch.next, removed + batch.rows, batches + 1);
    }
    (removed, batches)
}

async fn keys(store: &Store) -> Vec<String> {
    entries(store).await.iter().map(|entry| entry.key.as_str().to_owned()).collect()
}

#[tokio::test]
async fn events_older_than_the_limit_are_removed_and_the_others_stay() {
    let store = memory().await;
    record(&store, event("evt_old", "1")).await;
    pass(100);
    record(&store, event("evt_new", "1")).await;
    assert_eq!(remove(&store, Expired::Inbox, 100).await, (1, 1));
    let left = store.events(&Filter { accounts: vec![account("1")], ..Filter::default() }, 9).await.unwrap();
    assert_eq!(left.iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["stripe:evt_new"]);
}

#[tokio::test]
async fn old_events_are_removed_in_small_batches() {
    let store = memory().await;
    for batch in 0..5 {
        let events = (0..500).map(|number| {
            let event = event(&format!("evt_{batch}_{number}"), "1");
            let store = Store::clone(&store);
            tokio::spawn(async move { store.slot_when_free().await.unwrap().record(event).await.unwrap() })
        });
        for event in events.collect::<Vec<_>>() {
            event.await.unwrap();
        }
    }
    assert_eq!(remove(&store, Expired::Inbox, 1).await, (2500, 3));
}

#[tokio::test]
async fn of_a_chain_the_last_confirmed_entry_stays_and_what_came_after_it() {
    let store = memory().await;
    for key in ["first", "second"] {
        sync(&store, "1", key, StepOutcome::Confirmed).await;
        pass(10);
    }
    sync(&store, "1", "third", refused()).await;
    pass(10);
    assert_eq!(remove(&store, Expired::Ledger { after: 0 }, 1000).await, (1, 1));
    assert_eq!(keys(&store).await, ["second", "third"]);
}

#[tokio::test]
async fn an_entry_that_is_young_or_open_stays() {
    let store = memory().await;
    sync(&store, "1", "old", StepOutcome::Confirmed).await;
    pass(100);
    sync(&store, "1", "young", StepOutcome::Confirmed).await;
    sync(&store, "1", "younger", StepOutcome::Confirmed).await;
    assert_eq!(remove(&store, Expired::Ledger { after: 0 }, 50).await, (1, 1));
    assert_eq!(keys(&store).await, ["young", "younger"]);
    let open = super::make::leased(&store, "1").await;
    let steps = vec![planned("open", "premium")];
    store.intend(super::make::intent(&open, steps)).await.unwrap();
    pass(1000);
    remove(&store, Expired::Ledger { after: 0 }, 900).await;
    assert!(keys(&store).await.contains(&"open".to_owned()));
    settle_with(&store, &open, Vec::new()).await;
}

#[tokio::test]
async fn the_limit_of_a_key_that_is_no_longer_used_is_removed() {
    let store = memory().await;
    let request = |limit: &str| TokenRequest { limit: limit.into(), per_second: 10, wanted: 1 };
    store.request_tokens(request("stripe:old")).await.unwrap();
    pass(100);
    store.request_tokens(request("stripe:new")).await.unwrap();
    assert_eq!(store.remove_expired(Expired::Limits, at(50)).await.unwrap(), Removed { rows: 1, next: None });
    assert_eq!(store.remove_expired(Expired::Limits, now()).await.unwrap().rows, 0);
}
