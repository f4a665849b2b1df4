//! Everything that can be written, and what the writer answers.

use std::collections::HashSet;
use std::time::Duration;

use entitlement::model::account::Account;
use entitlement::model::clock::Timestamp;
use entitlement::model::user::User;
use entitlement::status::LevelStatus;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::claim::{Capacity, Claimed, Lease, Urgency};
use crate::connection::Durability;
use crate::error::StoreError;
use crate::event::{Event, Recorded};
use crate::expired::{Expired, Removed};
use crate::link::{Link, Linked};
use crate::override_request::{OverrideOutcome, OverrideRequest};
use crate::record::{Fenced, Intent, Progress, Settlement};
use crate::selection::Selection;
use crate::task::Task;
use crate::tokens::{TokenGrant, TokenRequest, UpstreamPause};

/// One write.
#[derive(Debug)]
pub(crate) enum Write {
    Record(Event, #[expect(dead_code, reason = "the slot is free again when the write is done")] OwnedSemaphorePermit),
    Enqueue(Vec<Account>, Urgency),
    Claim(Lease, Capacity, Duration),
    /// The same, as soon as there is something to claim; tried again after the second duration at the latest.
    ClaimWhenDue(Lease, Capacity, Duration, Duration),
    /// A claim that waits is answered that there is nothing.
    StopWaiting,
    Renew(Vec<(Account, Lease)>, Duration),
    Intend(Box<Intent>),
    Progress(Box<Progress>),
    Settle(Box<Settlement>),
    /// Under a lease, or by an operator.
    Link(Link, Option<Lease>),
    ForgetFormerUser(Account, User),
    Override(Box<OverrideRequest>),
    StorePurchases(User, Vec<LevelStatus>),
    Release(Selection),
    DropParked(Selection, String),
    DaemonState(String, String),
    RetryAll,
    /// The gate of an upstream has opened.
    GateOpened(String),
    RequestTokens(TokenRequest),
    PauseUpstream(UpstreamPause),
    TakeTask(Task, String, Duration),
    ReportWorker(String, Duration),
    RemoveExpired(Expired, Timestamp),
}

/// The answer to a write.
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

/// A write that waits for the writer, and who waits for its answer.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) write: Write,
    pub(crate) reply: oneshot::Sender<Result<Answer, StoreError>>,
}

impl Pending {
    pub(crate) fn answer(self, answer: Result<Answer, StoreError>) {
        // whoever waited may have given up; the write counts all the same
        drop(self.reply.send(answer));
    }
}

/// Whom a write may have given something to claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wakes {
    NoProcess,
    ThisProcess,
    AllProcesses,
}

impl Write {
    pub(crate) fn event(&self) -> Option<&Event> {
        match self {
            Self::Record(event, _) => Some(event),
            _ => None,
        }
    }

    /// The lease that a sync's write is fenced by.
    pub(crate) fn lease(&self) -> Option<(&Account, &Lease)> {
        match self {
            Self::Intend(intent) => Some((&intent.account, &intent.lease)),
            Self::Progress(progress) => Some((&progress.account, &progress.lease)),
            Self::Settle(settlement) => Some((&settlement.account, &settlement.lease)),
            Self::Link(link, Some(lease)) => Some((&link.account, lease)),
            _ => None,
        }
    }

    /// The accounts that it may enqueue.
    pub(crate) fn enqueues(&self) -> &[Account] {
        match self {
            Self::Record(event, _) => event.account().map_or(&[], std::slice::from_ref),
            Self::Enqueue(accounts, _) => accounts,
            _ => &[],
        }
    }

    /// Whom it may give something to claim: an account that is due, or due sooner.
    pub(crate) fn wakes(&self) -> Wakes {
        match self {
            Self::Record(..)
            | Self::Enqueue(..)
            | Self::Link(_, None)
            | Self::Override(_)
            | Self::Release(_)
            | Self::RetryAll
            | Self::GateOpened(_) => Wakes::AllProcesses,
            Self::Settle(_) | Self::Link(_, Some(_)) => Wakes::ThisProcess,
            Self::Claim(..)
            | Self::ClaimWhenDue(..)
            | Self::StopWaiting
            | Self::Renew(..)
            | Self::Intend(_)
            | Self::Progress(_)
            | Self::ForgetFormerUser(..)
            | Self::DropParked(..)
            | Self::DaemonState(..)
            | Self::StorePurchases(..)
            | Self::RequestTokens(_)
            | Self::PauseUpstream(_)
            | Self::TakeTask(..)
            | Self::ReportWorker(..)
            | Self::RemoveExpired(..) => Wakes::NoProcess,
        }
    }

    /// Whether a power cut may undo it without harm, so that nobody waits for the disk.
    pub(crate) fn durability(&self) -> Durability {
        match self {
            Self::Claim(..)
            | Self::ClaimWhenDue(..)
            | Self::StopWaiting
            | Self::Renew(..)
            | Self::RequestTokens(_)
            | Self::PauseUpstream(_)
            | Self::TakeTask(..)
            | Self::StorePurchases(..)
            | Self::ReportWorker(..) => Durability::Relaxed,
            Self::Record(..)
            | Self::Enqueue(..)
            | Self::Intend(_)
            | Self::Progress(_)
            | Self::Settle(_)
            | Self::Link(..)
            | Self::ForgetFormerUser(..)
            | Self::Override(_)
            | Self::Release(_)
            | Self::DropParked(..)
            | Self::DaemonState(..)
            | Self::RetryAll
            | Self::GateOpened(_)
            | Self::RemoveExpired(..) => Durability::Full,
        }
    }
}
