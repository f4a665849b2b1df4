//! What is done once for all processes.

use std::time::{Duration, Instant};

use cluster::database::Database;
use simulator::fault::What;
use simulator::journal::Request;

use super::{AT_FULL_SPEED, alone};
use crate::harness::daemon::{Daemon, PATIENCE};
use crate::harness::final_checks::finish;
use crate::harness::world::{SLACK, World};

/// A whole daemon.
const ALL: [&str; 3] = ["serve", "--log-filter", "info"];
const EVERY: Duration = Duration::from_secs(2);
const WATCHED: Duration = Duration::from_secs(12);
/// A task's lease lasts 15 s when its process dies.
const AGAIN: Duration = Duration::from_secs(20);

fn catches_up(request: &Request) -> bool {
    request.path == "/v1/events"
}

/// Whether the survivor sent it: to Stripe it says `localhost`, where the others say `127.0.0.1`.
fn is_of_survivor(request: &Request) -> bool {
    request.header("host").is_some_and(|host| host.starts_with("localhost"))
}

/// Waits for a request that is so.
async fn until_asked(world: &World, is_so: impl Fn(&Request) -> bool) {
    let asked = |requests: &[Request]| requests.iter().any(&is_so);
    world.simulator.journal.wait_for(PATIENCE, asked).await.unwrap();
}

/// One more process beside the world's, which the journal can distinguish from the others.
async fn survivor(world: &World) -> Daemon {
    let stripe = world.simulator.stripe.url().replace("127.0.0.1", "localhost");
    let environment = world.daemon.environment(&[("STRIPE__API_BASE", &stripe)]);
    Daemon::start_as(&ALL, world.directory.path(), environment).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn catching_up_is_done_by_one_process_and_goes_on_when_it_dies() {
    let _alone = alone().await;
    let database = Database::fresh().await.unwrap();
    let settings = [&AT_FULL_SPEED[..], &[("CATCH_UP__EVERY", "2s")]].concat();
    let mut world = World::beginning_with(database.url(), &ALL, &settings).await;
    let mut second = world.daemon.beside(&ALL).await;
    let survivor = survivor(&world).await;
    until_asked(&world, is_of_survivor).await;

    // three processes ask as often as one
    let began = Instant::now();
    tokio::time::sleep(WATCHED).await;
    let asked = world.simulator.journal.count(|request| catches_up(request) && request.at >= began);
    let wanted = WATCHED.as_secs() / EVERY.as_secs();
    println!("{asked} times in {WATCHED:?}");
    assert!((wanted.div_ceil(2)..=wanted + wanted / 2).contains(&(asked as u64)), "{asked} times in {WATCHED:?}");

    // one that is not to survive dies while it holds the task's lease, and then the other
    let hang = |request: &Request| (catches_up(request) && !is_of_survivor(request)).then_some(What::HangForever);
    let hanging = Instant::now();
    world.simulator.journal.on_request(Box::new(hang));
    until_asked(&world, |request| catches_up(request) && !is_of_survivor(request) && request.at > hanging).await;
    let bought = world.buys("u-1", "price_premium");
    let died = Instant::now();
    world.daemon.kill().await;
    second.kill().await;
    world.daemon = survivor;
    until_asked(&world, |request| is_of_survivor(request) && catches_up(request) && request.at > died).await;
    println!("gone on after {:.1?}", died.elapsed());
    assert!(died.elapsed() < AGAIN, "gone on after {:?}", died.elapsed());
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    assert_eq!(world.transaction_ids("u-1"), [bought.subscription.as_str()]);
    finish(world).await;
}
