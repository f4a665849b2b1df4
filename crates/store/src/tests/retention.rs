//! What is forgotten in time, and what never is.

use super::make::{account, at, entries, event, look, memory, now, pass, planned, refused, ring, settle_sent};
use crate::inbox::Filter;
use crate::tokens::TokenRequest;
use crate::open::Store;
use crate::record::StepOutcome;
use crate::expired::{Expired, Removed};

/// Sweeps until nothing is left to sweep; answers how many rows went, in how many batches.
async fn sweep(store: &Store, old: Expired, before: i64) -> (u64, u32) {
    let (mut next, mut removed, mut batches) = (Some(old), 0, 0);
    while let Some(old) = next {
        let swept = store.remove_expired(old, at(before)).await.unwrap();
        (next, removed, batches) = (swept.next, removed + swept.rows, batches + 1);
    }
    (removed, batches)
}

async fn keys(store: &Store) -> Vec<String> {
    entries(store).await.iter().map(|entry| entry.key.as_str().to_owned()).collect()
}

#[tokio::test]
async fn events_older_than_the_limit_go_and_the_others_stay() {
    let store = memory().await;
    ring(&store, event("evt_old", "1")).await;
    pass(100);
    ring(&store, event("evt_new", "1")).await;
    assert_eq!(sweep(&store, Expired::Inbox, 100).await, (1, 1));
    let left = store.events(&Filter { accounts: vec![account("1")], ..Filter::default() }, 9).await.unwrap();
    assert_eq!(left.iter().map(|seen| seen.id.as_str()).collect::<Vec<_>>(), ["stripe:evt_new"]);
}

#[tokio::test]
async fn the_inbox_is_swept_in_small_batches() {
    let store = memory().await;
    for batch in 0..5 {
        let rings = (0..500).map(|number| {
            let event = event(&format!("evt_{batch}_{number}"), "1");
            let store = Store::clone(&store);
            tokio::spawn(async move { store.slot_when_free().await.unwrap().record(event).await.unwrap() })
        });
        for ring in rings.collect::<Vec<_>>() {
            ring.await.unwrap();
        }
    }
    assert_eq!(sweep(&store, Expired::Inbox, 1).await, (2500, 3));
}

#[tokio::test]
async fn of_a_chain_the_last_confirmed_entry_stays_and_what_came_after_it() {
    let store = memory().await;
    for key in ["first", "second"] {
        look(&store, "1", key, StepOutcome::Confirmed).await;
        pass(10);
    }
    look(&store, "1", "third", refused()).await;
    pass(10);
    assert_eq!(sweep(&store, Expired::Ledger { after: 0 }, 1000).await, (1, 1));
    assert_eq!(keys(&store).await, ["second", "third"]);
}

#[tokio::test]
async fn an_entry_that_is_young_or_open_stays() {
    let store = memory().await;
    look(&store, "1", "old", StepOutcome::Confirmed).await;
    pass(100);
    look(&store, "1", "young", StepOutcome::Confirmed).await;
    look(&store, "1", "younger", StepOutcome::Confirmed).await;
    assert_eq!(sweep(&store, Expired::Ledger { after: 0 }, 50).await, (1, 1));
    assert_eq!(keys(&store).await, ["young", "younger"]);
    let open = super::make::held(&store, "1").await;
    let steps = vec![planned("open", "premium")];
    store.intend(super::make::intent(&open, steps)).await.unwrap();
    pass(1000);
    sweep(&store, Expired::Ledger { after: 0 }, 900).await;
    assert!(keys(&store).await.contains(&"open".to_owned()));
    settle_sent(&store, &open, Vec::new()).await;
}

#[tokio::test]
async fn the_limit_of_a_key_that_is_used_no_more_goes() {
    let store = memory().await;
    let ask = |limit: &str| TokenRequest { limit: limit.into(), per_second: 10, wanted: 1 };
    store.request_tokens(ask("stripe:old")).await.unwrap();
    pass(100);
    store.request_tokens(ask("stripe:new")).await.unwrap();
    assert_eq!(store.remove_expired(Expired::Limits, at(50)).await.unwrap(), Removed { rows: 1, next: None });
    assert_eq!(store.remove_expired(Expired::Limits, now()).await.unwrap().rows, 0);
}
