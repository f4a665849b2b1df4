//! Thousands of purchases while processes die.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cluster::database::Database;
use sandbox::fault::{Fault, Match, What};
use sandbox::stripe::event::Event;
use sqlx::Row;

use super::chance::{Chance, seed};
use super::crowd::{Crowd, Purchase, granted};
use super::post::Post;
use super::{AT_FULL_SPEED, INGEST, WORK, alone, more, rows};
use crate::harness::daemon::Daemon;
use crate::harness::finish::finish;
use crate::harness::world::{World, same};

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
/// What all of it may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(300);

/// A page of `/v1/events` without events.
const NO_EVENTS: &str = r#"{"object":"list","data":[],"has_more":false,"url":"/v1/events"}"#;

/// Takes the net below the webhooks away: what is lost stays lost.
pub(crate) fn without_catching_up(world: &World) {
    let nothing = What::Status(200, Vec::new(), NO_EVENTS.to_owned());
    world.sandbox.stripe.faults.inject(Fault::always(Match::on("GET", "/v1/events"), nothing));
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
    let mut marks: Vec<usize> = (0..times).map(|_| 1 + chance.below(94)).collect();
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

/// Waits until every purchase is granted, exactly to its end.
pub(crate) async fn until_all_hold(world: &World, bought: &[Purchase]) {
    let mut without: Vec<&Purchase> = bought.iter().collect();
    let held = async {
        while !without.is_empty() {
            let end = |user: &str| world.sandbox.adapty.level(user, "premium")?.expires_at;
            without.retain(|purchase| !end(&purchase.user).is_some_and(|end| same(end, purchase.end)));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let held = tokio::time::timeout(PATIENCE, held).await;
    let users: Vec<&str> = without.iter().map(|purchase| purchase.user.as_str()).take(5).collect();
    assert!(held.is_ok(), "{} do not hold what they bought, among them {users:?}", without.len());
}

/// Every purchase stands in Adapty once, as one transaction that counts its price.
pub(crate) fn all_are_counted_once(world: &World, bought: &[Purchase]) {
    for Purchase { user, subscription, .. } in bought {
        let (ids, revenue) = (world.transaction_ids(user), world.sandbox.adapty.revenue(user));
        assert_eq!(ids, [subscription.as_str()], "{user}");
        assert_eq!(revenue, BTreeMap::from([("USD".to_owned(), 9.99)]), "{user}");
    }
}

/// What the ledger says of one step.
struct Entry {
    user: String,
    state: String,
    /// Milliseconds since 1970.
    settled_at: Option<i64>,
}

async fn ledger(url: &str) -> Vec<Entry> {
    let rows = rows(url, "SELECT customer, state, settled_at FROM ledger ORDER BY customer").await;
    let entry = |row| {
        let row: &sqlx::postgres::PgRow = row;
        Entry { user: row.get("customer"), state: row.get("state"), settled_at: row.get("settled_at") }
    };
    rows.iter().map(entry).collect()
}

/// Waits until nothing in the ledger awaits its answer; then there is one confirmed step a purchase and nothing else.
/// Answers when each user's was confirmed.
pub(crate) async fn confirmed_once(url: &str, count: usize) -> BTreeMap<String, i64> {
    let begun = Instant::now();
    let mut entries = ledger(url).await;
    while entries.iter().any(|entry| entry.state == "intended") && begun.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(200)).await;
        entries = ledger(url).await;
    }
    let odd: Vec<_> = entries.iter().filter(|entry| entry.state != "confirmed").map(|entry| &entry.user).collect();
    assert!(odd.is_empty(), "not confirmed: {odd:?}");
    assert_eq!(entries.len(), count, "entries in the ledger");
    let confirmed: BTreeMap<String, i64> =
        entries.into_iter().map(|entry| (entry.user, entry.settled_at.unwrap())).collect();
    assert_eq!(confirmed.len(), count, "users in the ledger");
    confirmed
}

/// Grants sent, by user, with the moment of each in milliseconds since 1970.
pub(crate) fn sent(world: &World) -> BTreeMap<String, Vec<i64>> {
    let mut sent: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for request in world.sandbox.journal.requests() {
        if let Some(user) = granted(&request) {
            sent.entry(user.to_owned()).or_default().push(request.wall.timestamp_millis());
        }
    }
    sent
}

/// How many users were sent how many grants.
pub(crate) fn distribution(sent: &BTreeMap<String, Vec<i64>>) -> BTreeMap<usize, usize> {
    let mut users = BTreeMap::new();
    sent.values().for_each(|times| *users.entry(times.len()).or_default() += 1);
    users
}

/// Nothing was sent that the ledger said was done.
pub(crate) fn none_after_confirmation(sent: &BTreeMap<String, Vec<i64>>, confirmed: &BTreeMap<String, i64>) {
    for (user, times) in sent {
        let (last, settled) = (times.iter().max().unwrap(), confirmed[user]);
        assert!(*last <= settled + 1, "{user} was granted {} ms after the ledger had it confirmed", last - settled);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_purchases_under_random_kills_are_all_granted_and_none_twice() {
    let _alone = alone().await;
    let (seed, begun) = (seed(), Instant::now());
    println!("GRANTSYNC_SEED={seed}");
    let mut chance = Chance::of(seed);
    let database = Database::fresh().await.unwrap();
    let mut world = World::beginning_with(database.url(), &WORK, &AT_FULL_SPEED).await;
    without_catching_up(&world);
    let crowd = Crowd::at(&world).await;
    let bought = crowd.purchases(ACCOUNTS);
    let grants = crowd.serve(&world);
    let mut workers = more(&world.daemon, &WORK, WORKERS - 1).await;
    let mut ingesters = more(&world.daemon, &INGEST, INGESTERS).await;
    let events = webhooks(&bought, &mut chance);
    let distinct = events.len();
    let events = delivered_twice(events, &mut chance);
    let post = Post::new(&ingesters, events, chance.clone(), AGAIN);
    let ready = begun.elapsed();

    let all_workers = [&mut world.daemon].into_iter().chain(&mut workers);
    let (mut all_workers, mut all_ingesters): (Vec<_>, Vec<_>) =
        (all_workers.collect(), ingesters.iter_mut().collect());
    #[expect(clippy::cast_precision_loss, reason = "a few thousand grants")]
    let looked = || grants.load(Ordering::Relaxed) as f64 / ACCOUNTS as f64;
    let (of_workers, of_ingesters) = (Chance::of(seed ^ 1), Chance::of(seed ^ 2));
    let storm = async {
        tokio::join!(
            post.deliver(HANDS),
            kill_at_random(&mut all_workers, KILLS_OF_WORKERS, of_workers, looked),
            kill_at_random(&mut all_ingesters, KILLS_OF_INGESTERS, of_ingesters, || post.progress()),
        )
    };
    let stormed = tokio::time::timeout(PATIENCE, storm).await;
    let went = format!("{:.2} of the webhooks delivered, {:.2} of the accounts granted", post.progress(), looked());
    let ((), workers_killed, ingesters_killed) = stormed.unwrap_or_else(|_| panic!("it does not end: {went}"));
    let stormed = begun.elapsed();
    until_all_hold(&world, &bought).await;
    let held = begun.elapsed();

    let confirmed = confirmed_once(database.url(), ACCOUNTS).await;
    all_are_counted_once(&world, &bought);
    let sent = sent(&world);
    let figures = format!(
        "seed {seed}: ready after {ready:.1?}, storm over after {stormed:.1?}, all held after {held:.1?}; workers killed \
         at {workers_killed:?}, ingesters at {ingesters_killed:?}; webhooks refused: {:?}; grants a user: {:?}",
        post.refused(),
        distribution(&sent)
    );
    println!("{figures}");
    assert_eq!(sent.len(), ACCOUNTS, "{figures}");
    assert!(sent.values().all(|times| times.len() <= 1 + KILLS_OF_WORKERS), "{figures}");
    none_after_confirmation(&sent, &confirmed);
    let inbox = rows(database.url(), "SELECT id FROM inbox").await.len();
    assert_eq!(inbox, distinct, "events in the inbox; {figures}");
    assert_eq!(world.parked().await, [], "{figures}");
    assert!(!world.daemon.log().contains("panicked"), "{}", world.daemon.log());
    finish(world).await;
}
