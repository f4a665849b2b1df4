//! The inbox: events seen, each once.

use std::collections::HashSet;

use entitlement::clock::Timestamp;
use entitlement::names::Account;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use crate::connection::{Connection, Row};
use crate::error::StoreError;
use crate::event::{Event, Kept, Outcome};
use crate::open::Store;
use crate::statement::{Batch, Column, Value, millis, moment, sql};
use crate::writer::Op;

/// A place in the queue of events that wait for the writer.
#[derive(Debug)]
pub struct Seat {
    store: Store,
    permit: OwnedSemaphorePermit,
}

impl Store {
    /// A place for one event, or `None` when too many wait: cheap, to be asked before any work is done for the event.
    #[must_use]
    pub fn seat(&self) -> Option<Seat> {
        let permit = self.seats.clone().try_acquire_owned().ok()?;
        Some(Seat { store: self.clone(), permit })
    }

    /// A place for one event, as soon as there is one.
    ///
    /// # Errors
    /// When the program is shutting down.
    pub async fn seat_when_free(&self) -> Result<Seat, StoreError> {
        let permit = self.seats.clone().acquire_owned().await.map_err(|_| StoreError::Stopped)?;
        Ok(Seat { store: self.clone(), permit })
    }

    /// Whether an event would find a seat now: to be asked before its body is read.
    #[must_use]
    pub fn has_seats(&self) -> bool {
        self.seats.available_permits() > 0
    }

    /// The newest events, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn events(&self, account: Option<&Account>, limit: u32) -> Result<Vec<Seen>, StoreError> {
        // two texts, so that the one with an account finds its index
        let query = match account {
            Some(account) => sql("SELECT id, kind, account, object, outcome, created, received FROM inbox
                 WHERE account = $2 ORDER BY received DESC, id DESC LIMIT $1")
            .bind(i64::from(limit))
            .bind(account.as_str()),
            None => sql("SELECT id, kind, account, object, outcome, created, received FROM inbox
                 ORDER BY received DESC, id DESC LIMIT $1")
            .bind(i64::from(limit)),
        };
        let found = query.read(&self.reads).await;
        Ok(found.map_err(StoreError::on("listing events"))?.iter().map(seen).collect())
    }
}

impl Seat {
    /// Keeps the event and rings for its account. When this answers, both are on the disk.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn ring(self, event: Event) -> Result<Kept, StoreError> {
        // the seat goes with the event: it is free again when the writer is done, not when the client gives up
        self.store.write(Op::Ring(event, self.permit)).await?.try_into()
    }
}

/// An event as it is listed.
#[derive(Clone, Debug, Serialize)]
pub struct Seen {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub account: Option<String>,
    pub object: Option<String>,
    pub outcome: String,
    pub created: Timestamp,
    pub received: Timestamp,
}

fn seen(row: &Row) -> Seen {
    Seen {
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
            Outcome::Rung(account) => Some(account.as_str()),
            Outcome::Nobody | Outcome::OtherMode | Outcome::Unreadable { .. } => None,
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
pub(crate) fn verdicts(events: &[&Event], mut new: HashSet<String>) -> Vec<Kept> {
    events.iter().map(|event| if new.remove(&event.id) { Kept::New } else { Kept::Duplicate }).collect()
}
