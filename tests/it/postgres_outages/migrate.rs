//! The move from SQLite to PostgreSQL, and what a program says of a schema that it does not know.

use std::time::Duration;

use cluster::database::Database;
use serde_json::Value;
use simulator::fault::{Fault, Match, What};
use simulator::journal::Request;
use simulator::stripe::event::Event;
use simulator::stripe::moves::NewSubscription;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use super::{BOTH, command, created};
use crate::harness::daemon::{CommandOutput, PATIENCE};
use crate::harness::final_checks::finish;
use crate::harness::world::{Bought, SLACK, World};

const FROM: &str = "sqlite:grantsync.db";

/// Copies into the database at `url`.
async fn copy(world: &World, from: &str, url: &str) -> CommandOutput {
    command(world, &["migrate", "--from", from], &[("DATABASE__URL", url)]).await
}

fn is_refused(output: &CommandOutput, because: &str) {
    assert_eq!(output.status.code(), Some(1), "{}", output.stdout);
    let last = output.stderr.lines().last().unwrap();
    assert!(last.contains(because) && output.stdout.is_empty(), "{}", output.stderr);
}

/// All that the lists print of the database at `url`.
async fn lists(world: &World, url: &str) -> Vec<Value> {
    let mut all = Vec::new();
    for list in [&["events", "list", "--limit", "500"][..], &["ledger", "list", "--limit", "500"], &["parked", "list"]]
    {
        let arguments = [list, &["--json"]].concat();
        let output = command(world, &arguments, &[("DATABASE__URL", url)]).await;
        assert!(output.status.success(), "{}", output.stderr);
        all.push(serde_json::from_str(&output.stdout).unwrap());
    }
    all
}

/// Some lives: one renews, one is refunded, one has no user id, one was linked by an operator.
async fn lives(world: &World) -> Bought {
    let kept = world.granted("u-1", "price_premium", "premium").await;
    world.deliver(&world.simulator.stripe.renew(&kept.subscription)).await;
    world.until_held("u-1", "premium", world.period_end(&kept.subscription) + SLACK).await;
    let returned = world.granted("u-2", "price_gold", "gold").await;
    world.deliver(&world.simulator.stripe.refund(&returned.invoice, None, "succeeded").events).await;
    world.until_gone("u-2", "gold").await;
    let nameless = || NewSubscription { prices: vec![("price_premium".to_owned(), 1)], ..NewSubscription::default() };
    for user in [None, Some("u-3")] {
        let bought = world.subscribe(nameless());
        world.deliver_and_settle(&bought.events).await;
        if let Some(user) = user {
            let linked = world.daemon.command(&["link", &format!("stripe:{}", bought.customer), user]).await;
            assert!(linked.status.success(), "{}", linked.stderr);
            world.until_held(user, "premium", world.period_end(&bought.subscription) + SLACK).await;
        }
    }
    world.daemon.until_idle().await;
    assert_eq!(world.parked().await.len(), 1);
    kept
}

/// `u-4` buys, and a sync of their account is under way: an answer of Stripe is late.
async fn is_being_synced(world: &World) -> Bought {
    let seen = world.simulator.journal.requests().len();
    let late = What::Delay(Duration::from_secs(6));
    world.simulator.stripe.faults.inject(Fault::once(Match::on("GET", "/v1/subscriptions"), late));
    let bought = world.buys("u-4", "price_premium");
    world.deliver(&bought.events).await;
    let asked = |requests: &[Request]| requests[seen..].iter().any(|request| request.path == "/v1/subscriptions");
    world.simulator.journal.wait_for(PATIENCE, asked).await.unwrap();
    bought
}

#[tokio::test]
async fn everything_moves_from_sqlite_to_postgresql() {
    let (database, used) = (Database::fresh().await.unwrap(), Database::fresh().await.unwrap());
    let mut world = World::beginning_with(FROM, &BOTH, &[]).await;
    let kept = lives(&world).await;
    let busy = is_being_synced(&world).await;
    is_refused(&copy(&world, FROM, database.url()).await, "a daemon works on the SQLite database");
    world.until_held("u-4", "premium", world.period_end(&busy.subscription) + SLACK).await;
    world.daemon.until_idle().await;
    assert_eq!(world.daemon.terminate().await.code(), Some(0));

    is_refused(&copy(&world, "sqlite:nowhere.db", database.url()).await, "`nowhere.db` does not exist");
    assert!(!world.directory.path().join("nowhere.db").exists(), "what is copied from is not made");
    let on_used = [("DATABASE__URL", used.url())];
    is_refused(&command(&world, &["link", "stripe:cus_1", "u-9"], &on_used).await, "no database at `");
    let made = command(&world, &["migrate"], &on_used).await;
    assert!(made.status.success(), "{}", made.stderr);
    let linked = command(&world, &["link", "stripe:cus_1", "u-9"], &on_used).await;
    assert!(linked.status.success(), "{}", linked.stderr);
    is_refused(&copy(&world, FROM, used.url()).await, "holds 1 rows in `worklist` already");

    let before = lists(&world, FROM).await;
    for _ in 0..2 {
        let copied = copy(&world, FROM, database.url()).await;
        assert_eq!(copied.status.code(), Some(0), "{}", copied.stderr);
        counts(&copied.stdout, &before);
        assert_eq!(lists(&world, database.url()).await, before);
    }
    nothing_is_left(&world, &database).await;
    goes_on(&mut world, &database, &kept, before).await;
    finish(world).await;
}

/// The table of the copy says how many rows there are.
fn counts(table: &str, lists: &[Value]) {
    for (name, list) in ["inbox", "ledger", "parked"].iter().zip(lists) {
        let rows = list.as_array().unwrap().len().to_string();
        let line = table.lines().find(|line| line.starts_with(name)).unwrap();
        assert_eq!(line.split_whitespace().collect::<Vec<_>>(), [*name, &rows, &rows], "{table}");
    }
}

/// Every table has as many rows as it had, but for those of running processes and of the copy itself.
async fn nothing_is_left(world: &World, database: &Database) {
    let file = world.directory.path().join("grantsync.db");
    let mut from = SqliteConnection::connect(&file.display().to_string()).await.unwrap();
    let mut to = PgConnection::connect(database.url()).await.unwrap();
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'
                  AND name NOT IN ('grantsync_migrations', 'rate_limits', 'daemon_state', 'task_leases') ORDER BY name";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut from).await.unwrap();
    for table in tables {
        let count = format!("SELECT count(*) FROM {table}");
        let here: i64 = sqlx::query_scalar(AssertSqlSafe(count.clone())).fetch_one(&mut from).await.unwrap();
        let there: i64 = sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(&mut to).await.unwrap();
        assert_eq!(there, here, "rows of `{table}`");
    }
}

/// On PostgreSQL an old event is known, and the next renewal is granted.
async fn goes_on(world: &mut World, database: &Database, kept: &Bought, before: Vec<Value>) {
    let writes = |world: &World| world.simulator.journal.count(|request| request.method == "POST");
    let written = writes(world);
    world.daemon.restart(&[("DATABASE__URL", database.url())]).await;
    let old: &Event = created(&kept.events);
    world.deliver_and_settle(std::slice::from_ref(old)).await;
    assert_eq!(lists(world, database.url()).await, before, "an old event is known");
    assert_eq!(writes(world), written, "nothing is sent for it");
    world.deliver(&world.simulator.stripe.renew(&kept.subscription)).await;
    world.until_held("u-1", "premium", world.period_end(&kept.subscription) + SLACK).await;
    world.daemon.until_idle().await;
    assert_eq!(writes(world), written + 1);
    assert_eq!(world.transaction_ids("u-1").len(), 3);
}

#[tokio::test]
async fn a_newer_schema_is_refused_with_a_clear_line() {
    let mut world = World::start().await;
    assert_eq!(world.daemon.terminate().await.code(), Some(0));
    let later = "INSERT INTO grantsync_migrations (version, description, success, checksum, execution_time)
                 VALUES (9999, 'later', true, '\\x00', 0)";
    world.tamper(later).await;
    for command in ["serve", "migrate"] {
        let output = world.daemon.command(&[command]).await;
        is_refused(&output, "newer grantsync");
        let lines: Vec<&str> = output.stderr.lines().filter(|line| line.contains("newer grantsync")).collect();
        assert!(lines.len() == 1 && lines[0].contains("9999"), "{command}: {}", output.stderr);
    }
}
