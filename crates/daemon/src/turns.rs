//! What is done once for all processes, by whoever's turn it is.

use std::time::Duration;

use store::open::Store;
use store::record::Fenced;
use store::task::Task;

/// How long a turn lasts unless it is kept: what a process that died in it costs.
const SPAN: Duration = Duration::from_secs(15);
/// How often it is kept.
const KEEP_EVERY: Duration = Duration::from_secs(4);

/// A process that takes its turns.
#[derive(Clone, Debug)]
pub(crate) struct Turns {
    pub(crate) store: Store,
    /// Name of this process start.
    pub(crate) owner: String,
}

impl Turns {
    /// Does `work` if it is our turn at `task`; `None` when it is another's, or was lost in the middle.
    pub(crate) async fn take<T>(&self, task: Task, work: impl Future<Output = T>) -> Option<T> {
        if !self.is_ours(task, SPAN).await {
            return None;
        }
        let kept = async {
            loop {
                tokio::time::sleep(KEEP_EVERY).await;
                if !self.is_ours(task, SPAN).await {
                    return;
                }
            }
        };
        let outcome = tokio::select! {
            outcome = work => outcome,
            () = kept => {
                tracing::warn!(task = task.as_str(), "the turn was lost to another process");
                return None;
            }
        };
        self.is_ours(task, Duration::ZERO).await;
        Some(outcome)
    }

    async fn is_ours(&self, task: Task, span: Duration) -> bool {
        // without the database nothing is anybody's turn; the writer has said so
        self.store.take_task_lease(task, &self.owner, span).await.is_ok_and(|held| held == Fenced::Written)
    }
}
