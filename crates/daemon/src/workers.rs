//! The workers: a task of the daemon, or run by a command where no daemon runs.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use queue::run::Handler;
use store::claim::Urgency;
use store::open::Store;
use sync::controller::Controller;
use tokio_util::sync::CancellationToken;

use crate::command_error::CommandError;
use crate::{clock, gates};

/// How long a worker counts as running after its last heartbeat, and how often it sends one.
const ALIVE_FOR: Duration = Duration::from_secs(10);
const HEARTBEAT_EVERY: Duration = Duration::from_secs(3);
/// How often a command asks whether any worker runs.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// A name that no other start of the program has: in containers every process may have the same number.
pub(crate) fn owner() -> String {
    let random = RandomState::new().build_hasher().finish();
    format!("{}-{random:016x}", std::process::id())
}

/// Syncs due accounts until `stop`; work in bulk may use `percent` of the rate limits.
pub(crate) async fn work(
    controller: Controller,
    owner: String,
    concurrency: usize,
    percent: u32,
    stop: CancellationToken,
) -> Result<(), CommandError> {
    let store = controller.store.clone();
    let upstreams = gates::upstreams(&controller);
    let bulk = Arc::new(controller.with_rate_share(percent));
    let fresh = Arc::new(controller);
    let handler: Handler = Arc::new(move |claim| {
        let controller = match claim.urgency {
            Urgency::Fresh | Urgency::Requested => Arc::clone(&fresh),
            Urgency::Bulk => Arc::clone(&bulk),
        };
        Box::pin(async move { controller.sync(claim).await })
    });
    let settings = queue::run::Settings { owner: owner.clone(), concurrency, clock: clock::now };
    let gates = tokio::spawn(gates::follow(store.clone(), upstreams, stop.clone()));
    let heartbeats = tokio::spawn(send_heartbeats(store.clone(), owner.clone(), stop.clone()));
    let worked = queue::run::run(store.clone(), handler, settings, stop.clone()).await;
    stop.cancel();
    // what a heartbeat failed for is logged
    drop(tokio::join!(gates, heartbeats));
    drop(store.report_worker(&owner, Duration::ZERO).await);
    worked.map_err(|error| CommandError::because("syncing accounts", error))
}

async fn send_heartbeats(store: Store, owner: String, stop: CancellationToken) {
    let mut tick = tokio::time::interval(HEARTBEAT_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        if let Err(error) = store.report_worker(&owner, ALIVE_FOR).await {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "the heartbeat of this worker could not be written"
            );
        }
    }
}

/// Awaits `what`, which needs workers; when none runs, this process syncs accounts meanwhile.
pub(crate) async fn with_workers<T>(
    sync: &Controller,
    percent: u32,
    what: impl Future<Output = T>,
) -> Result<T, CommandError> {
    let mut what = std::pin::pin!(what);
    tokio::select! {
        outcome = &mut what => return Ok(outcome),
        () = until_no_worker_runs(&sync.store) => {}
    }
    tracing::info!("no worker is running: this command does the work itself");
    let stop = CancellationToken::new();
    let working = tokio::spawn(work(sync.clone(), owner(), 16, percent, stop.clone()));
    let outcome = what.await;
    stop.cancel();
    working.await.map_err(|error| CommandError::because("working", error))??;
    Ok(outcome)
}

/// One that was killed counts as running for a few more seconds.
async fn until_no_worker_runs(store: &Store) {
    while store.live_workers().await.map_or(true, |workers| workers > 0) {
        tokio::time::sleep(ASK_EVERY).await;
    }
}
