//! Small facts the daemon keeps about itself.

use crate::connection::Connection;
use crate::error::StoreError;
use crate::open::Store;
use crate::statement::sql;
use crate::writer::Op;

impl Store {
    /// The fact kept under `name`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn daemon_state(&self, name: &str) -> Result<Option<String>, StoreError> {
        let query = sql("SELECT value FROM notes WHERE name = $1").bind(name);
        let row = query.read_first(&self.reads).await.map_err(StoreError::on("reading a note"))?;
        Ok(row.map(|row| row.get("value")))
    }

    /// Keeps a fact under `name`.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn set_daemon_state(&self, name: &str, value: String) -> Result<(), StoreError> {
        self.write(Op::Note(name.to_owned(), value)).await.map(drop)
    }
}

pub(crate) async fn keep(connection: &mut Connection, name: &str, value: &str) -> Result<(), StoreError> {
    let query =
        sql("INSERT INTO notes (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value");
    query.bind(name).bind(value).later(connection, "keeping a note").await
}
