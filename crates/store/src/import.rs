//! Moving from SQLite to PostgreSQL: everything is copied, batch by batch, and counted.
//!
//! Each batch is committed together with how far it went, so that a copy that was stopped goes on where it was.

use entitlement::model::clock::{Clock, Timestamp};

use crate::batch::{Batch, Column};
use crate::connection::{Connection, Durability, Row, Time};
use crate::daemon_state;
use crate::database::Database;
use crate::error::{OpenError, StoreError};
use crate::import_tables::{TABLES, Table};
use crate::statement::sql;
use crate::value::{Value, json, millis};

/// Rows of one batch.
const BATCH: i64 = 1000;
/// The entry of `daemon_state` that says where the copy came from; each table's progress has this name with the
/// table's.
const STATE: &str = "import";

/// How far a table's copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub table: &'static str,
    /// Rows that were copied.
    pub copied: i64,
    /// Rows in the source.
    pub of: i64,
}

/// The copy could not be made, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "it is copied from SQLite to PostgreSQL: write `--from sqlite:FILE`, and a `postgres://…` as `database.url`"
    )]
    Direction,
    #[error("`{file}` does not exist")]
    NoSource { file: String },
    #[error("a daemon works on the SQLite database (it holds {leased} leases): stop it, then copy")]
    InUse { leased: i64 },
    #[error(
        "the PostgreSQL database holds {rows} rows in `{table}` already, which did not come from this copy; use an empty one"
    )]
    NotEmpty { table: &'static str, rows: i64 },
    #[error("after the copy `{table}` has {there} rows, {expected} were expected: nothing was removed; report it")]
    Short { table: &'static str, expected: i64, there: i64 },
}

/// Copies the SQLite database at `from` into the PostgreSQL database at `to`, and reports its progress. It may be
/// stopped and called again.
///
/// # Errors
/// When either database refuses, a daemon works on the first, or the second has rows of its own.
pub async fn copy(
    from: &str,
    to: &str,
    clock: Clock,
    mut report: impl FnMut(Progress),
) -> Result<Vec<Progress>, ImportError> {
    let (mut source, mut target) = connect(from, to).await?;
    check_unused(&mut source, clock()).await?;
    begin_copy(&mut target, from, clock).await?;
    let mut all = Vec::with_capacity(TABLES.len());
    for table in &TABLES {
        let of = table.count(&mut source).await?;
        loop {
            let (copied, more) = table.copy_batch(&mut source, &mut target, clock).await?;
            report(Progress { table: table.name, copied, of });
            if !more {
                break;
            }
        }
        all.push(Progress { table: table.name, copied: table.count(&mut target).await?, of });
    }
    continue_numbers(&mut target, clock).await?;
    match all.iter().find(|table| table.copied < table.of) {
        Some(short) => Err(ImportError::Short { table: short.table, expected: short.of, there: short.copied }),
        None => Ok(all),
    }
}

async fn connect(from: &str, to: &str) -> Result<(Connection, Connection), ImportError> {
    let source = Database::parse(from)?;
    let target = Database::parse(to)?;
    let Database::Sqlite(file) = &source else { return Err(ImportError::Direction) };
    if !file.get_filename().exists() {
        return Err(ImportError::NoSource { file: file.get_filename().display().to_string() });
    }
    match target {
        Database::Postgres(_) => Ok((source.connect_migrated().await?, target.connect_migrated().await?)),
        Database::Sqlite(_) => Err(ImportError::Direction),
    }
}

async fn check_unused(source: &mut Connection, now: Timestamp) -> Result<(), ImportError> {
    // an idle worker has a task lease of its own, which says that it runs
    let query = sql("SELECT (SELECT count(*) FROM worklist WHERE lease_until > $1)
                          + (SELECT count(*) FROM task_leases WHERE lease_until > $1) AS count");
    let row = query.bind(millis(now)).fetch_first(source).await.map_err(StoreError::on("counting leases"))?;
    match row.map_or(0, |row| row.get::<i64>("count")) {
        0 => Ok(()),
        leased => Err(ImportError::InUse { leased }),
    }
}

/// Refuses a target with rows of its own, and marks an empty one.
async fn begin_copy(target: &mut Connection, from: &str, clock: Clock) -> Result<(), ImportError> {
    if state(target, STATE).await?.is_some_and(|source| source == from) {
        return Ok(());
    }
    for table in TABLES.iter().filter(|table| table.name != "daemon_state") {
        let rows = table.count(target).await?;
        if rows > 0 {
            return Err(ImportError::NotEmpty { table: table.name, rows });
        }
    }
    begin(target, clock).await?;
    daemon_state::set(target, STATE, from).await?;
    Ok(target.commit().await.map_err(StoreError::on("beginning the copy"))?)
}

async fn begin(target: &mut Connection, clock: Clock) -> Result<Timestamp, StoreError> {
    target.begin(Durability::Full, Time::Process, clock).await.map_err(StoreError::on("beginning a transaction"))
}

async fn state(target: &mut Connection, name: &str) -> Result<Option<String>, StoreError> {
    let query = sql("SELECT value FROM daemon_state WHERE name = $1").bind(name);
    let row = query.fetch_first(target).await.map_err(StoreError::on("reading the progress of the copy"))?;
    Ok(row.map(|row| row.get("value")))
}

/// New rows are numbered on after the copied ones.
async fn continue_numbers(target: &mut Connection, clock: Clock) -> Result<(), StoreError> {
    begin(target, clock).await?;
    for (table, column) in [("ledger", "seq"), ("promotional_grants", "id"), ("audit_log", "id"), ("parked", "id")] {
        let query = sql(format!(
            "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), coalesce(max({column}), 1),
                           max({column}) IS NOT NULL) FROM {table}"
        ));
        query.fetch(target).await.map_err(StoreError::on("continuing numbers"))?;
    }
    target.commit().await.map_err(StoreError::on("continuing numbers"))
}

impl Table {
    async fn count(&self, connection: &mut Connection) -> Result<i64, StoreError> {
        let query = sql(format!("SELECT count(*) AS count FROM {}", self.name));
        let row = query.fetch_first(connection).await.map_err(StoreError::on("counting rows"))?;
        Ok(row.map_or(0, |row| row.get("count")))
    }

    /// Copies the next batch; answers how many rows were copied so far, and whether there may be more.
    async fn copy_batch(
        &self,
        source: &mut Connection,
        target: &mut Connection,
        clock: Clock,
    ) -> Result<(i64, bool), StoreError> {
        let progress = format!("{STATE} of {}", self.name);
        let (copied, after) = read_progress(target, &progress).await?;
        let rows = self.read(source, after).await?;
        let Some(last) = rows.last() else { return Ok((copied, false)) };
        let copied = copied + i64::try_from(rows.len()).unwrap_or(i64::MAX);
        let text = json(&(copied, &last[..self.key]))?;
        let more = rows.len() == usize::try_from(BATCH).unwrap_or(usize::MAX);
        begin(target, clock).await?;
        let insert = sql(format!(
            "INSERT INTO {} ({names}) SELECT {names} FROM copied WHERE true ON CONFLICT DO NOTHING",
            self.name,
            names = self.names()
        ));
        let insert = insert.with(Batch::of("copied", self.columns.to_vec(), rows));
        insert.execute(target).await.map_err(StoreError::on("copying rows"))?;
        daemon_state::set(target, &progress, &text).await?;
        target.commit().await.map_err(StoreError::on("copying rows"))?;
        Ok((copied, more))
    }

    /// The rows after the one with this key.
    async fn read(
        &self,
        source: &mut Connection,
        after: Option<Vec<serde_json::Value>>,
    ) -> Result<Vec<Vec<Value<'static>>>, StoreError> {
        let (names, keys) = (self.names(), self.key_names());
        let places = (2..self.key + 2).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ");
        let condition = after.as_ref().map_or_else(String::new, |_| format!("WHERE ({keys}) > ({places})"));
        let mut query =
            sql(format!("SELECT {names} FROM {} {condition} ORDER BY {keys} LIMIT $1", self.name)).bind(BATCH);
        for key in after.unwrap_or_default() {
            query = match key.as_i64() {
                Some(number) => query.bind(number),
                None => query.bind(key.as_str().unwrap_or_default().to_owned()),
            };
        }
        let rows = query.fetch(source).await.map_err(StoreError::on("reading rows"))?;
        Ok(rows.iter().map(|row| self.columns.iter().map(|column| value(row, *column)).collect()).collect())
    }
}

/// How many rows were copied, and the key of the last of them.
async fn read_progress(
    target: &mut Connection,
    name: &str,
) -> Result<(i64, Option<Vec<serde_json::Value>>), StoreError> {
    let Some(text) = state(target, name).await? else { return Ok((0, None)) };
    let unreadable = |error: serde_json::Error| StoreError::Row { table: "daemon_state", what: error.to_string() };
    let (copied, key) = serde_json::from_str(&text).map_err(unreadable)?;
    Ok((copied, Some(key)))
}

fn value(row: &Row, column: Column) -> Value<'static> {
    match column {
        Column::Text(name) => Value::Text(row.get::<Option<String>>(name).map(Into::into)),
        Column::Number(name) => Value::Number(row.get(name)),
    }
}
