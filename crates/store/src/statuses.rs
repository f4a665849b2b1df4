//! What each app user has, as of the last sync.

use std::collections::BTreeMap;

use entitlement::model::clock::Timestamp;
use entitlement::model::user::User;
use entitlement::status::Status;

use crate::batch::{Batch, Column};
use crate::connection::Connection;
use crate::error::StoreError;
use crate::open::Store;
use crate::statement::sql;
use crate::value::{Value, json, millis, timestamp};

/// The status of one app user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredStatus {
    pub status: Status,
    /// When it was seen.
    pub as_of: Timestamp,
    /// Since when a sync of one of the user's accounts is overdue or fails, so that the status may be out of date.
    /// Since ever, where a sync was given up or could not read everything.
    pub overdue_since: Option<Timestamp>,
}

impl Store {
    /// The status of `user`; `None` when no sync has seen them.
    ///
    /// # Errors
    /// When the database does not answer, or holds what this program never writes.
    pub async fn status_of(&self, user: &User) -> Result<Option<StoredStatus>, StoreError> {
        let query = sql("SELECT s.status, s.as_of,
                    (SELECT min(CASE WHEN w.failing_since IS NOT NULL THEN w.failing_since
                                     WHEN w.last_error IS NOT NULL THEN 0 ELSE w.due_at END) FROM worklist w
                     WHERE w.user_id = s.user_id
                       AND (w.due_at <= $2 OR w.failing_since IS NOT NULL OR w.last_error IS NOT NULL)) AS overdue
             FROM statuses s WHERE s.user_id = $1");
        let query = query.bind(user.as_str()).bind(millis((self.clock)()));
        let row = query.read_first(&self.reads).await.map_err(StoreError::on("reading a status"))?;
        let Some(row) = row else { return Ok(None) };
        let status = serde_json::from_str(&row.get::<String>("status"));
        let status = status.map_err(|error| StoreError::Row { table: "statuses", what: error.to_string() })?;
        let overdue_since = row.get::<Option<i64>>("overdue").map(timestamp);
        Ok(Some(StoredStatus { status, as_of: timestamp(row.get("as_of")), overdue_since }))
    }
}

/// Stores the statuses that syncs have seen.
pub(crate) async fn store(
    connection: &mut Connection,
    seen: impl Iterator<Item = &(User, Status)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    // one worker at a time syncs a user; but a former user may come twice
    let seen: BTreeMap<&str, &Status> = seen.map(|(user, status)| (user.as_str(), status)).collect();
    let mut rows = Vec::new();
    for (user, status) in seen {
        rows.push([Value::from(user), json(status)?.into()]);
    }
    if rows.is_empty() {
        return Ok(());
    }
    sql("INSERT INTO statuses (user_id, status, as_of) SELECT user_id, status, $1 FROM seen WHERE true
         ON CONFLICT (user_id) DO UPDATE SET status = excluded.status, as_of = excluded.as_of")
    .bind(millis(now))
    .with(Batch::new("seen", [Column::Text("user_id"), Column::Text("status")], rows))
    .queue(connection, "writing statuses")
    .await
}
