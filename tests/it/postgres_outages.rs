//! What goes wrong between many machines and their one PostgreSQL: workers die or fall asleep, connections break or
//! fall silent, answers are lost, and everything moves.

use std::time::{Duration, Instant};

use cluster::database::Database;
use reqwest::StatusCode;
use simulator::stripe::event::Event;
use simulator::webhook::{Webhooks, sign};

use crate::harness::daemon::{CommandOutput, Daemon, PATIENCE, run};
use crate::harness::world::{SECRET, SLACK, World};

mod lost_commits;
mod migrate;
mod notifications;
#[path = "harness/postgres_proxy.rs"]
mod postgres_proxy;
mod silent_connections;
mod sleeping_workers;
mod unreachable_database;

use postgres_proxy::Proxy;

const BOTH: [&str; 1] = ["serve"];
const INGEST: [&str; 3] = ["serve", "--only", "ingest"];
const WORK: [&str; 3] = ["serve", "--only", "work"];

/// How often a condition is checked.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A world whose first process is started with `arguments`, and its database.
async fn shared(arguments: &[&str], settings: &[(&str, &str)]) -> (Database, World) {
    let database = Database::fresh().await.unwrap();
    let world = World::beginning_with(database.url(), arguments, settings).await;
    (database, world)
}

/// The same with a proxy before the database.
async fn proxied(arguments: &[&str]) -> (Database, Proxy, World) {
    let database = Database::fresh().await.unwrap();
    let proxy = Proxy::before(database.url()).await;
    let world = World::beginning_with(proxy.url(), arguments, &[]).await;
    (database, proxy, world)
}

/// Starts one more beside the first, with changed settings.
async fn beside(world: &World, arguments: &[&str], changes: &[(&str, &str)]) -> Daemon {
    Daemon::start_as(arguments, world.directory.path(), world.daemon.environment(changes)).await
}

/// Runs a command of the program with changed settings.
async fn command(world: &World, arguments: &[&str], changes: &[(&str, &str)]) -> CommandOutput {
    run(world.directory.path(), &world.daemon.environment(changes), arguments).await
}

/// What a webhook was answered, and how soon.
struct Answered {
    status: StatusCode,
    retry_after: Option<String>,
    took: Duration,
}

/// Delivers an event to `daemon` once.
async fn post(daemon: &Daemon, event: &Event) -> Answered {
    let began = Instant::now();
    let request = reqwest::Client::new().post(format!("{}/webhooks/stripe", daemon.front));
    let signature = sign(SECRET, simulator::clock::now(), &event.body);
    let answer = request.header("stripe-signature", signature).body(event.body.clone()).send().await.unwrap();
    let retry_after = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    Answered { status: answer.status(), retry_after, took: began.elapsed() }
}

/// Delivers an event to `daemon` until it is taken in, as Stripe does. Answers how often it was not.
async fn insist(daemon: &Daemon, event: &Event) -> u32 {
    let webhooks = Webhooks::new(format!("{}/webhooks/stripe", daemon.front), SECRET);
    let mut refused = 0;
    let taken_in = async {
        loop {
            match webhooks.deliver(event).await.unwrap() {
                StatusCode::OK => return,
                StatusCode::SERVICE_UNAVAILABLE => refused += 1,
                other => panic!("{} was answered with {other}", event.kind),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, taken_in).await.is_ok(), "not taken in:\n{}", daemon.log());
    refused
}

/// The event that alone brings a subscription to light.
fn created(events: &[Event]) -> &Event {
    events.iter().find(|event| event.kind == "customer.subscription.created").unwrap()
}

/// `user` buys, and it is measured how long the grant takes from the answer to the webhook on.
async fn time_to_grant(world: &World, user: &str) -> Duration {
    // a worker that has just settled a sync claims more
    world.daemon.until_idle().await;
    let bought = world.buys(user, "price_premium");
    world.deliver(std::slice::from_ref(created(&bought.events))).await;
    let began = Instant::now();
    world.until_held(user, "premium", world.period_end(&bought.subscription) + SLACK).await;
    began.elapsed()
}

/// Waits until the log says so at least `times`.
async fn until_said(daemon: &Daemon, what: &str, times: usize) {
    let said = async {
        while daemon.log().matches(what).count() < times {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, said).await.is_ok(), "`{what}` is not said:\n{}", daemon.log());
}

/// Waits until the daemon says that it is ready.
async fn until_ready(daemon: &Daemon) {
    let ready = async {
        while daemon.ready().await.is_none_or(|(status, _)| status != 200) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, ready).await.is_ok(), "not ready:\n{}", daemon.log());
}

/// It took no longer than it may.
#[expect(clippy::print_stdout, reason = "the figures, with `--nocapture`")]
fn in_time(what: &str, took: Duration, bound: Duration) {
    println!("{what}: {took:.2?} of {bound:?}");
    assert!(took <= bound, "{what} took {took:?}");
}
