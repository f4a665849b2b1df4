//! Runs the workers until they are stopped.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use apalis::prelude::{Data, Monitor, ParallelizeExt, WorkerBuilder, WorkerBuilderExt};
use entitlement::model::clock::{Clock, after};
use futures_util::FutureExt;
use store::claim::Claim;
use store::open::Store;
use store::record::{Attention, AttentionKind, Settlement, SyncEnding};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::backend::Feed;
use crate::claimer::{self, Claimer};
use crate::held_leases::HeldLeases;

/// Syncs one account, and settles its lease.
pub type Handler = Arc<dyn Fn(Claim) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A sync that takes longer is given up and tried again later.
const LONGEST_SYNC: Duration = Duration::from_secs(120);
/// How long shutdown waits for syncs under way.
const SHUTDOWN: Duration = Duration::from_secs(10);
/// When a sync that panicked or hung is tried again, in seconds.
const AFTER_CRASH: i64 = 60;

/// How the workers run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of this process start; never the same twice.
    pub owner: String,
    /// Syncs under way at once.
    pub concurrency: usize,
    pub clock: Clock,
}

/// The workers could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("running the workers")]
    Monitor(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the workers ended before they were stopped")]
    Ended,
}

#[derive(Clone)]
struct Work {
    store: Store,
    handler: Handler,
    held: HeldLeases,
    clock: Clock,
}

/// Works the worklist off until `stop`; syncs under way then have ten seconds to end.
///
/// # Errors
/// When apalis' monitor fails, or ends by itself.
pub async fn run(store: Store, handler: Handler, settings: Settings, stop: CancellationToken) -> Result<(), RunError> {
    let (feed, claims) = mpsc::channel(settings.concurrency);
    let held = HeldLeases::default();
    let Settings { owner, clock, .. } = settings.clone();
    let claimer = Claimer { store: store.clone(), owner, feed, held: held.clone(), clock };
    let claiming = tokio::spawn(claimer.run(stop.clone()));
    let ended = CancellationToken::new();
    let renewing = tokio::spawn(claimer::renew_leases(store.clone(), held.clone(), clock, ended.clone()));
    let outcome = run_workers(Work { store, handler, held, clock }, claims, &settings, stop.clone()).await;
    let is_too_early = !stop.is_cancelled();
    stop.cancel();
    // only then is it known what is to be given back
    let claimed = claiming.await;
    ended.cancel();
    claimed.and(renewing.await).map_err(|error| RunError::Monitor(error.into()))?;
    if is_too_early { outcome.and(Err(RunError::Ended)) } else { outcome }
}

async fn run_workers(
    work: Work,
    claims: mpsc::Receiver<Claim>,
    settings: &Settings,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let Settings { owner, concurrency, .. } = settings.clone();
    let feed = Feed::new(claims);
    let monitor = Monitor::new()
        .register(move |_| {
            WorkerBuilder::new(owner.as_str())
                .backend(feed.clone())
                .concurrency(concurrency)
                .data(work.clone())
                .parallelize(tokio::spawn)
                .build(contained)
        })
        .shutdown_timeout(SHUTDOWN);
    let stopped = async move {
        stop.cancelled().await;
        Ok(())
    };
    monitor.run_with_signal(stopped).await.map_err(|error| RunError::Monitor(error.into()))
}

/// A sync that may panic or hang without harm to others.
async fn contained(claim: Claim, work: Data<Work>) -> Result<(), std::convert::Infallible> {
    let sync = AssertUnwindSafe((work.handler)(claim.clone())).catch_unwind();
    let error = match tokio::time::timeout(LONGEST_SYNC, sync).await {
        Ok(Ok(())) => None,
        Ok(Err(panic)) => Some(format!("the sync panicked: {}", message(&*panic))),
        Err(_) => Some(format!("the sync took longer than {} s", LONGEST_SYNC.as_secs())),
    };
    if let Some(error) = error {
        settle_broken(&work, &claim, error).await;
    }
    work.held.remove(&claim);
    Ok(())
}

/// Settles a sync that panicked or hung: again later, for as long as failing syncs are retried, then parked.
async fn settle_broken(work: &Work, claim: &Claim, error: String) {
    tracing::error!(account.id = %claim.account, %error, "a sync broke off; it is tried again later");
    let now = (work.clock)();
    let ending = if claim.has_exhausted_retries(now) {
        SyncEnding::GivenUp(Attention {
            kind: AttentionKind::SyncFailed,
            user: None,
            subject: claim.account.as_str().to_owned(),
            reason: error,
            hint: format!("report it, then `grantsync resync {}`", claim.account),
        })
    } else {
        SyncEnding::Failed { due: after(now, chrono::Duration::seconds(AFTER_CRASH)), error, attention: Vec::new() }
    };
    let Claim { account, lease, generation, .. } = claim.clone();
    let settlement =
        Settlement { account, lease, generation, results: Vec::new(), statuses: Vec::new(), waits_for: None, ending };
    if let Err(error) = work.store.settle(settlement).await {
        let error = &error as &dyn std::error::Error;
        tracing::error!(error, "a sync that broke off could not be settled; its lease expires");
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}
