//! The ledger: every step, before it is sent and after it is answered.

use entitlement::clock::Timestamp;
use entitlement::key::StepKey;
use entitlement::ledger::{Entry, Ledger, State};
use entitlement::names::Customer;
use entitlement::plan::Step;
use serde::Serialize;
use sqlx::{Row, SqliteConnection};

use crate::error::StoreError;
use crate::open::Store;
use crate::record::{Held, Intent, Outcomes, Sent, SentOutcome, Settlement};
use crate::statements::{json, millis, moment, rows};
use crate::writer::Op;

/// Entries of one customer that a decision looks at; older ones can no longer matter.
const DEPTH: i64 = 200;

/// A line of the book, as it is listed.
#[derive(Clone, Debug, Serialize)]
pub struct LedgerLine {
    pub seq: i64,
    pub key: String,
    pub destination: String,
    pub environment: String,
    pub account: String,
    pub user: String,
    pub subject: String,
    pub step: serde_json::Value,
    pub because: String,
    pub state: String,
    pub attempts: i64,
    pub intended_at: Timestamp,
    pub settled_at: Option<Timestamp>,
    pub why: Option<String>,
}

impl Store {
    /// What the book says about `customer` at `destination`.
    ///
    /// # Errors
    /// When the database does not answer, or holds what this program never writes.
    pub async fn ledger(&self, customer: &Customer, destination: &str) -> Result<Ledger, StoreError> {
        let query = sqlx::query(
            "SELECT seq, key, step, state, attempts, due_at, settled_at, why FROM ledger
             WHERE customer = $1 AND destination = $2 ORDER BY seq DESC LIMIT $3",
        );
        let found = query.bind(customer.as_str()).bind(destination).bind(DEPTH).fetch_all(&self.reads).await;
        let found = found.map_err(StoreError::on("reading the ledger"))?;
        Ok(Ledger { entries: found.iter().map(entry).collect::<Result<_, _>>()? })
    }

    /// Writes down steps about to be sent. Nothing may be sent unless this answers [`Held::Yes`].
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn intend(&self, intent: Intent) -> Result<Held, StoreError> {
        self.write(|reply| Op::Intend(Box::new(intent), reply)).await
    }

    /// Writes what became of steps, while the look goes on.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn close(&self, outcomes: Outcomes) -> Result<Held, StoreError> {
        self.write(|reply| Op::Close(Box::new(outcomes), reply)).await
    }

    /// Ends a look.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn settle(&self, settlement: Settlement) -> Result<Held, StoreError> {
        self.write(|reply| Op::Settle(Box::new(settlement), reply)).await
    }

    /// The newest lines of the book, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn ledger_lines(&self, user: Option<&Customer>, limit: u32) -> Result<Vec<LedgerLine>, StoreError> {
        let query = sqlx::query(
            "SELECT seq, key, destination, environment, account, customer, subject, step, because, state, attempts,
                    intended_at, settled_at, why FROM ledger
             WHERE $1 IS NULL OR customer = $1 ORDER BY seq DESC LIMIT $2",
        );
        let found = query.bind(user.map(Customer::as_str)).bind(limit).fetch_all(&self.reads).await;
        found.map_err(StoreError::on("listing the ledger"))?.iter().map(line).collect()
    }
}

fn entry(row: &sqlx::sqlite::SqliteRow) -> Result<Entry, StoreError> {
    let step: String = row.get("step");
    let step: Step = serde_json::from_str(&step).map_err(unreadable)?;
    let settled = moment(row.get::<Option<i64>, _>("settled_at").unwrap_or(0));
    let state = match row.get::<String, _>("state").as_str() {
        "intended" => State::Intended {
            attempts: u32::try_from(row.get::<i64, _>("attempts")).unwrap_or(0),
            due: moment(row.get("due_at")),
        },
        "confirmed" => State::Confirmed { at: settled },
        "refused" => State::Refused { at: settled, why: row.get::<Option<String>, _>("why").unwrap_or_default() },
        "dropped" => State::Dropped { at: settled },
        other => return Err(StoreError::Row { table: "ledger", what: format!("state `{other}`") }),
    };
    Ok(Entry { seq: row.get("seq"), key: StepKey::stored(row.get("key")), step, state })
}

fn line(row: &sqlx::sqlite::SqliteRow) -> Result<LedgerLine, StoreError> {
    let because: String = row.get("because");
    let because: entitlement::reason::Reason = serde_json::from_str(&because).map_err(unreadable)?;
    Ok(LedgerLine {
        seq: row.get("seq"),
        key: row.get("key"),
        destination: row.get("destination"),
        environment: row.get("environment"),
        account: row.get("account"),
        user: row.get("customer"),
        subject: row.get("subject"),
        step: serde_json::from_str(row.get("step")).map_err(unreadable)?,
        because: because.sentence(),
        state: row.get("state"),
        attempts: row.get("attempts"),
        intended_at: moment(row.get("intended_at")),
        settled_at: row.get::<Option<i64>, _>("settled_at").map(moment),
        why: row.get("why"),
    })
}

fn unreadable(error: serde_json::Error) -> StoreError {
    StoreError::Row { table: "ledger", what: error.to_string() }
}

/// Writes down intentions, and settles earlier ones that were seen or are moot.
pub(crate) async fn intend(
    connection: &mut SqliteConnection,
    intents: &[&Intent],
    now: Timestamp,
) -> Result<(), StoreError> {
    let settled = intents.iter().flat_map(|intent| {
        let seen = intent.seen.iter().map(|key| (key.as_str(), "confirmed", None::<&str>, None::<i64>));
        seen.chain(intent.moot.iter().map(|key| (key.as_str(), "dropped", None, None)))
    });
    outcomes(connection, settled.collect(), now).await?;
    let mut lines = Vec::new();
    for intent in intents {
        for planned in &intent.steps {
            let (step, because) = (json(&planned.step)?, json(&planned.because)?);
            let previous = planned.previous.as_ref().map(StepKey::as_str);
            lines.push((
                (planned.key.as_str(), previous, intent.destination.as_str(), intent.mode.as_str()),
                (intent.customer.as_str(), intent.account.as_str(), planned.step.level().0.as_str()),
                (step, because),
            ));
        }
    }
    if lines.is_empty() { Ok(()) } else { insert(connection, rows(lines)?, now).await }
}

async fn insert(connection: &mut SqliteConnection, lines: String, now: Timestamp) -> Result<(), StoreError> {
    // an entry that was dropped and is wanted again is intended once more; anything else stays as it is
    sqlx::query(
        "INSERT INTO ledger (key, previous, destination, environment, customer, account, subject, step, because,
                             state, due_at, intended_at)
         SELECT value ->> '$[0][0]', value ->> '$[0][1]', value ->> '$[0][2]', value ->> '$[0][3]',
                value ->> '$[1][0]', value ->> '$[1][1]', value ->> '$[1][2]',
                value ->> '$[2][0]', value ->> '$[2][1]', 'intended', $2, $2
         FROM json_each($1) WHERE true
         ON CONFLICT (key) DO UPDATE SET state = 'intended', settled_at = NULL, due_at = excluded.due_at
         WHERE ledger.state = 'dropped'",
    )
    .bind(lines)
    .bind(millis(now))
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(StoreError::on("writing intentions"))
}

/// Writes what became of steps that were sent.
pub(crate) async fn sent(connection: &mut SqliteConnection, sent: &[&Sent], now: Timestamp) -> Result<(), StoreError> {
    let changes = sent.iter().map(|sent| {
        let key = sent.key.as_str();
        match &sent.outcome {
            SentOutcome::Confirmed => (key, "confirmed", None, None),
            SentOutcome::Again { due, why } => (key, "intended", Some(why.as_str()), Some(millis(*due))),
            SentOutcome::Refused { why } => (key, "refused", Some(why.as_str()), None),
        }
    });
    outcomes(connection, changes.collect(), now).await
}

type Change<'a> = (&'a str, &'static str, Option<&'a str>, Option<i64>);

async fn outcomes(
    connection: &mut SqliteConnection,
    changes: Vec<Change<'_>>,
    now: Timestamp,
) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    // what is settled stays settled
    sqlx::query(
        "UPDATE ledger SET
           state = c.state, why = c.why, due_at = coalesce(c.due_at, ledger.due_at),
           attempts = ledger.attempts + (c.state <> 'dropped'),
           settled_at = CASE c.state WHEN 'intended' THEN NULL ELSE $2 END
         FROM (SELECT value ->> 0 AS key, value ->> 1 AS state, value ->> 2 AS why, value ->> 3 AS due_at
               FROM json_each($1)) AS c
         WHERE ledger.key = c.key AND ledger.state = 'intended'",
    )
    .bind(rows(changes)?)
    .bind(millis(now))
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(StoreError::on("writing outcomes"))
}
