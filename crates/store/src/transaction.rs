//! One transaction of the writer: what waits, with one statement a table.

use std::collections::{BTreeMap, HashMap, HashSet};

use entitlement::clock::Timestamp;
use entitlement::names::Account;

use crate::claim::{Lease, Urgency};
use crate::connection::Connection;
use crate::error::StoreError;
use crate::event::{Event, Recorded};
use crate::link::{Link, Linked};
use crate::notify::Wakes;
use crate::record::{Fenced, Intent, Progress, Settlement, StepResult};
use crate::writer::{Answer, Op, Waiting};
use crate::{
    accounts, daemon_state, inbox, ledger, limits, links, overrides, parked, retention, statuses, store_purchases,
    task_leases, worklist,
};

/// Writes `batch` into the transaction that `connection` has begun; answers each in turn.
pub(crate) async fn write(
    batch: &[Waiting],
    connection: &mut Connection,
    now: Timestamp,
) -> Result<Vec<Answer>, StoreError> {
    let kept = keep_events(batch, connection, now).await?;
    let asked: Vec<_> = batch.iter().filter_map(|waiting| waiting.op.lease()).collect();
    let mut held =
        worklist::fence(connection, &asked, batch.iter().flat_map(|waiting| waiting.op.touches()), now).await?;
    ring(batch, &kept, connection, now).await?;
    let mut kept = kept.into_iter();
    write_looks(batch, connection, &mut held, now).await?;
    let (linked, later) = write_links(batch, connection, &held, now).await?;
    let mut answers = Vec::with_capacity(batch.len());
    for place in in_order(batch) {
        let holds = |account, lease| if held.get(account) == Some(lease) { Fenced::Written } else { Fenced::LeaseLost };
        let answer = match &batch[place].op {
            Op::Ring(..) => kept.next().map_or(Answer::Done, Answer::Recorded),
            Op::Intend(intent) => Answer::Fenced(holds(&intent.account, &intent.lease)),
            Op::Settle(settlement) => Answer::Fenced(holds(&settlement.account, &settlement.lease)),
            Op::Close(outcomes) => {
                let held = holds(&outcomes.account, &outcomes.lease);
                close(outcomes, held, connection, now).await?
            }
            Op::Link(link, Some(lease)) => Answer::Linked(match holds(&link.account, lease) {
                Fenced::LeaseLost => Linked::LeaseLost,
                Fenced::Written if linked.contains(&link.account) => Linked::Done,
                // the customer may just have been taken through another account
                Fenced::Written if later.contains(&link.account) => link_later(link, connection, now).await?,
                Fenced::Written => Linked::Busy,
            }),
            rare => write_rare(rare, connection, now).await?,
        };
        answers.push((place, answer));
    }
    answers.sort_unstable_by_key(|(place, _)| *place);
    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
}

/// What looks learnt whose lease is `held`. Answers the accounts whose customer was taken with them, and those that must
/// wait for another link to their customer in the same batch.
async fn write_links<'a>(
    batch: &'a [Waiting],
    connection: &mut Connection,
    held: &HashMap<Account, Lease>,
    now: Timestamp,
) -> Result<(HashSet<Account>, HashSet<&'a Account>), StoreError> {
    let links = batch.iter().filter_map(|waiting| match &waiting.op {
        Op::Link(link, Some(lease)) if held.get(&link.account) == Some(lease) => Some(link),
        _ => None,
    });
    let mut users = HashSet::new();
    let (first, later): (Vec<&Link>, Vec<&Link>) = links.partition(|link| users.insert(link.user.as_str()));
    if first.is_empty() {
        return Ok((HashSet::new(), HashSet::new()));
    }
    let linked = links::learn(connection, &first, now).await?;
    Ok((linked, later.iter().map(|link| &link.account).collect()))
}

async fn link_later(link: &Link, connection: &mut Connection, now: Timestamp) -> Result<Linked, StoreError> {
    let linked = links::learn(connection, &[link], now).await?;
    Ok(if linked.is_empty() { Linked::Busy } else { Linked::Done })
}

/// The places of the batch in the order in which they are written: what all processes write to comes last, row by row in
/// the order of its names, so that two of them never wait for each other crosswise.
fn in_order(batch: &[Waiting]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..batch.len()).collect();
    places.sort_by_key(|place| batch[*place].op.common_row());
    places
}

/// Events; answers for each in turn whether it was new.
async fn keep_events(
    batch: &[Waiting],
    connection: &mut Connection,
    now: Timestamp,
) -> Result<Vec<Recorded>, StoreError> {
    let events: Vec<&Event> = batch.iter().filter_map(|waiting| waiting.op.event()).collect();
    if events.is_empty() {
        return Ok(Vec::new());
    }
    Ok(inbox::verdicts(&events, inbox::keep(connection, &events, now).await?))
}

/// Rings for what new events and touches name, and parks events that cannot be read.
async fn ring(
    batch: &[Waiting],
    kept: &[Recorded],
    connection: &mut Connection,
    now: Timestamp,
) -> Result<(), StoreError> {
    let events = batch.iter().filter_map(|waiting| waiting.op.event());
    let new: Vec<&Event> =
        events.zip(kept).filter(|(_, kept)| **kept == Recorded::New).map(|(event, _)| event).collect();
    if !new.is_empty() {
        parked::unreadable(connection, &new, now).await?;
    }
    let touches = batch.iter().filter_map(|waiting| match &waiting.op {
        Op::Touch(accounts, urgency) => Some((accounts, *urgency)),
        _ => None,
    });
    let touched = touches.flat_map(|(accounts, urgency)| accounts.iter().map(move |account| (account, urgency)));
    let bells = new.iter().filter_map(|event| event.account()).map(|account| (account, Urgency::Fresh));
    let mut rung: BTreeMap<&Account, Urgency> = BTreeMap::new();
    for (account, urgency) in touched.chain(bells) {
        rung.entry(account).and_modify(|of| *of = of.and(urgency)).or_insert(urgency);
    }
    worklist::enqueue(connection, &rung, now).await
}

/// What looks write whose lease is `held`; an account whose steps must not be sent is taken from it.
async fn write_looks(
    batch: &[Waiting],
    connection: &mut Connection,
    held: &mut HashMap<Account, Lease>,
    now: Timestamp,
) -> Result<(), StoreError> {
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
    let answered = intents.iter().flat_map(|intent| &intent.results);
    let sent: Vec<&StepResult> =
        answered.chain(settlements.iter().flat_map(|settlement| &settlement.results)).collect();
    ledger::sent(connection, &sent, now).await?;
    let settled = ledger::intend(connection, &intents, now).await?;
    parked::settle(connection, &settlements, now).await?;
    statuses::keep(connection, settlements.iter().flat_map(|settlement| &settlement.statuses), now).await?;
    worklist::settle(connection, &settlements, now).await?;
    settled.iter().for_each(|account| drop(held.remove(account)));
    Ok(())
}

/// Writes that come seldom, each with statements of its own.
async fn write_rare(op: &Op, connection: &mut Connection, now: Timestamp) -> Result<Answer, StoreError> {
    Ok(match op {
        Op::Claim(lease, room, span) | Op::Await(lease, room, span, _) => {
            Answer::Claimed(worklist::claim(connection, lease, *room, *span, now).await?)
        }
        Op::Renew(held, span) => Answer::Renewed(worklist::renew(connection, held, *span, now).await?),
        Op::Link(link, _) => Answer::Linked(links::tell(connection, link, now).await?),
        Op::Release(which) => Answer::Count(parked::release(connection, which, now).await?),
        Op::DropParked(which, reason) => Answer::Count(parked::drop_for_good(connection, which, reason).await?),
        Op::Sweep(old, before) => Answer::Removed(retention::sweep(connection, *old, *before).await?),
        Op::TakeTurn(task, owner, span) => {
            Answer::Fenced(task_leases::take(connection, *task, owner, *span, now).await?)
        }
        Op::Override(order) => Answer::Override(overrides::write(connection, order, now).await?),
        Op::HandedOver(account, user) => {
            links::forget_former_user(connection, account, user).await?;
            Answer::Done
        }
        Op::Witness(user, levels) => {
            store_purchases::keep(connection, user, levels, now).await?;
            Answer::Done
        }
        Op::Note(name, value) => {
            daemon_state::keep(connection, name, value).await?;
            Answer::Done
        }
        Op::Lend(ask) => Answer::Granted(limits::lend(connection, ask, now).await?),
        Op::Hold(held) => {
            limits::hold(connection, held, now).await?;
            Answer::Done
        }
        Op::Present(owner, span) => {
            accounts::present(connection, owner, *span, now).await?;
            Answer::Done
        }
        Op::RetryAll => {
            worklist::retry_all(connection, now).await?;
            Answer::Done
        }
        Op::Ring(..) | Op::Touch(..) | Op::Intend(_) | Op::Settle(_) | Op::Close(_) | Op::Dismiss => Answer::Done,
    })
}

async fn close(
    outcomes: &Progress,
    held: Fenced,
    connection: &mut Connection,
    now: Timestamp,
) -> Result<Answer, StoreError> {
    if held == Fenced::Written {
        ledger::sent(connection, &outcomes.results.iter().collect::<Vec<_>>(), now).await?;
        statuses::keep(connection, outcomes.statuses.iter(), now).await?;
    }
    Ok(Answer::Fenced(held))
}

/// What all processes write to, in the order in which a transaction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Common {
    Due,
    Limit,
    Turn,
}

impl Op {
    fn event(&self) -> Option<&Event> {
        match self {
            Self::Ring(event, _) => Some(event),
            _ => None,
        }
    }

    /// The lease that a write of a look is fenced by.
    fn lease(&self) -> Option<(&Account, &Lease)> {
        match self {
            Self::Intend(intent) => Some((&intent.account, &intent.lease)),
            Self::Settle(settlement) => Some((&settlement.account, &settlement.lease)),
            Self::Close(outcomes) => Some((&outcomes.account, &outcomes.lease)),
            Self::Link(link, Some(lease)) => Some((&link.account, lease)),
            _ => None,
        }
    }

    /// What it writes that others write too.
    fn common_row(&self) -> Option<(Common, &str)> {
        match self {
            // it waits for whoever writes under these leases, so nothing may be held by then that they wait for
            Self::Renew(..) => None,
            Self::Claim(..) | Self::Await(..) => Some((Common::Due, "")),
            Self::Lend(ask) => Some((Common::Limit, &ask.limit)),
            Self::Hold(held) => Some((Common::Limit, &held.limit)),
            Self::TakeTurn(task, ..) => Some((Common::Turn, task.as_str())),
            _ => None,
        }
    }

    /// The accounts it may make due at once.
    fn touches(&self) -> &[Account] {
        match self {
            Self::Ring(event, _) => event.account().map_or(&[], std::slice::from_ref),
            Self::Touch(accounts, _) => accounts,
            _ => &[],
        }
    }

    /// Whom it may give something to do: an account to look at, or a sooner moment to look at one.
    pub(crate) fn wakes(&self) -> Wakes {
        match self {
            Self::Ring(..)
            | Self::Touch(..)
            | Self::Link(_, None)
            | Self::Override(_)
            | Self::Release(_)
            | Self::RetryAll => Wakes::Everyone,
            Self::Settle(_) | Self::Link(_, Some(_)) => Wakes::Us,
            Self::Claim(..)
            | Self::Await(..)
            | Self::Dismiss
            | Self::Renew(..)
            | Self::Intend(_)
            | Self::Close(_)
            | Self::HandedOver(..)
            | Self::DropParked(..)
            | Self::Note(..)
            | Self::Witness(..)
            | Self::Lend(_)
            | Self::Hold(_)
            | Self::TakeTurn(..)
            | Self::Present(..)
            | Self::Sweep(..) => Wakes::Nobody,
        }
    }
}
