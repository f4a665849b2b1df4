//! Connecting to SQLite or PostgreSQL, and migrating it.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, Executor, PgConnection, Row as _};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::connection::{Connection, Pool, READERS};
use crate::error::OpenError;
use crate::migration_history::{self, TABLE};
use crate::migrations;
use crate::sqlite_pipeline::SqlitePipeline;
use crate::sqlite_reads::SqliteReads;

/// Writes taken into one transaction at most.
pub(crate) const BATCH: usize = 512;
/// How often the write-ahead log is checkpointed, off the commit path.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(200);
/// How long another process that locks SQLite's file is waited for; shorter than a lease lasts.
pub(crate) const BUSY: Duration = Duration::from_secs(5);
/// Longest time to wait for a connection.
pub(crate) const CONNECT: Duration = Duration::from_secs(3);
/// How long the answer to a ping may take; shorter than [`CONNECT`], within which another connection is found.
const LONGEST_PING: Duration = Duration::from_secs(1);
/// A connection that was used so recently is not pinged.
const FRESH: Duration = Duration::from_secs(1);
/// Prepared statements that a connection caches.
const STATEMENTS: usize = 256;
/// The advisory lock under which PostgreSQL is migrated.
const MIGRATING: &str = "SELECT pg_advisory_xact_lock(7230410958)";

/// Whether the worklist, which is there since the first edition, is there.
const HAS_TABLES: &str = "SELECT to_regclass('worklist') IS NOT NULL";

/// A database that can be connected to.
#[derive(Clone, Debug)]
pub(crate) enum Database {
    Sqlite(Box<SqliteConnectOptions>),
    Postgres(Box<PgConnectOptions>),
}

impl Database {
    /// Reads `sqlite:FILE` or `postgres://…`.
    pub(crate) fn parse(url: &str) -> Result<Self, OpenError> {
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            // the driver would ask for all digits of floats, which PgBouncer refuses and nothing here needs
            let options = PgConnectOptions::from_str(url).map_err(OpenError::Url)?.extra_float_digits(None);
            // a name in pg_stat_activity
            let named =
                if options.get_application_name().is_some() { options } else { options.application_name("grantsync") };
            return Ok(Self::Postgres(Box::new(named)));
        }
        let options = SqliteConnectOptions::from_str(url).map_err(OpenError::Url)?;
        Ok(Self::Sqlite(Box::new(
            options
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                // an event that is answered with 200 is on the disk
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(BUSY)
                .foreign_keys(true)
                // as many rows as one batch answers, so that the connection's thread never waits for the reader
                .row_buffer_size(BATCH)
                // a pipeline of statements is cached as one
                .statement_cache_capacity(STATEMENTS)
                // a connection of its own checkpoints; this is only the safety net
                .pragma("wal_autocheckpoint", "20000"),
        )))
    }

    /// Where it would be, if it is not there.
    pub(crate) async fn missing(&self) -> Result<Option<String>, OpenError> {
        match self {
            // the driver's name for one in memory, which is not there before it is opened
            Self::Sqlite(options) if options.get_filename().to_string_lossy().starts_with("file:sqlx-in-memory") => {
                Ok(None)
            }
            Self::Sqlite(options) => {
                let file = options.get_filename();
                let whole = std::path::absolute(file).unwrap_or_else(|_| file.to_path_buf());
                Ok((!file.exists()).then(|| whole.display().to_string()))
            }
            Self::Postgres(options) => {
                let Connection::Postgres(mut connection) = self.connect().await? else { return Ok(None) };
                let asked = sqlx::query_scalar(HAS_TABLES).fetch_one(&mut connection).await;
                let has_tables: bool = asked.map_err(|source| self.refuses(source))?;
                Ok((!has_tables).then(|| to(options)))
            }
        }
    }

    pub(crate) async fn connect(&self) -> Result<Connection, OpenError> {
        match self {
            Self::Sqlite(options) => {
                let connection = options.connect().await.map_err(opening(options.get_filename()))?;
                Ok(Connection::Sqlite(SqlitePipeline::new(connection)))
            }
            Self::Postgres(options) => {
                let connected = timeout(CONNECT, options.connect()).await;
                let connected = connected.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut));
                connected.map(Connection::Postgres).map_err(|source| OpenError::Connect { to: to(options), source })
            }
        }
    }

    /// A connection, after the tables were migrated.
    pub(crate) async fn connect_migrated(&self) -> Result<Connection, OpenError> {
        self.check_readable().await?;
        let mut connection = self.connect().await?;
        self.migrate(&mut connection).await?;
        Ok(connection)
    }

    /// A SQLite file that cannot be read is not opened for writing, since opening and closing it may checkpoint its
    /// log.
    async fn check_readable(&self) -> Result<(), OpenError> {
        let Self::Sqlite(options) = self else { return Ok(()) };
        let file = options.get_filename();
        // what a first start left unfinished is recovered by opening it for writing
        let mut journal = file.as_os_str().to_owned();
        journal.push("-journal");
        if !file.exists() || Path::new(&journal).exists() {
            return Ok(());
        }
        let reader = SqliteConnectOptions::new().filename(file).read_only(true).busy_timeout(BUSY);
        let mut connection = reader.connect().await.map_err(opening(file))?;
        let read = connection.execute("SELECT name FROM sqlite_schema").await;
        let closed = connection.close().await;
        read.map(drop).and(closed).map_err(opening(file))
    }

    /// Connections for reading, made when they are needed.
    pub(crate) fn pool(&self) -> Pool {
        match self {
            Self::Sqlite(options) => Pool::Sqlite(SqliteReads::new((**options).clone(), READERS)),
            Self::Postgres(options) => {
                let pool = PgPoolOptions::new().max_connections(READERS).acquire_timeout(CONNECT);
                // one that was just used needs no ping; one that does not answer is replaced
                let pool = pool.test_before_acquire(false).before_acquire(|connection, about| {
                    Box::pin(async move { Ok(about.idle_for < FRESH || answers(connection).await) })
                });
                // pinged here already, since the pool itself would wait for an answer for ever
                let pool = pool.after_release(|connection, _| Box::pin(async move { Ok(answers(connection).await) }));
                Pool::Postgres(pool.connect_lazy_with((**options).clone()))
            }
        }
    }

    /// Migrates the tables, in one transaction and one process at a time.
    pub(crate) async fn migrate(&self, connection: &mut Connection) -> Result<(), OpenError> {
        match connection {
            Connection::Sqlite(pipeline) => self.migrate_sqlite(pipeline).await,
            Connection::Postgres(connection) => self.migrate_postgres(connection).await,
        }
    }

    async fn migrate_sqlite(&self, pipeline: &mut SqlitePipeline) -> Result<(), OpenError> {
        let begun = pipeline.connection().begin_with("BEGIN IMMEDIATE").await;
        let mut transaction = begun.map_err(|source| self.refuses(source))?;
        let mut migrator = migrations::sqlite();
        migration_history::prepare_sqlite(&mut transaction, &migrator).await?;
        let run = unlocked(&mut migrator).run_direct(None, &mut *transaction, false).await;
        transaction.commit().await.map_err(MigrateError::from).and(run).map_err(not_migrated)
    }

    async fn migrate_postgres(&self, connection: &mut PgConnection) -> Result<(), OpenError> {
        warn_of_lost_commits(connection).await;
        match schema(connection).await {
            // a process that only serves need not be allowed to change tables
            Schema::Current => return Ok(()),
            Schema::Newer(version) => return Err(OpenError::Newer { version }),
            Schema::Behind => {}
        }
        let begun = connection.begin().await;
        let mut transaction = begun.map_err(|source| self.refuses(source))?;
        let locked = transaction.execute(MIGRATING).await.map_err(MigrateError::from);
        locked.map_err(not_migrated)?;
        let mut migrator = migrations::postgres();
        migration_history::prepare_postgres(&mut transaction, &migrator).await?;
        let run = unlocked(&mut migrator).run_direct(None, &mut *transaction, false).await;
        run.map_err(not_migrated)?;
        transaction.commit().await.map_err(MigrateError::from).map_err(not_migrated)
    }

    fn refuses(&self, source: sqlx::Error) -> OpenError {
        match self {
            Self::Sqlite(options) => OpenError::Open { file: options.get_filename().to_path_buf(), source },
            Self::Postgres(options) => OpenError::Connect { to: to(options), source },
        }
    }

    /// Checkpoints SQLite's write-ahead log until `closing`, so that no commit has to.
    pub(crate) async fn checkpoint(connection: Connection, closing: CancellationToken) {
        let Connection::Sqlite(mut pipeline) = connection else { return };
        let mut tick = tokio::time::interval(CHECKPOINT_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while closing.run_until_cancelled(tick.tick()).await.is_some() {
            let done = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(pipeline.connection()).await;
            if let Err(error) = done {
                tracing::debug!(%error, "the write-ahead log could not be checkpointed; trying again");
            }
            if pipeline.connection().ping().await.is_err() {
                return;
            }
        }
        if let Err(error) = pipeline.close().await {
            tracing::warn!(%error, "the database did not close cleanly");
        }
    }
}

fn not_migrated(error: MigrateError) -> OpenError {
    match error {
        MigrateError::VersionMissing(version) => OpenError::Newer { version },
        other => OpenError::Migrate(other),
    }
}

/// The lock is ours and belongs to the transaction, so that it works through a pooler too.
fn unlocked(migrator: &mut Migrator) -> &Migrator {
    migrator.set_locking(false)
}

/// How the tables compare with the migrations that this program knows.
enum Schema {
    Behind,
    Current,
    Newer(i64),
}

async fn schema(connection: &mut PgConnection) -> Schema {
    let known = migrations::newest_on_postgres();
    // fails where the table does not exist yet
    let text = format!("SELECT max(version) AS version, bool_and(success) AS good FROM {TABLE}");
    let applied = sqlx::query(AssertSqlSafe(text));
    let applied = applied.fetch_one(connection).await.ok();
    let good = applied.as_ref().is_some_and(|row| row.get::<Option<bool>, _>("good") == Some(true));
    match applied.and_then(|row| row.get::<Option<i64>, _>("version")) {
        Some(version) if Some(version) > known => Schema::Newer(version),
        version if version == known && good => Schema::Current,
        _ => Schema::Behind,
    }
}

/// A server that does not wait for its disk loses events that were answered with 200.
async fn warn_of_lost_commits(connection: &mut PgConnection) {
    let shown = sqlx::query("SELECT current_setting('fsync')").fetch_one(connection).await;
    if shown.is_ok_and(|row| row.get::<String, _>(0) == "off") {
        tracing::warn!("postgresql runs with `fsync = off`: a power cut may lose events that were answered with 200");
    }
}

async fn answers(connection: &mut PgConnection) -> bool {
    timeout(LONGEST_PING, connection.ping()).await.is_ok_and(|pong| pong.is_ok())
}

fn opening(file: &Path) -> impl FnOnce(sqlx::Error) -> OpenError {
    let file: PathBuf = file.to_path_buf();
    move |source| OpenError::Open { file, source }
}

/// The address without the password.
fn to(options: &PgConnectOptions) -> String {
    format!("{}:{}/{}", options.get_host(), options.get_port(), options.get_database().unwrap_or_default())
}
