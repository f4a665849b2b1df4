//! Workers that die or fall asleep in the middle of a sync.

use std::time::{Duration, Instant};

use cluster::database::Database;
use rustix::process::Signal;
use serde_json::Value;
use simulator::fault::{Fault, Match, What};
use simulator::journal::{Request, Server};
use simulator::stripe::moves::{NewSubscription, metadata};

use super::{INGEST, LOOK_EVERY, WORK, in_time, shared, until_said};
use crate::harness::daemon::{Daemon, PATIENCE};
use crate::harness::final_checks::{finish, settled};
use crate::harness::world::{Bought, SLACK, World};

/// How soon another worker must have done what a dead one left.
const ELSEWHERE: Duration = Duration::from_secs(10);
/// Makes a profile.
const CREATE: &str = "/sdk/profiles/?";
/// How long an answer is held: until the process that waits for it is asleep.
const HELD: Duration = Duration::from_secs(2);

/// Waits for the request and answers its number.
async fn arrival(world: &World, method: &str, path: &str) -> u64 {
    let is_it =
        |request: &Request| request.method == method && format!("{}?{}", request.path, request.query).contains(path);
    let arrived = |requests: &[Request]| requests.iter().any(is_it);
    world.simulator.journal.wait_for(PATIENCE, arrived).await.unwrap();
    world.simulator.journal.requests().into_iter().find(is_it).unwrap().number
}

#[tokio::test]
async fn a_killed_worker_s_accounts_run_elsewhere_within_ten_seconds() {
    let (_database, world) = shared(&INGEST, &[]).await;
    let mut worker = world.daemon.beside(&WORK).await;
    world.simulator.stripe.faults.inject(Fault::once(Match::on("GET", "/v1/subscriptions"), What::HangForever));
    let bought = world.buys("u-1", "price_premium");
    world.deliver(&bought.events).await;
    arrival(&world, "GET", "/v1/subscriptions").await;
    let _other = world.daemon.beside(&WORK).await;
    worker.kill().await;
    let died = Instant::now();
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    in_time("from death to grant", died.elapsed(), ELSEWHERE);
    assert_eq!(world.written("/grant/"), 1);
    finish(world).await;
}

#[tokio::test]
async fn a_worker_that_slept_past_its_lease_sends_nothing_and_writes_nothing() {
    // it has asked for everything, and only then falls asleep
    let night = Night::begins(&[("price_premium", "premium")], When::Asking("GET", "/profiles/")).await;
    night.passes().await;
    night.ends(Until::Lost).await;
}

#[tokio::test]
async fn a_worker_that_slept_between_its_intention_and_its_grant_does_not_send_it() {
    // the profile is made after the intention is written down and before the grant is sent
    let night = Night::begins(&[("price_premium", "premium")], When::Asking("POST", CREATE)).await;
    night.passes().await;
    night.ends(Until::Unsettled).await;
}

#[tokio::test]
async fn a_worker_that_slept_while_it_waited_for_the_rate_limit_does_not_send_its_grant() {
    let night = Night::begins(&[("price_premium", "premium")], When::Answered("POST", CREATE)).await;
    night.passes().await;
    night.ends(Until::Unsettled).await;
}

#[tokio::test]
async fn a_worker_that_slept_between_two_grants_does_not_send_the_second() {
    let both = [("price_premium", "premium"), ("price_gold", "gold")];
    let night = Night::begins(&both, When::Asking("POST", "/grant/")).await;
    night.passes().await;
    // it wakes in its wait for the answer to the first, and finds the lease gone before it reads that
    night.ends(Until::Unsettled).await;
}

/// When a worker falls asleep.
#[derive(Clone, Copy)]
enum When {
    /// It waits for the answer to this request, and will hear it when it wakes.
    Asking(&'static str, &'static str),
    /// It has received the answer to this request, and waits a second for the rate limit before the next.
    Answered(&'static str, &'static str),
}

impl When {
    /// What the world is set to, beside the usual.
    fn settings(self) -> [(&'static str, &'static str); 2] {
        let per_second = match self {
            Self::Asking(..) => "500",
            Self::Answered(..) => "1",
        };
        // however late it is received, an answer counts
        [("ADAPTY__TIMEOUT", "60s"), ("ADAPTY__REQUESTS_PER_SECOND", per_second)]
    }

    /// How soon another worker must have taken over: the longer the fewer requests it may send.
    fn taken_over(self) -> Duration {
        match self {
            Self::Asking(..) => Duration::from_secs(12),
            Self::Answered(..) => Duration::from_secs(15),
        }
    }

    /// Puts the worker to sleep when it is time, and answers when that was.
    async fn falls_asleep(self, sleeper: &Daemon, world: &World) -> Instant {
        let (Self::Asking(method, path) | Self::Answered(method, path)) = self;
        let asked = arrival(world, method, path).await;
        let answered =
            |requests: &[Request]| requests.iter().any(|request| request.number == asked && request.status.is_some());
        if let Self::Answered(..) = self {
            world.simulator.journal.wait_for(PATIENCE, answered).await.unwrap();
            sleeper.signal(Signal::STOP);
            assert_eq!(world.written("/grant/"), 0, "it sent the grant before it fell asleep");
            return Instant::now();
        }
        sleeper.signal(Signal::STOP);
        let fell_asleep = Instant::now();
        assert!(!answered(&world.simulator.journal.requests()), "it received the answer before it fell asleep");
        world.simulator.journal.wait_for(PATIENCE, answered).await.unwrap();
        fell_asleep
    }
}

/// How a sync ends that was slept through.
#[derive(Clone, Copy)]
enum Until {
    /// It was about to write and found its lease lost.
    Lost,
    /// It came to its end and could not be settled.
    Unsettled,
}

/// A worker asleep in a sync whose lease runs out.
struct Night {
    sleeper: Daemon,
    other: Daemon,
    bought: Bought,
    levels: Vec<String>,
    fell_asleep: Instant,
    taken_over: Duration,
    world: World,
    _database: Database,
}

impl Night {
    /// `u-1` buys `sold`, prices and their levels, and a worker falls asleep over it.
    async fn begins(sold: &[(&str, &str)], when: When) -> Self {
        let (database, world) = shared(&INGEST, &when.settings()).await;
        let sleeper = world.daemon.beside(&WORK).await;
        if let When::Asking(method, path) = when {
            world.simulator.adapty.faults.inject(Fault::once(Match::on(method, path), What::AnswerLate(HELD)));
        }
        let bought = world.subscribe(NewSubscription {
            prices: sold.iter().map(|(price, _)| ((*price).to_owned(), 1)).collect(),
            metadata: metadata(&[("customer_user_id", "u-1")]),
            ..NewSubscription::default()
        });
        world.deliver(&bought.events).await;
        let fell_asleep = when.falls_asleep(&sleeper, &world).await;
        let other = world.daemon.beside(&WORK).await;
        let levels = sold.iter().map(|(_, level)| (*level).to_owned()).collect();
        let taken_over = when.taken_over();
        Self { sleeper, other, bought, levels, fell_asleep, taken_over, world, _database: database }
    }

    /// Another worker takes over and grants; then the money goes back, and it revokes.
    async fn passes(&self) {
        let end = self.world.period_end(&self.bought.subscription) + SLACK;
        for level in &self.levels {
            self.world.until_held("u-1", level, end).await;
        }
        in_time("from sleep to grant", self.fell_asleep.elapsed(), self.taken_over);
        settled(&self.world).await;
        self.world.deliver(&self.world.simulator.stripe.refund(&self.bought.invoice, None, "succeeded").events).await;
        for level in &self.levels {
            self.world.until_gone("u-1", level).await;
        }
        self.other.until_idle().await;
        settled(&self.world).await;
    }

    /// What was sent to Adapty, and what the ledger says.
    async fn done(&self) -> (usize, Vec<Value>) {
        let is_write = |request: &Request| request.server == Server::Adapty && request.method == "POST";
        (self.world.simulator.journal.count(is_write), self.world.daemon.listed(&["ledger"]).await)
    }

    async fn until_lost(&self) {
        let lost = async {
            while self.sleeper.metric("grantsync_syncs_total{outcome=\"lease_lost\"}").await.is_none() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, lost).await.is_ok(), "no lease is lost:\n{}", self.sleeper.log());
    }

    /// It wakes, and its sync ends without a trace.
    async fn ends(self, until: Until) {
        let before = self.done().await;
        self.sleeper.signal(Signal::CONT);
        match until {
            Until::Lost => self.until_lost().await,
            Until::Unsettled => {
                let account = format!("account.id=stripe:{}", self.bought.customer);
                let said = format!("the lease ran out before the sync was settled {account}");
                until_said(&self.sleeper, &said, 1).await;
            }
        }
        assert_eq!(self.sleeper.get("/health/live").await.unwrap().0, 200);
        self.sleeper.until_idle().await;
        assert_eq!(self.done().await, before, "{}", self.world.daemon.log());
        for level in &self.levels {
            assert!(!self.world.holds("u-1", level), "{level} is held again");
        }
        finish(self.world).await;
    }
}
