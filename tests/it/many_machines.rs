//! Many processes on one PostgreSQL.

mod backfill;
mod buyers;
mod database_crash;
mod first_start;
mod gates;
mod killed_processes;
mod outcome;
mod rate_limits;
mod task_leases;
mod webhook_delivery;

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection};
use tokio::sync::{Mutex, MutexGuard};

use crate::harness::daemon::Daemon;

/// A process that works and takes nothing in. It logs as an operator has it log: what these tests do is too much for more.
const WORK: [&str; 5] = ["serve", "--only", "work", "--log-filter", "info"];
/// A process that takes in and does not work.
const INGEST: [&str; 5] = ["serve", "--only", "ingest", "--log-filter", "info"];

/// What no test here is about: no limit is met, and no reconciliation begins at three in the night.
const AT_FULL_SPEED: [(&str, &str); 3] = [
    ("STRIPE__REQUESTS_PER_SECOND", "100000"),
    ("ADAPTY__REQUESTS_PER_SECOND", "100000"),
    ("RECONCILE__NIGHTLY_AT", "off"),
];

/// These tests measure time, or use all there is of the machine: so there is one of them at a time.
async fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    ALONE.lock().await
}

/// Starts `count` more processes beside `daemon`.
async fn more(daemon: &Daemon, arguments: &[&str], count: usize) -> Vec<Daemon> {
    let mut started = Vec::with_capacity(count);
    for _ in 0..count {
        started.push(daemon.beside(arguments).await);
    }
    started
}

/// What the database at `url` answers.
async fn rows(url: &str, query: &str) -> Vec<PgRow> {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let rows = sqlx::query(AssertSqlSafe(query.to_owned())).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    rows
}
