//! Which process does what is done once for all of them.

use std::time::Duration;

use entitlement::model::clock::Timestamp;

use crate::connection::Connection;
use crate::error::StoreError;
use crate::open::Store;
use crate::record::Fenced;
use crate::statement::sql;
use crate::task::Task;
use crate::value::{millis, millis_after};
use crate::write::Write;

impl Store {
    /// Takes or extends the lease on `task` for `span`; a span of zero gives it back. [`Fenced::LeaseLost`] while
    /// another process holds it.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn take_task_lease(&self, task: Task, owner: &str, span: Duration) -> Result<Fenced, StoreError> {
        self.write(Write::TakeTask(task, owner.to_owned(), span)).await?.try_into()
    }
}

pub(crate) async fn take(
    connection: &mut Connection,
    task: Task,
    owner: &str,
    span: Duration,
    now: Timestamp,
) -> Result<Fenced, StoreError> {
    let query = sql("INSERT INTO task_leases (task, owner, lease_until) VALUES ($1, $2, $3)
         ON CONFLICT (task) DO UPDATE SET owner = excluded.owner, lease_until = excluded.lease_until
         WHERE task_leases.owner = excluded.owner OR task_leases.lease_until <= $4");
    let query = query.bind(task.as_str()).bind(owner).bind(millis_after(now, span)).bind(millis(now));
    let taken = query.execute(connection).await.map_err(StoreError::on("taking a task lease"))?;
    Ok(if taken > 0 { Fenced::Written } else { Fenced::LeaseLost })
}
