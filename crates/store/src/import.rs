//! Moving from SQLite to PostgreSQL: everything is copied, batch by batch, and counted.
//!
//! Each batch is committed together with how far it went, so that a copy that was stopped goes on where it was.

use entitlement::clock::{Clock, Timestamp};

use crate::connection::{Connection, Durability, Row, Time};
use crate::daemon_state;
use crate::database::Database;
use crate::error::{OpenError, StoreError};
use crate::statement::{Batch, Column, Value, millis, sql};

/// Rows of one batch.
const BATCH: i64 = 1000;
/// The note that says where the copy came from, and under whose name each table's progress is kept.
const NOTE: &str = "import";

/// A table, with the columns that tell its rows apart first.
struct Table {
    name: &'static str,
    /// How many of the columns make up the primary key.
    key: usize,
    columns: &'static [Column],
}

/// What is copied. Turns and rate limits belong to running processes.
const TABLES: [Table; 13] = {
    use Column::{Number, Text};
    [
        Table {
            name: "inbox",
            key: 1,
            columns: &[
                Text("id"),
                Text("kind"),
                Text("account"),
                Text("object"),
                Text("outcome"),
                Number("created"),
                Number("received"),
                Text("body"),
            ],
        },
        Table {
            name: "worklist",
            key: 1,
            // without the lease: whoever held it is gone
            columns: &[
                Text("account"),
                Text("customer"),
                Number("due_at"),
                Number("class"),
                Number("asked"),
                Number("generation"),
                Number("rung_at"),
                Number("attempts"),
                Number("failing_since"),
                Text("trouble"),
                Number("settled_at"),
            ],
        },
        Table {
            name: "links",
            key: 1,
            columns: &[Text("account"), Text("customer"), Text("origin"), Number("learnt_at")],
        },
        Table { name: "handovers", key: 2, columns: &[Text("account"), Text("customer")] },
        Table {
            name: "ledger",
            key: 1,
            columns: &[
                Number("seq"),
                Text("key"),
                Text("previous"),
                Text("destination"),
                Text("environment"),
                Text("customer"),
                Text("account"),
                Text("subject"),
                Text("step"),
                Text("because"),
                Text("state"),
                Number("attempts"),
                Number("due_at"),
                Number("intended_at"),
                Number("settled_at"),
                Text("why"),
            ],
        },
        Table {
            name: "parked",
            key: 1,
            columns: &[
                Number("id"),
                Text("kind"),
                Text("account"),
                Text("customer"),
                Text("subject"),
                Text("reason"),
                Text("hint"),
                Number("since"),
                Text("dropped"),
            ],
        },
        Table { name: "statuses", key: 1, columns: &[Text("customer"), Text("status"), Number("as_of")] },
        Table {
            name: "promotions",
            key: 1,
            columns: &[
                Number("id"),
                Text("customer"),
                Text("destination"),
                Text("level"),
                Number("until"),
                Text("request"),
                Text("who"),
                Text("why"),
                Number("given_at"),
                Number("ended_at"),
                Text("ended_by"),
                Text("ended_why"),
            ],
        },
        Table {
            name: "blocks",
            key: 3,
            columns: &[Text("customer"), Text("destination"), Text("level"), Text("who"), Text("why"), Number("since")],
        },
        Table {
            name: "details",
            key: 3,
            columns: &[
                Text("customer"),
                Text("destination"),
                Text("name"),
                Text("value"),
                Text("who"),
                Number("since"),
            ],
        },
        Table {
            name: "orders",
            key: 1,
            columns: &[
                Number("id"),
                Text("customer"),
                Text("destination"),
                Text("kind"),
                Text("subject"),
                Number("promotion"),
                Text("who"),
                Text("why"),
                Number("ordered_at"),
            ],
        },
        Table { name: "witnessed", key: 1, columns: &[Text("customer"), Text("levels"), Number("as_of")] },
        Table { name: "notes", key: 1, columns: &[Text("name"), Text("value")] },
    ]
};

/// How far a table's copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub table: &'static str,
    /// Rows there now.
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
    #[error("a daemon works on the SQLite database (it holds {leased} accounts or turns): stop it, then copy")]
    InUse { leased: i64 },
    #[error(
        "the PostgreSQL database holds {rows} rows in `{table}` already, which did not come from this copy; use an empty one"
    )]
    NotEmpty { table: &'static str, rows: i64 },
    #[error("after the copy `{table}` has {there} rows, {expected} were expected: nothing was removed; report it")]
    Short { table: &'static str, expected: i64, there: i64 },
}

/// Copies the SQLite database at `from` into the PostgreSQL database at `to`, and tells how far it is. It may be stopped
/// and called again.
///
/// # Errors
/// When either database refuses, a daemon works on the first, or the second has rows of its own.
pub async fn copy(
    from: &str,
    to: &str,
    clock: Clock,
    mut told: impl FnMut(Progress),
) -> Result<Vec<Progress>, ImportError> {
    let (source, target) = (Database::parse(from)?, Database::parse(to)?);
    let Database::Sqlite(file) = &source else { return Err(ImportError::Direction) };
    if !file.get_filename().exists() {
        return Err(ImportError::NoSource { file: file.get_filename().display().to_string() });
    }
    let (mut source, mut target) = match target {
        Database::Postgres(_) => (source.connect_up_to_date().await?, target.connect_up_to_date().await?),
        Database::Sqlite(_) => return Err(ImportError::Direction),
    };
    unused(&mut source, clock()).await?;
    begin(&mut target, from, clock).await?;
    let mut all = Vec::with_capacity(TABLES.len());
    for table in &TABLES {
        let of = table.count(&mut source).await?;
        loop {
            let (copied, more) = table.copy_batch(&mut source, &mut target, clock).await?;
            told(Progress { table: table.name, copied, of });
            if !more {
                break;
            }
        }
        all.push(Progress { table: table.name, copied: table.count(&mut target).await?, of });
    }
    number_on(&mut target, clock).await?;
    match all.iter().find(|table| table.copied < table.of) {
        Some(short) => Err(ImportError::Short { table: short.table, expected: short.of, there: short.copied }),
        None => Ok(all),
    }
}

async fn unused(source: &mut Connection, now: Timestamp) -> Result<(), ImportError> {
    // a worker that rests holds a turn of its own, which says that it runs
    let query = sql("SELECT (SELECT count(*) FROM worklist WHERE lease_until > $1)
                          + (SELECT count(*) FROM turns WHERE lease_until > $1) AS count");
    let query = query.bind(millis(now));
    let row = query.fetch_first(source).await.map_err(StoreError::on("asking for leases"))?;
    match row.map_or(0, |row| row.get::<i64>("count")) {
        0 => Ok(()),
        leased => Err(ImportError::InUse { leased }),
    }
}

/// Refuses a target with rows of its own, and marks an empty one.
async fn begin(target: &mut Connection, from: &str, clock: Clock) -> Result<(), ImportError> {
    if noted(target, NOTE).await?.is_some_and(|source| source == from) {
        return Ok(());
    }
    for table in TABLES.iter().filter(|table| table.name != "notes") {
        let rows = table.count(target).await?;
        if rows > 0 {
            return Err(ImportError::NotEmpty { table: table.name, rows });
        }
    }
    transaction(target, clock).await?;
    daemon_state::keep(target, NOTE, from).await?;
    Ok(target.commit().await.map_err(StoreError::on("beginning the copy"))?)
}

async fn transaction(target: &mut Connection, clock: Clock) -> Result<Timestamp, StoreError> {
    target.begin(Durability::Full, Time::Process, clock).await.map_err(StoreError::on("beginning a transaction"))
}

async fn noted(target: &mut Connection, name: &str) -> Result<Option<String>, StoreError> {
    let query = sql("SELECT value FROM notes WHERE name = $1").bind(name);
    let row = query.fetch_first(target).await.map_err(StoreError::on("reading a note"))?;
    Ok(row.map(|row| row.get("value")))
}

/// New entries are numbered on behind the copied ones.
async fn number_on(target: &mut Connection, clock: Clock) -> Result<(), StoreError> {
    transaction(target, clock).await?;
    for text in [
        "SELECT setval(pg_get_serial_sequence('ledger', 'seq'), coalesce(max(seq), 1), max(seq) IS NOT NULL) FROM ledger",
        "SELECT setval(pg_get_serial_sequence('promotions', 'id'), coalesce(max(id), 1), max(id) IS NOT NULL) FROM promotions",
        "SELECT setval(pg_get_serial_sequence('orders', 'id'), coalesce(max(id), 1), max(id) IS NOT NULL) FROM orders",
        "SELECT setval(pg_get_serial_sequence('parked', 'id'), coalesce(max(id), 1), max(id) IS NOT NULL) FROM parked",
    ] {
        sql(text).fetch(target).await.map_err(StoreError::on("numbering on"))?;
    }
    target.commit().await.map_err(StoreError::on("numbering on"))
}

impl Table {
    async fn count(&self, connection: &mut Connection) -> Result<i64, StoreError> {
        let query = sql(format!("SELECT count(*) AS count FROM {}", self.name));
        let row = query.fetch_first(connection).await.map_err(StoreError::on("counting rows"))?;
        Ok(row.map_or(0, |row| row.get("count")))
    }

    fn names(&self) -> String {
        self.columns.iter().map(|column| column.name()).collect::<Vec<_>>().join(", ")
    }

    fn keys(&self) -> Vec<&'static str> {
        self.columns[..self.key].iter().map(|column| column.name()).collect()
    }

    /// Copies what comes next; answers how many rows are there by now, and whether there may be more.
    async fn copy_batch(
        &self,
        source: &mut Connection,
        target: &mut Connection,
        clock: Clock,
    ) -> Result<(i64, bool), StoreError> {
        let progress = format!("{NOTE} of {}", self.name);
        let (mut copied, mut behind) = (0, None);
        if let Some(note) = noted(target, &progress).await? {
            let (count, key): (i64, Vec<serde_json::Value>) = serde_json::from_str(&note)
                .map_err(|error| StoreError::Row { table: "notes", what: error.to_string() })?;
            (copied, behind) = (count, Some(key));
        }
        let rows = self.read(source, behind).await?;
        let Some(last) = rows.last() else { return Ok((copied, false)) };
        let (count, key) = (copied + i64::try_from(rows.len()).unwrap_or(i64::MAX), &last[..self.key]);
        let note = crate::statement::json(&(count, key))?;
        let more = rows.len() == usize::try_from(BATCH).unwrap_or(usize::MAX);
        transaction(target, clock).await?;
        let insert = format!(
            "INSERT INTO {} ({names}) SELECT {names} FROM copied WHERE true ON CONFLICT DO NOTHING",
            self.name,
            names = self.names()
        );
        let insert = sql(insert).with(Batch::of("copied", self.columns.to_vec(), rows));
        insert.execute(target).await.map_err(StoreError::on("copying rows"))?;
        daemon_state::keep(target, &progress, &note).await?;
        target.commit().await.map_err(StoreError::on("copying rows"))?;
        Ok((count, more))
    }

    async fn read(
        &self,
        source: &mut Connection,
        behind: Option<Vec<serde_json::Value>>,
    ) -> Result<Vec<Vec<Value<'static>>>, StoreError> {
        let (names, keys) = (self.names(), self.keys().join(", "));
        let places = (2..self.key + 2).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ");
        let condition = behind.as_ref().map_or_else(String::new, |_| format!("WHERE ({keys}) > ({places})"));
        let mut query =
            sql(format!("SELECT {names} FROM {} {condition} ORDER BY {keys} LIMIT $1", self.name)).bind(BATCH);
        for key in behind.unwrap_or_default() {
            query = match key.as_i64() {
                Some(number) => query.bind(number),
                None => query.bind(key.as_str().unwrap_or_default().to_owned()),
            };
        }
        let rows = query.fetch(source).await.map_err(StoreError::on("reading rows"))?;
        Ok(rows.iter().map(|row| self.columns.iter().map(|column| value(row, *column)).collect()).collect())
    }
}

fn value(row: &Row, column: Column) -> Value<'static> {
    match column {
        Column::Text(name) => Value::Text(row.get::<Option<String>>(name).map(Into::into)),
        Column::Number(name) => Value::Number(row.get(name)),
    }
}
