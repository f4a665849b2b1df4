//! Removes what was stored for long enough, in small batches.

use entitlement::model::clock::Timestamp;

use crate::connection::Connection;
use crate::error::StoreError;
use crate::expired::{Expired, Removed};
use crate::open::Store;
use crate::statement::{differing, sql};
use crate::value::millis;
use crate::write::Write;

/// Rows of one transaction: few enough that nobody waits for it.
const BATCH: i64 = 1000;

impl Store {
    /// Removes a batch of `expired` rows from before `before`.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn remove_expired(&self, expired: Expired, before: Timestamp) -> Result<Removed, StoreError> {
        self.write(Write::RemoveExpired(expired, before)).await?.try_into()
    }
}

pub(crate) async fn remove(
    connection: &mut Connection,
    expired: Expired,
    before: Timestamp,
) -> Result<Removed, StoreError> {
    match expired {
        Expired::Inbox => remove_events(connection, before).await,
        Expired::Ledger { after } => remove_entries(connection, after, before).await,
        Expired::Limits => remove_limits(connection, before).await,
    }
}

async fn remove_events(connection: &mut Connection, before: Timestamp) -> Result<Removed, StoreError> {
    let query = sql("DELETE FROM inbox WHERE id IN (
           SELECT id FROM inbox WHERE received < $1 ORDER BY received LIMIT $2)");
    let rows = query.bind(millis(before)).bind(BATCH).execute(connection).await;
    let rows = rows.map_err(StoreError::on("removing old events"))?;
    Ok(Removed { rows, next: (rows == BATCH.unsigned_abs()).then_some(Expired::Inbox) })
}

/// Goes through the entries after number `after`, in their order, as far as they are old.
async fn remove_entries(connection: &mut Connection, after: i64, before: Timestamp) -> Result<Removed, StoreError> {
    let query = sql("SELECT max(seq) AS last, count(*) AS count FROM (
           SELECT seq FROM ledger WHERE seq > $1 AND intended_at < $2 ORDER BY seq LIMIT $3) AS batch");
    let batch = query.bind(after).bind(millis(before)).bind(BATCH).fetch_first(connection).await;
    let batch = batch.map_err(StoreError::on("finding old ledger entries"))?;
    let Some((last, count)) = batch.and_then(|row| Some((row.get::<Option<i64>>("last")?, row.get::<i64>("count"))))
    else {
        return Ok(Removed { rows: 0, next: None });
    };
    let query = sql("DELETE FROM ledger WHERE seq > $1 AND seq <= $2 AND settled_at < $3 AND EXISTS (
           SELECT 1 FROM ledger AS newer
           WHERE newer.user_id = ledger.user_id AND newer.destination = ledger.destination
             AND newer.mode = ledger.mode AND newer.subject = ledger.subject
             AND newer.seq > ledger.seq AND newer.state = 'confirmed')");
    let rows = query.bind(after).bind(last).bind(millis(before)).execute(connection).await;
    let rows = rows.map_err(StoreError::on("removing old ledger entries"))?;
    Ok(Removed { rows, next: (count == BATCH).then_some(Expired::Ledger { after: last }) })
}

async fn remove_limits(connection: &mut Connection, before: Timestamp) -> Result<Removed, StoreError> {
    let query = differing(
        "DELETE FROM rate_limits WHERE full_at < $1 AND paused_until < $1",
        // locked in order, as every process does
        "DELETE FROM rate_limits WHERE name IN (
           SELECT name FROM rate_limits WHERE full_at < $1 AND paused_until < $1 ORDER BY name FOR UPDATE)",
    );
    let rows = query.bind(before.timestamp_micros()).execute(connection).await;
    Ok(Removed { rows: rows.map_err(StoreError::on("removing rate limits"))?, next: None })
}
