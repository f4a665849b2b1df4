//! Whether the database answers, takes writes, and survives power cuts.

use crate::error::StoreError;
use crate::open::Store;
use crate::statement::{differing, sql};
use crate::value::millis;

/// The entry of `daemon_state` that is written to see whether the database takes writes.
const PROBE: &str = "last_failure_probed";

impl Store {
    /// Whether the database answers, and takes writes: after a failed one, a small one is tried.
    ///
    /// # Errors
    /// When it does not.
    pub async fn probe(&self) -> Result<(), StoreError> {
        if self.durable.is_closed() {
            return Err(StoreError::Stopped);
        }
        if self.health.is_failing() {
            self.set_daemon_state(PROBE, millis((self.clock)()).to_string()).await?;
        }
        let query = sql("SELECT account FROM worklist LIMIT 1").read_first(&self.reads);
        query.await.map(drop).map_err(StoreError::on("asking whether the database answers"))
    }

    /// Whether a power cut loses nothing that is committed, as far as the database's settings say: PostgreSQL may run
    /// with `fsync = off`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn is_durable(&self) -> Result<bool, StoreError> {
        let query = differing("SELECT 'full' AS setting", "SELECT current_setting('fsync') AS setting");
        let row = query.read_first(&self.reads).await.map_err(StoreError::on("reading a setting"))?;
        Ok(row.is_none_or(|row| row.get::<String>("setting") != "off"))
    }
}
