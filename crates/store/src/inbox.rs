//! The inbox: events seen, each recorded once.

use std::collections::HashSet;

use entitlement::model::account::Account;
use entitlement::model::clock::Timestamp;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use crate::batch::{Batch, Column};
use crate::connection::{Connection, Row};
use crate::error::StoreError;
use crate::event::{Event, Recorded};
use crate::listing::Listing;
use crate::open::Store;
use crate::statement::sql;
use crate::value::{Value, millis, timestamp};
use crate::write::Write;

/// A place in the queue of events that wait for the writer.
#[derive(Debug)]
pub struct Slot {
    store: Store,
    permit: OwnedSemaphorePermit,
}

impl Slot {
    /// Records the event and enqueues its account. When this answers, both are on the disk.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn record(self, event: Event) -> Result<Recorded, StoreError> {
        // the permit goes with the event: it is free again when the writer is done, not when the client gives up
        self.store.write(Write::Record(event, self.permit)).await?.try_into()
    }
}

/// Which events are listed; the default is all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Those that enqueued one of these.
    pub accounts: Vec<Account>,
    pub kind: Option<KindFilter>,
    /// [`Outcome::as_str`](crate::event::Outcome::as_str)
    pub outcome: Option<String>,
    /// Received then or later.
    pub since: Option<Timestamp>,
    /// Listed after this event, newest first.
    pub after: Option<String>,
}

/// Types of events. A thin event, whose type begins with `v1.`, counts under both names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KindFilter {
    Exact(String),
    Prefix(String),
}

/// An event as it is listed.
#[derive(Clone, Debug, Serialize)]
pub struct ReceivedEvent {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub account: Option<String>,
    pub object: Option<String>,
    pub outcome: String,
    pub created: Timestamp,
    pub received: Timestamp,
}

/// An event with everything that is stored of it.
#[derive(Clone, Debug, Serialize)]
pub struct StoredEvent {
    #[serde(flatten)]
    pub event: ReceivedEvent,
    pub body: Option<String>,
}

impl Store {
    /// A place for one event, or `None` when too many wait: cheap, to be asked before any work is done for the event.
    #[must_use]
    pub fn slot(&self) -> Option<Slot> {
        let permit = self.slots.clone().try_acquire_owned().ok()?;
        Some(Slot { store: self.clone(), permit })
    }

    /// A place for one event, as soon as there is one.
    ///
    /// # Errors
    /// When the program is shutting down.
    pub async fn slot_when_free(&self) -> Result<Slot, StoreError> {
        let permit = self.slots.clone().acquire_owned().await.map_err(|_| StoreError::Stopped)?;
        Ok(Slot { store: self.clone(), permit })
    }

    /// Whether an event would find a slot now: to be asked before its body is read.
    #[must_use]
    pub fn has_slots(&self) -> bool {
        self.slots.available_permits() > 0
    }

    /// The newest events of `filter`, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn events(&self, filter: &Filter, limit: u32) -> Result<Vec<ReceivedEvent>, StoreError> {
        let Filter { accounts, kind, outcome, since, after } = filter;
        let (exact, prefix) = match kind {
            Some(KindFilter::Exact(kind)) => (Some(kind.as_str()), None),
            Some(KindFilter::Prefix(prefix)) => (None, Some(prefix.as_str())),
            None => (None, None),
        };
        // one account is an equality, which finds the index at once
        let (account, is_one_of) = match accounts.as_slice() {
            [account] => (Some(account.as_str()), false),
            accounts => (None, !accounts.is_empty()),
        };
        let mut query =
            Listing::of("SELECT id, kind, account, object, outcome, created, received FROM inbox WHERE true")
                .only("account = ?", account)
                .only_if(is_one_of, "account IN (SELECT value FROM accounts)")
                .only("kind = ? OR kind = 'v1.' || ?", exact)
                .only("substr(kind, 1, length(?)) = ? OR substr(kind, 1, length(?) + 3) = 'v1.' || ?", prefix)
                .only("outcome = ?", outcome.as_deref())
                .only("received >= ?", since.map(millis))
                .only("(received, id) < (SELECT received, id FROM inbox WHERE id = ?)", after.as_deref())
                .first(limit, "received DESC, id DESC");
        if is_one_of {
            query = query.with(Batch::texts("accounts", accounts.iter().map(Account::as_str)));
        }
        let found = query.read(&self.reads).await;
        Ok(found.map_err(StoreError::on("listing events"))?.iter().map(received).collect())
    }

    /// One event, with its body as far as that is stored.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn event(&self, id: &str) -> Result<Option<StoredEvent>, StoreError> {
        let query = sql("SELECT id, kind, account, object, outcome, created, received, body FROM inbox WHERE id = $1");
        let row = query.bind(id).read_first(&self.reads).await.map_err(StoreError::on("reading an event"))?;
        Ok(row.map(|row| StoredEvent { event: received(&row), body: row.get("body") }))
    }
}

fn received(row: &Row) -> ReceivedEvent {
    ReceivedEvent {
        id: row.get("id"),
        kind: row.get("kind"),
        account: row.get("account"),
        object: row.get("object"),
        outcome: row.get("outcome"),
        created: timestamp(row.get("created")),
        received: timestamp(row.get("received")),
    }
}

/// Records `events`; answers the ids of those that are new.
pub(crate) async fn record(
    connection: &mut Connection,
    events: &[&Event],
    now: Timestamp,
) -> Result<HashSet<String>, StoreError> {
    let rows = events.iter().map(|event| -> [Value<'_>; 7] {
        [
            (&event.id).into(),
            (&event.kind).into(),
            event.account().map(Account::as_str).into(),
            (&event.object).into(),
            event.outcome.as_str().into(),
            millis(event.created).into(),
            (&event.body).into(),
        ]
    });
    let (text, number) = (Column::Text, Column::Number);
    let columns =
        [text("id"), text("kind"), text("account"), text("object"), text("outcome"), number("created"), text("body")];
    // in order, so that two processes that record the same events never deadlock
    let recorded = sql("INSERT INTO inbox (id, kind, account, object, outcome, created, received, body)
         SELECT id, kind, account, object, outcome, created, $1, body FROM events ORDER BY id
         ON CONFLICT DO NOTHING RETURNING id");
    let recorded = recorded.bind(millis(now)).with(Batch::new("events", columns, rows)).fetch(connection).await;
    Ok(recorded.map_err(StoreError::on("recording events"))?.iter().map(|row| row.get("id")).collect())
}

/// New or duplicate, for each of `events` in turn; an event that is in the batch twice is new once.
pub(crate) fn new_or_duplicate(events: &[&Event], mut new: HashSet<String>) -> Vec<Recorded> {
    let of = |event: &&Event| if new.remove(&event.id) { Recorded::New } else { Recorded::Duplicate };
    events.iter().map(of).collect()
}
