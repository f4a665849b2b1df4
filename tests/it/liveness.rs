//! Nothing gets stuck in silence: every state that is not final is moved on by something, or is where a human sees it.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, Executor, SqliteConnection};

use crate::harness::daemon::PATIENCE;
use crate::harness::final_checks::finish;
use crate::harness::world::World;

/// Every state that the tables allow, and what moves it on. A new one fails the test below until it is listed here.
const STATES: [(&str, &[(&str, &str)]); 3] = [
    (
        "outcome",
        &[
            ("enqueued", "final: its account is due from the same commit on"),
            ("no_account", "final"),
            ("other_mode", "final: listed and counted"),
            ("unreadable", "parked from the same commit on"),
        ],
    ),
    (
        "state",
        &[
            ("intended", "the account is due when it is to be sent again, or leased by who sends it"),
            ("confirmed", "final"),
            ("refused", "parked from the same commit on"),
            ("dropped", "final"),
        ],
    ),
    ("priority", &[("0", "claimed when due"), ("1", "claimed when due"), ("2", "claimed when due")]),
];

/// The tables as the migrations leave them.
async fn tables() -> String {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/sqlite");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    for file in files {
        let migration = std::fs::read_to_string(file).unwrap();
        connection.execute(sqlx::raw_sql(AssertSqlSafe(migration))).await.unwrap();
    }
    let tables = "SELECT group_concat(sql) FROM sqlite_schema WHERE type = 'table'";
    sqlx::query_scalar(tables).fetch_one(&mut connection).await.unwrap()
}

/// The values that a column may have, as the tables say.
fn allowed(tables: &str, column: &str) -> Vec<String> {
    let start = format!("CHECK ({column} IN (");
    let (_, rest) = tables.split_once(&start).unwrap();
    let (list, _) = rest.split_once(')').unwrap();
    list.split(',').map(|value| value.trim().trim_matches('\'').to_owned()).collect()
}

#[tokio::test]
async fn it_is_written_down_what_moves_each_state_on() {
    let tables = tables().await;
    for (column, states) in STATES {
        let known: Vec<&str> = states.iter().map(|(state, _)| *state).collect();
        assert_eq!(allowed(&tables, column), known, "{column}");
    }
}

/// Waits until the sync that the tampering made due is over: nothing triggered it.
async fn is_synced(world: &World, what: &str) {
    let synced = async {
        while world.simulator.journal.count(|request| request.path == "/v1/subscriptions") == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, synced).await.is_ok(), "{what} is stuck:\n{}", world.daemon.log());
    world.daemon.until_idle().await;
}

#[tokio::test]
async fn what_is_due_is_found_without_a_trigger_whatever_its_class_and_whoever_died_over_it() {
    let due: [(&str, &'static str); 5] = [
        ("a fresh account", "UPDATE worklist SET priority = 0, due_at = 1"),
        ("one that is tried again", "UPDATE worklist SET priority = 1, due_at = 1, attempts = 3"),
        ("one of a backfill", "UPDATE worklist SET priority = 2, due_at = 1"),
        ("one whose worker died", "UPDATE worklist SET due_at = 1, lease = 'dead', lease_until = 2"),
        (
            "one whose step was never answered",
            "UPDATE ledger SET state = 'intended', due_at = 1, settled_at = NULL;
             UPDATE worklist SET due_at = 1, lease = 'dead', lease_until = 2",
        ),
    ];
    let world = World::start().await;
    world.granted("u-1", "price_premium", "premium").await;
    for (what, text) in due {
        world.simulator.journal.clear();
        world.tamper(text).await;
        is_synced(&world, what).await;
    }
    let states: Vec<_> = world.daemon.listed(&["ledger"]).await.iter().map(|line| line["state"].clone()).collect();
    assert_eq!(states, ["confirmed"]);
    finish(world).await;
}

#[tokio::test]
async fn what_waits_for_a_human_is_counted_and_says_what_to_do() {
    let world = World::start().await;
    world.simulator.adapty.set_levels(&["gold"]);
    let refused = world.buys("u-1", "price_premium");
    world.deliver_and_settle(&refused.events).await;
    assert_eq!(world.daemon.metric("grantsync_parked{kind=\"refused_step\"}").await, Some(1.0));
    for parked in world.daemon.listed(&["parked"]).await {
        assert!(!parked["reason"].as_str().unwrap().is_empty() && !parked["hint"].as_str().unwrap().is_empty());
    }
    finish(world).await;
}
