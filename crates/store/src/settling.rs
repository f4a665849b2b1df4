//! The end of a sync in the worklist: the lease is released, and the account idle, due, or due again.
//!
//! ```mermaid
//! stateDiagram-v2
//!     [*] --> Due: enqueued
//!     Due --> Leased: claimed
//!     Leased --> Due: the lease expires
//!     Leased --> Idle: done, or given up
//!     Leased --> Waiting: done with a due time, failed, or yielded
//!     Leased --> Due: triggered since it was claimed, however it ended
//!     Leased --> Gated: what is left waits for a gate
//!     Leased --> [*]: discarded
//!     Waiting --> Due: its time comes
//!     Waiting --> Due: enqueued, unless it failed within ten seconds
//!     Gated --> Due: the gate opens, or enqueued
//!     Idle --> Due: enqueued
//! ```
//!
//! Idle: `due_at` is null. Waiting: it lies ahead. Gated: it lies ahead, and `waits_for` names the upstream. Due: it is
//! past. Leased: `lease_until` lies ahead. A trigger raises `generation`, so a sync that claimed an older one has not seen
//! it: the row then stays due, as fresh as it is. Only a sync that failed keeps its schedule.
//!
//! | ended | attempts | failing_since | last_error | triggered_at | settled_at | retry_at |
//! |---|---|---|---|---|---|---|
//! | done | 0 | null | what could not be read, else null | answered | now | null |
//! | given up | kept | null | set | answered | kept | null |
//! | failed | one more, unless it was tried before its time | kept, else now | set | kept | kept | its time, else the next |
//! | waits for a gate | kept | null | set | kept | kept | null |
//! | yielded | kept | kept | kept | kept | kept | kept |

use entitlement::model::clock::Timestamp;

use crate::batch::{Batch, Column};
use crate::connection::Connection;
use crate::error::StoreError;
use crate::record::{Settlement, SyncEnding};
use crate::statement::sql;
use crate::value::{Value, millis};

/// Ends syncs whose leases are held, as the picture above says.
pub(crate) async fn settle(
    connection: &mut Connection,
    settlements: &[&Settlement],
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut ended = Ended::default();
    for settlement in settlements {
        ended.add(settlement);
    }
    settle_done(connection, ended.done, now).await?;
    settle_given_up(connection, ended.given_up, now).await?;
    settle_failed(connection, ended.failed, now).await?;
    settle_waiting(connection, ended.waiting, now).await?;
    settle_yielded(connection, ended.yielded, now).await?;
    remove(connection, ended.discarded).await
}

/// Settlements by how they ended.
#[derive(Default)]
struct Ended<'a> {
    done: Vec<[Value<'a>; 6]>,
    given_up: Vec<[Value<'a>; 6]>,
    failed: Vec<[Value<'a>; 6]>,
    waiting: Vec<[Value<'a>; 6]>,
    yielded: Vec<[Value<'a>; 6]>,
    discarded: Vec<&'a str>,
}

impl<'a> Ended<'a> {
    fn add(&mut self, settlement: &'a Settlement) {
        let row = |due: Option<Timestamp>, error: Option<&'a str>| -> [Value<'a>; 6] {
            [
                settlement.account.as_str().into(),
                settlement.lease.as_str().into(),
                settlement.generation.into(),
                due.map(millis).into(),
                error.into(),
                settlement.waits_for.as_deref().into(),
            ]
        };
        match &settlement.ending {
            SyncEnding::Done { due, .. } => self.done.push(row(*due, None)),
            SyncEnding::Incomplete { due, error, .. } => self.done.push(row(*due, error.as_deref())),
            SyncEnding::GivenUp(attention) => self.given_up.push(row(None, Some(&attention.reason))),
            SyncEnding::Failed { due, error, .. } => self.failed.push(row(Some(*due), Some(error))),
            SyncEnding::Waiting { due, error, .. } => self.waiting.push(row(*due, Some(error))),
            SyncEnding::Yielded { due } => self.yielded.push(row(Some(*due), None)),
            SyncEnding::Discarded => {
                self.done.push(row(None, None));
                self.discarded.push(settlement.account.as_str());
            }
        }
    }
}

/// The rows of `settlements`, as the table `ended` of the statements below.
fn batch(settlements: Vec<[Value<'_>; 6]>) -> Batch<'_> {
    let (text, number) = (Column::Text, Column::Number);
    let columns =
        [text("account"), text("lease"), number("generation"), number("due_at"), text("error"), text("waits_for")];
    Batch::new("ended", columns, settlements)
}

async fn settle_done(
    connection: &mut Connection,
    settlements: Vec<[Value<'_>; 6]>,
    now: Timestamp,
) -> Result<(), StoreError> {
    if settlements.is_empty() {
        return Ok(());
    }
    sql("UPDATE worklist SET
           lease = NULL, lease_until = NULL, attempts = 0, failing_since = NULL, last_error = ended.error,
           failed_at = NULL, retry_at = NULL,
           due_at = CASE WHEN worklist.generation <> ended.generation THEN $1
                         WHEN ended.waits_for IS NULL OR ended.due_at < $2 THEN ended.due_at ELSE $2 END,
           waits_for = CASE WHEN worklist.generation = ended.generation THEN ended.waits_for END,
           priority = CASE WHEN worklist.generation = ended.generation THEN 1 ELSE worklist.priority END,
           requested = CASE WHEN worklist.generation = ended.generation THEN 0 ELSE worklist.requested END,
           triggered_at = CASE WHEN worklist.generation = ended.generation THEN NULL ELSE $1 END,
           settled_at = CASE WHEN worklist.generation = ended.generation THEN $1 ELSE worklist.settled_at END
         FROM ended WHERE worklist.account = ended.account AND worklist.lease = ended.lease")
    .bind(millis(now))
    .bind(gate_missed_at(now))
    .with(batch(settlements))
    .queue(connection, "settling syncs that are done")
    .await
}

async fn settle_given_up(
    connection: &mut Connection,
    settlements: Vec<[Value<'_>; 6]>,
    now: Timestamp,
) -> Result<(), StoreError> {
    if settlements.is_empty() {
        return Ok(());
    }
    sql("UPDATE worklist SET
           lease = NULL, lease_until = NULL, failing_since = NULL, last_error = ended.error,
           failed_at = NULL, retry_at = NULL, waits_for = NULL,
           due_at = CASE WHEN worklist.generation = ended.generation THEN NULL ELSE $1 END,
           priority = CASE WHEN worklist.generation = ended.generation THEN 1 ELSE worklist.priority END,
           requested = CASE WHEN worklist.generation = ended.generation THEN 0 ELSE worklist.requested END,
           triggered_at = CASE WHEN worklist.generation = ended.generation THEN NULL ELSE $1 END
         FROM ended WHERE worklist.account = ended.account AND worklist.lease = ended.lease")
    .bind(millis(now))
    .with(batch(settlements))
    .queue(connection, "settling syncs that were given up")
    .await
}

async fn settle_failed(
    connection: &mut Connection,
    settlements: Vec<[Value<'_>; 6]>,
    now: Timestamp,
) -> Result<(), StoreError> {
    if settlements.is_empty() {
        return Ok(());
    }
    sql("UPDATE worklist SET
           lease = NULL, lease_until = NULL, last_error = ended.error, waits_for = ended.waits_for,
           failing_since = coalesce(worklist.failing_since, $1), failed_at = $1,
           attempts = CASE WHEN worklist.retry_at > $1 THEN worklist.attempts ELSE worklist.attempts + 1 END,
           due_at = CASE WHEN worklist.retry_at > $1 THEN worklist.retry_at ELSE ended.due_at END,
           retry_at = CASE WHEN worklist.retry_at > $1 THEN worklist.retry_at ELSE ended.due_at END,
           priority = CASE WHEN worklist.generation = ended.generation THEN 1 ELSE worklist.priority END
         FROM ended WHERE worklist.account = ended.account AND worklist.lease = ended.lease")
    .bind(millis(now))
    .with(batch(settlements))
    .queue(connection, "settling syncs that failed")
    .await
}

async fn settle_waiting(
    connection: &mut Connection,
    settlements: Vec<[Value<'_>; 6]>,
    now: Timestamp,
) -> Result<(), StoreError> {
    if settlements.is_empty() {
        return Ok(());
    }
    sql("UPDATE worklist SET
           lease = NULL, lease_until = NULL, failing_since = NULL, last_error = ended.error,
           failed_at = NULL, retry_at = NULL,
           due_at = CASE WHEN worklist.generation <> ended.generation THEN $1
                         WHEN ended.due_at < $2 THEN ended.due_at ELSE $2 END,
           waits_for = CASE WHEN worklist.generation = ended.generation THEN ended.waits_for END
         FROM ended WHERE worklist.account = ended.account AND worklist.lease = ended.lease")
    .bind(millis(now))
    .bind(gate_missed_at(now))
    .with(batch(settlements))
    .queue(connection, "settling syncs that wait for a gate")
    .await
}

/// When an account that waits for a gate is synced although nobody saw the gate open: its upstream may have another name
/// by now.
fn gate_missed_at(now: Timestamp) -> i64 {
    millis(now) + 3_600_000
}

async fn settle_yielded(
    connection: &mut Connection,
    settlements: Vec<[Value<'_>; 6]>,
    now: Timestamp,
) -> Result<(), StoreError> {
    if settlements.is_empty() {
        return Ok(());
    }
    sql("UPDATE worklist SET
           lease = NULL, lease_until = NULL,
           due_at = CASE WHEN worklist.generation = ended.generation THEN ended.due_at ELSE $1 END,
           priority = CASE WHEN worklist.generation = ended.generation THEN 1 ELSE worklist.priority END
         FROM ended WHERE worklist.account = ended.account AND worklist.lease = ended.lease")
    .bind(millis(now))
    .with(batch(settlements))
    .queue(connection, "settling syncs that yielded")
    .await
}

/// Removes rows of accounts that only led to another one, unless they were triggered meanwhile.
async fn remove(connection: &mut Connection, accounts: Vec<&str>) -> Result<(), StoreError> {
    if accounts.is_empty() {
        return Ok(());
    }
    let query =
        sql("DELETE FROM worklist WHERE account IN (SELECT value FROM discarded) AND due_at IS NULL AND lease IS NULL");
    query.with(Batch::texts("discarded", accounts)).queue(connection, "removing accounts that led to another").await
}
