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
use store::record::{Attention, AttentionKind, Settlement, SyncEnding};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::backend::Feed;
use crate::claimer::{self, Claimer};
use crate::held::HeldLeases;

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
pub enum RunError {
    #[error("running the workers")]
    Monitor(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the workers ended before they were told to")]
    Ended,
}

#[derive(Clone)]
struct Work {
    store: Store,
    look: Look,
    held: HeldLeases,
    clock: Clock,
}

/// Works the worklist off until `stop`; looks under way then have ten seconds to end.
///
/// # Errors
/// When apalis' monitor fails, or ends by itself.
pub async fn run(store: Store, look: Look, settings: Settings, stop: CancellationToken) -> Result<(), RunError> {
    let (feed, claims) = mpsc::channel(settings.concurrency);
    let (held, ended) = (HeldLeases::default(), CancellationToken::new());
    let Settings { owner, clock, .. } = settings.clone();
    let claimer = Claimer { store: store.clone(), owner, feed, held: held.clone(), clock };
    let claiming = tokio::spawn(claimer.run(stop.clone()));
    let keeping = tokio::spawn(claimer::keep(store.clone(), held.clone(), clock, ended.clone()));
    let outcome = carry(Work { store, look, held, clock }, claims, &settings, stop.clone()).await;
    let too_early = !stop.is_cancelled();
    stop.cancel();
    // only then is it known what is to be given back
    let claimed = claiming.await;
    ended.cancel();
    claimed.and(keeping.await).map_err(|error| RunError::Monitor(error.into()))?;
    if too_early { outcome.and(Err(RunError::Ended)) } else { outcome }
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
    monitor.run_with_signal(stopped).await.map_err(|error| RunError::Monitor(error.into()))
}

/// A look that may panic or hang without harm to others.
async fn contained(claim: Claim, work: Data<Work>) -> Result<(), std::convert::Infallible> {
    let look = AssertUnwindSafe((work.look)(claim.clone())).catch_unwind();
    let why = match tokio::time::timeout(LONGEST_LOOK, look).await {
        Ok(Ok(())) => None,
        Ok(Err(panic)) => Some(format!("the look panicked: {}", message(&*panic))),
        Err(_) => Some(format!("the look took longer than {} s", LONGEST_LOOK.as_secs())),
    };
    if let Some(why) = why {
        give_up(&work, &claim, why).await;
    }
    work.held.remove(&claim);
    Ok(())
}

/// Settles a look that broke: again later, for as long as failing looks are tried, then parked.
async fn give_up(work: &Work, claim: &Claim, why: String) {
    tracing::error!(account.id = %claim.account, error = %why, "a look was given up; it is tried again later");
    let now = (work.clock)();
    let ending = if claim.has_exhausted_retries(now) {
        SyncEnding::GivenUp(Attention {
            kind: AttentionKind::SyncFailed,
            user: None,
            subject: claim.account.as_str().to_owned(),
            reason: why,
            hint: format!("report it, then `grantsync resync {}`", claim.account),
        })
    } else {
        SyncEnding::Failed {
            due: after(now, chrono::Duration::seconds(AFTER_CRASH)),
            error: why,
            attention: Vec::new(),
        }
    };
    let Claim { account, lease, generation, .. } = claim.clone();
    let settlement = Settlement { account, lease, generation, results: Vec::new(), statuses: Vec::new(), ending };
    if let Err(error) = work.store.settle(settlement).await {
        let error = &error as &dyn std::error::Error;
        tracing::error!(error, "a given-up look could not be settled; its lease runs out");
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}
