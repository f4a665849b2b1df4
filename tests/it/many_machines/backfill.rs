//! The backfill of a company that has sold for years.

use std::time::Instant;

use cluster::database::Database;

use super::buyers::Crowd;
use super::outcome::{Grants, all_are_counted_once, confirmed_once, until_all_hold};
use super::{AT_FULL_SPEED, WORK, alone, more};
use crate::harness::final_checks::finish;
use crate::harness::world::World;

/// How many have bought, unless `GRANTSYNC_BUYERS` says otherwise.
const BUYERS: usize = 2_000;
const PAGE: usize = 100;

#[expect(clippy::disallowed_methods, reason = "a switch of the tests, no setting of the program")]
fn buyers() -> usize {
    std::env::var("GRANTSYNC_BUYERS").map_or(BUYERS, |count| count.parse().unwrap())
}

/// Pages of the list of all subscriptions that were asked for.
fn pages(world: &World) -> usize {
    let is_one = |path: &str, query: &str| {
        path == "/v1/subscriptions" && query.split('&').all(|pair| !pair.starts_with("customer="))
    };
    world.simulator.journal.count(|request| is_one(&request.path, &request.query))
}

/// Begins `resync --all`, and kills it once so many pages were read in all.
async fn killed_at(world: &World, wanted: usize) {
    let reached = async {
        while pages(world) < wanted {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    tokio::select! {
        output = world.daemon.command(&["resync", "--all"]) => panic!("it was over before page {wanted}: {}", output.stdout),
        () = reached => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backfill_interrupted_twice_grants_everybody_once() {
    let _alone = alone().await;
    let database = Database::fresh().await.unwrap();
    let world = World::beginning_with(database.url(), &WORK, &AT_FULL_SPEED).await;
    super::killed_processes::without_catching_up(&world);
    let (count, crowd) = (buyers(), Crowd::at(&world).await);
    let bought = crowd.purchases(count);
    crowd.listed(count).serve(&world);
    let mut workers = more(&world.daemon, &WORK, 1).await;

    let (began, all) = (Instant::now(), count / PAGE);
    killed_at(&world, all / 3).await;
    killed_at(&world, all * 2 / 3).await;
    // one of the workers dies as well
    workers[0].kill().await;
    let output = world.daemon.command(&["resync", "--all", "--wait"]).await;
    assert_eq!(output.status.code(), Some(0), "{}{}", output.stdout, output.stderr);
    let took = began.elapsed();
    println!("{count} buyers in {took:.1?}: {}", output.stdout.lines().last().unwrap_or_default());
    assert!(output.stdout.contains(&format!("{count} accounts are due")), "{}", output.stdout);
    // what was read and not kept when it was killed is read again, and nothing else
    assert!(pages(&world) <= all + 4, "{} pages were read for {all}", pages(&world));

    until_all_hold(&world, &bought).await;
    let confirmed = confirmed_once(database.url(), &bought).await;
    all_are_counted_once(&world, &bought);
    let sent = Grants::sent(&world);
    println!("grants a user: {:?}", sent.distribution());
    sent.are_made_once(2, &confirmed);
    finish(world).await;
}
