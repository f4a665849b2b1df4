//! The workers: as a room of the daemon, or for the length of a command where nobody else works.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use queue::run::Look;
use store::claim::Urgency;
use store::open::Store;
use sync::controller::Controller;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::command_error::CommandError;

/// How long a worker counts as there after it last said so, and how often it does.
const PRESENT: Duration = Duration::from_secs(10);
const SAY_EVERY: Duration = Duration::from_secs(3);
/// How often a command looks whether anybody works.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// A name that no other start of the program has: in a container every process has the same number.
pub(crate) fn owner() -> String {
    let random = RandomState::new().build_hasher().finish();
    format!("{}-{random:016x}", std::process::id())
}

/// Works the worklist off until `stop`; looks in bulk may use `percent` of the rate limits.
pub(crate) async fn work(
    sync: Controller,
    owner: String,
    concurrency: usize,
    percent: u32,
    stop: CancellationToken,
) -> Result<(), CommandError> {
    let store = sync.store.clone();
    let (bulk, fresh) = (Arc::new(sync.with_rate_share(percent)), Arc::new(sync));
    let look: Look = Arc::new(move |claim| {
        let sync = match claim.urgency {
            Urgency::Fresh | Urgency::Requested => Arc::clone(&fresh),
            Urgency::Bulk => Arc::clone(&bulk),
        };
        Box::pin(async move { sync.sync(claim).await })
    });
    let settings = queue::run::Settings { owner: owner.clone(), concurrency, clock: clock::now };
    let saying = tokio::spawn(say_present(store.clone(), owner.clone(), stop.clone()));
    let worked = queue::run::run(store.clone(), look, settings, stop.clone()).await;
    stop.cancel();
    // it only says who is here
    drop(saying.await);
    drop(store.report_worker(&owner, Duration::ZERO).await);
    worked.map_err(|error| CommandError::because("working", error))
}

async fn say_present(store: Store, owner: String, stop: CancellationToken) {
    let mut tick = tokio::time::interval(SAY_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        if let Err(error) = store.report_worker(&owner, PRESENT).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "nobody could be told that this process works");
        }
    }
}

/// Does `what` needs workers; as soon as none is seen, this process works as long as it takes.
pub(crate) async fn with_workers<T>(
    sync: &Controller,
    percent: u32,
    what: impl Future<Output = T>,
) -> Result<T, CommandError> {
    let mut what = std::pin::pin!(what);
    tokio::select! {
        outcome = &mut what => return Ok(outcome),
        () = until_nobody_works(&sync.store) => {}
    }
    tracing::info!("no worker is running: this command does the work itself");
    let stop = CancellationToken::new();
    let working = tokio::spawn(work(sync.clone(), owner(), 16, percent, stop.clone()));
    let outcome = what.await;
    stop.cancel();
    working.await.map_err(|error| CommandError::because("working", error))??;
    Ok(outcome)
}

/// One that was killed counts as there for a few seconds yet.
async fn until_nobody_works(store: &Store) {
    while store.live_workers().await.map_or(true, |workers| workers > 0) {
        tokio::time::sleep(ASK_EVERY).await;
    }
}
