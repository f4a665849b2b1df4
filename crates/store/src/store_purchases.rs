//! What other stores sold to a user, stored for the time in which they cannot be read.

use entitlement::model::clock::Timestamp;
use entitlement::model::user::User;
use entitlement::status::LevelStatus;

use crate::connection::Connection;
use crate::error::StoreError;
use crate::open::Store;
use crate::statement::sql;
use crate::value::{json, millis, timestamp};
use crate::write::Write;

impl Store {
    /// What other stores sold to `user`, and when that was read; `None` when it never was.
    ///
    /// # Errors
    /// When the database does not answer, or holds what this program never writes.
    pub async fn store_purchases(&self, user: &User) -> Result<Option<(Vec<LevelStatus>, Timestamp)>, StoreError> {
        let query = sql("SELECT levels, as_of FROM store_purchases WHERE user_id = $1").bind(user.as_str());
        let row = query.read_first(&self.reads).await.map_err(StoreError::on("reading store purchases"))?;
        let Some(row) = row else { return Ok(None) };
        let levels = serde_json::from_str(&row.get::<String>("levels"));
        let levels = levels.map_err(|error| StoreError::Row { table: "store_purchases", what: error.to_string() })?;
        Ok(Some((levels, timestamp(row.get("as_of")))))
    }

    /// Stores what other stores sold to `user`, as it was read now.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn keep_store_purchases(&self, user: User, levels: Vec<LevelStatus>) -> Result<(), StoreError> {
        self.write(Write::StorePurchases(user, levels)).await.map(drop)
    }
}

pub(crate) async fn store(
    connection: &mut Connection,
    user: &User,
    levels: &[LevelStatus],
    now: Timestamp,
) -> Result<(), StoreError> {
    let query = sql("INSERT INTO store_purchases (user_id, levels, as_of) VALUES ($1, $2, $3)
         ON CONFLICT (user_id) DO UPDATE SET levels = excluded.levels, as_of = excluded.as_of");
    let query = query.bind(user.as_str()).bind(json(&levels)?).bind(millis(now));
    query.queue(connection, "writing store purchases").await
}
