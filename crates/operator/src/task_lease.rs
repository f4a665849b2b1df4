//! Tasks that one process at a time does: whoever holds the lease.

use std::time::Duration;

use store::open::Store;
use store::record::Fenced;
use store::task::Task;

/// How long a lease lasts unless it is renewed: what the death of the process that holds it costs.
const SPAN: Duration = Duration::from_secs(15);
const RENEW_EVERY: Duration = Duration::from_secs(4);

/// The leases of one process.
#[derive(Clone, Debug)]
pub struct TaskLeases {
    pub store: Store,
    /// Name of this start of the program.
    pub owner: String,
}

impl TaskLeases {
    /// Does `work` under the lease of `task`; `None` when another process holds it, or took it meanwhile.
    pub async fn with<T>(&self, task: Task, work: impl Future<Output = T>) -> Option<T> {
        if !self.take(task).await {
            return None;
        }
        let outcome = tokio::select! {
            outcome = work => outcome,
            () = self.until_lost(task) => {
                tracing::warn!(task = task.as_str(), "another process took the lease of the task");
                return None;
            }
        };
        self.extend(task, Duration::ZERO).await;
        Some(outcome)
    }

    /// Takes the lease of `task`, or renews it; `false` when another process holds it.
    pub(crate) async fn take(&self, task: Task) -> bool {
        self.extend(task, SPAN).await
    }

    async fn until_lost(&self, task: Task) {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            if !self.take(task).await {
                return;
            }
        }
    }

    async fn extend(&self, task: Task, span: Duration) -> bool {
        // without the database nobody holds a lease; the writer has logged it
        self.store.take_task_lease(task, &self.owner, span).await.is_ok_and(|held| held == Fenced::Written)
    }
}
