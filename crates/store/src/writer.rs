//! The one writer of the process: takes whatever waits, commits once, answers all.

use std::time::Duration;

use entitlement::model::clock::Clock;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::claim_queue::ClaimQueue;
use crate::connection::{Connection, Durability, Time};
use crate::database::{BATCH, Database};
use crate::error::StoreError;
use crate::event::Recorded;
use crate::failure;
use crate::notify::Notifier;
use crate::sqlite_pipeline::BEGINNING;
use crate::transaction;
use crate::write::{Answer, Pending, Wakes, Write};
use crate::write_health::WriteHealth;

/// How often a transaction that another process was in the way of is tried at once.
const ATTEMPTS: u32 = 5;
/// A transaction that takes longer is given up with its connection; whether it was committed is not assumed.
const LONGEST: Duration = Duration::from_secs(10);

/// One connection that writes, and what it needs.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) database: Database,
    /// `None` after it was lost: the next write makes a new one.
    pub(crate) connection: Option<Connection>,
    pub(crate) durability: Durability,
    pub(crate) time: Time,
    pub(crate) clock: Clock,
    pub(crate) notifier: Notifier,
    pub(crate) health: WriteHealth,
    pub(crate) claims: ClaimQueue,
}

impl Writer {
    /// Writes until every [`Store`](crate::open::Store) is gone, or one is closed and nothing waits any more.
    pub(crate) async fn run(mut self, mut pending: mpsc::UnboundedReceiver<Pending>, closing: CancellationToken) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let goes_on = tokio::select! {
                biased;
                taken = pending.recv_many(&mut batch, BATCH) => taken > 0,
                () = self.claims.due() => true,
                () = closing.cancelled() => false,
            };
            if !goes_on {
                break;
            }
            self.claims.arrange(&mut batch);
            let stops_waiting = batch.iter().any(|pending| matches!(pending.write, Write::StopWaiting));
            let wakes = self.commit(std::mem::take(&mut batch)).await;
            self.notifier.notify(wakes);
            if stops_waiting {
                self.claims.stop_waiting();
            }
        }
        let Some(connection) = self.connection.take() else { return };
        if let Err(error) = connection.close().await {
            tracing::warn!(%error, "the database did not close cleanly");
        }
    }

    /// Writes a batch in one transaction; when one write spoils it, each is tried alone, so that none blocks the
    /// others.
    async fn commit(&mut self, batch: Vec<Pending>) -> Wakes {
        if batch.is_empty() {
            return Wakes::NoProcess;
        }
        match self.write(&batch).await {
            Ok(answers) => {
                self.health.succeeded();
                self.answer(batch, answers)
            }
            Err(error) if batch.len() > 1 && failure::is_of_one_write(&error) => self.commit_singly(batch).await,
            Err(error) => self.refuse(batch, &error),
        }
    }

    async fn commit_singly(&mut self, batch: Vec<Pending>) -> Wakes {
        let mut wakes = Wakes::NoProcess;
        for single in batch {
            let woken = match self.write(std::slice::from_ref(&single)).await {
                Ok(answers) => self.answer(vec![single], answers),
                Err(error) => self.refuse(vec![single], &error),
            };
            wakes = wakes.max(woken);
        }
        wakes
    }

    fn answer(&mut self, batch: Vec<Pending>, answers: Vec<Answer>) -> Wakes {
        let mut wakes = Wakes::NoProcess;
        for (pending, answer) in batch.into_iter().zip(answers) {
            if !matches!(answer, Answer::Recorded(Recorded::Duplicate)) {
                wakes = wakes.max(pending.write.wakes());
            }
            match (&pending.write, answer) {
                (Write::ClaimWhenDue(_, capacity, _, sweep), Answer::Claimed(found)) => {
                    let (capacity, sweep) = (*capacity, *sweep);
                    self.claims.take_in(pending, found, capacity, sweep, (self.clock)());
                }
                (_, answer) => pending.answer(Ok(answer)),
            }
        }
        wakes
    }

    fn refuse(&self, batch: Vec<Pending>, error: &StoreError) -> Wakes {
        let cause = failure::with_causes(error);
        if failure::is_of_one_write(error) {
            tracing::error!(error = %cause, "the database refused a write");
        } else {
            self.health.failed(&cause);
        }
        for pending in batch {
            pending.answer(Err(StoreError::Refused(cause.clone())));
        }
        Wakes::NoProcess
    }

    /// One transaction, tried again when the database took it back because another process was in the way.
    async fn write(&mut self, batch: &[Pending]) -> Result<Vec<Answer>, StoreError> {
        let mut attempts = 1;
        loop {
            match self.attempt(batch).await {
                Err(error) if failure::is_passing(&error) && attempts < ATTEMPTS => attempts += 1,
                outcome => return outcome,
            }
        }
    }

    async fn attempt(&mut self, batch: &[Pending]) -> Result<Vec<Answer>, StoreError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.database.connect().await.map_err(StoreError::Away)?,
        };
        let longest = match &connection {
            // a disk cannot be left for another
            Connection::Sqlite(_) => Duration::MAX,
            Connection::Postgres(_) => LONGEST,
        };
        // a connection that is given up is closed with what it had begun
        let written = timeout(longest, self.transact(batch, &mut connection)).await.map_err(|_| StoreError::Slow)?;
        let is_usable = match &written {
            Ok(_) => true,
            Err(error) => is_rolled_back(&mut connection, longest).await && !failure::is_read_only(error),
        };
        if is_usable {
            self.connection = Some(connection);
        }
        written
    }

    async fn transact(&self, batch: &[Pending], connection: &mut Connection) -> Result<Vec<Answer>, StoreError> {
        let begun = connection.begin(self.durability, self.time, self.clock).await;
        let now = begun.map_err(StoreError::on(BEGINNING))?;
        let answers = transaction::write(batch, connection, now).await?;
        connection.commit().await.map_err(StoreError::on("committing"))?;
        Ok(answers)
    }
}

/// Rolls back; answers whether the connection can be used again.
async fn is_rolled_back(connection: &mut Connection, longest: Duration) -> bool {
    timeout(longest, connection.roll_back()).await.is_ok_and(|rolled_back| rolled_back.is_ok())
}
