//! Where each app user stands, as of the last look.

use std::collections::BTreeMap;

use entitlement::clock::Timestamp;
use entitlement::names::User;
use entitlement::status::Status;

use crate::connection::Connection;
use crate::error::StoreError;
use crate::open::Store;
use crate::statement::{Batch, Column, Value, json, millis, moment, sql};

/// What is known of one app user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredStatus {
    pub status: Status,
    /// When it was seen.
    pub as_of: Timestamp,
    /// Looks at one of their accounts are overdue, or fail, and since when: what was seen may be out of date. Since ever,
    /// where a look was given up or could not see all.
    pub overdue_since: Option<Timestamp>,
}

impl Store {
    /// Where `user` stands; `None` when nobody ever looked.
    ///
    /// # Errors
    /// When the database does not answer, or holds what this program never writes.
    pub async fn status_of(&self, user: &User) -> Result<Option<StoredStatus>, StoreError> {
        let query = sql("SELECT s.status, s.as_of,
                    (SELECT min(CASE WHEN w.failing_since IS NOT NULL THEN w.failing_since
                                     WHEN w.trouble IS NOT NULL THEN 0 ELSE w.due_at END) FROM worklist w
                     WHERE w.customer = s.customer
                       AND (w.due_at <= $2 OR w.failing_since IS NOT NULL OR w.trouble IS NOT NULL)) AS overdue
             FROM statuses s WHERE s.customer = $1");
        let query = query.bind(user.as_str()).bind(millis((self.clock)()));
        let row = query.read_first(&self.reads).await.map_err(StoreError::on("reading where a user stands"))?;
        let Some(row) = row else { return Ok(None) };
        let status = serde_json::from_str(&row.get::<String>("status"));
        let status = status.map_err(|error| StoreError::Row { table: "statuses", what: error.to_string() })?;
        let overdue_since = row.get::<Option<i64>>("overdue").map(moment);
        Ok(Some(StoredStatus { status, as_of: moment(row.get("as_of")), overdue_since }))
    }
}

/// Keeps what looks have seen.
pub(crate) async fn keep(
    connection: &mut Connection,
    seen: impl Iterator<Item = &(User, Status)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    // a customer is looked at by one worker at a time; whom an account belonged to before may come twice
    let seen: BTreeMap<&str, &Status> = seen.map(|(user, status)| (user.as_str(), status)).collect();
    let mut rows = Vec::new();
    for (user, status) in seen {
        rows.push([Value::from(user), json(status)?.into()]);
    }
    if rows.is_empty() {
        return Ok(());
    }
    sql("INSERT INTO statuses (customer, status, as_of) SELECT customer, status, $1 FROM seen WHERE true
         ON CONFLICT (customer) DO UPDATE SET status = excluded.status, as_of = excluded.as_of")
    .bind(millis(now))
    .with(Batch::new("seen", [Column::Text("customer"), Column::Text("status")], rows))
    .later(connection, "keeping where users stand")
    .await
}
