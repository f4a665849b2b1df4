//! The gates of the upstreams: whoever waited for one that opens is due at once.

use std::time::Duration;

use store::open::Store;
use sync::controller::Controller;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use wire::gate_state::Closed;
use wire::upstream::Upstream;

/// How often whoever waits for an open gate is looked for: a sync may end just after it opened, and another process may
/// have found it closed.
const SWEEP_EVERY: Duration = Duration::from_secs(2);

/// Every upstream that syncs send to.
pub(crate) fn upstreams(controller: &Controller) -> Vec<Upstream> {
    let sources = controller.sources.iter().map(|source| source.upstream().clone());
    let destinations = controller.apps.iter().chain(&controller.sales);
    sources.chain(destinations.map(|target| target.destination.upstream().clone())).collect()
}

/// Makes due whoever waits for a gate as soon as it opens, until `stop`.
pub(crate) async fn follow(store: Store, upstreams: Vec<Upstream>, stop: CancellationToken) {
    let mut following = JoinSet::new();
    for upstream in upstreams {
        following.spawn(follow_one(store.clone(), upstream));
    }
    // none ends by itself
    stop.cancelled().await;
}

async fn follow_one(store: Store, upstream: Upstream) {
    let mut gate = upstream.watch_gate();
    let mut was_closed = None;
    loop {
        let closed = gate.closed();
        let waiting = store.waiting_for(upstream.name()).await.unwrap_or_default();
        report(&upstream, closed, waiting);
        match closed {
            Some(closed) => drop(was_closed.get_or_insert(closed)),
            None => open(&store, &upstream, waiting, was_closed.take()).await,
        }
        tokio::select! {
            () = gate.changed() => {}
            () = sleep(SWEEP_EVERY) => {}
        }
    }
}

/// Releases whoever waits, and logs it where the gate `was_closed` until now.
async fn open(store: &Store, upstream: &Upstream, waiting: i64, was_closed: Option<Closed>) {
    let released = if waiting > 0 { store.gate_opened(upstream.name()).await.unwrap_or_default() } else { 0 };
    let Some(closed) = was_closed else { return };
    let (name, seconds) = (upstream.name(), Instant::now().duration_since(closed.since).as_secs_f64());
    if closed.is_again {
        return tracing::debug!(upstream.name = name, "{name} answers again; {released} accounts waited");
    }
    tracing::info!(upstream.name = name, "{name} answers again after {seconds:.0} s; {released} accounts waited");
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; counts stay far below 2^52")]
fn report(upstream: &Upstream, closed: Option<Closed>, waiting: i64) {
    let name = upstream.name().to_owned();
    metrics::gauge!("grantsync_gate_closed", "upstream" => name.clone()).set(f64::from(u8::from(closed.is_some())));
    metrics::gauge!("grantsync_gate_waiting_accounts", "upstream" => name).set(waiting as f64);
}
