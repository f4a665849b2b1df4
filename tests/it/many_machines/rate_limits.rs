//! Rate limits and pauses that all processes keep together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cluster::database::Database;
use simulator::fault::{Fault, Match, What};
use simulator::journal::{Request, Server};
use simulator::webhook::Webhooks;
use tokio::task::JoinHandle;

use super::buyers::{Purchase, purchases};
use super::outcome::until_all_hold;
use super::webhook_delivery::Post;
use super::{AT_FULL_SPEED, INGEST, WORK, alone, more};
use crate::harness::daemon::{Daemon, PATIENCE};
use crate::harness::final_checks::finish;
use crate::harness::random::Chance;
use crate::harness::world::{SECRET, World};

/// Requests a second to each vendor.
const STRIPE: usize = 40;
const ADAPTY: usize = 30;
/// What is measured, after the burst of the beginning.
const WINDOW: Duration = Duration::from_secs(12);
const BURST: Duration = Duration::from_secs(2);
/// A new purchase takes three requests to Adapty: enough for 17 s.
const BUYERS: usize = 170;

/// How long an upstream asks to be left alone, in seconds.
const RETRY_AFTER: u64 = 5;
/// How long requests that were under way then may still arrive, on an idle machine.
const UNDER_WAY: Duration = Duration::from_millis(150);
/// Wake-ups on the way from the answer to the last process: the one that was answered, the
/// database, that one again, each of them once more for the notification, the database for the listener, the listener.
const WAKINGS: u32 = 8;

/// When the requests to `server` that are not older than `since` arrived.
fn arrivals(world: &World, server: Server, since: Instant) -> Vec<Instant> {
    let wanted = |request: &Request| request.server == server && request.at >= since;
    world.simulator.journal.requests().into_iter().filter(wanted).map(|request| request.at).collect()
}

/// The most of `arrivals` that lie within one second.
fn most_in_a_second(arrivals: &[Instant]) -> usize {
    let within = |from: usize| arrivals[from..].partition_point(|at| *at < arrivals[from] + Duration::from_secs(1));
    (0..arrivals.len()).map(within).max().unwrap_or(0)
}

/// Waits until `server` was busy for [`BURST`] and [`WINDOW`] since `since`, and holds what arrived against `limit`.
/// Answers the figures: per cent of the limit, and the most in a second.
async fn measured(world: &World, server: Server, since: Instant, limit: usize) -> (f64, usize) {
    let first = async {
        loop {
            match arrivals(world, server, since).first() {
                Some(first) => return *first,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    let first = tokio::time::timeout(PATIENCE, first).await.expect("something is sent");
    tokio::time::sleep_until((first + BURST + WINDOW).into()).await;
    assert!(world.daemon.metric("grantsync_due_accounts").await > Some(0.0), "work ran out before the window ended");
    let (begin, end) = (first + BURST, first + BURST + WINDOW);
    let arrivals = arrivals(world, server, since);
    let within = arrivals.iter().filter(|at| (begin..end).contains(*at)).count();
    #[expect(clippy::cast_precision_loss, reason = "a few hundred requests")]
    let share = within as f64 / (limit as f64 * WINDOW.as_secs_f64()) * 100.0;
    (share, most_in_a_second(&arrivals))
}

fn holds((share, most): (f64, usize), server: Server, limit: usize) {
    println!("{server:?}: {share:.1} % of {limit} a second, at most {most} in one second");
    assert!((95.0..=105.0).contains(&share), "{server:?}: {share:.1} % of the limit");
    assert!(most * 10 <= limit * 16, "{server:?}: {most} in one second at a limit of {limit}");
}

/// Triggers one account after the other, so that there is always one to sync.
async fn keep_triggering(world: &World, ingester: &Daemon, bought: &[Purchase]) {
    let endpoint = Webhooks::new(format!("{}/webhooks/stripe", ingester.front), SECRET);
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    for purchase in bought.iter().cycle() {
        tick.tick().await;
        let event = world.simulator.stripe.event("customer.subscription.updated", &purchase.subscription);
        assert_eq!(endpoint.deliver(&event).await.unwrap().as_u16(), 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shared_rate_limit_holds_within_five_per_cent() {
    let _alone = alone().await;
    let database = Database::fresh().await.unwrap();
    let (stripe, adapty) = (STRIPE.to_string(), ADAPTY.to_string());
    let limits = [("STRIPE__REQUESTS_PER_SECOND", stripe.as_str()), ("ADAPTY__REQUESTS_PER_SECOND", &adapty)];
    let world = World::beginning_with(database.url(), &WORK, &limits).await;
    let _workers = more(&world.daemon, &WORK, 3).await;
    let ingester = more(&world.daemon, &INGEST, 1).await;

    // a purchase asks Stripe for less than Adapty, so Adapty is what it waits for
    let (since, bought) = (Instant::now(), purchases(&world, BUYERS));
    let events = bought.iter().map(|purchase| purchase.events[0].clone()).collect();
    Post::new(&ingester, events, Chance::of(0), Duration::from_secs(1)).deliver(4).await;
    let of_adapty = measured(&world, Server::Adapty, since, ADAPTY).await;
    until_all_hold(&world, &bought).await;
    world.daemon.until_idle().await;

    // a sync that finds all in order asks Stripe more than Adapty
    let since = Instant::now();
    let of_stripe = tokio::select! {
        of_stripe = measured(&world, Server::Stripe, since, STRIPE) => of_stripe,
        () = keep_triggering(&world, &ingester[0], &bought) => unreachable!("it triggers for ever"),
    };
    holds(of_adapty, Server::Adapty, ADAPTY);
    holds(of_stripe, Server::Stripe, STRIPE);
    finish(world).await;
}

/// Syncs that a process has made.
async fn syncs(daemon: &Daemon) -> f64 {
    let (_, metrics) = daemon.get("/metrics").await.unwrap();
    let lines = metrics.lines().filter(|line| line.starts_with("grantsync_syncs_total{"));
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

/// How much too late a timer fires on this machine at worst; measured until it is dropped.
struct Lag {
    worst: Arc<AtomicU64>,
    measuring: JoinHandle<()>,
}

impl Lag {
    fn measured() -> Self {
        let worst = Arc::new(AtomicU64::new(0));
        let found = Arc::clone(&worst);
        let measuring = tokio::spawn(async move {
            loop {
                let wanted = tokio::time::Instant::now() + Duration::from_millis(10);
                tokio::time::sleep_until(wanted).await;
                found.fetch_max(u64::try_from(wanted.elapsed().as_millis()).unwrap(), Ordering::Relaxed);
            }
        });
        Self { worst, measuring }
    }

    fn worst(&self) -> Duration {
        Duration::from_millis(self.worst.load(Ordering::Relaxed))
    }
}

impl Drop for Lag {
    fn drop(&mut self) {
        self.measuring.abort();
    }
}

/// How long after the one that was refused each later request to Stripe arrived.
fn after_the_refusal(world: &World) -> Vec<Duration> {
    let requests = world.simulator.journal.requests();
    let refused = requests.iter().find(|request| request.status == Some(429)).expect("one was refused");
    let later = requests.iter().filter(|request| request.server == Server::Stripe && request.number > refused.number);
    later.map(|request| request.at.saturating_duration_since(refused.at)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_after_seen_by_one_process_pauses_all() {
    let _alone = alone().await;
    let database = Database::fresh().await.unwrap();
    let limits = [AT_FULL_SPEED[1], ("STRIPE__REQUESTS_PER_SECOND", "100")];
    let world = World::beginning_with(database.url(), &WORK, &limits).await;
    let workers = more(&world.daemon, &WORK, 2).await;
    let ingester = more(&world.daemon, &INGEST, 1).await;
    let (lag, bought) = (Lag::measured(), purchases(&world, 300));
    let when = Match { path_contains: Some("/v1/subscriptions".into()), ..Match::any() }.nth(80);
    world.simulator.stripe.faults.inject(Fault::once(when, What::RetryAfter(RETRY_AFTER)));
    let events = bought.iter().map(|purchase| purchase.events[0].clone()).collect();
    Post::new(&ingester, events, Chance::of(0), Duration::from_secs(1)).deliver(4).await;
    until_all_hold(&world, &bought).await;

    let (after, under_way) = (after_the_refusal(&world), UNDER_WAY + lag.worst() * WAKINGS);
    let (early, late): (Vec<Duration>, Vec<Duration>) = after.iter().partition(|after| after.as_secs() < RETRY_AFTER);
    let (last, next) = (early.last().copied().unwrap_or_default(), late[0]);
    println!("{} under way, for {last:.0?} (lag {:.0?}); on after {next:.2?}", early.len(), lag.worst());
    assert!(last <= under_way, "a request came {last:?} after the refusal; {under_way:?} is for those under way");
    assert!(next < Duration::from_secs(RETRY_AFTER + 4), "nothing came until {next:?} after the refusal");
    for daemon in [&world.daemon].into_iter().chain(&workers) {
        assert!(syncs(daemon).await > 0.0, "a process did nothing");
    }
    finish(world).await;
}
