//! Accounts that wait for an upstream's gate.

use std::collections::BTreeMap;

use entitlement::model::clock::Timestamp;

use crate::connection::Connection;
use crate::error::StoreError;
use crate::open::Store;
use crate::statement::{differing, sql};
use crate::value::millis;
use crate::write::Write;

/// Accounts that one write makes due, so that nobody else waits long for the writer.
const BATCH: u64 = 2000;

impl Store {
    /// How many accounts wait for the gate of `upstream`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn waiting_for(&self, upstream: &str) -> Result<i64, StoreError> {
        let query = sql("SELECT count(*) AS count FROM worklist WHERE waits_for = $1").bind(upstream);
        let row = query.read_first(&self.reads).await.map_err(StoreError::on("counting who waits for a gate"))?;
        Ok(row.map_or(0, |row| row.get("count")))
    }

    /// How many accounts wait for each gate.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn waiting(&self) -> Result<BTreeMap<String, i64>, StoreError> {
        let query =
            sql("SELECT waits_for, count(*) AS count FROM worklist WHERE waits_for IS NOT NULL GROUP BY waits_for");
        let found = query.read(&self.reads).await.map_err(StoreError::on("counting who waits for gates"))?;
        Ok(found.iter().map(|row| (row.get("waits_for"), row.get("count"))).collect())
    }

    /// Makes every account due that waits for the gate of `upstream`, which has opened: fresh ones first, and of these the
    /// longest waiting. Answers how many they were.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn gate_opened(&self, upstream: &str) -> Result<u64, StoreError> {
        let mut all = 0;
        loop {
            let count: u64 = self.write(Write::GateOpened(upstream.to_owned())).await?.try_into()?;
            all += count;
            if count < BATCH {
                return Ok(all);
            }
        }
    }
}

pub(crate) async fn release(connection: &mut Connection, upstream: &str, now: Timestamp) -> Result<u64, StoreError> {
    let query = differing(
        "UPDATE worklist SET waits_for = NULL,
           due_at = CASE WHEN triggered_at < $1 THEN triggered_at ELSE $1 END
         WHERE account IN (SELECT account FROM worklist WHERE waits_for = $2 ORDER BY priority LIMIT $3)",
        // what another process has locked is released the next time, so that the two never deadlock
        "UPDATE worklist SET waits_for = NULL,
           due_at = CASE WHEN triggered_at < $1 THEN triggered_at ELSE $1 END
         WHERE account IN (SELECT account FROM worklist WHERE waits_for = $2 ORDER BY priority LIMIT $3
                           FOR UPDATE SKIP LOCKED)",
    );
    let query = query.bind(millis(now)).bind(upstream).bind(i64::try_from(BATCH).unwrap_or(i64::MAX));
    query.execute(connection).await.map_err(StoreError::on("releasing who waits for a gate"))
}
