//! Whether the database takes writes, as the last transaction showed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the last transaction failed; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriteHealth(Arc<AtomicBool>);

impl WriteHealth {
    pub(crate) fn succeeded(&self) {
        if self.0.swap(false, Ordering::Relaxed) {
            tracing::info!("the database takes writes again");
        }
    }

    /// Logs the first failure of a row of them; every waiter gets its own error anyway.
    pub(crate) fn failed(&self, error: &str) {
        if !self.0.swap(true, Ordering::Relaxed) {
            tracing::error!(error, "the database does not take writes; what is sent meanwhile is refused");
        }
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
