//! What the daemon stores about itself, by name.

use crate::connection::Connection;
use crate::error::StoreError;
use crate::open::Store;
use crate::statement::sql;
use crate::write::Write;

impl Store {
    /// The value stored under `name`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn daemon_state(&self, name: &str) -> Result<Option<String>, StoreError> {
        let query = sql("SELECT value FROM daemon_state WHERE name = $1").bind(name);
        let row = query.read_first(&self.reads).await.map_err(StoreError::on("reading the daemon's state"))?;
        Ok(row.map(|row| row.get("value")))
    }

    /// Stores `value` under `name`.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn set_daemon_state(&self, name: &str, value: String) -> Result<(), StoreError> {
        self.write(Write::DaemonState(name.to_owned(), value)).await.map(drop)
    }
}

pub(crate) async fn set(connection: &mut Connection, name: &str, value: &str) -> Result<(), StoreError> {
    let query = sql("INSERT INTO daemon_state (name, value) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value");
    query.bind(name).bind(value).queue(connection, "writing the daemon's state").await
}
