//! What a witness showed, kept so that it can be told while the witness does not answer.

use entitlement::clock::Timestamp;
use entitlement::names::User;
use entitlement::status::LevelStatus;

use crate::connection::Connection;
use crate::error::StoreError;
use crate::open::Store;
use crate::statement::{json, millis, moment, sql};
use crate::writer::Op;

impl Store {
    /// What the witness showed of `user`, and when; `None` when it was never asked.
    ///
    /// # Errors
    /// When the database does not answer, or holds what this program never writes.
    pub async fn store_purchases(&self, user: &User) -> Result<Option<(Vec<LevelStatus>, Timestamp)>, StoreError> {
        let query = sql("SELECT levels, as_of FROM witnessed WHERE customer = $1").bind(user.as_str());
        let row = query.read_first(&self.reads).await.map_err(StoreError::on("reading what a witness showed"))?;
        let Some(row) = row else { return Ok(None) };
        let levels = serde_json::from_str(&row.get::<String>("levels"));
        let levels = levels.map_err(|error| StoreError::Row { table: "witnessed", what: error.to_string() })?;
        Ok(Some((levels, moment(row.get("as_of")))))
    }

    /// Keeps what the witness shows of `user` now.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn keep_store_purchases(&self, user: User, levels: Vec<LevelStatus>) -> Result<(), StoreError> {
        self.write(Op::Witness(user, levels)).await.map(drop)
    }
}

pub(crate) async fn keep(
    connection: &mut Connection,
    user: &User,
    levels: &[LevelStatus],
    now: Timestamp,
) -> Result<(), StoreError> {
    let query = sql("INSERT INTO witnessed (customer, levels, as_of) VALUES ($1, $2, $3)
         ON CONFLICT (customer) DO UPDATE SET levels = excluded.levels, as_of = excluded.as_of");
    let query = query.bind(user.as_str()).bind(json(&levels)?).bind(millis(now));
    query.later(connection, "keeping what a witness showed").await
}
