//! An upstream that is away from several processes: whoever waits, waits in the database, and any of them serves them.

use std::time::{Duration, Instant};

use cluster::database::Database;
use simulator::fault::{Fault, Match, What};

use super::buyers::purchases;
use super::outcome::{all_are_counted_once, until_all_hold};
use super::webhook_delivery::Post;
use super::{AT_FULL_SPEED, INGEST, WORK, alone, more};
use crate::harness::final_checks::finish;
use crate::harness::random::Chance;
use crate::harness::world::World;

const BUYERS: usize = 60;
const AWAY_FOR: Duration = Duration::from_secs(12);
const SERVED_WITHIN: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_outage_all_are_served_in_time_though_a_process_died_in_it() {
    let _alone = alone().await;
    let database = Database::fresh().await.unwrap();
    let world = World::beginning_with(database.url(), &WORK, &AT_FULL_SPEED).await;
    let mut workers = more(&world.daemon, &WORK, 2).await;
    let ingester = more(&world.daemon, &INGEST, 1).await;
    let (began, bought) = (Instant::now(), purchases(&world, BUYERS));
    world.simulator.adapty.faults.inject(Fault::always(Match::any(), What::Status(500, Vec::new(), String::new())));
    let events = bought.iter().map(|purchase| purchase.events[0].clone()).collect();
    Post::new(&ingester, events, Chance::of(0), Duration::from_secs(1)).deliver(4).await;
    tokio::time::sleep_until((began + AWAY_FOR / 2).into()).await;
    workers.remove(0).kill().await;
    tokio::time::sleep_until((began + AWAY_FOR).into()).await;
    let asked = world.simulator.journal.count(|request| request.path.contains("/profiles/"));
    world.simulator.adapty.faults.clear();
    let ended = Instant::now();
    until_all_hold(&world, &bought).await;
    println!("{asked} requests of three processes in {AWAY_FOR:?}; all served after {:.1?}", ended.elapsed());
    assert!(ended.elapsed() < SERVED_WITHIN, "{:?}", ended.elapsed());
    all_are_counted_once(&world, &bought);
    finish(world).await;
}
