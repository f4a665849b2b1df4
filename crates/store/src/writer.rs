//! The one writer of the process: takes whatever waits, commits once, answers all.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use entitlement::clock::{Clock, Timestamp};
use entitlement::names::{Account, Customer};
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot};

use crate::claim::{Claimed, Lease, Urgency};
use crate::error::StoreError;
use crate::event::{Event, Kept, Outcome};
use crate::open::Store;
use crate::parked::Which;
use crate::people::{Link, Linked};
use crate::record::{Held, Intent, Outcomes, Sent, Settlement};
use crate::{book, inbox, notes, parked, people, worklist};

/// Writes taken into one transaction at the most.
const BATCH: usize = 512;

/// One write.
#[derive(Debug)]
pub(crate) enum Op {
    Ring(Event, #[expect(dead_code, reason = "the seat is free again when the write is done")] OwnedSemaphorePermit),
    Touch(Vec<Account>, Urgency),
    Claim(Lease, usize, Duration),
    Renew(Vec<(Account, Lease)>, Duration),
    Intend(Box<Intent>),
    Close(Box<Outcomes>),
    Settle(Box<Settlement>),
    Link(Link, Option<Lease>),
    HandedOver(Account, Customer),
    Release(Which),
    DropParked(Which, String),
    Note(String, String),
    RetryAll,
}

/// What a write answers.
#[derive(Debug)]
pub(crate) enum Answer {
    Done,
    Kept(Kept),
    Claimed(Claimed),
    Held(Held),
    Linked(Linked),
    Count(u64),
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

answers!(Kept(Kept), Claimed(Claimed), Held(Held), Linked(Linked), Count(u64));

/// A write, and who waits for it.
#[derive(Debug)]
pub(crate) struct Waiting {
    op: Op,
    reply: oneshot::Sender<Result<Answer, StoreError>>,
}

impl Store {
    /// Hands a write to the writer and waits until it is committed.
    pub(crate) async fn write(&self, op: Op) -> Result<Answer, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.writer.send(Waiting { op, reply }).map_err(|_| StoreError::Stopped)?;
        answer.await.map_err(|_| StoreError::Stopped)?
    }
}

/// Writes until every [`Store`] is gone.
pub(crate) async fn run(
    mut connection: SqliteConnection,
    mut waiting: mpsc::UnboundedReceiver<Waiting>,
    bell: Arc<Notify>,
    state: State,
    clock: Clock,
) {
    let mut batch = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        let wakes = commit(std::mem::take(&mut batch), &mut connection, clock, &state).await;
        if wakes {
            bell.notify_one();
        }
    }
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "the database did not close cleanly");
    }
}

/// Whether the last transaction was committed.
#[derive(Clone, Debug, Default)]
pub(crate) struct State(Arc<AtomicBool>);

impl State {
    fn set(&self, committed: bool) {
        self.0.store(!committed, Ordering::Relaxed);
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// One transaction; when one write spoils it, each is tried alone, so that none blocks the others. Answers whether an
/// account may have become due.
async fn commit(batch: Vec<Waiting>, connection: &mut SqliteConnection, clock: Clock, state: &State) -> bool {
    match write(&batch, connection, clock).await {
        Ok(answers) => {
            state.set(true);
            answer(batch, answers)
        }
        Err(error) if batch.len() > 1 && is_about_one_write(&error) => {
            let mut wakes = false;
            for single in batch {
                wakes |= match write(std::slice::from_ref(&single), connection, clock).await {
                    Ok(answers) => answer(vec![single], answers),
                    Err(error) => refuse(vec![single], &error),
                };
            }
            wakes
        }
        Err(error) => {
            state.set(false);
            refuse(batch, &error)
        }
    }
}

async fn write(batch: &[Waiting], connection: &mut SqliteConnection, clock: Clock) -> Result<Vec<Answer>, StoreError> {
    let begin = connection.begin_with("BEGIN IMMEDIATE").await;
    let mut transaction = begin.map_err(StoreError::on("beginning a transaction"))?;
    // only now: beginning may have waited for another process
    let now = clock();
    let mut kept = write_events(batch, &mut transaction, now).await?.into_iter();
    let held = write_looks(batch, &mut transaction, now).await?;
    let holds = |account, lease| if held.get(account) == Some(lease) { Held::Yes } else { Held::Lost };
    let mut answers = Vec::with_capacity(batch.len());
    for Waiting { op, .. } in batch {
        answers.push(match op {
            Op::Ring(..) => kept.next().map_or(Answer::Done, Answer::Kept),
            Op::Intend(intent) => Answer::Held(holds(&intent.account, &intent.lease)),
            Op::Settle(settlement) => Answer::Held(holds(&settlement.account, &settlement.lease)),
            rare => write_rare(rare, &mut transaction, now).await?,
        });
    }
    transaction.commit().await.map_err(StoreError::on("committing"))?;
    Ok(answers)
}

/// Events and touches, with one statement a table; answers for each event in turn whether it was new.
async fn write_events(
    batch: &[Waiting],
    connection: &mut SqliteConnection,
    now: Timestamp,
) -> Result<Vec<Kept>, StoreError> {
    let events: Vec<&Event> = batch.iter().filter_map(Waiting::event).collect();
    let mut kept = Vec::new();
    let (mut fresh, mut bulk) = (BTreeSet::new(), BTreeSet::new());
    if !events.is_empty() {
        kept = inbox::verdicts(&events, inbox::keep(connection, &events, now).await?);
        let new = events.iter().zip(&kept).filter(|(_, kept)| **kept == Kept::New).map(|(event, _)| *event);
        let new: Vec<&Event> = new.collect();
        parked::unreadable(connection, &new, now).await?;
        fresh.extend(new.iter().filter_map(|event| match &event.outcome {
            Outcome::Rung(account) => Some(account),
            Outcome::Nobody | Outcome::OtherMode | Outcome::Unreadable { .. } => None,
        }));
    }
    for Waiting { op, .. } in batch {
        match op {
            Op::Touch(accounts, Urgency::Fresh) => fresh.extend(accounts),
            Op::Touch(accounts, Urgency::Bulk) => bulk.extend(accounts),
            _ => {}
        }
    }
    worklist::touch(connection, &fresh, Urgency::Fresh, now).await?;
    worklist::touch(connection, &bulk, Urgency::Bulk, now).await?;
    Ok(kept)
}

/// What looks write, with one statement a table; answers whose lease held.
async fn write_looks(
    batch: &[Waiting],
    connection: &mut SqliteConnection,
    now: Timestamp,
) -> Result<HashMap<Account, Lease>, StoreError> {
    let asked: Vec<_> = batch.iter().filter_map(Waiting::lease).collect();
    let mut held = worklist::fence(connection, &asked, now).await?;
    let holds = |account, lease| held.get(account) == Some(lease);
    let intents: Vec<&Intent> = batch
        .iter()
        .filter_map(|waiting| match &waiting.op {
            Op::Intend(intent) if holds(&intent.account, &intent.lease) => Some(&**intent),
            _ => None,
        })
        .collect();
    let settlements: Vec<&Settlement> = batch
        .iter()
        .filter_map(|waiting| match &waiting.op {
            Op::Settle(settlement) if holds(&settlement.account, &settlement.lease) => Some(&**settlement),
            _ => None,
        })
        .collect();
    let settled = book::intend(connection, &intents, now).await?;
    let sent: Vec<&Sent> = settlements.iter().flat_map(|settlement| &settlement.sent).collect();
    book::sent(connection, &sent, now).await?;
    parked::settle(connection, &settlements, now).await?;
    worklist::settle(connection, &settlements, now).await?;
    settled.iter().for_each(|account| drop(held.remove(account)));
    Ok(held)
}

impl Waiting {
    fn event(&self) -> Option<&Event> {
        match &self.op {
            Op::Ring(event, _) => Some(event),
            _ => None,
        }
    }

    /// The lease that a write of a look is fenced by.
    fn lease(&self) -> Option<(&Account, &Lease)> {
        match &self.op {
            Op::Intend(intent) => Some((&intent.account, &intent.lease)),
            Op::Settle(settlement) => Some((&settlement.account, &settlement.lease)),
            _ => None,
        }
    }

    /// Whether it may make an account due, or the next due moment sooner.
    fn wakes(&self) -> bool {
        match &self.op {
            Op::Ring(..) | Op::Touch(..) | Op::Settle(_) | Op::Link(..) | Op::Release(_) | Op::RetryAll => true,
            Op::Claim(..)
            | Op::Renew(..)
            | Op::Intend(_)
            | Op::Close(_)
            | Op::HandedOver(..)
            | Op::DropParked(..)
            | Op::Note(..) => false,
        }
    }
}

/// Writes that come seldom, each with statements of its own.
async fn write_rare(op: &Op, connection: &mut SqliteConnection, now: Timestamp) -> Result<Answer, StoreError> {
    match op {
        Op::Claim(lease, limit, span) => {
            return worklist::claim(connection, lease, *limit, *span, now).await.map(Answer::Claimed);
        }
        Op::Close(outcomes) => return close(outcomes, connection, now).await.map(Answer::Held),
        Op::Link(link, lease) => {
            return people::learn(connection, link, lease.as_ref(), now).await.map(Answer::Linked);
        }
        Op::Release(which) => return parked::release(connection, which, now).await.map(Answer::Count),
        Op::DropParked(which, reason) => {
            return parked::drop_for_good(connection, which, reason).await.map(Answer::Count);
        }
        Op::Renew(held, span) => worklist::renew(connection, held, *span, now).await?,
        Op::HandedOver(account, customer) => people::handed_over(connection, account, customer).await?,
        Op::Note(name, value) => notes::keep(connection, name, value).await?,
        Op::RetryAll => worklist::retry_all(connection, now).await?,
        Op::Ring(..) | Op::Touch(..) | Op::Intend(_) | Op::Settle(_) => {}
    }
    Ok(Answer::Done)
}

async fn close(outcomes: &Outcomes, connection: &mut SqliteConnection, now: Timestamp) -> Result<Held, StoreError> {
    let held = worklist::fence(connection, &[(&outcomes.account, &outcomes.lease)], now).await?;
    if held.is_empty() {
        return Ok(Held::Lost);
    }
    book::sent(connection, &outcomes.sent.iter().collect::<Vec<_>>(), now).await?;
    Ok(Held::Yes)
}

fn answer(batch: Vec<Waiting>, answers: Vec<Answer>) -> bool {
    let new = |answer: &Answer| !matches!(answer, Answer::Kept(Kept::Duplicate));
    let wakes = batch.iter().zip(&answers).any(|(waiting, answer)| waiting.wakes() && new(answer));
    for (Waiting { reply, .. }, answer) in batch.into_iter().zip(answers) {
        // whoever waited may have given up; the write counts all the same
        drop(reply.send(Ok(answer)));
    }
    wakes
}

fn refuse(batch: Vec<Waiting>, error: &StoreError) -> bool {
    let why = full(error);
    tracing::error!(error = %why, writes = batch.len(), "the database did not take writes");
    for Waiting { reply, .. } in batch {
        drop(reply.send(Err(StoreError::Refused(why.clone()))));
    }
    false
}

/// A refused row spoils its batch; a locked, full or broken database refuses everything anyway.
fn is_about_one_write(error: &StoreError) -> bool {
    let StoreError::Database { source: sqlx::Error::Database(cause), .. } = error else {
        return matches!(error, StoreError::Row { .. });
    };
    // the primary result code is the low byte: 1 error, 18 too big, 19 constraint, 20 mismatch, 25 range
    let code = cause.code().and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff);
    matches!(code, Some(1 | 18 | 19 | 20 | 25))
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
