//! What one process takes in and another syncs: found through notifications, or by the sweep.

use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};

use super::postgres_proxy::Proxy;
use super::{INGEST, WORK, beside, in_time, shared, time_to_grant, until_said};
use crate::harness::final_checks::finish;
use crate::harness::world::World;

/// How long the sweep may take to find a purchase.
const SWEPT: Duration = Duration::from_secs(5);
/// How long a notification may take on a busy machine: the sweep alone takes longer.
const NOTIFIED: Duration = Duration::from_millis(1500);
const UNHEARD: &str = "notifications do not come through";

#[tokio::test]
async fn through_a_pooler_without_listen_work_is_found_by_the_sweep_and_the_log_says_so() {
    let (database, world) = shared(&INGEST, &[]).await;
    let proxy = Proxy::before(database.url()).await;
    proxy.deafen(true);
    let worker = beside(&world, &WORK, &[("DATABASE__URL", proxy.url())]).await;
    in_time("from event to grant by the sweep", time_to_grant(&world, "u-1").await, SWEPT);
    until_said(&worker, UNHEARD, 1).await;
    in_time("from event to grant by the sweep", time_to_grant(&world, "u-2").await, SWEPT);
    assert!(proxy.silenced() > 0, "there was nothing to hear");
    assert_eq!(worker.log().matches(UNHEARD).count(), 1, "it is said once");
    proxy.deafen(false);
    until_said(&worker, "notifications come through again", 1).await;
    is_notified(&world, "a").await;
    finish(world).await;
}

#[tokio::test]
async fn what_another_process_takes_in_is_worked_off_at_once() {
    let (_database, world) = shared(&INGEST, &[]).await;
    let _worker = world.daemon.beside(&WORK).await;
    is_notified(&world, "a").await;
    finish(world).await;
}

#[tokio::test]
async fn a_lost_connection_that_listened_is_made_again() {
    let (database, world) = shared(&INGEST, &[]).await;
    let worker = world.daemon.beside(&WORK).await;
    is_notified(&world, "a").await;
    let mut other = database.url().parse::<PgConnectOptions>().unwrap().connect().await.unwrap();
    let ended = sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND query LIKE 'LISTEN %'",
    );
    assert_eq!(ended.fetch_all(&mut other).await.unwrap().len(), 1, "one connection listens");
    other.close().await.unwrap();
    until_said(&worker, UNHEARD, 1).await;
    let lost = Instant::now();
    in_time("from event to grant by the sweep", time_to_grant(&world, "b").await, SWEPT);
    until_said(&worker, "notifications come through again", 1).await;
    in_time("from the lost connection to the next", lost.elapsed(), Duration::from_secs(8));
    is_notified(&world, "c").await;
    finish(world).await;
}

/// Of seven purchases, the most are granted sooner than the sweep would find them.
async fn is_notified(world: &World, name: &str) {
    let mut took = Vec::new();
    for number in 0..7 {
        took.push(time_to_grant(world, &format!("{name}-{number}")).await);
    }
    took.sort_unstable();
    in_time("from event to grant by notification", took[3], NOTIFIED);
}
