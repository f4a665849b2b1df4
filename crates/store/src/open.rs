//! Opening the memory.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use entitlement::clock::Clock;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::{Notify, Semaphore, mpsc};

use crate::error::{OpenError, StoreError};
use crate::statements::millis;
use crate::writer::{self, State, Waiting};

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/sqlite");

/// How often the log is folded back into the database file, off the commit path.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(200);

/// The memory of one process. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) reads: SqlitePool,
    pub(crate) writer: mpsc::UnboundedSender<Waiting>,
    pub(crate) seats: Arc<Semaphore>,
    pub(crate) bell: Arc<Notify>,
    pub(crate) clock: Clock,
    state: State,
}

/// What the memory needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// `sqlite:FILE`.
    pub url: String,
    /// Events that may wait for the writer; more are refused.
    pub max_waiting: usize,
    pub clock: Clock,
}

impl Store {
    /// Opens the database, makes it if it is not there, and brings its tables up to date.
    ///
    /// # Errors
    /// When the file cannot be opened, is no database, or was written by a newer version.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        let connect = sqlite(&options.url)?;
        let file = connect.get_filename().to_path_buf();
        let mut writing = connect.connect().await.map_err(opening(&file))?;
        MIGRATIONS.run(&mut writing).await.map_err(OpenError::Migrate)?;
        let reads = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(10))
            .connect_lazy_with(connect.clone());
        let folding = connect.connect().await.map_err(opening(&file))?;
        tokio::spawn(fold_log(folding));
        let bell = Arc::new(Notify::new());
        let (sender, waiting) = mpsc::unbounded_channel();
        let state = State::default();
        tokio::spawn(writer::run(writing, waiting, Arc::clone(&bell), state.clone(), options.clock));
        let seats = Arc::new(Semaphore::new(options.max_waiting));
        Ok(Self { reads, writer: sender, seats, bell, clock: options.clock, state })
    }

    /// Ends when an account may have become due: after a bell of this process, never of another.
    pub async fn rung(&self) {
        self.bell.notified().await;
    }

    /// Whether the database answers, and takes writes: after a failed one, a small one is tried.
    ///
    /// # Errors
    /// When it does not.
    pub async fn answers(&self) -> Result<(), StoreError> {
        if self.writer.is_closed() {
            return Err(StoreError::Stopped);
        }
        if self.state.is_failing() {
            self.keep_note("last_failure_probed", millis((self.clock)()).to_string()).await?;
        }
        let query = sqlx::query("SELECT 1 FROM worklist LIMIT 1").fetch_optional(&self.reads);
        query.await.map(|_| ()).map_err(StoreError::on("asking whether the database answers"))
    }
}

fn sqlite(url: &str) -> Result<SqliteConnectOptions, OpenError> {
    let options = SqliteConnectOptions::from_str(url).map_err(OpenError::Url)?;
    Ok(options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // an event answered with 200 is on the disk
        .synchronous(SqliteSynchronous::Full)
        // shorter than a lease, so that waiting for another process costs none
        .busy_timeout(Duration::from_secs(5))
        .foreign_keys(true)
        // the log is folded by a connection of its own; this is only the net below it
        .pragma("wal_autocheckpoint", "20000"))
}

fn opening(file: &Path) -> impl FnOnce(sqlx::Error) -> OpenError {
    let file: PathBuf = file.to_path_buf();
    move |source| OpenError::Open { file, source }
}

/// Folds the write-ahead log into the database file, so that no commit has to.
async fn fold_log(mut connection: SqliteConnection) {
    let mut tick = tokio::time::interval(CHECKPOINT_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let folded = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&mut connection).await;
        if let Err(error) = folded {
            tracing::debug!(%error, "the write-ahead log could not be folded; trying again");
        }
        if connection.ping().await.is_err() {
            return;
        }
    }
}
