//! Opening the memory.

use std::sync::Arc;
use std::time::Duration;

use entitlement::clock::Clock;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::{Connection, Durability, Pool, Time};
use crate::database::Database;
use crate::error::{OpenError, StoreError};
use crate::notify::Bell;
use crate::statement::{differing, millis, sql};
use crate::tokens::UpstreamPause;
use crate::writer::{State, Waiting, Writer};

/// How long [`Store::close`] waits for what is under way.
const LONGEST_FINISH: Duration = Duration::from_secs(10);

/// The memory of one process. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) reads: Pool,
    /// What must be on the disk.
    pub(crate) writer: mpsc::UnboundedSender<Waiting>,
    /// Leases and the like, which need not be; on SQLite the same writer.
    pub(crate) leaser: mpsc::UnboundedSender<Waiting>,
    pub(crate) seats: Arc<Semaphore>,
    pub(crate) bell: Bell,
    pub(crate) clock: Clock,
    state: State,
    folding: Tasks,
    writing: Tasks,
}

/// What holds connections until it is told to finish.
#[derive(Clone, Debug, Default)]
struct Tasks {
    tracker: TaskTracker,
    closing: CancellationToken,
}

impl Tasks {
    async fn finish(&self) {
        self.closing.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// What the memory needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// `sqlite:FILE` or `postgres://…`.
    pub url: String,
    /// Events that may wait for the writer; more are refused.
    pub max_waiting: usize,
    pub clock: Clock,
    pub time: Time,
}

impl Store {
    /// Opens the database, and brings its tables up to date. A SQLite file is made if it is not there.
    ///
    /// # Errors
    /// When the database cannot be opened, is none, or was written by a newer version.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        let database = Database::parse(&options.url)?;
        let first = database.connect_up_to_date().await?;
        let reads = database.pool();
        let (state, bell) = (State::default(), Bell::of(&reads));
        let (folding, writing_tasks) = (Tasks::default(), Tasks::default());
        let writing = |connection, durability| {
            let (sender, waiting) = mpsc::unbounded_channel();
            let (database, bell, state) = (database.clone(), bell.clone(), state.clone());
            let (time, clock) = (options.time, options.clock);
            let connection = Some(connection);
            let (standing, calm) = (None, None);
            let writer = Writer { database, connection, durability, time, clock, bell, state, standing, calm };
            writing_tasks.tracker.spawn(writer.run(waiting, writing_tasks.closing.clone()));
            sender
        };
        let leaser = match &first {
            Connection::Sqlite(_) => {
                folding.tracker.spawn(Database::fold_log(database.connect().await?, folding.closing.clone()));
                None
            }
            Connection::Postgres(_) => Some(writing(database.connect().await?, Durability::Relaxed)),
        };
        let writer = writing(first, Durability::Full);
        let leaser = leaser.unwrap_or_else(|| writer.clone());
        let seats = Arc::new(Semaphore::new(options.max_waiting));
        Ok(Self { reads, writer, leaser, seats, bell, clock: options.clock, state, folding, writing: writing_tasks })
    }

    /// Gives the database back after what was handed in is written. SQLite's log is folded into its file then, so that the
    /// file alone is a whole copy.
    pub async fn close(self) {
        let closed = timeout(LONGEST_FINISH, async {
            if let Pool::Sqlite(reads) = &self.reads {
                reads.close().await;
            }
            // the writer goes last: whoever is alone with the file folds the rest of its log
            self.folding.finish().await;
            self.writing.finish().await;
        });
        if closed.await.is_err() {
            tracing::warn!("the database was not closed in time; what was answered is in it, or in the log beside it");
        }
    }

    /// Ends when an account may have become due: after a bell of this process, and of others when [`Store::listen`] was
    /// called. A bell may be lost; whoever waits looks by itself every few seconds too.
    pub async fn triggered(&self) {
        self.bell.triggered().await;
    }

    /// On PostgreSQL, listens from now on for what other processes do: their bells end [`Store::rung`], and the pauses of
    /// upstreams that they met are answered here. On SQLite nothing is ever heard.
    #[must_use]
    pub fn listen(&self) -> mpsc::UnboundedReceiver<UpstreamPause> {
        self.bell.listen()
    }

    /// Whether several processes on several machines may share the database.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self.reads, Pool::Postgres(_))
    }

    /// Whether what is committed is there yet after a power cut, as far as the database's settings tell: PostgreSQL may
    /// run with `fsync = off`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn is_durable(&self) -> Result<bool, StoreError> {
        let query = differing("SELECT 'full' AS setting", "SELECT current_setting('fsync') AS setting");
        let row = query.read_first(&self.reads).await.map_err(StoreError::on("asking for a setting"))?;
        Ok(row.is_none_or(|row| row.get::<String>("setting") != "off"))
    }

    /// Whether the database answers, and takes writes: after a failed one, a small one is tried.
    ///
    /// # Errors
    /// When it does not.
    pub async fn probe(&self) -> Result<(), StoreError> {
        if self.writer.is_closed() {
            return Err(StoreError::Stopped);
        }
        if self.state.is_failing() {
            self.set_daemon_state("last_failure_probed", millis((self.clock)()).to_string()).await?;
        }
        let query = sql("SELECT account FROM worklist LIMIT 1").read_first(&self.reads);
        query.await.map(drop).map_err(StoreError::on("asking whether the database answers"))
    }
}
