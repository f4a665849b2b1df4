//! The worklist as a backend of apalis.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use apalis_core::backend::finalize::Ephemeral;
use apalis_core::backend::{Backend, BackendConfig};
use apalis_core::task::Task;
use apalis_core::task::task_id::RandomId;
use apalis_core::worker::context::WorkerContext;
use store::claim::Claim;
use tokio::sync::mpsc;
use tower_layer::Identity;

/// Claimed accounts on their way to the workers. The store keeps their leases, so apalis has nothing to persist.
///
/// Clones share the channel: a worker that the monitor starts again goes on where the first one stopped.
#[derive(Clone, Debug)]
pub struct Feed(Arc<Mutex<mpsc::Receiver<Claim>>>);

impl Feed {
    /// A feed of what the claimer sends.
    #[must_use]
    pub fn new(claims: mpsc::Receiver<Claim>) -> Self {
        Self(Arc::new(Mutex::new(claims)))
    }
}

impl Backend for Feed {
    type Task = Task<Claim>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Option<Result<Self::Task, Infallible>>> {
        let mut claims = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match claims.poll_recv(cx) {
            Poll::Ready(Some(claim)) => Poll::Ready(Some(Ok(Task::new(claim)))),
            // a closed channel means shutdown: wait for the monitor to stop the worker
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    fn poll_close(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for Feed {
    type Args = Claim;
    type Id = RandomId;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
    }
}
