//! A database that crashes and comes back.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cluster::server::Server;
use simulator::clock;
use simulator::stripe::event::Event;
use simulator::webhook::sign;

use super::buyers::Crowd;
use super::killed_processes::{webhooks, without_catching_up};
use super::outcome::{Grants, all_are_counted_once, confirmed_once, until_all_hold};
use super::webhook_delivery::Post;
use super::{AT_FULL_SPEED, INGEST, WORK, alone, more, rows};
use crate::harness::daemon::{Daemon, PATIENCE};
use crate::harness::final_checks::finish;
use crate::harness::random::{Chance, seed};
use crate::harness::world::{SECRET, World};

const ACCOUNTS: usize = 500;
/// The part of the webhooks after which the server crashes.
const CRASH_AT: f64 = 0.5;
const HANDS: usize = 8;
/// How soon a refused webhook comes again.
const AGAIN: Duration = Duration::from_millis(500);
/// How long the processes are watched while there is no database.
const WATCHED: Duration = Duration::from_secs(3);
/// The processor time that one of them may take meanwhile.
const BUSY: Duration = Duration::from_millis(450);
/// Lines that all of them may log in each of these seconds.
const LINES: usize = 5;
/// Syncs under way log that they lost the database, once they have waited three seconds for a connection to read from.
const QUIET: Duration = Duration::from_millis(3500);
/// Lines in that time that are expected: a sweep, a lease, a sync that waited twice.
const MURMUR: usize = 12;
/// When the last of them has said so.
const OUTCRY: Duration = Duration::from_secs(12);
/// What all of that may be: a line for each sync that two workers have claimed, a second where a step had failed (not
/// in more than half of them), and what each process says itself.
const OUTCRY_LINES: usize = 3 * 128 + 100;
/// How soon work goes on when the database is back.
const BACK_AT_WORK: Duration = Duration::from_secs(10);

/// What the system says of a process: whether it runs, and how much processor time it has taken.
fn observed(pid: u32) -> (bool, Duration) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit_once(") ").map_or(Vec::new(), |(_, rest)| rest.split(' ').collect());
    let [state, ..] = fields[..] else { return (false, Duration::ZERO) };
    // user and system time, in hundredths of a second
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    (!matches!(state, "Z" | "X"), Duration::from_millis(ticks * 10))
}

/// Ends when `daemon` is ready, or when it is not.
async fn until_readiness_is(daemon: &Daemon, wanted: u16) {
    let output = async {
        while daemon.ready().await.map(|(status, _)| status) != Some(wanted) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, output).await.is_ok(), "readiness is not {wanted}:\n{}", daemon.log());
}

/// Delivers once; answers the status and `Retry-After`.
async fn delivered(ingester: &Daemon, event: &Event) -> (u16, Option<String>) {
    let request = reqwest::Client::new().post(format!("{}/webhooks/stripe", ingester.front));
    let request = request.header("stripe-signature", sign(SECRET, clock::now(), &event.body));
    let answer = request.body(event.body.clone()).send().await.unwrap();
    let again = answer.headers().get("retry-after").and_then(|value| value.to_str().ok());
    (answer.status().as_u16(), again.map(str::to_owned))
}

/// Waits until no more than [`MURMUR`] lines come in [`QUIET`]; the log of all processes has `before` lines from
/// before the crash.
async fn until_quiet(daemon: &Daemon, before: usize) {
    let (began, mut logged, mut since) = (Instant::now(), before, Instant::now());
    while since.elapsed() < QUIET {
        assert!(began.elapsed() < OUTCRY, "it does not end:\n{}", daemon.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
        let lines = daemon.log().lines().count();
        if lines > logged + MURMUR {
            (logged, since) = (lines, Instant::now());
        }
    }
    println!("{} log lines of syncs that lost the database", logged - before);
    assert!(logged - before <= OUTCRY_LINES, "{} lines:\n{}", logged - before, daemon.log());
}

/// Watches processes that have no database: they run, and do next to nothing.
async fn are_idle(daemons: &[&Daemon], pids: &[u32]) {
    let lines = || daemons[0].log().lines().count();
    let (logged, before): (_, Vec<_>) = (lines(), pids.iter().map(|pid| observed(*pid).1).collect());
    let began = Instant::now();
    tokio::time::sleep(WATCHED).await;
    let (logged, seconds) = (lines() - logged, began.elapsed().as_secs_f64());
    let taken: Vec<Duration> = pids.iter().zip(before).map(|(pid, before)| observed(*pid).1 - before).collect();
    println!("without a database: processor time {taken:?}, {logged} log lines in {seconds:.1} s");
    assert!(pids.iter().all(|pid| observed(*pid).0), "a process ended:\n{}", daemons[0].log());
    assert!(taken.iter().all(|taken| *taken < BUSY), "{taken:?} of processor time in {seconds:.1} s");
    #[expect(clippy::cast_precision_loss, reason = "a few lines")]
    let a_second = logged as f64 / seconds;
    assert!(a_second <= LINES as f64, "{a_second:.1} log lines a second:\n{}", daemons[0].log());
}

/// Waits until it is so.
async fn until(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it comes true in time");
}

/// The processes of a world on a server of its own.
struct Fleet<'a> {
    server: &'a Server,
    all: Vec<&'a Daemon>,
    ingesters: &'a [Daemon],
}

impl Fleet<'_> {
    fn pids(&self) -> Vec<u32> {
        self.all.iter().map(|daemon| daemon.pid()).collect()
    }

    /// The database crashes, is away while the processes are watched, and comes back. Answers how long nothing was
    /// granted after that; `event` is one to knock with meanwhile.
    async fn survives_a_crash(&self, grants: &AtomicUsize, event: &Event) -> Duration {
        let (pids, logged) = (self.pids(), self.all[0].log().lines().count());
        self.server.stop().await.unwrap();
        for daemon in &self.all {
            until_readiness_is(daemon, 503).await;
        }
        for ingester in self.ingesters {
            assert_eq!(delivered(ingester, event).await, (503, Some("5".to_owned())));
        }
        until_quiet(self.all[0], logged).await;
        are_idle(&self.all, &pids).await;
        self.server.start_again().await.unwrap();
        let (back, before) = (Instant::now(), grants.load(Ordering::Relaxed));
        until(|| grants.load(Ordering::Relaxed) > before).await;
        let idle = back.elapsed();
        for daemon in &self.all {
            until_readiness_is(daemon, 200).await;
        }
        assert_eq!(self.pids(), pids);
        idle
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_crashes_in_mid_storm_loses_nothing() {
    let _alone = alone().await;
    let seed = seed();
    println!("GRANTSYNC_SEED={seed}");
    let mut chance = Chance::of(seed);
    let server = Server::start().await.unwrap();
    let database = server.database().await.unwrap();
    let world = World::beginning_with(database.url(), &WORK, &AT_FULL_SPEED).await;
    without_catching_up(&world);
    let crowd = Crowd::at(&world).await;
    let bought = crowd.purchases(ACCOUNTS);
    let grants = crowd.serve(&world);
    let workers = more(&world.daemon, &WORK, 1).await;
    let ingesters = more(&world.daemon, &INGEST, 2).await;
    let events = webhooks(&bought, &mut chance);
    let (distinct, last) = (events.len(), events.last().unwrap().clone());
    let post = Post::new(&ingesters, events, chance, AGAIN);

    let all = [&world.daemon].into_iter().chain(&workers).chain(&ingesters).collect();
    let fleet = Fleet { server: &server, all, ingesters: &ingesters };
    let crash = async {
        until(|| post.progress() > CRASH_AT && grants.load(Ordering::Relaxed) > 0).await;
        fleet.survives_a_crash(&grants, &last).await
    };
    let (idle, ()) = tokio::join!(crash, post.deliver(HANDS));
    println!("{idle:.1?} after the database was back the next grant was sent; webhooks refused: {:?}", post.refused());
    assert!(idle < BACK_AT_WORK, "work went on {idle:?} after the database was back");
    assert!(post.refused().contains_key("503"), "nothing was on its way when the database crashed");
    until_all_hold(&world, &bought).await;
    let confirmed = confirmed_once(database.url(), &bought).await;
    all_are_counted_once(&world, &bought);
    let sent = Grants::sent(&world);
    println!("grants a user: {:?}", sent.distribution());
    sent.are_made_once(2, &confirmed);
    assert_eq!(rows(database.url(), "SELECT id FROM inbox").await.len(), distinct);
    assert_eq!(world.parked().await, []);
    finish(world).await;
}
