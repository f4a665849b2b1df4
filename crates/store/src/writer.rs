//! The one writer of the process: takes whatever waits, commits once, answers all.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use entitlement::clock::{Clock, Timestamp};
use entitlement::names::{Account, User};
use entitlement::status::LevelStatus;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::claim::{Capacity, Claimed, Lease, Urgency};
use crate::connection::{Connection, Durability, Time};
use crate::database::Database;
use crate::error::StoreError;
use crate::event::{Event, Recorded};
use crate::expired::{Expired, Removed};
use crate::link::{Link, Linked};
use crate::notify::{Bell, Wakes};
use crate::open::Store;
use crate::override_request::{OverrideOutcome, OverrideRequest};
use crate::record::{Fenced, Intent, Progress, Settlement};
use crate::script::BEGINNING;
use crate::selection::Selection;
use crate::task::Task;
use crate::tokens::{TokenGrant, TokenRequest, UpstreamPause};
use crate::transaction;

/// Writes taken into one transaction at the most.
pub(crate) const BATCH: usize = 512;
/// How often a transaction that another process was in the way of is tried again at once.
const TRIES: u32 = 5;
/// A transaction that takes longer is given up with its connection; whether it was committed is not assumed.
const LONGEST: Duration = Duration::from_secs(10);

/// One write.
#[derive(Debug)]
pub(crate) enum Op {
    Ring(Event, #[expect(dead_code, reason = "the seat is free again when the write is done")] OwnedSemaphorePermit),
    Touch(Vec<Account>, Urgency),
    Claim(Lease, Capacity, Duration),
    /// The same, as soon as there is something to claim; asked again after the second span at the latest.
    Await(Lease, Capacity, Duration, Duration),
    /// Whoever waits for something to claim is told that there is nothing.
    Dismiss,
    Renew(Vec<(Account, Lease)>, Duration),
    Intend(Box<Intent>),
    Close(Box<Progress>),
    Settle(Box<Settlement>),
    Link(Link, Option<Lease>),
    HandedOver(Account, User),
    Override(Box<OverrideRequest>),
    Witness(User, Vec<LevelStatus>),
    Release(Selection),
    DropParked(Selection, String),
    Note(String, String),
    RetryAll,
    Lend(TokenRequest),
    Hold(UpstreamPause),
    TakeTurn(Task, String, Duration),
    Present(String, Duration),
    Sweep(Expired, Timestamp),
}

/// What a write answers.
#[derive(Debug)]
pub(crate) enum Answer {
    Done,
    Recorded(Recorded),
    Claimed(Claimed),
    Fenced(Fenced),
    Linked(Linked),
    Override(OverrideOutcome),
    Count(u64),
    Renewed(HashSet<(Account, Lease)>),
    Granted(TokenGrant),
    Removed(Removed),
}

macro_rules! answers {
    ($($variant:ident($of:ty)),*) => {$(
        impl TryFrom<Answer> for $of {
            type Error = StoreError;

            fn try_from(answer: Answer) -> Result<Self, StoreError> {
                match answer {
                    Answer::$variant(answer) => Ok(answer),
                    other => Err(StoreError::Refused(format!("the writer answered {other:?}"))),
                }
            }
        }
    )*};
}

answers!(
    Recorded(Recorded),
    Claimed(Claimed),
    Fenced(Fenced),
    Linked(Linked),
    Override(OverrideOutcome),
    Count(u64),
    Renewed(HashSet<(Account, Lease)>),
    Granted(TokenGrant),
    Removed(Removed)
);

/// A write, and who waits for it.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) op: Op,
    reply: oneshot::Sender<Result<Answer, StoreError>>,
}

impl Store {
    /// Hands a write to the writer and waits until it is committed.
    pub(crate) async fn write(&self, op: Op) -> Result<Answer, StoreError> {
        let (reply, answer) = oneshot::channel();
        let writer = match op.durability() {
            Durability::Full => &self.writer,
            Durability::Relaxed => &self.leaser,
        };
        writer.send(Waiting { op, reply }).map_err(|_| StoreError::Stopped)?;
        answer.await.map_err(|_| StoreError::Stopped)?
    }
}

/// One connection that writes, and what it needs to know.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) database: Database,
    /// `None` after it was lost: the next write makes a new one.
    pub(crate) connection: Option<Connection>,
    pub(crate) durability: Durability,
    pub(crate) time: Time,
    pub(crate) clock: Clock,
    pub(crate) bell: Bell,
    pub(crate) state: State,
    /// Whoever waits for something to claim.
    pub(crate) standing: Option<AccountState>,
    /// Until then nothing becomes due unless something rings, as far as the last claim told.
    pub(crate) calm: Option<Instant>,
}

/// A claim that found nothing. It is asked again in the transaction that may have made something due, so that what rings
/// is claimed with the same commit, or at a moment at which something becomes due by itself.
#[derive(Debug)]
pub(crate) struct AccountState {
    claim: Waiting,
    until: Instant,
}

impl Writer {
    /// Writes until every [`Store`] is gone, or one is closed and nothing waits any more.
    pub(crate) async fn run(mut self, mut waiting: mpsc::UnboundedReceiver<Waiting>, closing: CancellationToken) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let goes_on = tokio::select! {
                biased;
                taken = waiting.recv_many(&mut batch, BATCH) => taken > 0,
                () = until(self.standing.as_ref()) => true,
                () = closing.cancelled() => false,
            };
            if !goes_on {
                break;
            }
            self.arrange(&mut batch);
            let dismissed = batch.iter().any(|waiting| matches!(waiting.op, Op::Dismiss));
            let wakes = self.commit(std::mem::take(&mut batch)).await;
            self.bell.ring(wakes);
            if dismissed {
                dismiss(self.standing.take());
            }
        }
        let Some(connection) = self.connection.take() else { return };
        if let Err(error) = connection.close().await {
            tracing::warn!(%error, "the database did not close cleanly");
        }
    }

    /// Puts a claim that stands into the batch that may give it something, and lets one stand that would find nothing.
    fn arrange(&mut self, batch: &mut Vec<Waiting>) {
        if batch.is_empty() || batch.iter().any(|waiting| waiting.op.wakes() > Wakes::Nobody) {
            self.calm = None;
            batch.extend(self.standing.take().map(|standing| standing.claim));
            return;
        }
        let now = Instant::now();
        let Some(calm) = self.calm.filter(|calm| *calm > now) else { return };
        let claims = batch.iter().enumerate().find_map(|(place, waiting)| match waiting.op {
            Op::Await(.., sweep) => Some((place, calm.min(now + sweep))),
            _ => None,
        });
        if let Some((place, until)) = claims {
            dismiss(self.standing.replace(AccountState { claim: batch.remove(place), until }));
        }
    }

    /// One transaction; when one write spoils it, each is tried alone, so that none blocks the others. Answers whom that
    /// gives something to do.
    async fn commit(&mut self, batch: Vec<Waiting>) -> Wakes {
        if batch.is_empty() {
            return Wakes::Nobody;
        }
        match self.write(&batch).await {
            Ok(answers) => {
                self.state.succeeded();
                self.answer(batch, answers)
            }
            Err(error) if batch.len() > 1 && is_about_one_write(&error) => {
                let mut wakes = Wakes::Nobody;
                for single in batch {
                    let alone = self.write(std::slice::from_ref(&single)).await;
                    wakes = wakes.max(match alone {
                        Ok(answers) => self.answer(vec![single], answers),
                        Err(error) => self.refuse(vec![single], &error),
                    });
                }
                wakes
            }
            Err(error) => self.refuse(batch, &error),
        }
    }

    fn answer(&mut self, batch: Vec<Waiting>, answers: Vec<Answer>) -> Wakes {
        let new = |answer: &Answer| !matches!(answer, Answer::Recorded(Recorded::Duplicate));
        let rings = batch.iter().zip(&answers).filter(|(_, answer)| new(answer)).map(|(waiting, _)| waiting.op.wakes());
        let wakes = rings.max().unwrap_or(Wakes::Nobody);
        for (waiting, answer) in batch.into_iter().zip(answers) {
            match (&waiting.op, answer) {
                (Op::Await(_, room, _, sweep), Answer::Claimed(found)) => {
                    let (now, rest) = (Instant::now(), found.idle((self.clock)()));
                    self.calm = (!found.fills(*room)).then_some(now + rest);
                    if found.claims.is_empty() {
                        let until = now + rest.min(*sweep);
                        dismiss(self.standing.replace(AccountState { claim: waiting, until }));
                    } else {
                        drop(waiting.reply.send(Ok(Answer::Claimed(found))));
                    }
                }
                // whoever waited may have given up; the write counts all the same
                (_, answer) => drop(waiting.reply.send(Ok(answer))),
            }
        }
        wakes
    }

    fn refuse(&self, batch: Vec<Waiting>, error: &StoreError) -> Wakes {
        let why = full(error);
        match is_about_one_write(error) {
            true => tracing::error!(error = %why, "the database refused a write"),
            false => self.state.failed(&why),
        }
        for Waiting { reply, .. } in batch {
            drop(reply.send(Err(StoreError::Refused(why.clone()))));
        }
        Wakes::Nobody
    }

    /// One transaction, tried again when the database took it back because another process was in the way.
    async fn write(&mut self, batch: &[Waiting]) -> Result<Vec<Answer>, StoreError> {
        let mut tries = 1;
        loop {
            match self.try_write(batch).await {
                Err(error) if (is_passing(&error) || is_stale(&error)) && tries < TRIES => tries += 1,
                outcome => return outcome,
            }
        }
    }

    async fn try_write(&mut self, batch: &[Waiting]) -> Result<Vec<Answer>, StoreError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.database.connect().await.map_err(StoreError::Away)?,
        };
        let longest = match &connection {
            // a disk cannot be left for another
            Connection::Sqlite(_) => Duration::MAX,
            Connection::Postgres(_) => LONGEST,
        };
        // a connection given up on is closed with what it had begun
        let written = timeout(longest, self.transact(batch, &mut connection)).await.map_err(|_| StoreError::Slow)?;
        if written.is_ok()
            || (is_rolled_back(&mut connection, longest).await && !written.as_ref().is_err_and(is_read_only))
        {
            self.connection = Some(connection);
        }
        written
    }

    async fn transact(&self, batch: &[Waiting], connection: &mut Connection) -> Result<Vec<Answer>, StoreError> {
        let begun = connection.begin(self.durability, self.time, self.clock).await;
        let now = begun.map_err(StoreError::on(BEGINNING))?;
        let answers = transaction::write(batch, connection, now).await?;
        connection.commit().await.map_err(StoreError::on("committing"))?;
        Ok(answers)
    }
}

/// Whether the last transaction was committed.
#[derive(Clone, Debug, Default)]
pub(crate) struct State(Arc<AtomicBool>);

impl State {
    fn succeeded(&self) {
        if self.0.swap(false, Ordering::Relaxed) {
            tracing::info!("the database takes writes again");
        }
    }

    /// Logs the first failure of a row of them; whoever waited for a write is told anyway.
    fn failed(&self, why: &str) {
        if !self.0.swap(true, Ordering::Relaxed) {
            tracing::error!(error = %why, "the database does not take writes; what is sent meanwhile is refused");
        }
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Op {
    /// What a power cut may undo without harm needs no disk.
    fn durability(&self) -> Durability {
        match self {
            Self::Claim(..)
            | Self::Await(..)
            | Self::Dismiss
            | Self::Renew(..)
            | Self::Lend(_)
            | Self::Hold(_)
            | Self::TakeTurn(..)
            | Self::Witness(..)
            | Self::Present(..) => Durability::Relaxed,
            Self::Ring(..)
            | Self::Touch(..)
            | Self::Intend(_)
            | Self::Close(_)
            | Self::Settle(_)
            | Self::Link(..)
            | Self::HandedOver(..)
            | Self::Override(_)
            | Self::Release(_)
            | Self::DropParked(..)
            | Self::Note(..)
            | Self::RetryAll
            | Self::Sweep(..) => Durability::Full,
        }
    }
}

fn dismiss(standing: Option<AccountState>) {
    if let Some(AccountState { claim, .. }) = standing {
        // whoever waited may have given up
        drop(claim.reply.send(Ok(Answer::Claimed(Claimed::default()))));
    }
}

/// Never, when nobody stands waiting.
async fn until(standing: Option<&AccountState>) {
    match standing {
        Some(standing) => sleep_until(standing.until).await,
        None => std::future::pending().await,
    }
}

/// The code that the database gave for a refusal.
fn code(error: &StoreError) -> Option<String> {
    match error {
        StoreError::Database { source: sqlx::Error::Database(cause), .. } => cause.code().map(Into::into),
        _ => None,
    }
}

/// A refused row spoils its batch; a locked, full or broken database refuses everything anyway.
fn is_about_one_write(error: &StoreError) -> bool {
    let Some(code) = code(error) else { return matches!(error, StoreError::Row { .. }) };
    if code.len() == 5 {
        // PostgreSQL: cardinality, data, constraint, syntax, program limit
        return ["21", "22", "23", "42", "54"].contains(&&code[..2]);
    }
    // SQLite's primary result code is the low byte: 1 error, 18 too big, 19 constraint, 20 mismatch, 25 range
    let primary = code.parse::<u32>().ok().map(|code| code & 0xff);
    matches!(primary, Some(1 | 18 | 19 | 20 | 25))
}

/// Whether the connection can be used again.
async fn is_rolled_back(connection: &mut Connection, longest: Duration) -> bool {
    timeout(longest, connection.roll_back()).await.is_ok_and(|rolled_back| rolled_back.is_ok())
}

/// The connection to PostgreSQL broke while nothing was begun on it: another is made.
fn is_stale(error: &StoreError) -> bool {
    let is_sqlite_s = code(error).is_some_and(|code| code.len() != 5);
    matches!(error, StoreError::Database { doing: BEGINNING, .. }) && !is_sqlite_s
}

/// PostgreSQL took the transaction back: serialization, deadlock, a lock that was waited for too long.
fn is_passing(error: &StoreError) -> bool {
    code(error).is_some_and(|code| matches!(code.as_str(), "40001" | "40P01" | "55P03"))
}

/// The server became a standby: the one that takes writes is found by connecting anew.
fn is_read_only(error: &StoreError) -> bool {
    code(error).is_some_and(|code| code == "25006")
}

fn full(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
