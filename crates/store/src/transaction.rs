//! One transaction of the writer: everything that waits, phase by phase, with one statement a table.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use entitlement::model::account::Account;
use entitlement::model::clock::Timestamp;

use crate::claim::{Lease, Urgency};
use crate::connection::Connection;
use crate::error::StoreError;
use crate::event::{Event, Recorded};
use crate::link::{Link, Linked};
use crate::record::{Fenced, Intent, Progress, Settlement, StepResult};
use crate::write::{Answer, Pending, Write};
use crate::{
    accounts, apply_override, claiming, daemon_state, inbox, leases, ledger_entries, limits, links, parked, retention,
    settling, statuses, store_purchases, task_leases, waiting, worklist,
};

/// Writes `batch` into the transaction that `connection` has begun; answers each write in turn.
///
/// Phases: events are recorded; leases are checked; what events and triggers name is enqueued; syncs write under their
/// leases; links are made; everything else is written one by one.
pub(crate) async fn write(
    batch: &[Pending],
    connection: &mut Connection,
    now: Timestamp,
) -> Result<Vec<Answer>, StoreError> {
    let recorded = record_events(batch, connection, now).await?;
    let mut held = hold_leases(batch, connection, now).await?;
    enqueue(batch, &recorded, connection, now).await?;
    write_syncs(batch, &mut held, connection, now).await?;
    let linked = learn_links(batch, &held, connection, now).await?;
    let mut written = Written { recorded: recorded.into(), held, linked };
    let mut answers = Vec::with_capacity(batch.len());
    for place in lock_order(batch) {
        answers.push((place, answer(&batch[place].write, &mut written, connection, now).await?));
    }
    answers.sort_unstable_by_key(|(place, _)| *place);
    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
}

/// What the phases before the last have written.
struct Written<'a> {
    /// Of each event, in the order of the batch.
    recorded: VecDeque<Recorded>,
    held: Held,
    linked: LinkedBatch<'a>,
}

/// The leases of this batch that have not run out.
struct Held(HashMap<Account, Lease>);

impl Held {
    fn is_held(&self, account: &Account, lease: &Lease) -> bool {
        self.0.get(account) == Some(lease)
    }

    fn fenced(&self, account: &Account, lease: &Lease) -> Fenced {
        if self.is_held(account, lease) { Fenced::Written } else { Fenced::LeaseLost }
    }
}

/// What became of the links of syncs.
#[derive(Default)]
struct LinkedBatch<'a> {
    done: HashSet<Account>,
    /// Accounts whose user another link of the batch took first.
    postponed: HashSet<&'a Account>,
}

/// Answers for each event whether it is new.
async fn record_events(
    batch: &[Pending],
    connection: &mut Connection,
    now: Timestamp,
) -> Result<Vec<Recorded>, StoreError> {
    let events: Vec<&Event> = events(batch).collect();
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let new = inbox::record(connection, &events, now).await?;
    Ok(inbox::new_or_duplicate(&events, new))
}

fn events(batch: &[Pending]) -> impl Iterator<Item = &Event> {
    batch.iter().filter_map(|pending| pending.write.event())
}

async fn hold_leases(batch: &[Pending], connection: &mut Connection, now: Timestamp) -> Result<Held, StoreError> {
    let claimed: Vec<_> = batch.iter().filter_map(|pending| pending.write.lease()).collect();
    let enqueued = batch.iter().flat_map(|pending| pending.write.enqueues());
    leases::held(connection, &claimed, enqueued, now).await.map(Held)
}

/// Enqueues what new events and triggers name, and parks events that cannot be read.
async fn enqueue(
    batch: &[Pending],
    recorded: &[Recorded],
    connection: &mut Connection,
    now: Timestamp,
) -> Result<(), StoreError> {
    let pairs = events(batch).zip(recorded);
    let new: Vec<&Event> = pairs.filter(|(_, recorded)| **recorded == Recorded::New).map(|(event, _)| event).collect();
    if !new.is_empty() {
        parked::park_unreadable(connection, &new, now).await?;
    }
    let mut accounts: BTreeMap<&Account, Urgency> = BTreeMap::new();
    for pending in batch {
        let Write::Enqueue(enqueued, urgency) = &pending.write else { continue };
        enqueued.iter().for_each(|account| add(&mut accounts, account, *urgency));
    }
    let of_events = new.iter().filter_map(|event| event.account());
    of_events.for_each(|account| add(&mut accounts, account, Urgency::Fresh));
    worklist::enqueue(connection, &accounts, now).await
}

fn add<'a>(accounts: &mut BTreeMap<&'a Account, Urgency>, account: &'a Account, urgency: Urgency) {
    accounts.entry(account).and_modify(|of| *of = of.and(urgency)).or_insert(urgency);
}

/// What the syncs of a batch write whose leases are held.
#[derive(Default)]
struct SyncWrites<'a> {
    intents: Vec<&'a Intent>,
    progress: Vec<&'a Progress>,
    settlements: Vec<&'a Settlement>,
}

impl<'a> SyncWrites<'a> {
    fn of(batch: &'a [Pending], held: &Held) -> Self {
        let mut writes = Self::default();
        for pending in batch {
            match &pending.write {
                Write::Intend(intent) if held.is_held(&intent.account, &intent.lease) => writes.intents.push(intent),
                Write::Progress(progress) if held.is_held(&progress.account, &progress.lease) => {
                    writes.progress.push(progress);
                }
                Write::Settle(settlement) if held.is_held(&settlement.account, &settlement.lease) => {
                    writes.settlements.push(settlement);
                }
                _ => {}
            }
        }
        writes
    }

    fn results(&self) -> Vec<&'a StepResult> {
        let of_intents = self.intents.iter().flat_map(|intent| &intent.results);
        let of_progress = self.progress.iter().flat_map(|progress| &progress.results);
        let of_settlements = self.settlements.iter().flat_map(|settlement| &settlement.results);
        of_intents.chain(of_progress).chain(of_settlements).collect()
    }
}

/// Results before intentions, so that a step may follow on what they confirm. An account whose steps must not be sent
/// loses its lease in `held`.
async fn write_syncs(
    batch: &[Pending],
    held: &mut Held,
    connection: &mut Connection,
    now: Timestamp,
) -> Result<(), StoreError> {
    let writes = SyncWrites::of(batch, held);
    ledger_entries::record_results(connection, &writes.results(), now).await?;
    let refused = ledger_entries::intend(connection, &writes.intents, now).await?;
    parked::settle(connection, &writes.settlements, now).await?;
    let of_progress = writes.progress.iter().flat_map(|progress| &progress.statuses);
    let of_settlements = writes.settlements.iter().flat_map(|settlement| &settlement.statuses);
    statuses::store(connection, of_progress.chain(of_settlements), now).await?;
    settling::settle(connection, &writes.settlements, now).await?;
    for account in refused {
        held.0.remove(&account);
    }
    Ok(())
}

/// Makes the links that syncs learnt, of each user one; further links to the same user come after them.
async fn learn_links<'a>(
    batch: &'a [Pending],
    held: &Held,
    connection: &mut Connection,
    now: Timestamp,
) -> Result<LinkedBatch<'a>, StoreError> {
    let links = batch.iter().filter_map(|pending| match &pending.write {
        Write::Link(link, Some(lease)) if held.is_held(&link.account, lease) => Some(link),
        _ => None,
    });
    let mut users = HashSet::new();
    let (first, later): (Vec<&Link>, Vec<&Link>) = links.partition(|link| users.insert(link.user.as_str()));
    if first.is_empty() {
        return Ok(LinkedBatch::default());
    }
    let done = links::learn(connection, &first, now).await?;
    Ok(LinkedBatch { done, postponed: later.iter().map(|link| &link.account).collect() })
}

/// What all processes write to, in the order in which a transaction locks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Shared {
    Worklist,
    RateLimits,
    TaskLeases,
}

/// The places of the batch in the order in which they are written: rows that all processes write to come last, in the
/// order of their names, so that two processes never deadlock.
fn lock_order(batch: &[Pending]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..batch.len()).collect();
    places.sort_by_key(|place| shared_row(&batch[*place].write));
    places
}

fn shared_row(write: &Write) -> Option<(Shared, &str)> {
    match write {
        // it waits for whoever writes under these leases, so it may hold no lock by then
        Write::Renew(..) => None,
        Write::Claim(..) | Write::ClaimWhenDue(..) => Some((Shared::Worklist, "")),
        Write::RequestTokens(request) => Some((Shared::RateLimits, &request.limit)),
        Write::PauseUpstream(pause) => Some((Shared::RateLimits, &pause.limit)),
        Write::TakeTask(task, ..) => Some((Shared::TaskLeases, task.as_str())),
        _ => None,
    }
}

/// The answer to `write`, which is written here unless a phase before has done so.
async fn answer(
    write: &Write,
    written: &mut Written<'_>,
    connection: &mut Connection,
    now: Timestamp,
) -> Result<Answer, StoreError> {
    Ok(match write {
        Write::Record(..) => written.recorded.pop_front().map_or(Answer::Done, Answer::Recorded),
        Write::Enqueue(..) | Write::StopWaiting => Answer::Done,
        Write::Intend(intent) => Answer::Fenced(written.held.fenced(&intent.account, &intent.lease)),
        Write::Progress(progress) => Answer::Fenced(written.held.fenced(&progress.account, &progress.lease)),
        Write::Settle(settlement) => Answer::Fenced(written.held.fenced(&settlement.account, &settlement.lease)),
        Write::Link(link, Some(lease)) => Answer::Linked(link_of_sync(link, lease, written, connection, now).await?),
        Write::Link(link, None) => Answer::Linked(links::link(connection, link, now).await?),
        Write::Claim(lease, capacity, span) | Write::ClaimWhenDue(lease, capacity, span, _) => {
            Answer::Claimed(claiming::claim(connection, lease, *capacity, *span, now).await?)
        }
        Write::Renew(held, span) => Answer::Renewed(leases::renew(connection, held, *span, now).await?),
        Write::Override(request) => Answer::Override(apply_override::apply(connection, request, now).await?),
        Write::Release(which) => Answer::Count(parked::release(connection, which, now).await?),
        Write::DropParked(which, reason) => Answer::Count(parked::drop_for_good(connection, which, reason).await?),
        Write::RemoveExpired(expired, before) => {
            Answer::Removed(retention::remove(connection, *expired, *before).await?)
        }
        Write::TakeTask(task, owner, span) => {
            Answer::Fenced(task_leases::take(connection, *task, owner, *span, now).await?)
        }
        Write::RequestTokens(request) => Answer::Granted(limits::grant(connection, request, now).await?),
        Write::PauseUpstream(pause) => done(limits::pause(connection, pause, now).await)?,
        Write::ForgetFormerUser(account, user) => done(links::forget_former_user(connection, account, user).await)?,
        Write::StorePurchases(user, levels) => done(store_purchases::store(connection, user, levels, now).await)?,
        Write::DaemonState(name, value) => done(daemon_state::set(connection, name, value).await)?,
        Write::ReportWorker(owner, span) => done(accounts::report_worker(connection, owner, *span, now).await)?,
        Write::GateOpened(upstream) => Answer::Count(waiting::release(connection, upstream, now).await?),
        Write::RetryAll => done(worklist::retry_all(connection, now).await)?,
    })
}

fn done(written: Result<(), StoreError>) -> Result<Answer, StoreError> {
    written.map(|()| Answer::Done)
}

async fn link_of_sync(
    link: &Link,
    lease: &Lease,
    written: &Written<'_>,
    connection: &mut Connection,
    now: Timestamp,
) -> Result<Linked, StoreError> {
    if !written.held.is_held(&link.account, lease) {
        return Ok(Linked::LeaseLost);
    }
    if written.linked.done.contains(&link.account) {
        return Ok(Linked::Done);
    }
    if !written.linked.postponed.contains(&link.account) {
        return Ok(Linked::Busy);
    }
    // its user may just have been taken through another account
    let done = links::learn(connection, &[link], now).await?;
    Ok(if done.is_empty() { Linked::Busy } else { Linked::Done })
}
