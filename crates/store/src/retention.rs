//! What has been remembered for long enough, taken away in small batches.

use entitlement::clock::Timestamp;

use crate::connection::Connection;
use crate::error::StoreError;
use crate::expired::{Expired, Removed};
use crate::open::Store;
use crate::statement::{differing, millis, sql};
use crate::writer::Op;

/// Rows of one transaction: few enough that nobody waits for it.
const BATCH: i64 = 1000;

impl Store {
    /// Removes a batch of what is older than `before`.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn remove_expired(&self, old: Expired, before: Timestamp) -> Result<Removed, StoreError> {
        self.write(Op::Sweep(old, before)).await?.try_into()
    }
}

pub(crate) async fn sweep(connection: &mut Connection, old: Expired, before: Timestamp) -> Result<Removed, StoreError> {
    match old {
        Expired::Inbox => {
            let query = sql("DELETE FROM inbox WHERE id IN (
                   SELECT id FROM inbox WHERE received < $1 ORDER BY received LIMIT $2)");
            let removed = query.bind(millis(before)).bind(BATCH).execute(connection).await;
            let removed = removed.map_err(StoreError::on("forgetting old events"))?;
            Ok(Removed { rows: removed, next: (removed == BATCH.unsigned_abs()).then_some(Expired::Inbox) })
        }
        Expired::Ledger { after } => sweep_ledger(connection, after, before).await,
        Expired::Limits => {
            let query = differing(
                "DELETE FROM limits WHERE full_at < $1 AND held_until < $1",
                // locked in order, as everybody does
                "DELETE FROM limits WHERE name IN (
                   SELECT name FROM limits WHERE full_at < $1 AND held_until < $1 ORDER BY name FOR UPDATE)",
            );
            let removed = query.bind(before.timestamp_micros()).execute(connection).await;
            Ok(Removed { rows: removed.map_err(StoreError::on("forgetting rate limits"))?, next: None })
        }
    }
}

/// Walks the ledger from `after` on, in its order, as far as it is old.
async fn sweep_ledger(connection: &mut Connection, after: i64, before: Timestamp) -> Result<Removed, StoreError> {
    let query = sql("SELECT max(seq) AS last, count(*) AS count FROM (
           SELECT seq FROM ledger WHERE seq > $1 AND intended_at < $2 ORDER BY seq LIMIT $3) AS stretch");
    let stretch = query.bind(after).bind(millis(before)).bind(BATCH).fetch_first(connection).await;
    let stretch = stretch.map_err(StoreError::on("walking the ledger"))?;
    let Some((last, count)) = stretch.and_then(|row| Some((row.get::<Option<i64>>("last")?, row.get::<i64>("count"))))
    else {
        return Ok(Removed { rows: 0, next: None });
    };
    let query = sql("DELETE FROM ledger WHERE seq > $1 AND seq <= $2 AND settled_at < $3 AND EXISTS (
           SELECT 1 FROM ledger AS newer
           WHERE newer.customer = ledger.customer AND newer.destination = ledger.destination
             AND newer.environment = ledger.environment AND newer.subject = ledger.subject
             AND newer.seq > ledger.seq AND newer.state = 'confirmed')");
    let removed = query.bind(after).bind(last).bind(millis(before)).execute(connection).await;
    let removed = removed.map_err(StoreError::on("forgetting old steps"))?;
    Ok(Removed { rows: removed, next: (count == BATCH).then_some(Expired::Ledger { after: last }) })
}
