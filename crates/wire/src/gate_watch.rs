//! What the rest of the program sees of a gate.

use tokio::sync::watch;

use crate::gate::Seen;
use crate::gate_state::Closed;

/// Sees one upstream's gate open and close.
#[derive(Debug)]
pub struct GateWatch(watch::Receiver<Seen>);

impl GateWatch {
    pub(crate) fn new(seen: watch::Receiver<Seen>) -> Self {
        Self(seen)
    }

    /// Why it is closed, if it is.
    pub fn closed(&mut self) -> Option<Closed> {
        self.0.borrow_and_update().closed
    }

    /// Ends when that may have changed since it was last asked; never once the upstream is gone.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }
}
