//! Thousands of purchases while processes die.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cluster::database::Database;
use simulator::fault::{Fault, Match, What};
use simulator::stripe::event::Event;

use super::buyers::{Crowd, Purchase};
use super::outcome::{Grants, PATIENCE, all_are_counted_once, confirmed_once, until_all_hold};
use super::webhook_delivery::Post;
use super::{AT_FULL_SPEED, INGEST, WORK, alone, more, rows};
use crate::harness::daemon::Daemon;
use crate::harness::final_checks::finish;
use crate::harness::random::{Chance, seed};
use crate::harness::world::World;

const ACCOUNTS: usize = 5000;
const INGESTERS: usize = 2;
const WORKERS: usize = 4;
const KILLS_OF_WORKERS: usize = 10;
const KILLS_OF_INGESTERS: usize = 5;
/// Deliveries at once.
const HANDS: usize = 16;
/// How soon a refused webhook comes again.
const AGAIN: Duration = Duration::from_millis(100);
/// A killed process stays dead for less than that.
const DEAD: Duration = Duration::from_millis(1500);

/// A page of `/v1/events` without events.
const NO_EVENTS: &str = r#"{"object":"list","data":[],"has_more":false,"url":"/v1/events"}"#;

/// Takes the net below the webhooks away: what is lost stays lost.
pub(crate) fn without_catching_up(world: &World) {
    let nothing = What::Status(200, Vec::new(), NO_EVENTS.to_owned());
    world.simulator.stripe.faults.inject(Fault::always(Match::on("GET", "/v1/events"), nothing));
}

/// One or two webhooks of each purchase, in any order.
pub(crate) fn webhooks(bought: &[Purchase], chance: &mut Chance) -> Vec<Event> {
    let mut all = Vec::new();
    for Purchase { events: [one, other], .. } in bought {
        match chance.below(3) {
            0 => all.push(one.clone()),
            1 => all.push(other.clone()),
            _ => all.extend([one.clone(), other.clone()]),
        }
    }
    chance.shuffle(&mut all);
    all
}

/// The same, half of them twice.
fn delivered_twice(mut events: Vec<Event>, chance: &mut Chance) -> Vec<Event> {
    let twice: Vec<Event> = events.iter().filter(|_| chance.one_in(2)).cloned().collect();
    events.extend(twice);
    chance.shuffle(&mut events);
    events
}

/// Kills one of `daemons` with SIGKILL and starts it again, `times` times, whenever `progress` passes a random mark.
/// Answers where each was.
async fn kill_at_random(
    daemons: &mut [&mut Daemon],
    times: usize,
    mut chance: Chance,
    progress: impl Fn() -> f64,
) -> Vec<f64> {
    let mut marks: Vec<usize> = (0..times).map(|_| 1 + chance.below(85)).collect();
    marks.sort_unstable();
    let mut killed = Vec::with_capacity(times);
    for mark in marks {
        #[expect(clippy::cast_precision_loss, reason = "a percentage")]
        while progress() < mark as f64 / 100.0 {
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        tokio::time::sleep(chance.within(Duration::from_millis(50))).await;
        let victim = chance.below(daemons.len());
        killed.push((progress() * 100.0).round() / 100.0);
        daemons[victim].kill().await;
        tokio::time::sleep(chance.within(DEAD)).await;
        daemons[victim].restart(&[]).await;
    }
    killed
}

/// Processes on one database, and purchases for them.
struct Fleet {
    world: World,
    /// The world's own is one more.
    workers: Vec<Daemon>,
    ingesters: Vec<Daemon>,
    bought: Vec<Purchase>,
    /// Grants that have reached Adapty.
    grants: Arc<AtomicUsize>,
}

impl Fleet {
    async fn start(url: &str) -> Self {
        let world = World::beginning_with(url, &WORK, &AT_FULL_SPEED).await;
        without_catching_up(&world);
        let crowd = Crowd::at(&world).await;
        let bought = crowd.purchases(ACCOUNTS);
        let grants = crowd.serve(&world);
        let workers = more(&world.daemon, &WORK, WORKERS - 1).await;
        let ingesters = more(&world.daemon, &INGEST, INGESTERS).await;
        Self { world, workers, ingesters, bought, grants }
    }

    /// Delivers everything while processes die. Answers at which parts of the work they did, workers and ingesters.
    async fn weather(&mut self, post: &Arc<Post>, seed: u64) -> (Vec<f64>, Vec<f64>) {
        let mut workers: Vec<_> = [&mut self.world.daemon].into_iter().chain(&mut self.workers).collect();
        let mut ingesters: Vec<_> = self.ingesters.iter_mut().collect();
        #[expect(clippy::cast_precision_loss, reason = "a few thousand grants")]
        let granted = || self.grants.load(Ordering::Relaxed) as f64 / ACCOUNTS as f64;
        let storm = async {
            tokio::join!(
                kill_at_random(&mut workers, KILLS_OF_WORKERS, Chance::of(seed ^ 1), granted),
                kill_at_random(&mut ingesters, KILLS_OF_INGESTERS, Chance::of(seed ^ 2), || post.progress()),
                post.deliver(HANDS),
            )
        };
        let ended = tokio::time::timeout(PATIENCE, storm).await;
        let went = format!("{:.2} of the webhooks delivered, {:.2} of the grants made", post.progress(), granted());
        let (workers, ingesters, ()) = ended.unwrap_or_else(|_| panic!("it does not end: {went}"));
        (workers, ingesters)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_purchases_under_random_kills_are_all_granted_and_none_twice() {
    let _alone = alone().await;
    let seed = seed();
    println!("GRANTSYNC_SEED={seed}");
    let database = Database::fresh().await.unwrap();
    let mut fleet = Fleet::start(database.url()).await;
    let mut chance = Chance::of(seed);
    let events = webhooks(&fleet.bought, &mut chance);
    let distinct = events.len();
    let events = delivered_twice(events, &mut chance);
    let post = Post::new(&fleet.ingesters, events, chance, AGAIN);

    let begun = Instant::now();
    let killed = fleet.weather(&post, seed).await;
    let over = begun.elapsed();
    until_all_hold(&fleet.world, &fleet.bought).await;
    let held = begun.elapsed();

    let confirmed = confirmed_once(database.url(), &fleet.bought).await;
    all_are_counted_once(&fleet.world, &fleet.bought);
    let (sent, refused) = (Grants::sent(&fleet.world), post.refused());
    println!(
        "storm over after {over:.1?}, all held after {held:.1?}; killed at {killed:?}; refused: {refused:?}; grants a \
         user: {:?}",
        sent.distribution()
    );
    sent.are_made_once(1 + KILLS_OF_WORKERS, &confirmed);
    assert_eq!(rows(database.url(), "SELECT id FROM inbox").await.len(), distinct, "events in the inbox");
    assert_eq!(fleet.world.parked().await, []);
    assert!(!fleet.world.daemon.log().contains("panicked"), "{}", fleet.world.daemon.log());
    finish(fleet.world).await;
}
