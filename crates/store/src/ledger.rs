//! The ledger: every step, before it is sent and after it is answered.

use std::collections::HashSet;

use entitlement::clock::Timestamp;
use entitlement::key::StepKey;
use entitlement::ledger::{Entry, Ledger, State};
use entitlement::names::{Account, Mode, User};
use entitlement::overrides::Overrides;
use entitlement::reason::Reason;
use entitlement::stored_step::StoredStep;
use serde::Serialize;

use crate::connection::{Connection, Row};
use crate::error::StoreError;
use crate::listing::Listing;
use crate::open::Store;
use crate::overrides;
use crate::record::{Attempt, Fenced, Intent, Progress, Settlement, StepOutcome, StepResult};
use crate::statement::{Batch, Column, Statement, Value, json, millis, moment, sql};
use crate::writer::Op;

/// Entries of one subject that a decision looks at, beside the last confirmed one and whatever is open.
const DEPTH: i64 = 50;

/// A line of the book, as it is listed.
#[derive(Clone, Debug, Serialize)]
pub struct LedgerRow {
    pub seq: i64,
    pub key: String,
    /// The last confirmed step on the same subject when it was intended.
    pub previous: Option<String>,
    pub destination: String,
    pub environment: String,
    pub account: String,
    pub user: String,
    pub subject: String,
    pub step: serde_json::Value,
    pub because: String,
    /// The same, not yet in words.
    #[serde(skip)]
    pub reason: Reason,
    pub state: String,
    pub attempts: i64,
    pub intended_at: Timestamp,
    /// When it is sent next; `None` once it is settled.
    pub due_at: Option<Timestamp>,
    pub settled_at: Option<Timestamp>,
    pub why: Option<String>,
}

/// Which lines are meant; nothing said means all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub user: Option<User>,
    /// The account whose look intended them.
    pub account: Option<Account>,
    /// `intended`, `confirmed`, `refused` or `dropped`.
    pub state: Option<String>,
    /// Those intended then or later.
    pub since: Option<Timestamp>,
    /// Those with a lower number: intended earlier.
    pub after: Option<i64>,
}

/// All columns of a line.
const LINES: &str =
    "SELECT seq, key, previous, destination, environment, account, customer, subject, step, because, state,
        attempts, intended_at, due_at, settled_at, why FROM ledger WHERE true";

impl Store {
    /// What the book says about `user` at `destination`.
    ///
    /// # Errors
    /// When the database does not answer, or holds what this program never writes.
    pub async fn ledger(&self, user: &User, destination: &str, mode: Mode) -> Result<Ledger, StoreError> {
        let found = of_customer(user, destination, mode).read(&self.reads).await;
        ledger(&found.map_err(StoreError::on("reading the ledger"))?)
    }

    /// What the book says about `user` at `destination`, and what was ordered for them there.
    ///
    /// # Errors
    /// When the database does not answer, or holds what this program never writes.
    pub async fn ledger_and_overrides(
        &self,
        user: &User,
        destination: &str,
        mode: Mode,
    ) -> Result<(Ledger, Overrides), StoreError> {
        let ordered = overrides::of_customer(user, destination, (self.clock)());
        let found = of_customer(user, destination, mode).read_with(ordered, &self.reads).await;
        let [entries, ordered] = found.map_err(StoreError::on("reading the ledger"))?;
        Ok((ledger(&entries)?, overrides::overrides(&ordered)?))
    }

    /// Writes, in one transaction, what became of earlier steps and the steps about to be sent. Nothing may be sent unless
    /// this answers [`Fenced::Written`]. It answers [`Fenced::LeaseLost`] also where a step of the same key is settled
    /// already; the results were written then.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn intend(&self, intent: Intent) -> Result<Fenced, StoreError> {
        self.write(Op::Intend(Box::new(intent))).await?.try_into()
    }

    /// Writes what became of steps, and where customers stand, while the look goes on.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn record_progress(&self, outcomes: Progress) -> Result<Fenced, StoreError> {
        self.write(Op::Close(Box::new(outcomes))).await?.try_into()
    }

    /// Ends a look.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn settle(&self, settlement: Settlement) -> Result<Fenced, StoreError> {
        self.write(Op::Settle(Box::new(settlement))).await?.try_into()
    }

    /// The newest lines of the book that are `filter`, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn ledger_rows(&self, filter: &Filter, limit: u32) -> Result<Vec<LedgerRow>, StoreError> {
        self.lines(listing(filter).first(limit, "seq DESC")).await
    }

    /// The first lines of the book that are `filter`, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn first_ledger_rows(&self, filter: &Filter, limit: u32) -> Result<Vec<LedgerRow>, StoreError> {
        self.lines(listing(filter).first(limit, "seq")).await
    }

    /// The lines whose key begins so, up to `limit` of them. Keys are hexadecimal.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn ledger_rows_with_prefix(&self, beginning: &str, limit: u32) -> Result<Vec<LedgerRow>, StoreError> {
        // `g` sorts behind every further digit, under whatever collation the index has
        let query = Listing::of(LINES)
            .only("key >= ? AND key < ? || 'g'", Some(beginning))
            .only("substr(key, 1, length(?)) = ?", Some(beginning));
        self.lines(query.first(limit, "seq DESC")).await
    }

    /// The lines that came after `line` in its chain: one that was confirmed, and any that was not.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn ledger_rows_after(&self, line: &LedgerRow, limit: u32) -> Result<Vec<LedgerRow>, StoreError> {
        let query = Listing::of(LINES)
            .only("customer = ?", Some(&line.user))
            .only("destination = ?", Some(&line.destination))
            .only("environment = ?", Some(&line.environment))
            .only("subject = ?", Some(&line.subject))
            .only("previous = ?", Some(&line.key));
        self.lines(query.first(limit, "seq")).await
    }

    async fn lines(&self, query: Statement<'_>) -> Result<Vec<LedgerRow>, StoreError> {
        let found = query.read(&self.reads).await;
        found.map_err(StoreError::on("listing the ledger"))?.iter().map(line).collect()
    }
}

fn of_customer<'a>(user: &'a User, destination: &'a str, mode: Mode) -> Statement<'a> {
    sql("SELECT seq, key, step, state, attempts, due_at, settled_at, why FROM (
           SELECT *, row_number() OVER (PARTITION BY subject ORDER BY seq DESC) AS place,
                  max(CASE WHEN state = 'confirmed' THEN seq END) OVER (PARTITION BY subject) AS last
           FROM ledger WHERE customer = $1 AND destination = $2 AND environment = $3) AS entries
         WHERE place <= $4 OR seq = last OR state = 'intended'")
    .bind(user.as_str())
    .bind(destination)
    .bind(mode.as_str())
    .bind(DEPTH)
}

fn ledger(rows: &[Row]) -> Result<Ledger, StoreError> {
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        entries.extend(stored_entries(row)?);
    }
    Ok(Ledger { entries })
}

fn listing(filter: &Filter) -> Listing<'_> {
    let Filter { user, account, state, since, after } = filter;
    Listing::of(LINES)
        .only("customer = ?", user.as_ref().map(User::as_str))
        .only("account = ?", account.as_ref().map(Account::as_str))
        .only("state = ?", state.as_deref())
        .only("intended_at >= ?", since.map(millis))
        .only("seq < ?", *after)
}

/// What one row stands for; a step of the first edition may have been two requests.
fn stored_entries(row: &Row) -> Result<Vec<Entry>, StoreError> {
    let step: String = row.get("step");
    let step: StoredStep = serde_json::from_str(&step).map_err(unreadable)?;
    let settled = moment(row.get::<Option<i64>>("settled_at").unwrap_or(0));
    let state = match row.get::<String>("state").as_str() {
        "intended" => State::Intended {
            attempts: u32::try_from(row.get::<i64>("attempts")).unwrap_or(0),
            due: moment(row.get("due_at")),
        },
        "confirmed" => State::Confirmed { at: settled },
        "refused" => State::Refused { at: settled, why: row.get::<Option<String>>("why").unwrap_or_default() },
        "dropped" => State::Dropped { at: settled },
        other => return Err(StoreError::Row { table: "ledger", what: format!("state `{other}`") }),
    };
    Ok(Entry::from_stored(row.get("seq"), StepKey::stored(row.get("key")), step, state))
}

fn line(row: &Row) -> Result<LedgerRow, StoreError> {
    let because: String = row.get("because");
    let reason: Reason = serde_json::from_str(&because).map_err(unreadable)?;
    let state: String = row.get("state");
    let due_at = (state == "intended").then(|| moment(row.get("due_at")));
    Ok(LedgerRow {
        seq: row.get("seq"),
        key: row.get("key"),
        previous: row.get("previous"),
        destination: row.get("destination"),
        environment: row.get("environment"),
        account: row.get("account"),
        user: row.get("customer"),
        subject: row.get("subject"),
        step: serde_json::from_str(&row.get::<String>("step")).map_err(unreadable)?,
        because: reason.sentence(),
        reason,
        state,
        attempts: row.get("attempts"),
        intended_at: moment(row.get("intended_at")),
        due_at,
        settled_at: row.get::<Option<i64>>("settled_at").map(moment),
        why: row.get("why"),
    })
}

fn unreadable(error: serde_json::Error) -> StoreError {
    StoreError::Row { table: "ledger", what: error.to_string() }
}

/// Writes down intentions, and settles earlier ones that were seen or are moot. Answers the accounts of those whose
/// steps cannot be intended, since an entry of the same key is settled: they must not be sent.
pub(crate) async fn intend(
    connection: &mut Connection,
    intents: &[&Intent],
    now: Timestamp,
) -> Result<Vec<Account>, StoreError> {
    let settled = intents.iter().flat_map(|intent| {
        let seen = intent.settled.iter().map(|key| Change::to(key, "confirmed"));
        seen.chain(intent.dropped.iter().map(|key| Change::to(key, "dropped")))
    });
    outcomes(connection, settled.collect(), now).await?;
    let mut lines = Vec::new();
    // each once: no database changes a row twice in one statement
    let mut once = HashSet::new();
    for intent in intents {
        for planned in intent.steps.iter().filter(|planned| once.insert(planned.key.as_str())) {
            let (step, because) = (json(&planned.step)?, json(&planned.because)?);
            let previous = planned.previous.as_ref().map(StepKey::as_str);
            lines.push([
                planned.key.as_str().into(),
                previous.into(),
                (&intent.destination).into(),
                intent.mode.as_str().into(),
                intent.user.as_str().into(),
                intent.account.as_str().into(),
                planned.step.subject().into(),
                step.into(),
                because.into(),
            ]);
        }
    }
    if lines.is_empty() {
        return Ok(Vec::new());
    }
    let open = insert(connection, lines, now).await?;
    let settled = |intent: &&&Intent| intent.steps.iter().any(|planned| !open.contains(planned.key.as_str()));
    Ok(intents.iter().filter(settled).map(|intent| intent.account.clone()).collect())
}

/// Answers the keys that are intended now.
async fn insert(
    connection: &mut Connection,
    lines: Vec<[Value<'_>; 9]>,
    now: Timestamp,
) -> Result<HashSet<String>, StoreError> {
    let columns =
        ["key", "previous", "destination", "environment", "customer", "account", "subject", "step", "because"];
    // an entry that was dropped and is wanted again begins anew; one that is still open stays as it is
    let open =
        sql("INSERT INTO ledger (key, previous, destination, environment, customer, account, subject, step, because,
                             state, due_at, intended_at)
         SELECT key, previous, destination, environment, customer, account, subject, step, because,
                'intended', $1, $1
         FROM lines WHERE true
         ON CONFLICT (key) DO UPDATE SET
           attempts = CASE ledger.state WHEN 'dropped' THEN 0 ELSE ledger.attempts END,
           why = CASE ledger.state WHEN 'dropped' THEN NULL ELSE ledger.why END,
           due_at = CASE ledger.state WHEN 'dropped' THEN excluded.due_at ELSE ledger.due_at END,
           state = 'intended', settled_at = NULL
         WHERE ledger.state IN ('dropped', 'intended')
         RETURNING key")
        .bind(millis(now))
        .with(Batch::new("lines", columns.map(Column::Text), lines))
        .fetch(connection)
        .await
        .map_err(StoreError::on("writing intentions"))?;
    Ok(open.iter().map(|row| row.get("key")).collect())
}

/// Writes what became of steps that were sent.
pub(crate) async fn sent(connection: &mut Connection, sent: &[&StepResult], now: Timestamp) -> Result<(), StoreError> {
    let changes = sent.iter().map(|sent| match &sent.outcome {
        StepOutcome::Confirmed => Change { tried: 1, ..Change::to(&sent.key, "confirmed") },
        StepOutcome::Retry { due, error, attempt } => Change {
            why: Some(error),
            due_at: Some(millis(*due)),
            tried: i64::from(*attempt == Attempt::Counted),
            ..Change::to(&sent.key, "intended")
        },
        StepOutcome::Refused { error } => Change { why: Some(error), tried: 1, ..Change::to(&sent.key, "refused") },
    });
    outcomes(connection, changes.collect(), now).await
}

/// What becomes of one entry.
struct Change<'a> {
    key: &'a str,
    state: &'static str,
    why: Option<&'a str>,
    due_at: Option<i64>,
    tried: i64,
}

impl<'a> Change<'a> {
    fn to(key: &'a StepKey, state: &'static str) -> Self {
        Self { key: key.as_str(), state, why: None, due_at: None, tried: 0 }
    }
}

async fn outcomes(connection: &mut Connection, changes: Vec<Change<'_>>, now: Timestamp) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    let rows = changes.into_iter().map(|change| -> [Value<'_>; 5] {
        [change.key.into(), change.state.into(), change.why.into(), change.due_at.into(), change.tried.into()]
    });
    let (text, number) = (Column::Text, Column::Number);
    let columns = [text("key"), text("state"), text("why"), number("due_at"), number("tried")];
    // what is settled stays settled
    sql("UPDATE ledger SET
           state = c.state, why = c.why, due_at = coalesce(c.due_at, ledger.due_at),
           attempts = ledger.attempts + c.tried,
           settled_at = CASE c.state WHEN 'intended' THEN NULL ELSE $1 END
         FROM changes AS c
         WHERE ledger.key = c.key AND ledger.state = 'intended'")
    .bind(millis(now))
    .with(Batch::new("changes", columns, rows))
    .later(connection, "writing outcomes")
    .await
}
