//! A database that refuses connections, or does not answer any more.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::postgres_proxy::{On, Proxy, Then, Trap};
use super::{Answered, BOTH, in_time, insist, post, proxied, until_ready};
use crate::harness::final_checks::finish;
use crate::harness::world::{SLACK, World};

/// How soon the daemon must be ready when the database is back.
const READY: Duration = Duration::from_secs(10);
/// How soon all must be done that was held up by a database that did not answer.
const RECOVERED: Duration = Duration::from_secs(15);
/// How long a webhook may wait for a transaction that is never answered.
const GIVEN_UP: Duration = Duration::from_secs(12);
/// The same for one that came just after it, and waits for a new connection too.
const QUEUED: Duration = Duration::from_secs(14);

fn is_refused(answered: &Answered) {
    assert_eq!((answered.status.as_u16(), answered.retry_after.as_deref()), (503, Some("5")));
}

async fn is_unready(world: &World) {
    let (status, body) = world.daemon.ready().await.unwrap();
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 503);
    let upstreams = json!({ "stripe": "ok", "adapty": "ok" });
    assert_eq!(body, json!({ "status": "not ready", "database": "does not answer", "upstreams": upstreams }));
    assert_eq!(world.daemon.get("/health/live").await.unwrap().0, 200);
}

#[tokio::test]
async fn an_outage_of_the_database_is_logged_and_survived() {
    let (_database, mut proxy, world) = proxied(&BOTH).await;
    world.granted("u-1", "price_premium", "premium").await;
    proxy.refuse().await;
    let bought = world.buys("u-2", "price_premium");
    for event in &bought.events {
        is_refused(&post(&world.daemon, event).await);
    }
    is_unready(&world).await;
    proxy.open().await;
    let back = Instant::now();
    until_ready(&world.daemon).await;
    in_time("from the database's return to readiness", back.elapsed(), READY);
    world.deliver(&bought.events).await;
    world.until_held("u-2", "premium", world.period_end(&bought.subscription) + SLACK).await;
    let log = world.daemon.log();
    for said in ["the database does not take writes", "the database takes writes again"] {
        assert_eq!(log.matches(said).count(), 1, "`{said}` is said once:\n{log}");
    }
    finish(world).await;
}

#[tokio::test]
async fn connections_that_broke_while_nobody_used_them_cost_no_webhook() {
    let (_database, proxy, world) = proxied(&BOTH).await;
    world.granted("u-1", "price_premium", "premium").await;
    proxy.cut();
    // each of its webhooks is answered with 200
    world.granted("u-2", "price_premium", "premium").await;
    finish(world).await;
}

#[tokio::test]
async fn a_database_that_falls_silent_in_a_transaction_is_given_up_until_it_speaks_again() {
    falls_silent(Proxy::thaw).await;
}

#[tokio::test]
async fn a_database_that_falls_silent_in_a_transaction_is_given_up_for_another() {
    falls_silent(Proxy::fail_over).await;
}

/// Nothing comes through from the middle of a transaction on, until `end`.
async fn falls_silent(end: fn(&Proxy)) {
    let (_database, proxy, world) = proxied(&BOTH).await;
    world.granted("u-1", "price_premium", "premium").await;
    proxy.set(Trap { on: On::DurableCommit, nth: 1, then: Then::Freeze });
    let bought = world.buys("u-2", "price_premium");
    let later = async {
        proxy.until_sprung().await;
        post(&world.daemon, &bought.events[1]).await
    };
    let (first, second) = tokio::join!(post(&world.daemon, &bought.events[0]), later);
    is_refused(&first);
    is_refused(&second);
    in_time("the webhook in the transaction", first.took, GIVEN_UP);
    in_time("the webhook behind it", second.took, QUEUED);
    is_unready(&world).await;
    end(&proxy);
    let back = Instant::now();
    until_ready(&world.daemon).await;
    in_time("from the database's return to readiness", back.elapsed(), RECOVERED);
    for event in &bought.events {
        insist(&world.daemon, event).await;
    }
    world.until_held("u-2", "premium", world.period_end(&bought.subscription) + SLACK).await;
    in_time("from the database's return to the grant", back.elapsed(), RECOVERED);
    finish(world).await;
}
