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

/// Where the answer goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// One write, and who waits for it.
#[derive(Debug)]
pub(crate) enum Op {
    Ring(Event, OwnedSemaphorePermit, Reply<Kept>),
    Touch(Vec<Account>, Urgency, Reply<()>),
    Claim(Lease, usize, Duration, Reply<Claimed>),
    Renew(Vec<(Account, Lease)>, Duration, Reply<()>),
    Intend(Box<Intent>, Reply<Held>),
    Close(Box<Outcomes>, Reply<Held>),
    Settle(Box<Settlement>, Reply<Held>),
    Link(Link, Option<Lease>, Reply<Linked>),
    HandedOver(Account, Customer, Reply<()>),
    Release(Which, Reply<u64>),
    DropParked(Which, String, Reply<u64>),
    Note(String, String, Reply<()>),
    RetryAll(Reply<()>),
}

/// A write that waits for the writer.
#[derive(Debug)]
pub(crate) struct Waiting(Op);

impl Store {
    /// Hands a write to the writer and waits until it is committed.
    pub(crate) async fn write<T>(&self, op: impl FnOnce(Reply<T>) -> Op) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.writer.send(Waiting(op(reply))).map_err(|_| StoreError::Stopped)?;
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
    let mut taken = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut taken, BATCH).await > 0 {
        let batch = Batch::of(taken.drain(..).map(|Waiting(op)| op));
        if batch.commit(&mut connection, clock, &state).await {
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

/// The writes of one transaction, by table.
#[derive(Default)]
struct Batch {
    rings: Vec<(Event, OwnedSemaphorePermit, Reply<Kept>)>,
    touches: Vec<(Vec<Account>, Urgency, Reply<()>)>,
    intents: Vec<(Box<Intent>, Reply<Held>)>,
    settlements: Vec<(Box<Settlement>, Reply<Held>)>,
    /// Rare ones, each with a statement of its own.
    rare: Vec<Op>,
}

/// What a transaction answers, in the order of the batch.
struct Answers {
    kept: Vec<Kept>,
    held: HashMap<Account, Lease>,
    rare: Vec<Rare>,
    /// Whether an account became due.
    rung: bool,
}

enum Rare {
    Nothing,
    Claimed(Claimed),
    Held(Held),
    Linked(Linked),
    Count(u64),
}

impl Batch {
    fn of(ops: impl Iterator<Item = Op>) -> Self {
        let mut batch = Self::default();
        for op in ops {
            match op {
                Op::Ring(event, seat, reply) => batch.rings.push((event, seat, reply)),
                Op::Touch(accounts, urgency, reply) => batch.touches.push((accounts, urgency, reply)),
                Op::Intend(intent, reply) => batch.intents.push((intent, reply)),
                Op::Settle(settlement, reply) => batch.settlements.push((settlement, reply)),
                rare => batch.rare.push(rare),
            }
        }
        batch
    }

    fn len(&self) -> usize {
        self.rings.len() + self.touches.len() + self.intents.len() + self.settlements.len() + self.rare.len()
    }

    /// One transaction; when one write spoils it, each is tried alone, so that none blocks the others.
    async fn commit(self, connection: &mut SqliteConnection, clock: Clock, state: &State) -> bool {
        let written = self.write(connection, clock).await;
        state.set(written.is_ok());
        match written {
            Ok(answers) => self.answer(answers),
            Err(error) if self.len() > 1 && is_about_one_write(&error) => {
                let mut rung = false;
                for single in self.singles() {
                    rung |= match single.write(connection, clock).await {
                        Ok(answers) => single.answer(answers),
                        Err(error) => single.refuse(&error),
                    };
                }
                rung
            }
            Err(error) => self.refuse(&error),
        }
    }

    async fn write(&self, connection: &mut SqliteConnection, clock: Clock) -> Result<Answers, StoreError> {
        let begin = connection.begin_with("BEGIN IMMEDIATE").await;
        let mut transaction = begin.map_err(StoreError::on("beginning a transaction"))?;
        // only now: beginning may have waited for another process
        let now = clock();
        let (kept, mut rung) = self.write_events(&mut transaction, now).await?;
        let held = self.write_looks(&mut transaction, now).await?;
        let mut rare = Vec::with_capacity(self.rare.len());
        for op in &self.rare {
            rung |= matches!(op, Op::Release(..) | Op::RetryAll(_) | Op::Link(_, None, _));
            rare.push(write_rare(op, &mut transaction, now).await?);
        }
        transaction.commit().await.map_err(StoreError::on("committing"))?;
        rung |= !self.settlements.is_empty();
        Ok(Answers { kept, held, rare, rung })
    }

    async fn write_events(
        &self,
        connection: &mut SqliteConnection,
        now: Timestamp,
    ) -> Result<(Vec<Kept>, bool), StoreError> {
        let mut kept = Vec::new();
        let mut fresh = BTreeSet::new();
        if !self.rings.is_empty() {
            let events: Vec<&Event> = self.rings.iter().map(|(event, ..)| event).collect();
            kept = inbox::verdicts(&events, inbox::keep(connection, &events, now).await?);
            let new = events.iter().zip(&kept).filter(|(_, kept)| **kept == Kept::New).map(|(event, _)| *event);
            let new: Vec<&Event> = new.collect();
            parked::unreadable(connection, &new, now).await?;
            fresh.extend(new.iter().filter_map(|event| match &event.outcome {
                Outcome::Rung(account) => Some(account),
                Outcome::Nobody | Outcome::OtherMode | Outcome::Unreadable { .. } => None,
            }));
        }
        let of = |wanted| self.touches.iter().filter(move |(_, urgency, _)| *urgency == wanted);
        fresh.extend(of(Urgency::Fresh).flat_map(|(accounts, ..)| accounts));
        let bulk: BTreeSet<_> = of(Urgency::Bulk).flat_map(|(accounts, ..)| accounts).collect();
        worklist::touch(connection, &fresh, Urgency::Fresh, now).await?;
        worklist::touch(connection, &bulk, Urgency::Bulk, now).await?;
        Ok((kept, !fresh.is_empty() || !bulk.is_empty()))
    }

    async fn write_looks(
        &self,
        connection: &mut SqliteConnection,
        now: Timestamp,
    ) -> Result<HashMap<Account, Lease>, StoreError> {
        let intents = self.intents.iter().map(|(intent, _)| (&intent.account, &intent.lease));
        let settlements = self.settlements.iter().map(|(settlement, _)| (&settlement.account, &settlement.lease));
        let asked: Vec<_> = intents.chain(settlements).collect();
        let mut held = worklist::fence(connection, &asked, now).await?;
        let holds = |account, lease| held.get(account) == Some(lease);
        let intents: Vec<&Intent> = self
            .intents
            .iter()
            .map(|(intent, _)| &**intent)
            .filter(|intent| holds(&intent.account, &intent.lease))
            .collect();
        let settlements: Vec<&Settlement> = self
            .settlements
            .iter()
            .map(|(settlement, _)| &**settlement)
            .filter(|settlement| holds(&settlement.account, &settlement.lease))
            .collect();
        let settled = book::intend(connection, &intents, now).await?;
        let sent: Vec<&Sent> = settlements.iter().flat_map(|settlement| &settlement.sent).collect();
        book::sent(connection, &sent, now).await?;
        parked::settle(connection, &settlements, now).await?;
        worklist::settle(connection, &settlements, now).await?;
        settled.iter().for_each(|account| drop(held.remove(account)));
        Ok(held)
    }

    fn answer(self, answers: Answers) -> bool {
        for ((_, _, reply), kept) in self.rings.into_iter().zip(answers.kept) {
            tell(reply, Ok(kept));
        }
        for (_, _, reply) in self.touches {
            tell(reply, Ok(()));
        }
        let held = |account: &Account, lease: &Lease| {
            if answers.held.get(account) == Some(lease) { Held::Yes } else { Held::Lost }
        };
        for (intent, reply) in self.intents {
            tell(reply, Ok(held(&intent.account, &intent.lease)));
        }
        for (settlement, reply) in self.settlements {
            tell(reply, Ok(held(&settlement.account, &settlement.lease)));
        }
        for (op, rare) in self.rare.into_iter().zip(answers.rare) {
            answer_rare(op, rare);
        }
        answers.rung
    }

    fn singles(self) -> Vec<Self> {
        let mut ops = Vec::with_capacity(self.len());
        ops.extend(self.rings.into_iter().map(|(event, seat, reply)| Op::Ring(event, seat, reply)));
        ops.extend(self.touches.into_iter().map(|(accounts, urgency, reply)| Op::Touch(accounts, urgency, reply)));
        ops.extend(self.intents.into_iter().map(|(intent, reply)| Op::Intend(intent, reply)));
        ops.extend(self.settlements.into_iter().map(|(settlement, reply)| Op::Settle(settlement, reply)));
        ops.extend(self.rare);
        ops.into_iter().map(|op| Self::of(std::iter::once(op))).collect()
    }

    fn refuse(self, error: &StoreError) -> bool {
        let why = full(error);
        tracing::error!(error = %why, writes = self.len(), "the database did not take writes");
        for (_, _, reply) in self.rings {
            tell(reply, Err(StoreError::Refused(why.clone())));
        }
        for (_, _, reply) in self.touches {
            tell(reply, Err(StoreError::Refused(why.clone())));
        }
        for (_, reply) in self.intents {
            tell(reply, Err(StoreError::Refused(why.clone())));
        }
        for (_, reply) in self.settlements {
            tell(reply, Err(StoreError::Refused(why.clone())));
        }
        for op in self.rare {
            refuse_rare(op, &why);
        }
        false
    }
}

async fn write_rare(op: &Op, connection: &mut SqliteConnection, now: Timestamp) -> Result<Rare, StoreError> {
    match op {
        Op::Claim(lease, limit, span, _) => {
            worklist::claim(connection, lease, *limit, *span, now).await.map(Rare::Claimed)
        }
        Op::Renew(held, span, _) => worklist::renew(connection, held, *span, now).await.map(|()| Rare::Nothing),
        Op::Link(link, lease, _) => people::learn(connection, link, lease.as_ref(), now).await.map(Rare::Linked),
        Op::HandedOver(account, customer, _) => {
            people::handed_over(connection, account, customer).await.map(|()| Rare::Nothing)
        }
        Op::Release(which, _) => parked::release(connection, which, now).await.map(Rare::Count),
        Op::DropParked(which, reason, _) => parked::drop_for_good(connection, which, reason).await.map(Rare::Count),
        Op::Close(outcomes, _) => close(outcomes, connection, now).await.map(Rare::Held),
        Op::RetryAll(_) => worklist::retry_all(connection, now).await.map(|()| Rare::Nothing),
        Op::Note(name, value, _) => notes::keep(connection, name, value).await.map(|()| Rare::Nothing),
        Op::Ring(..) | Op::Touch(..) | Op::Intend(..) | Op::Settle(..) => Ok(Rare::Nothing),
    }
}

async fn close(outcomes: &Outcomes, connection: &mut SqliteConnection, now: Timestamp) -> Result<Held, StoreError> {
    let held = worklist::fence(connection, &[(&outcomes.account, &outcomes.lease)], now).await?;
    if held.is_empty() {
        return Ok(Held::Lost);
    }
    book::sent(connection, &outcomes.sent.iter().collect::<Vec<_>>(), now).await?;
    Ok(Held::Yes)
}

fn answer_rare(op: Op, rare: Rare) {
    match (op, rare) {
        (Op::Claim(.., reply), Rare::Claimed(claimed)) => tell(reply, Ok(claimed)),
        (Op::Close(_, reply), Rare::Held(held)) => tell(reply, Ok(held)),
        (Op::Link(.., reply), Rare::Linked(linked)) => tell(reply, Ok(linked)),
        (Op::Release(_, reply) | Op::DropParked(.., reply), Rare::Count(count)) => tell(reply, Ok(count)),
        (
            Op::Renew(.., reply) | Op::Note(.., reply) | Op::HandedOver(.., reply) | Op::RetryAll(reply),
            Rare::Nothing,
        ) => tell(reply, Ok(())),
        (op, _) => refuse_rare(op, "the writer mixed up its answers"),
    }
}

fn refuse_rare(op: Op, why: &str) {
    let error = || StoreError::Refused(why.to_owned());
    match op {
        Op::Ring(.., reply) => tell(reply, Err(error())),
        Op::Claim(.., reply) => tell(reply, Err(error())),
        Op::Link(.., reply) => tell(reply, Err(error())),
        Op::Release(_, reply) | Op::DropParked(.., reply) => tell(reply, Err(error())),
        Op::Intend(_, reply) => tell(reply, Err(error())),
        Op::Close(_, reply) => tell(reply, Err(error())),
        Op::Settle(_, reply) => tell(reply, Err(error())),
        Op::Touch(.., reply)
        | Op::Renew(.., reply)
        | Op::Note(.., reply)
        | Op::HandedOver(.., reply)
        | Op::RetryAll(reply) => tell(reply, Err(error())),
    }
}

/// Whoever waited may have given up; the write counts all the same.
fn tell<T>(reply: Reply<T>, answer: Result<T, StoreError>) {
    drop(reply.send(answer));
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
