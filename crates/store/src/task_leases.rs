//! Whose turn it is to do what is done once for all processes.

use std::time::Duration;

use entitlement::clock::Timestamp;

use crate::connection::Connection;
use crate::error::StoreError;
use crate::open::Store;
use crate::record::Fenced;
use crate::statement::{millis, sql};
use crate::task::Task;
use crate::worklist::until;
use crate::writer::Op;

impl Store {
    /// Takes or keeps the turn at `task` for `span`; a span of zero gives it to whoever comes next. [`Fenced::LeaseLost`] while
    /// it is another's.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn take_task_lease(&self, task: Task, owner: &str, span: Duration) -> Result<Fenced, StoreError> {
        self.write(Op::TakeTurn(task, owner.to_owned(), span)).await?.try_into()
    }
}

pub(crate) async fn take(
    connection: &mut Connection,
    task: Task,
    owner: &str,
    span: Duration,
    now: Timestamp,
) -> Result<Fenced, StoreError> {
    let taken = sql("INSERT INTO turns (task, owner, lease_until) VALUES ($1, $2, $3)
         ON CONFLICT (task) DO UPDATE SET owner = excluded.owner, lease_until = excluded.lease_until
         WHERE turns.owner = excluded.owner OR turns.lease_until <= $4");
    let taken =
        taken.bind(task.as_str()).bind(owner).bind(until(now, span)).bind(millis(now)).execute(connection).await;
    let taken = taken.map_err(StoreError::on("taking a turn"))?;
    Ok(if taken > 0 { Fenced::Written } else { Fenced::LeaseLost })
}
