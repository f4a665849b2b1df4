//! The worklist: accounts to sync, and when.

use std::collections::{BTreeMap, HashSet};
use std::pin::pin;
use std::time::Duration;

use entitlement::model::account::Account;
use entitlement::model::clock::Timestamp;
use entitlement::model::user::User;
use tokio_util::sync::CancellationToken;

use crate::batch::{Batch, Column};
use crate::claim::{Capacity, Claimed, Lease, Urgency};
use crate::connection::Connection;
use crate::error::StoreError;
use crate::open::Store;
use crate::statement::sql;
use crate::value::{Value, millis, millis_after, timestamp};
use crate::write::Write;

/// The priorities of rows, as `worklist.priority` stores them.
pub(crate) mod priority {
    /// An event came, or somebody asked.
    pub(crate) const FRESH: i64 = 0;
    /// Due by itself: a retry, or a time that a sync has set.
    pub(crate) const BY_ITSELF: i64 = 1;
    /// Backfill and reconciliation.
    pub(crate) const BULK: i64 = 2;
}

/// How much is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Accounts that are due.
    pub due: i64,
    /// When the oldest of them became due.
    pub oldest: Option<Timestamp>,
}

/// The row of one account.
#[derive(Clone, Debug)]
pub struct AccountState {
    pub user: Option<User>,
    /// `None` while it is idle until the next trigger.
    pub due_at: Option<Timestamp>,
    pub generation: i64,
    /// When the last sync came to its end.
    pub settled_at: Option<Timestamp>,
    pub last_error: Option<String>,
    /// The upstream whose gate it waits for.
    pub waits_for: Option<String>,
    pub leased: bool,
}

impl Store {
    /// Makes accounts due at once.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn enqueue(&self, accounts: Vec<Account>, urgency: Urgency) -> Result<(), StoreError> {
        self.write(Write::Enqueue(accounts, urgency)).await.map(drop)
    }

    /// Makes due whatever waits for a retry, as a start does: its cause may be repaired.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn retry_all(&self) -> Result<(), StoreError> {
        self.write(Write::RetryAll).await.map(drop)
    }

    /// Leases due accounts for `span`, as many as there is capacity for: fresh ones first, the longest waiting first,
    /// and never two of one user.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn claim(&self, lease: Lease, capacity: Capacity, span: Duration) -> Result<Claimed, StoreError> {
        let asked_at = (self.clock)();
        let claimed: Claimed = self.write(Write::Claim(lease, capacity, span)).await?.try_into()?;
        // by the clock of this process, which asks the deadline; the database may have another
        let until = timestamp(millis_after(asked_at, span));
        claimed.claims.iter().for_each(|claim| claim.deadline.set(until));
        Ok(claimed)
    }

    /// The same, as soon as there is something to claim, in the very transaction that makes it due; nothing once `stop`
    /// is cancelled. What another process made due is found after `sweep` at the latest. On SQLite alone.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn claim_when_due(
        &self,
        lease: Lease,
        capacity: Capacity,
        span: Duration,
        sweep: Duration,
        stop: &CancellationToken,
    ) -> Result<Claimed, StoreError> {
        let mut claim = pin!(self.write(Write::ClaimWhenDue(lease, capacity, span, sweep)));
        tokio::select! {
            // in order: the claim is sent before it is asked to stop waiting
            biased;
            claimed = &mut claim => claimed?.try_into(),
            () = stop.cancelled() => {
                self.write(Write::StopWaiting).await?;
                // what was claimed meanwhile must be known, so that it can be given back
                claim.await?.try_into()
            }
        }
    }

    /// Extends the leases in `held`, as far as nobody else has taken them over; a span of zero gives them back. Answers
    /// those that are still ours.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn renew(
        &self,
        held: Vec<(Account, Lease)>,
        span: Duration,
    ) -> Result<HashSet<(Account, Lease)>, StoreError> {
        self.write(Write::Renew(held, span)).await?.try_into()
    }

    /// How much is due.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn backlog(&self) -> Result<Backlog, StoreError> {
        // the index begins with the priority
        let query = sql(
            "SELECT count(*) AS due, min(due_at) AS oldest FROM worklist WHERE priority IN (0, 1, 2) AND due_at <= $1",
        );
        let row = query.bind(millis((self.clock)())).read_first(&self.reads).await;
        let row = row.map_err(StoreError::on("counting what is due"))?;
        Ok(row.map_or_else(Backlog::default, |row| Backlog {
            due: row.get("due"),
            oldest: row.get::<Option<i64>>("oldest").map(timestamp),
        }))
    }

    /// The row of `account`; `None` when it was never enqueued.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn account_state(&self, account: &Account) -> Result<Option<AccountState>, StoreError> {
        let query = sql("SELECT user_id, due_at, generation, settled_at, last_error, waits_for, lease_until
             FROM worklist WHERE account = $1");
        let row = query.bind(account.as_str()).read_first(&self.reads).await;
        let now = millis((self.clock)());
        Ok(row.map_err(StoreError::on("reading the worklist"))?.map(|row| AccountState {
            user: row.get::<Option<String>>("user_id").as_deref().and_then(User::new),
            due_at: row.get::<Option<i64>>("due_at").map(timestamp),
            generation: row.get("generation"),
            settled_at: row.get::<Option<i64>>("settled_at").map(timestamp),
            last_error: row.get("last_error"),
            waits_for: row.get("waits_for"),
            leased: row.get::<Option<i64>>("lease_until").is_some_and(|until| until > now),
        }))
    }
}

/// How long after a failure an event may have its account tried before its time, in milliseconds.
const EARLY_TRY_AFTER: i64 = 10_000;

/// Whether an event leaves the schedule of a failing account as it is, with the last early failure as `$2`.
const BACKS_OFF: &str = "(excluded.requested = 0 AND worklist.retry_at > excluded.due_at AND worklist.failed_at > $2)";

/// Makes `accounts` due now and raises their generation. Events do not hurry a failing account: its schedule stands,
/// but for one try at once when the last is ten seconds past.
pub(crate) async fn enqueue(
    connection: &mut Connection,
    accounts: &BTreeMap<&Account, Urgency>,
    now: Timestamp,
) -> Result<(), StoreError> {
    if accounts.is_empty() {
        return Ok(());
    }
    let rows = accounts.iter().map(|(account, urgency)| enqueued_row(account, *urgency));
    let columns = [Column::Text("account"), Column::Number("priority"), Column::Number("requested")];
    // in order, so that two processes never deadlock; of an account that is due already the higher urgency counts
    sql(format!(
        "INSERT INTO worklist (account, user_id, due_at, priority, requested, generation, triggered_at)
         SELECT enqueued.account, links.user_id, $1, enqueued.priority, enqueued.requested, 1, $1
         FROM enqueued LEFT JOIN links ON links.account = enqueued.account WHERE true ORDER BY enqueued.account
         ON CONFLICT (account) DO UPDATE SET
           generation = worklist.generation + 1,
           priority = CASE WHEN worklist.due_at IS NULL OR worklist.due_at > excluded.due_at
                             OR worklist.priority > excluded.priority
                           THEN excluded.priority ELSE worklist.priority END,
           requested = CASE WHEN excluded.requested = 1
                              OR (worklist.due_at <= excluded.due_at AND worklist.triggered_at IS NULL)
                            THEN 1 ELSE worklist.requested END,
           last_error = CASE WHEN {BACKS_OFF} THEN worklist.last_error END,
           waits_for = CASE WHEN {BACKS_OFF} THEN worklist.waits_for END,
           due_at = CASE WHEN {BACKS_OFF} OR worklist.due_at < excluded.due_at
                         THEN worklist.due_at ELSE excluded.due_at END,
           triggered_at = coalesce(worklist.triggered_at, excluded.triggered_at)"
    ))
    .bind(millis(now))
    .bind(millis(now) - EARLY_TRY_AFTER)
    .with(Batch::new("enqueued", columns, rows))
    .queue(connection, "enqueueing accounts")
    .await
}

fn enqueued_row(account: &Account, urgency: Urgency) -> [Value<'_>; 3] {
    let (priority, requested) = match urgency {
        Urgency::Fresh => (priority::FRESH, 0),
        Urgency::Requested => (priority::FRESH, 1),
        Urgency::Bulk => (priority::BULK, 1),
    };
    [account.as_str().into(), priority.into(), requested.into()]
}

pub(crate) async fn retry_all(connection: &mut Connection, now: Timestamp) -> Result<(), StoreError> {
    let steps = sql("UPDATE ledger SET due_at = $1 WHERE state = 'intended' AND due_at > $1");
    steps.bind(millis(now)).queue(connection, "retrying steps").await?;
    let accounts = sql("UPDATE worklist SET due_at = $1, priority = $2, waits_for = NULL
         WHERE due_at > $1
           AND (attempts > 0 OR waits_for IS NOT NULL OR account IN (SELECT account FROM ledger WHERE state = 'intended'))");
    accounts.bind(millis(now)).bind(priority::BY_ITSELF).queue(connection, "retrying accounts").await
}
