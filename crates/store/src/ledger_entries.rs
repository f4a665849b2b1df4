//! The ledger as decisions read it and syncs write it: intended, then confirmed, refused or dropped.

use std::collections::HashSet;

use entitlement::model::account::Account;
use entitlement::model::clock::Timestamp;
use entitlement::model::key::StepKey;
use entitlement::model::ledger::{Entry, Ledger, State};
use entitlement::model::mode::Mode;
use entitlement::model::overrides::Overrides;
use entitlement::model::stored_step::StoredStep;
use entitlement::model::user::User;

use crate::batch::{Batch, Column};
use crate::connection::{Connection, Row};
use crate::error::StoreError;
use crate::open::Store;
use crate::overrides;
use crate::record::{Attempt, Fenced, Intent, Progress, Settlement, StepOutcome, StepResult};
use crate::statement::{Statement, sql};
use crate::value::{Value, json, millis, timestamp};
use crate::write::Write;

/// Entries of one subject that a decision reads, beside the last confirmed one and whatever is open.
const DEPTH: i64 = 50;

impl Store {
    /// The entries of `user` at `destination`.
    ///
    /// # Errors
    /// When the database does not answer, or holds what this program never writes.
    pub async fn ledger(&self, user: &User, destination: &str, mode: Mode) -> Result<Ledger, StoreError> {
        let found = entries_of(user, destination, mode).read(&self.reads).await;
        ledger(&found.map_err(StoreError::on("reading the ledger"))?)
    }

    /// The entries of `user` at `destination`, and the overrides of the user there.
    ///
    /// # Errors
    /// When the database does not answer, or holds what this program never writes.
    pub async fn ledger_and_overrides(
        &self,
        user: &User,
        destination: &str,
        mode: Mode,
    ) -> Result<(Ledger, Overrides), StoreError> {
        let of_user = overrides::overrides_of(user, destination, (self.clock)());
        let found = entries_of(user, destination, mode).read_with(of_user, &self.reads).await;
        let [entries, of_user] = found.map_err(StoreError::on("reading the ledger"))?;
        Ok((ledger(&entries)?, overrides::overrides(&of_user)?))
    }

    /// Writes, in one transaction, the results of earlier steps and the steps about to be sent. Nothing may be sent
    /// unless this answers [`Fenced::Written`]. It answers [`Fenced::LeaseLost`] also where a step of the same key is
    /// settled already; the results were written then.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn intend(&self, intent: Intent) -> Result<Fenced, StoreError> {
        self.write(Write::Intend(Box::new(intent))).await?.try_into()
    }

    /// Writes results and statuses while the sync goes on.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn record_progress(&self, progress: Progress) -> Result<Fenced, StoreError> {
        self.write(Write::Progress(Box::new(progress))).await?.try_into()
    }

    /// Ends a sync.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn settle(&self, settlement: Settlement) -> Result<Fenced, StoreError> {
        self.write(Write::Settle(Box::new(settlement))).await?.try_into()
    }
}

fn entries_of<'a>(user: &'a User, destination: &'a str, mode: Mode) -> Statement<'a> {
    sql("SELECT seq, key, step, state, attempts, due_at, settled_at, error FROM (
           SELECT *, row_number() OVER (PARTITION BY subject ORDER BY seq DESC) AS place,
                  max(CASE WHEN state = 'confirmed' THEN seq END) OVER (PARTITION BY subject) AS last
           FROM ledger WHERE user_id = $1 AND destination = $2 AND mode = $3) AS entries
         WHERE place <= $4 OR seq = last OR state = 'intended'")
    .bind(user.as_str())
    .bind(destination)
    .bind(mode.as_str())
    .bind(DEPTH)
}

fn ledger(rows: &[Row]) -> Result<Ledger, StoreError> {
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        entries.extend(entries_of_row(row)?);
    }
    Ok(Ledger { entries })
}

/// What one row stands for; a step of the first edition may have been two requests.
fn entries_of_row(row: &Row) -> Result<Vec<Entry>, StoreError> {
    let step: StoredStep = serde_json::from_str(&row.get::<String>("step"))
        .map_err(|error| StoreError::Row { table: "ledger", what: error.to_string() })?;
    let settled = timestamp(row.get::<Option<i64>>("settled_at").unwrap_or(0));
    let state = match row.get::<String>("state").as_str() {
        "intended" => State::Intended {
            attempts: u32::try_from(row.get::<i64>("attempts")).unwrap_or(0),
            due: timestamp(row.get("due_at")),
        },
        "confirmed" => State::Confirmed { at: settled },
        "refused" => State::Refused { at: settled, why: row.get::<Option<String>>("error").unwrap_or_default() },
        "dropped" => State::Dropped { at: settled },
        other => return Err(StoreError::Row { table: "ledger", what: format!("state `{other}`") }),
    };
    Ok(Entry::from_stored(row.get("seq"), StepKey::stored(row.get("key")), step, state))
}

/// Settles earlier steps that the profile shows or that are no longer needed, and writes intentions. Answers the
/// accounts of those whose steps must not be sent, since an entry of the same key is settled.
pub(crate) async fn intend(
    connection: &mut Connection,
    intents: &[&Intent],
    now: Timestamp,
) -> Result<Vec<Account>, StoreError> {
    let mut changes = Vec::new();
    for intent in intents {
        changes.extend(intent.settled.iter().map(|key| Change::to("confirmed", key)));
        changes.extend(intent.dropped.iter().map(|key| Change::to("dropped", key)));
    }
    update(connection, changes, now).await?;
    let rows = intended_rows(intents)?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let open = insert(connection, rows, now).await?;
    let is_settled = |intent: &&&Intent| intent.steps.iter().any(|planned| !open.contains(planned.key.as_str()));
    Ok(intents.iter().filter(is_settled).map(|intent| intent.account.clone()).collect())
}

const COLUMNS: [&str; 9] =
    ["key", "previous", "destination", "mode", "user_id", "account", "subject", "step", "reason"];

/// One row a step, each once: no database changes a row twice in one statement.
fn intended_rows<'a>(intents: &[&'a Intent]) -> Result<Vec<[Value<'a>; 9]>, StoreError> {
    let mut rows = Vec::new();
    let mut keys = HashSet::new();
    for intent in intents {
        for planned in intent.steps.iter().filter(|planned| keys.insert(planned.key.as_str())) {
            rows.push([
                planned.key.as_str().into(),
                planned.previous.as_ref().map(StepKey::as_str).into(),
                (&intent.destination).into(),
                intent.mode.as_str().into(),
                intent.user.as_str().into(),
                intent.account.as_str().into(),
                planned.step.subject().into(),
                json(&planned.step)?.into(),
                json(&planned.because)?.into(),
            ]);
        }
    }
    Ok(rows)
}

/// Answers the keys that are intended now.
async fn insert(
    connection: &mut Connection,
    rows: Vec<[Value<'_>; 9]>,
    now: Timestamp,
) -> Result<HashSet<String>, StoreError> {
    // an entry that was dropped and is planned again begins anew; one that is still open stays as it is
    let open = sql("INSERT INTO ledger (key, previous, destination, mode, user_id, account, subject, step, reason,
                             state, due_at, intended_at)
         SELECT key, previous, destination, mode, user_id, account, subject, step, reason, 'intended', $1, $1
         FROM steps WHERE true
         ON CONFLICT (key) DO UPDATE SET
           attempts = CASE ledger.state WHEN 'dropped' THEN 0 ELSE ledger.attempts END,
           error = CASE ledger.state WHEN 'dropped' THEN NULL ELSE ledger.error END,
           due_at = CASE ledger.state WHEN 'dropped' THEN excluded.due_at ELSE ledger.due_at END,
           state = 'intended', settled_at = NULL
         WHERE ledger.state IN ('dropped', 'intended')
         RETURNING key")
    .bind(millis(now))
    .with(Batch::new("steps", COLUMNS.map(Column::Text), rows))
    .fetch(connection)
    .await
    .map_err(StoreError::on("writing intentions"))?;
    Ok(open.iter().map(|row| row.get("key")).collect())
}

/// Writes the results of steps that were sent.
pub(crate) async fn record_results(
    connection: &mut Connection,
    results: &[&StepResult],
    now: Timestamp,
) -> Result<(), StoreError> {
    update(connection, results.iter().map(|result| Change::of(result)).collect(), now).await
}

/// What becomes of one entry.
struct Change<'a> {
    key: &'a str,
    state: &'static str,
    error: Option<&'a str>,
    due_at: Option<i64>,
    attempts: i64,
}

impl<'a> Change<'a> {
    fn to(state: &'static str, key: &'a StepKey) -> Self {
        Self { key: key.as_str(), state, error: None, due_at: None, attempts: 0 }
    }

    fn of(result: &'a StepResult) -> Self {
        match &result.outcome {
            StepOutcome::Confirmed => Self { attempts: 1, ..Self::to("confirmed", &result.key) },
            StepOutcome::Retry { due, error, attempt } => Self {
                error: Some(error),
                due_at: Some(millis(*due)),
                attempts: i64::from(*attempt == Attempt::Counted),
                ..Self::to("intended", &result.key)
            },
            StepOutcome::Refused { error } => {
                Self { error: Some(error), attempts: 1, ..Self::to("refused", &result.key) }
            }
        }
    }
}

/// Changes entries that are still intended; what is settled stays settled.
async fn update(connection: &mut Connection, changes: Vec<Change<'_>>, now: Timestamp) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    let rows = changes.into_iter().map(|change| -> [Value<'_>; 5] {
        [change.key.into(), change.state.into(), change.error.into(), change.due_at.into(), change.attempts.into()]
    });
    let (text, number) = (Column::Text, Column::Number);
    let columns = [text("key"), text("state"), text("error"), number("due_at"), number("attempts")];
    sql("UPDATE ledger SET
           state = c.state, error = c.error, due_at = coalesce(c.due_at, ledger.due_at),
           attempts = ledger.attempts + c.attempts,
           settled_at = CASE c.state WHEN 'intended' THEN NULL ELSE $1 END
         FROM changes AS c
         WHERE ledger.key = c.key AND ledger.state = 'intended'")
    .bind(millis(now))
    .with(Batch::new("changes", columns, rows))
    .queue(connection, "writing results")
    .await
}
