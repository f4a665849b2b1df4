//! Databases of the first edition, left in the middle of everything, are taken on by this program, and nothing is sent again.

mod vendors;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::Value;
use simulator::journal::Server;
use simulator::simulator::Simulator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Row, SqliteConnection};

use self::vendors::{CATALOG, Move, V1, V2, Vendors, write_at_adapty};
use crate::harness::daemon::PATIENCE;
use crate::harness::final_checks::{finish, settled};
use crate::harness::world::{World, environment};

/// Nothing of 2025 is forgotten yet. The reconciliation of the last night is due at the start.
const SETTINGS: [(&str, &str); 2] = [("RETENTION__INBOX", "36500d"), ("RETENTION__LEDGER", "36500d")];

/// How long the leases of the dead processes still run.
const LEASE: TimeDelta = TimeDelta::seconds(2);

/// User, subject and state of every entry, by key.
type Entries = BTreeMap<String, (String, String, String)>;

async fn opened(directory: &Path) -> SqliteConnection {
    let file = SqliteConnectOptions::new().filename(directory.join("grantsync.db")).create_if_missing(true);
    file.connect().await.unwrap()
}

/// The ledger in the tables of the first edition.
async fn entries_of_the_dump(connection: &mut SqliteConnection) -> Entries {
    let rows = sqlx::query("SELECT key, customer, subject, state FROM ledger").fetch_all(connection).await.unwrap();
    rows.iter().map(|row| (row.get("key"), (row.get("customer"), row.get("subject"), row.get("state")))).collect()
}

/// The ledger as the program lists it.
async fn entries(world: &World) -> Entries {
    let rows = listed(world, &["ledger", "list", "--limit", "1000"]).await;
    let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
    rows.iter().map(|row| (text(row, "key"), (text(row, "user"), text(row, "subject"), text(row, "state")))).collect()
}

async fn listed(world: &World, command: &[&str]) -> Vec<Value> {
    serde_json::from_str(&printed(world, &[command, &["--json"]].concat()).await).unwrap()
}

/// What a command prints; it must succeed.
async fn printed(world: &World, arguments: &[&str]) -> String {
    let output = world.daemon.command(arguments).await;
    assert!(output.status.success(), "{arguments:?}: {}", output.stderr);
    output.stdout
}

/// A world with the past of `moves` on the database of `dump`, and the dump's ledger.
async fn restored(
    dump: &'static str,
    adapty: &str,
    moves: &'static [(&'static str, Move)],
    api: &str,
) -> (World, Vendors, Entries) {
    let simulator = Simulator::start().await.unwrap();
    let vendors = Vendors::all(&simulator, moves);
    let known = &vendors.bought["gus"].customer;
    assert!(dump.contains(known), "the simulator gives other ids than when the dump was made");
    write_at_adapty(&simulator, adapty).await;
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("grantsync.toml"), CATALOG).unwrap();
    let mut connection = opened(directory.path()).await;
    sqlx::raw_sql(dump).execute(&mut connection).await.unwrap();
    let until = (simulator::clock::now() + LEASE).timestamp_millis();
    let prolonging = sqlx::query("UPDATE worklist SET lease_until = ?1 WHERE lease IS NOT NULL").bind(until);
    let leased = prolonging.execute(&mut connection).await.unwrap().rows_affected();
    assert!(leased > 0, "no lease is open");
    let before = entries_of_the_dump(&mut connection).await;
    drop(connection);
    let mut settings = SETTINGS.to_vec();
    settings.push(("ADAPTY__API", api));
    let environment = environment(&simulator, "sqlite:grantsync.db", &settings);
    (World::between(simulator, directory, environment).await, vendors, before)
}

/// All writes at Adapty since the start, sorted: method, path, and the user of header or body.
fn writes(world: &World) -> Vec<String> {
    let requests = world.simulator.journal.requests().into_iter();
    let writes = requests.filter(|request| request.server == Server::Adapty && request.method != "GET");
    let mut lines: Vec<String> = writes
        .map(|request| {
            let header = request.header("adapty-customer-user-id").unwrap_or_default();
            let body = request.body["customer_user_id"].as_str().unwrap_or_default();
            format!("{} {} {header}{body}", request.method, request.path).trim().to_owned()
        })
        .collect();
    lines.sort();
    lines
}

/// Waits until nothing is open any more and the reconciliation of all accounts is over.
async fn until_reconciled(world: &World) {
    settled(world).await;
    let reconciled = async {
        while world.daemon.metric("grantsync_reconciliation_accounts").await.is_none_or(|accounts| accounts == 0.0) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, reconciled).await.is_ok(), "no reconciliation:\n{}", world.daemon.log());
    world.daemon.until_idle().await;
}

/// What was settled before is as it was, and what was open is settled as `ends` say.
async fn assert_taken_on(world: &World, before: &Entries, ends: &[(&str, &str, &str)]) {
    let after = entries(world).await;
    for (key, was) in before.iter().filter(|(_, was)| was.2 != "intended") {
        assert_eq!(after.get(key), Some(was));
    }
    let changed = after.iter().filter(|(key, now)| before.get(*key) != Some(now));
    let mut changed: Vec<(&str, &str, &str)> =
        changed.map(|(_, (user, subject, state))| (user.as_str(), subject.as_str(), state.as_str())).collect();
    changed.sort_unstable();
    assert_eq!(changed, ends);
}

/// Every entry, every parked thing, every user and the audit log can be read.
async fn assert_readable(world: &World, before: &Entries, audited: usize) {
    for key in before.keys() {
        printed(world, &["ledger", "show", key]).await;
    }
    for row in listed(world, &["parked", "list"]).await {
        let id = row["id"].as_str().map_or_else(|| row["id"].to_string(), str::to_owned);
        printed(world, &["parked", "show", &id]).await;
    }
    let users: std::collections::BTreeSet<&String> = before.values().map(|(user, ..)| user).collect();
    for user in users {
        let explained = printed(world, &["explain", "--user", user]).await;
        assert!(explained.contains(user.as_str()), "{explained}");
    }
    assert_eq!(listed(world, &["audit"]).await.len(), audited);
}

#[tokio::test]
async fn a_database_of_the_first_edition_is_taken_on_where_it_was() {
    let (dump, adapty) = (include_str!("upgrade/v1.sql"), include_str!("upgrade/v1.adapty.json"));
    let (mut world, vendors, before) = restored(dump, adapty, V1, "v1").await;
    let parked = world.parked().await;
    until_reconciled(&world).await;
    let sent = [
        "POST /api/v1/sdk/profiles/ kim",
        "POST /api/v1/sdk/profiles/ ned",
        "POST /api/v1/sdk/profiles/hal/paid-access-levels/premium/grant/",
        "POST /api/v1/sdk/profiles/kim/paid-access-levels/gold/grant/",
        "POST /api/v1/sdk/profiles/lou/paid-access-levels/premium/revoke/",
        "POST /api/v1/sdk/profiles/ned/paid-access-levels/gold/grant/",
    ];
    assert_eq!(writes(&world), sent, "{}", world.daemon.log());
    let ends = [
        ("gus", "premium", "confirmed"),
        ("hal", "premium", "confirmed"),
        ("kim", "gold", "confirmed"),
        ("lou", "premium", "confirmed"),
        ("ned", "gold", "confirmed"),
    ];
    assert_taken_on(&world, &before, &ends).await;
    assert_eq!((world.parked().await, parked.len()), (parked, 4));
    assert_readable(&world, &before, 8).await;
    // an event that is in the inbox triggers nothing
    let known = listed(&world, &["events", "list", "--limit", "1000"]).await.len();
    let event = vendors.events.iter().find(|event| event.kind == "invoice.paid").unwrap();
    world.deliver(std::slice::from_ref(event)).await;
    assert_eq!(listed(&world, &["events", "list", "--limit", "1000"]).await.len(), known);
    world.daemon.restart(&[]).await;
    world.daemon.until_idle().await;
    assert_eq!(writes(&world).len(), sent.len(), "a second start sends nothing");
    finish(world).await;
}

#[tokio::test]
async fn sales_reported_by_the_first_edition_are_not_reported_again() {
    let (dump, adapty) = (include_str!("upgrade/v2.sql"), include_str!("upgrade/v2.adapty.json"));
    let (mut world, vendors, before) = restored(dump, adapty, V2, "v2").await;
    until_reconciled(&world).await;
    let sent = ["POST /api/v2/server-side-api/purchase/set/transaction/ hal"];
    assert_eq!(writes(&world), sent, "{}", world.daemon.log());
    // what was one step that chose its request is the report of the sale now, under the same transaction id
    let of_hal = format!("(books) {} prod_premium", vendors.bought["hal"].subscriptions[0]);
    let ends = [("gus", "gold", "confirmed"), ("hal", of_hal.as_str(), "confirmed"), ("hal", "premium", "dropped")];
    assert_taken_on(&world, &before, &ends).await;
    assert_eq!(world.parked().await, []);
    assert_readable(&world, &before, 2).await;
    world.daemon.restart(&[]).await;
    world.daemon.until_idle().await;
    assert_eq!(writes(&world).len(), sent.len(), "a second start sends nothing");
    finish(world).await;
}
