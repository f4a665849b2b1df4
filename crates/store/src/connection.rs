//! A connection to either database: begins, commits, and reads rows alike.

use std::io;
use std::time::Duration;

use chrono::DateTime;
use entitlement::model::clock::{Clock, Timestamp};
use sqlx::postgres::{PgArguments, PgPool, PgRow};
use sqlx::query::Query;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection as _, Decode, PgConnection, Postgres, Row as _, Sqlite, Type};
use tokio::time::timeout;

use crate::error::Failed;
use crate::sqlite_pipeline::SqlitePipeline;
use crate::sqlite_reads::SqliteReads;

/// Connections for reading, of one process.
pub(crate) const READERS: u32 = 6;
/// A read that takes longer is cancelled.
const LONGEST_READ: Duration = Duration::from_secs(10);

/// One connection.
#[derive(Debug)]
pub(crate) enum Connection {
    Sqlite(SqlitePipeline),
    Postgres(PgConnection),
}

/// Connections for reading.
#[derive(Clone, Debug)]
pub(crate) enum Pool {
    Sqlite(SqliteReads),
    Postgres(PgPool),
}

/// A row of either.
#[derive(Debug)]
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// Whether a commit is on the disk when it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    Full,
    /// For what a power cut may undo: leases, and tokens of rate limits. SQLite has one writer, which is always
    /// durable.
    Relaxed,
}

/// Whose clock leases and due times go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// The clock in [`crate::open::Options`].
    Process,
    /// PostgreSQL's, so that machines whose clocks differ agree; SQLite has none of its own.
    Database,
}

impl Connection {
    /// Begins a transaction and answers the time in it: read only now, since beginning may have waited. SQLite begins
    /// with the first statement, so that a wait for another process makes that time up to [`BUSY`] old: shorter than a
    /// lease lasts, and a lease that another process took meanwhile has another name.
    ///
    /// [`BUSY`]: crate::database::BUSY
    pub(crate) async fn begin(
        &mut self,
        durability: Durability,
        time: Time,
        clock: Clock,
    ) -> Result<Timestamp, Failed> {
        match self {
            Self::Sqlite(connection) => {
                connection.begin();
                Ok(clock())
            }
            Self::Postgres(connection) => {
                // one round trip: all of it is one simple query
                let row = sqlx::raw_sql(beginning(durability)).fetch_one(connection).await?;
                Ok(match time {
                    Time::Process => clock(),
                    Time::Database => DateTime::from_timestamp_micros(row.get("now")).unwrap_or_else(clock),
                })
            }
        }
    }

    pub(crate) async fn commit(&mut self) -> Result<(), Failed> {
        match self {
            Self::Sqlite(connection) => connection.commit().await,
            Self::Postgres(connection) => Ok(sqlx::raw_sql("COMMIT").execute(connection).await.map(drop)?),
        }
    }

    pub(crate) async fn roll_back(&mut self) -> Result<(), Failed> {
        match self {
            Self::Sqlite(connection) => connection.roll_back().await,
            Self::Postgres(connection) => Ok(sqlx::raw_sql("ROLLBACK").execute(connection).await.map(drop)?),
        }
    }

    pub(crate) async fn close(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(connection) => connection.close().await,
            Self::Postgres(connection) => connection.close().await,
        }
    }
}

/// What begins a transaction on PostgreSQL: locks are waited for less long than a lease lasts, and a process that stops
/// in the middle of a transaction blocks the others no longer than that. A stronger `synchronous_commit` than `on`
/// stays as the server has it; `off` would lose events that were answered with 200.
fn beginning(durability: Durability) -> &'static str {
    match durability {
        Durability::Full => {
            "BEGIN; SET LOCAL lock_timeout = '5s'; SET LOCAL idle_in_transaction_session_timeout = '5s';
             SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now,
                    CASE current_setting('synchronous_commit') WHEN 'off'
                    THEN set_config('synchronous_commit', 'on', true) END AS durable"
        }
        Durability::Relaxed => {
            "BEGIN; SET LOCAL lock_timeout = '5s'; SET LOCAL idle_in_transaction_session_timeout = '5s';
             SET LOCAL synchronous_commit = off;
             SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now"
        }
    }
}

/// Does `work` on a connection of `pool`. One that does not answer in time is closed, since it may never answer again;
/// given back, it would occupy its place for ever.
pub(crate) async fn bounded<T>(
    pool: &PgPool,
    longest: Duration,
    work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
) -> Result<T, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let answer = timeout(longest, work(&mut connection)).await;
    answer.unwrap_or_else(|_| {
        connection.close_on_drop();
        Err(io::Error::from(io::ErrorKind::TimedOut).into())
    })
}

/// Reads on a connection of `pool`. One that was cut meanwhile (the server restarted or failed over) is replaced and
/// the read repeated: a connection that was just used is not pinged before.
pub(crate) async fn read_again(
    pool: &PgPool,
    query: impl Fn() -> Query<'static, Postgres, PgArguments>,
) -> Result<Vec<PgRow>, sqlx::Error> {
    let mut left = READERS;
    loop {
        let query = query();
        match bounded(pool, LONGEST_READ, async |on| query.fetch_all(on).await).await {
            // all may have been cut at once; the one after them is new
            Err(error) if left > 0 && is_cut(&error) => left -= 1,
            outcome => return outcome,
        }
    }
}

/// Whether the server ended the session, or the connection broke.
fn is_cut(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(cause) => cause.kind() != io::ErrorKind::TimedOut,
        // admin shutdown, crash shutdown
        sqlx::Error::Database(cause) => cause.code().is_some_and(|code| code == "57P01" || code == "57P02"),
        _ => false,
    }
}

impl Row {
    /// The value of a column that the statement names.
    pub(crate) fn get<T>(&self, column: &str) -> T
    where
        T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        match self {
            Self::Sqlite(row) => row.get(column),
            Self::Postgres(row) => row.get(column),
        }
    }
}
