//! An open store: what a process holds of the database.

use std::sync::Arc;
use std::time::Duration;

use entitlement::model::clock::Clock;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::{Durability, Pool, Time};
use crate::error::StoreError;
use crate::notify::Notifier;
use crate::tokens::UpstreamPause;
use crate::write::{Answer, Pending, Write};
use crate::write_health::WriteHealth;

/// How long [`Store::close`] waits for writes under way.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// `sqlite:FILE` or `postgres://…`.
    pub url: String,
    /// How many events may wait for the writer; more are refused.
    pub max_waiting: usize,
    pub clock: Clock,
    pub time: Time,
}

/// The memory of one process. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) reads: Pool,
    /// For writes that must be on the disk when they are answered.
    pub(crate) durable: mpsc::UnboundedSender<Pending>,
    /// For leases and the like, which need not be; on SQLite the same writer.
    pub(crate) relaxed: mpsc::UnboundedSender<Pending>,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) notifier: Notifier,
    pub(crate) clock: Clock,
    pub(crate) health: WriteHealth,
    pub(crate) checkpoints: Tasks,
    pub(crate) writers: Tasks,
}

/// Tasks that hold connections until they are asked to finish.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks {
    pub(crate) tracker: TaskTracker,
    pub(crate) closing: CancellationToken,
}

impl Tasks {
    async fn finish(&self) {
        self.closing.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

impl Store {
    /// Hands a write to the writer and waits until it is committed.
    pub(crate) async fn write(&self, write: Write) -> Result<Answer, StoreError> {
        let (reply, answer) = oneshot::channel();
        let writer = match write.durability() {
            Durability::Full => &self.durable,
            Durability::Relaxed => &self.relaxed,
        };
        writer.send(Pending { write, reply }).map_err(|_| StoreError::Stopped)?;
        answer.await.map_err(|_| StoreError::Stopped)?
    }

    /// Ends when an account may have become due: after a trigger in this process, and in others once [`Store::listen`]
    /// was called. A notification may be lost; whoever waits looks by itself every few seconds too.
    pub async fn triggered(&self) {
        self.notifier.triggered().await;
    }

    /// On PostgreSQL, listens from now on to the other processes: their triggers end [`Store::triggered`], and the
    /// pauses of upstreams that they report are answered here. On SQLite nothing ever comes.
    #[must_use]
    pub fn listen(&self) -> mpsc::UnboundedReceiver<UpstreamPause> {
        self.notifier.listen()
    }

    /// Whether several processes on several machines may share the database.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self.reads, Pool::Postgres(_))
    }

    /// Closes the database after everything handed in is written. SQLite's log is checkpointed then, so that the file
    /// alone is a whole copy.
    pub async fn close(self) {
        let closed = timeout(CLOSE_TIMEOUT, async {
            if let Pool::Sqlite(reads) = &self.reads {
                reads.close().await;
            }
            // the writer goes last: whoever is alone with the file checkpoints the rest of its log
            self.checkpoints.finish().await;
            self.writers.finish().await;
        });
        if closed.await.is_err() {
            tracing::warn!(
                "the database was not closed in time; every answered write is in it, or in the log beside it"
            );
        }
    }
}
