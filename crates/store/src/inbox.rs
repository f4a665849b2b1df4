//! The inbox: events seen, each once.

use std::collections::HashSet;

use entitlement::clock::Timestamp;
use entitlement::names::Account;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use crate::connection::{Connection, Row};
use crate::error::StoreError;
use crate::event::{Event, Outcome, Recorded};
use crate::listing::Listing;
use crate::open::Store;
use crate::statement::{Batch, Column, Value, millis, moment, sql};
use crate::writer::Op;

/// A place in the queue of events that wait for the writer.
#[derive(Debug)]
pub struct Slot {
    store: Store,
    permit: OwnedSemaphorePermit,
}

impl Store {
    /// A place for one event, or `None` when too many wait: cheap, to be asked before any work is done for the event.
    #[must_use]
    pub fn slot(&self) -> Option<Slot> {
        let permit = self.seats.clone().try_acquire_owned().ok()?;
        Some(Slot { store: self.clone(), permit })
    }

    /// A place for one event, as soon as there is one.
    ///
    /// # Errors
    /// When the program is shutting down.
    pub async fn slot_when_free(&self) -> Result<Slot, StoreError> {
        let permit = self.seats.clone().acquire_owned().await.map_err(|_| StoreError::Stopped)?;
        Ok(Slot { store: self.clone(), permit })
    }

    /// Whether an event would find a seat now: to be asked before its body is read.
    #[must_use]
    pub fn has_slots(&self) -> bool {
        self.seats.available_permits() > 0
    }

    /// The newest events that are `filter`, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn events(&self, filter: &Filter, limit: u32) -> Result<Vec<ReceivedEvent>, StoreError> {
        let Filter { accounts, kind, outcome, since, after } = filter;
        let (exactly, beginning) = match kind {
            Some(KindFilter::Exact(kind)) => (Some(kind.as_str()), None),
            Some(KindFilter::Prefix(start)) => (None, Some(start.as_str())),
            None => (None, None),
        };
        let select = "SELECT id, kind, account, object, outcome, created, received FROM inbox WHERE true";
        // an equality finds the index at once
        let (one, several) = match accounts.as_slice() {
            [one] => (Some(one.as_str()), false),
            accounts => (None, !accounts.is_empty()),
        };
        let query = Listing::of(select)
            .only("account = ?", one)
            .only_if(several, "account IN (SELECT value FROM asked)")
            .only("kind = ? OR kind = 'v1.' || ?", exactly)
            .only("substr(kind, 1, length(?)) = ? OR substr(kind, 1, length(?) + 3) = 'v1.' || ?", beginning)
            .only("outcome = ?", outcome.as_deref())
            .only("received >= ?", since.map(millis))
            .only("(received, id) < (SELECT received, id FROM inbox WHERE id = ?)", after.as_deref())
            .first(limit, "received DESC, id DESC");
        let query =
            if several { query.with(Batch::texts("asked", accounts.iter().map(Account::as_str))) } else { query };
        let found = query.read(&self.reads).await;
        Ok(found.map_err(StoreError::on("listing events"))?.iter().map(seen).collect())
    }

    /// One event, with its body as far as that is kept.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn event(&self, id: &str) -> Result<Option<StoredEvent>, StoreError> {
        let query = sql("SELECT id, kind, account, object, outcome, created, received, body FROM inbox WHERE id = $1");
        let row = query.bind(id).read_first(&self.reads).await.map_err(StoreError::on("reading an event"))?;
        Ok(row.map(|row| StoredEvent { seen: seen(&row), body: row.get("body") }))
    }
}

impl Slot {
    /// Keeps the event and rings for its account. When this answers, both are on the disk.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn record(self, event: Event) -> Result<Recorded, StoreError> {
        // the seat goes with the event: it is free again when the writer is done, not when the client gives up
        self.store.write(Op::Ring(event, self.permit)).await?.try_into()
    }
}

/// Which events are meant; nothing said means all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Those that rang for one of these.
    pub accounts: Vec<Account>,
    pub kind: Option<KindFilter>,
    /// [`Outcome::as_str`]
    pub outcome: Option<String>,
    /// Those received then or later.
    pub since: Option<Timestamp>,
    /// Those listed behind this event.
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

/// An event with everything that is kept of it.
#[derive(Clone, Debug, Serialize)]
pub struct StoredEvent {
    #[serde(flatten)]
    pub seen: ReceivedEvent,
    pub body: Option<String>,
}

fn seen(row: &Row) -> ReceivedEvent {
    ReceivedEvent {
        id: row.get("id"),
        kind: row.get("kind"),
        account: row.get("account"),
        object: row.get("object"),
        outcome: row.get("outcome"),
        created: moment(row.get("created")),
        received: moment(row.get("received")),
    }
}

/// Keeps `events` and answers which of them are new; each new one is named once, even when a batch holds it twice.
pub(crate) async fn keep(
    connection: &mut Connection,
    events: &[&Event],
    now: Timestamp,
) -> Result<HashSet<String>, StoreError> {
    let rows = events.iter().map(|event| -> [Value<'_>; 7] {
        let account = match &event.outcome {
            Outcome::Enqueued(account) => Some(account.as_str()),
            Outcome::NoAccount | Outcome::OtherMode | Outcome::Unreadable { .. } => None,
        };
        let (kind, outcome, created) = (&event.kind, event.outcome.as_str(), millis(event.created));
        [
            (&event.id).into(),
            kind.into(),
            account.into(),
            (&event.object).into(),
            outcome.into(),
            created.into(),
            (&event.body).into(),
        ]
    });
    let (text, number) = (Column::Text, Column::Number);
    let columns =
        [text("id"), text("kind"), text("account"), text("object"), text("outcome"), number("created"), text("body")];
    // in order, so that two processes that take in the same events never wait for each other crosswise
    let kept = sql("INSERT INTO inbox (id, kind, account, object, outcome, created, received, body)
         SELECT id, kind, account, object, outcome, created, $1, body FROM events ORDER BY id
         ON CONFLICT DO NOTHING RETURNING id");
    let kept = kept.bind(millis(now)).with(Batch::new("events", columns, rows)).fetch(connection).await;
    Ok(kept.map_err(StoreError::on("keeping events"))?.iter().map(|row| row.get("id")).collect())
}

/// New or duplicate, for each of `events` in turn.
pub(crate) fn verdicts(events: &[&Event], mut new: HashSet<String>) -> Vec<Recorded> {
    events.iter().map(|event| if new.remove(&event.id) { Recorded::New } else { Recorded::Duplicate }).collect()
}
