//! Rate limits that several processes share.

use std::time::Duration;

use super::make::{memory, pass};
use crate::open::Store;
use crate::tokens::{TokenGrant, TokenRequest, UpstreamPause};

async fn request(store: &Store, wanted: u32) -> TokenGrant {
    store.request_tokens(TokenRequest { limit: "stripe:0123".into(), per_second: 10, wanted }).await.unwrap()
}

/// When the granted tokens may be used, in milliseconds from now.
fn slots(grant: TokenGrant) -> Vec<u128> {
    match grant {
        TokenGrant::Slots(slots) => slots.iter().map(Duration::as_millis).collect(),
        TokenGrant::Wait(_) | TokenGrant::Paused(_) => Vec::new(),
    }
}

#[tokio::test]
async fn tokens_that_one_process_took_the_other_does_not_get() {
    let store = memory().await;
    let other = store.again().await;
    // half a second's worth at once, then one every tenth of a second
    assert_eq!(slots(request(&store, 5).await), [0, 0, 0, 0, 0]);
    assert_eq!(slots(request(&other, 2).await), [100, 200]);
    pass(1);
    assert_eq!(slots(request(&store, 9).await), [0, 0, 0, 0, 0, 100, 200, 300, 400]);
}

#[tokio::test]
async fn two_keys_are_two_limits() {
    let store = memory().await;
    request(&store, 100).await;
    let other = TokenRequest { limit: "stripe:4567".into(), per_second: 10, wanted: 5 };
    assert_eq!(slots(store.request_tokens(other).await.unwrap()), [0; 5]);
}

#[tokio::test]
async fn a_pause_that_one_process_reports_holds_for_all_and_is_never_shortened() {
    let store = memory().await;
    let other = store.again().await;
    for seconds in [30, 1] {
        store.pause_upstream(UpstreamPause { limit: "stripe:0123".into(), seconds }).await.unwrap();
    }
    assert_eq!(request(&other, 1).await, TokenGrant::Paused(Duration::from_secs(30)));
    pass(30);
    assert_eq!(slots(request(&other, 1).await), [0]);
}

#[tokio::test]
async fn many_who_ask_at_once_get_no_more_than_there_is() {
    let store = memory().await;
    let other = store.again().await;
    let asked = (0..40).map(|number| {
        let store = if number % 2 == 0 { Store::clone(&store) } else { other.clone() };
        tokio::spawn(async move { slots(request(&store, 3).await) })
    });
    let mut had = Vec::new();
    for asked in asked.collect::<Vec<_>>() {
        had.extend(asked.await.unwrap());
    }
    had.sort_unstable();
    let expected: Vec<u128> = (0..120_u128).map(|number| number.saturating_sub(4) * 100).collect();
    assert_eq!(had, expected);
}
