//! The inbox: events seen, each once.

use std::collections::HashSet;

use entitlement::clock::Timestamp;
use entitlement::names::Account;
use serde::Serialize;
use sqlx::{Row, SqliteConnection};
use tokio::sync::OwnedSemaphorePermit;

use crate::error::StoreError;
use crate::event::{Event, Kept, Outcome};
use crate::open::Store;
use crate::statements::{millis, moment, rows};
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
            Some(account) => sqlx::query(
                "SELECT id, kind, account, object, outcome, created, received FROM inbox
                 WHERE account = $2 ORDER BY received DESC, id DESC LIMIT $1",
            )
            .bind(limit)
            .bind(account.as_str()),
            None => sqlx::query(
                "SELECT id, kind, account, object, outcome, created, received FROM inbox
                 ORDER BY received DESC, id DESC LIMIT $1",
            )
            .bind(limit),
        };
        let found = query.fetch_all(&self.reads).await;
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

fn seen(row: &sqlx::sqlite::SqliteRow) -> Seen {
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
    connection: &mut SqliteConnection,
    events: &[&Event],
    now: Timestamp,
) -> Result<HashSet<String>, StoreError> {
    let received = millis(now);
    let batch = rows(events.iter().map(|event| {
        let account = match &event.outcome {
            Outcome::Rung(account) => Some(account.as_str()),
            Outcome::Nobody | Outcome::OtherMode | Outcome::Unreadable { .. } => None,
        };
        let (id, kind, outcome) = (&event.id, &event.kind, event.outcome.as_str());
        (id, kind, account, &event.object, outcome, millis(event.created), received, &event.body)
    }))?;
    let kept = sqlx::query(
        "INSERT INTO inbox (id, kind, account, object, outcome, created, received, body)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7
         FROM json_each($1) WHERE true ON CONFLICT DO NOTHING RETURNING id",
    )
    .bind(batch)
    .fetch_all(connection)
    .await
    .map_err(StoreError::on("keeping events"))?;
    Ok(kept.iter().map(|row| row.get(0)).collect())
}

/// New or duplicate, for each of `events` in turn.
pub(crate) fn verdicts(events: &[&Event], mut new: HashSet<String>) -> Vec<Kept> {
    events.iter().map(|event| if new.remove(&event.id) { Kept::New } else { Kept::Duplicate }).collect()
}
