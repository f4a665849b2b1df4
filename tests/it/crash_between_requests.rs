//! Crashes: the daemon is killed (SIGKILL) at every request it makes, while it starts, while it ends and in the
//! middle of a storm. What was answered with 200 ends as it should, and nothing is done twice.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use cluster::database::Database;
use rustix::process::Signal;
use simulator::fault::What;
use simulator::journal::Request;
use simulator::stripe::event::Event;
use simulator::webhook::Webhooks;
use tokio::task::JoinSet;

use crate::harness::daemon::{Daemon, PATIENCE};
use crate::harness::final_checks::{finish, settled};
use crate::harness::random::{Chance, seed};
use crate::harness::world::{Bought, Kind, SECRET, SLACK, World};
use crate::reconciliation::drifted;

/// How soon all must be done after a restart: the lease of a killed process runs out within ten seconds.
const RECOVERY: Duration = Duration::from_secs(15);
/// No purchase takes more requests than this, however its events are joined.
const MOST_REQUESTS: u64 = 30;

/// The request was done, and its answer does not arrive before the kill.
const ANSWER_LOST: What = What::AnswerLate(Duration::from_secs(600));

/// One purchase, and a kill when request `number` arrives. Answers how long all took after the restart;
/// `None` when there were fewer requests.
async fn killed_at_request(number: u64, what: What) -> Option<Duration> {
    let mut world = World::start().await;
    let hit = what.clone();
    world.simulator.journal.on_request(Box::new(move |request| (request.number == number).then(|| hit.clone())));
    let bought = world.buys("u-1", "price_premium");
    world.deliver(&bought.events).await;
    let arrived = |requests: &[Request]| requests.iter().any(|request| request.number == number);
    let reached = tokio::select! {
        arrived = world.simulator.journal.wait_for(PATIENCE, arrived) => arrived.is_ok(),
        // a request that hangs leaves its account due
        () = world.daemon.until_idle() => arrived(&world.simulator.journal.requests()),
    };
    if !reached {
        finish(world).await;
        return None;
    }
    let (confirmed, grants) = (is_confirmed(&world).await, world.written("/grant/"));
    world.daemon.kill().await;
    world.simulator.journal.clear_hook();
    let began = Instant::now();
    world.daemon.restart(&[]).await;
    is_granted_once(&world, "u-1", &bought).await;
    settled(&world).await;
    let took = began.elapsed();
    assert!(took < RECOVERY, "request {number}, {what:?}: {took:?}\n{}", world.daemon.log());
    let again = world.written("/grant/") - grants;
    assert!(again == 0 || !confirmed, "request {number}, {what:?}: a confirmed grant was sent again");
    assert!(world.written("/grant/") <= 2, "request {number}, {what:?}");
    assert_eq!(world.daemon.listed(&["events"]).await.len(), bought.events.len());
    finish(world).await;
    Some(took)
}

async fn is_confirmed(world: &World) -> bool {
    world.daemon.listed(&["ledger"]).await.iter().any(|line| line["state"] == "confirmed")
}

/// Held to the end, one transaction, and its money reported once.
async fn is_granted_once(world: &World, user: &str, bought: &Bought) {
    world.until_held(user, "premium", world.period_end(&bought.subscription) + SLACK).await;
    assert_eq!(world.transaction_ids(user), [bought.subscription.as_str()]);
    assert_eq!(world.simulator.adapty.revenue(user), BTreeMap::from([("USD".to_owned(), 9.99)]));
}

#[tokio::test]
async fn a_kill_at_any_request_of_a_purchase_loses_and_doubles_nothing() {
    let mut took = Vec::new();
    for number in (1..MOST_REQUESTS).step_by(2) {
        let (one, another) = (number, number + 1);
        let (a, b, c, d) = tokio::join!(
            killed_at_request(one, What::HangForever),
            killed_at_request(one, ANSWER_LOST),
            killed_at_request(another, What::HangForever),
            killed_at_request(another, ANSWER_LOST),
        );
        let some: Vec<Duration> = [a, b, c, d].into_iter().flatten().collect();
        if some.is_empty() {
            break;
        }
        took.extend(some);
    }
    let longest = took.iter().max().copied().unwrap_or_default();
    println!("killed {} times; all was done {longest:.1?} after the restart at the latest", took.len());
    // two lists of Stripe's, the profile read, made and granted
    assert!(took.len() >= 10, "it was killed {} times only", took.len());
}

/// Buyers in the storm, and how often the daemon is killed in it.
const BUYERS: usize = 40;
const KILLS: usize = 6;

/// Delivers until it is taken in, as Stripe does, whatever becomes of the connection.
async fn insist(webhooks: Webhooks, events: Vec<Event>) {
    for event in events {
        while webhooks.deliver(&event).await.ok().is_none_or(|status| status.as_u16() != 200) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Kills it at a time drawn from `chance`, now and then in the middle of its orderly end, and starts it again.
async fn kill_at_random(world: &mut World, chance: &mut Chance) {
    tokio::time::sleep(chance.within(Duration::from_millis(700))).await;
    if chance.one_in(3) {
        world.daemon.signal(Signal::TERM);
        tokio::time::sleep(chance.within(Duration::from_millis(30))).await;
    }
    world.daemon.restart(&[]).await;
}

#[tokio::test]
async fn kills_at_random_in_a_storm_lose_and_double_nothing() {
    let seed = seed();
    println!("GRANTSYNC_SEED={seed}");
    let (mut world, mut chance) = (World::with(&[("CATCH_UP__EVERY", "1h")]).await, Chance::of(seed));
    let bought: Vec<Bought> = (0..BUYERS).map(|number| world.buys(&format!("u-{number}"), "price_premium")).collect();
    let mut events: Vec<Event> = bought.iter().flat_map(|bought| bought.events.clone()).collect();
    let distinct = events.len();
    events.extend(events.clone().into_iter().step_by(3));
    chance.shuffle(&mut events);
    let mut senders = JoinSet::new();
    for some in events.chunks(events.len().div_ceil(4)) {
        let webhooks = Webhooks::new(format!("{}/webhooks/stripe", world.daemon.front), SECRET);
        senders.spawn(insist(webhooks, some.to_vec()));
    }
    for _ in 0..KILLS {
        kill_at_random(&mut world, &mut chance).await;
    }
    let began = Instant::now();
    tokio::time::timeout(PATIENCE, senders.join_all()).await.expect("all is taken in");
    for (number, bought) in bought.iter().enumerate() {
        is_granted_once(&world, &format!("u-{number}"), bought).await;
    }
    world.daemon.until_idle().await;
    settled(&world).await;
    println!("all was done {:.1?} after the last start", began.elapsed());
    let known = world.daemon.command(&["events", "list", "--limit", "10000", "--json"]).await.stdout;
    assert_eq!(serde_json::from_str::<Vec<serde_json::Value>>(&known).unwrap().len(), distinct);
    none_was_sent_again(&world).await;
    finish(world).await;
}

/// No grant was sent once the ledger had it confirmed.
async fn none_was_sent_again(world: &World) {
    let ledger = world.daemon.command(&["ledger", "list", "--limit", "10000", "--json"]).await.stdout;
    for line in serde_json::from_str::<Vec<serde_json::Value>>(&ledger).unwrap() {
        let (user, settled) = (line["user"].as_str().unwrap(), line["settled_at"].as_str().unwrap());
        let settled = settled.parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp_millis();
        let path = format!("/profiles/{user}/");
        let sent = |request: &Request| request.path.ends_with("/grant/") && request.path.contains(&path);
        let requests = world.simulator.journal.requests();
        let last = requests.iter().filter(|request| sent(request)).map(|request| request.wall.timestamp_millis()).max();
        assert!(last.unwrap() <= settled + 1, "{user} was sent a grant after it was confirmed");
    }
}

#[tokio::test]
async fn a_kill_during_the_migrations_leaves_a_database_that_opens() {
    let world = World::start().await;
    for delay in (0..10).map(|step| Duration::from_millis(step * 12)) {
        let database = match crate::DATABASE {
            Kind::Sqlite => None,
            Kind::Postgres => Some(Database::fresh().await.unwrap()),
        };
        let file = format!("sqlite:fresh-{}.db", delay.as_millis());
        let url = database.as_ref().map_or(file.as_str(), Database::url);
        let environment = world.daemon.environment(&[("DATABASE__URL", url)]);
        let starting = Daemon::start_as(&["serve"], world.directory.path(), environment.clone());
        // what does not end in time is killed
        drop(tokio::time::timeout(delay, starting).await);
        let daemon = Daemon::start_as(&["serve"], world.directory.path(), environment).await;
        let webhooks = Webhooks::new(format!("{}/webhooks/stripe", daemon.front), SECRET);
        let user = format!("u-{}", delay.as_millis());
        let bought = world.buys(&user, "price_premium");
        insist(webhooks, bought.events.clone()).await;
        is_granted_once(&world, &user, &bought).await;
        daemon.until_idle().await;
    }
    finish(world).await;
}

/// Requests of a reconciliation of five accounts, four of which have drifted.
const REQUESTS_OF_A_ROUND: u64 = 24;

/// Killed when request `number` of a reconciliation arrives; started again, it finishes the reconciliation.
async fn killed_in_a_reconciliation(number: u64) -> bool {
    let mut world = World::with(&[("POLICY__PROFILE_LAG", "0s"), ("CATCH_UP__EVERY", "1h")]).await;
    let [right, lost, _] = drifted(&world).await;
    let begin = "INSERT INTO daemon_state (name, value) VALUES ('reconciliation_requested', '2026-01-01T00:00:00Z')
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    world.tamper(begin).await;
    let number = number + world.simulator.journal.requests().iter().map(|request| request.number).max().unwrap();
    let what = if number.is_multiple_of(2) { What::HangForever } else { ANSWER_LOST };
    world.simulator.journal.on_request(Box::new(move |request| (request.number == number).then(|| what.clone())));
    world.daemon.restart(&[]).await;
    let arrived = |requests: &[Request]| requests.iter().any(|request| request.number == number);
    let made = async {
        while world.daemon.metric("grantsync_reconciliation_accounts").await.is_none_or(|accounts| accounts < 5.0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let reached = tokio::select! {
        arrived = world.simulator.journal.wait_for(PATIENCE, arrived) => arrived.is_ok(),
        () = made => arrived(&world.simulator.journal.requests()),
    };
    world.simulator.journal.clear_hook();
    if reached {
        world.daemon.kill().await;
        world.daemon.restart(&[]).await;
    }
    world.until_held("u-unheard", "premium", world.any_period_end() + SLACK).await;
    world.until_held("u-lost", "premium", world.period_end(&lost.subscription) + SLACK).await;
    world.until_held("u-right", "premium", world.period_end(&right.subscription) + SLACK).await;
    world.until_gone("u-ended", "gold").await;
    world.until_gone("u-refunded", "premium").await;
    let ended = async {
        while world.daemon.metric("grantsync_reconciliation_accounts").await.is_none_or(|accounts| accounts < 5.0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("the reconciliation is finished");
    assert_eq!(world.transaction_ids("u-unheard").len(), 1, "request {number}");
    finish(world).await;
    reached
}

#[tokio::test]
async fn a_reconciliation_killed_at_any_request_is_finished_by_the_next_process() {
    let mut killed = 0;
    let numbers: Vec<u64> = (1..=REQUESTS_OF_A_ROUND).collect();
    for some in numbers.chunks(6) {
        let worlds: JoinSet<bool> = some.iter().map(|&number| killed_in_a_reconciliation(number)).collect();
        killed += worlds.join_all().await.into_iter().filter(|reached| *reached).count();
    }
    println!("killed {killed} times in a reconciliation");
    assert!(killed >= 12, "it was killed {killed} times only");
}
