//! The inbox: events that sources sent, what became of them, and triggering their accounts again.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use entitlement::model::account::Account;
use entitlement::model::clock::Timestamp;
use serde::{Deserialize, Serialize};
use source::kind::typed;
use store::claim::Urgency;
use store::inbox::{Filter, KindFilter, ReceivedEvent, StoredEvent};
use store::ledger;
use utoipa::ToSchema;

use crate::error::OperatorError;
use crate::ledger::LedgerEntry;
use crate::operator::Operator;
use crate::parked::Parked;
use crate::worklist::WorklistEntry;

/// Steps that are shown of what an event led to.
const MOST_STEPS: u32 = 10;

/// An event that a source sent.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Event {
    /// Its source, a colon, and its id there.
    pub id: String,
    pub r#type: String,
    /// The account that it triggered.
    pub account: Option<String>,
    pub object: Option<String>,
    #[schema(value_type = String)]
    pub outcome: EventOutcome,
    /// Why it triggered no account.
    pub why: Option<String>,
    pub created: DateTime<Utc>,
    pub received: DateTime<Utc>,
}

/// An event, and what it led to.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EventDetails {
    #[serde(flatten)]
    pub event: Event,
    /// Its account in the worklist.
    pub worklist: Option<WorklistEntry>,
    /// The first steps that were intended for its account since.
    pub steps: Vec<LedgerEntry>,
    pub parked: Vec<Parked>,
    /// The event itself, where it is kept. It may be personal, so the API does not show it.
    #[serde(skip)]
    pub body: Option<String>,
}

/// What an event did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventOutcome {
    /// It triggered a sync of an account.
    Enqueued,
    /// It concerns no account.
    NoAccount,
    /// It is of the other mode (test or live) than the key: ignored.
    OtherMode,
    /// It cannot be read: parked.
    Unreadable,
}

/// Which events are meant; what is not given does not matter.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Those that triggered this account.
    pub account: Option<Account>,
    pub kind: Option<KindFilter>,
    pub outcome: Option<EventOutcome>,
    /// Those received then or later.
    pub since: Option<Timestamp>,
    /// Those listed behind this event.
    pub after: Option<String>,
}

/// What was replayed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Replayed {
    /// The accounts that are synced again.
    #[schema(value_type = Vec<String>)]
    pub accounts: BTreeSet<Account>,
    /// The events that trigger no account, and why.
    pub skipped: Vec<String>,
}

impl EventOutcome {
    /// Every outcome.
    pub const ALL: [Self; 4] = [Self::Enqueued, Self::NoAccount, Self::OtherMode, Self::Unreadable];

    /// The name on the command line, in JSON and in the inbox.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enqueued => "enqueued",
            Self::NoAccount => "no_account",
            Self::OtherMode => "other_mode",
            Self::Unreadable => "unreadable",
        }
    }

    /// What it means.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Enqueued => "It made an account due for a sync",
            Self::NoAccount => "It concerns no account, so nothing was done",
            Self::OtherMode => "Ignored: a test event, where the source's key is a live one, or the reverse",
            Self::Unreadable => "It cannot be read: parked, with its body kept",
        }
    }

    fn of(stored: &str) -> Self {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == stored).unwrap_or(Self::Unreadable)
    }

    /// Why such an event triggers no account.
    fn why(self) -> Option<&'static str> {
        match self {
            Self::Enqueued => None,
            Self::NoAccount => Some("it concerns no account"),
            Self::OtherMode => Some("ignored: it is a test event and the source's key is a live one, or the reverse"),
            Self::Unreadable => Some("it cannot be read: parked, with its body kept"),
        }
    }
}

impl Operator {
    /// The newest `limit` events that match `filter`, the newest first.
    ///
    /// # Errors
    /// When the event that the page is to begin behind is not kept any more.
    pub async fn events(&self, filter: EventFilter, limit: u32) -> Result<Vec<Event>, OperatorError> {
        let EventFilter { account, kind, outcome, since, after } = filter;
        let behind = after.map(|id| typed(&id).as_str().to_owned());
        if let Some(id) = &behind
            && self.store.event(id).await?.is_none()
        {
            let text = "`after` is the `next` of the page before, and that event is not kept any more";
            return Err(OperatorError::Invalid(text.into()));
        }
        let outcome = outcome.map(|outcome| outcome.as_str().to_owned());
        let filter = Filter { accounts: account.into_iter().collect(), kind, outcome, since, after: behind };
        Ok(self.store.events(&filter, limit).await?.into_iter().map(Event::from).collect())
    }

    /// One event, and what it led to.
    ///
    /// # Errors
    /// When the inbox does not hold it.
    pub async fn event(&self, id: &str) -> Result<EventDetails, OperatorError> {
        let StoredEvent { event: seen, body } = self.stored_event(id).await?;
        let received = seen.received;
        let event = Event::from(seen);
        let account = event.account.as_deref().and_then(|account| Account::parse(account).ok());
        // what could not be read is parked under its own id
        let own = Account::parse(&event.id).ok().filter(|_| event.outcome == EventOutcome::Unreadable);
        let parked = self.parked_for(account.clone().or(own).into_iter().collect(), None).await?;
        let Some(account) = account else {
            return Ok(EventDetails { event, worklist: None, steps: Vec::new(), parked, body });
        };
        let steps = self.first_steps(&account, received).await?;
        let worklist = Some(self.worklist_entry(account).await?);
        Ok(EventDetails { event, worklist, steps, parked, body })
    }

    /// Triggers the accounts of these events again, as fresh webhooks would. All of them are known, or none is replayed.
    ///
    /// # Errors
    /// When the inbox does not hold one of them.
    pub async fn replay(&self, ids: &[String]) -> Result<Replayed, OperatorError> {
        let mut accounts = BTreeSet::new();
        let mut skipped = Vec::new();
        for id in ids {
            let event = Event::from(self.stored_event(id).await?.event);
            match event.account.as_deref().and_then(|account| Account::parse(account).ok()) {
                Some(account) => drop(accounts.insert(account)),
                None => skipped.push(format!("`{}` triggers no account: {}", event.id, event.why.unwrap_or_default())),
            }
        }
        self.store.enqueue(accounts.iter().cloned().collect(), Urgency::Requested).await?;
        Ok(Replayed { accounts, skipped })
    }

    async fn stored_event(&self, id: &str) -> Result<StoredEvent, OperatorError> {
        let unknown = || {
            let fetch = "`grantsync events catch-up --since 30d` fetches what the source still lists";
            OperatorError::NotFound(format!("no event `{id}` is in the inbox; {fetch}"))
        };
        self.store.event(typed(id).as_str()).await?.ok_or_else(unknown)
    }

    async fn first_steps(&self, account: &Account, since: Timestamp) -> Result<Vec<LedgerEntry>, OperatorError> {
        let account = Some(account.clone());
        let filter = ledger::Filter { account, since: Some(since), ..ledger::Filter::default() };
        let rows = self.store.first_ledger_rows(&filter, MOST_STEPS).await?;
        Ok(rows.into_iter().map(LedgerEntry::from).collect())
    }
}

impl From<ReceivedEvent> for Event {
    fn from(row: ReceivedEvent) -> Self {
        let ReceivedEvent { id, kind, account, object, outcome, created, received } = row;
        let outcome = EventOutcome::of(&outcome);
        Self { id, r#type: kind, account, object, outcome, why: outcome.why().map(str::to_owned), created, received }
    }
}
