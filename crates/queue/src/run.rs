//! Runs the workers until they are told to stop.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use apalis::prelude::{Data, Monitor, ParallelizeExt, WorkerBuilder, WorkerBuilderExt};
use entitlement::clock::{Clock, after};
use futures_util::FutureExt;
use store::claim::Claim;
use store::open::Store;
use store::record::{Ending, Settlement};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::backend::Feed;
use crate::claimer;

/// One look at an account. It settles the account's lease itself.
pub type Look = Arc<dyn Fn(Claim) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A look that takes longer is given up and tried again later.
const LONGEST_LOOK: Duration = Duration::from_secs(120);
/// How long shutdown waits for looks under way.
const SHUTDOWN: Duration = Duration::from_secs(10);
/// When a look that panicked or hung is tried again, in seconds.
const AFTER_CRASH: i64 = 60;

/// How the workers run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of this process start; never the same twice.
    pub owner: String,
    /// Looks under way at once.
    pub concurrency: usize,
    pub clock: Clock,
}

/// The workers could not run.
#[derive(Debug, thiserror::Error)]
#[error("running the workers")]
pub struct RunError(#[source] Box<dyn std::error::Error + Send + Sync>);

#[derive(Clone)]
struct Work {
    store: Store,
    look: Look,
    clock: Clock,
}

/// Works the worklist off until `stop`; looks under way then have ten seconds to end.
///
/// # Errors
/// When apalis' monitor fails.
pub async fn run(store: Store, look: Look, settings: Settings, stop: CancellationToken) -> Result<(), RunError> {
    let (sender, receiver) = mpsc::channel(settings.concurrency);
    let ended = CancellationToken::new();
    let claiming =
        tokio::spawn(claimer::claim(store.clone(), settings.owner.clone(), sender, settings.clock, stop.clone()));
    let keeping = tokio::spawn(claimer::keep(store.clone(), settings.owner.clone(), ended.clone()));
    let outcome = carry(Work { store, look, clock: settings.clock }, receiver, &settings, stop.clone()).await;
    stop.cancel();
    ended.cancel();
    let (claimed, kept) = tokio::join!(claiming, keeping);
    claimed.and(kept).map_err(|error| RunError(error.into()))?;
    outcome
}

async fn carry(
    work: Work,
    claims: mpsc::Receiver<Claim>,
    settings: &Settings,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let (owner, concurrency) = (settings.owner.clone(), settings.concurrency);
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
    monitor.run_with_signal(stopped).await.map_err(|error| RunError(error.into()))
}

/// A look that may panic or hang without harm to others.
async fn contained(claim: Claim, work: Data<Work>) -> Result<(), std::convert::Infallible> {
    let look = AssertUnwindSafe((work.look)(claim.clone())).catch_unwind();
    let why = match tokio::time::timeout(LONGEST_LOOK, look).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(panic)) => format!("the look panicked: {}", message(&*panic)),
        Err(_) => format!("the look took longer than {} s", LONGEST_LOOK.as_secs()),
    };
    tracing::error!(account.id = %claim.account, error = %why, "a look was given up; trying again in {AFTER_CRASH} s");
    let next = after((work.clock)(), chrono::Duration::seconds(AFTER_CRASH));
    let settlement = Settlement {
        account: claim.account,
        lease: claim.lease,
        generation: claim.generation,
        sent: Vec::new(),
        ending: Ending::Failed { next, why },
    };
    if let Err(error) = work.store.settle(settlement).await {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a given-up look could not be settled; its lease runs out"
        );
    }
    Ok(())
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}
