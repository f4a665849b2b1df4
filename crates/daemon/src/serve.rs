//! `serve`: the daemon.

use ingest::catch_up::{Begun, CatchUp};
use operator::operator::Operator;
use store::open::Store;
use sync::controller::Controller;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use wire::upstream::Upstream;

use crate::cli::{Half, Serve};
use crate::command_error::CommandError;
use crate::health::Health;
use crate::settings::Settings;
use crate::{
    admin, catch_up, gates, health, http_server, prometheus, reconciliation_schedule, retention, shared_limits,
    startup, wiring, workers,
};

/// The tasks of the daemon; each runs until it is stopped.
type Tasks = JoinSet<Result<(), CommandError>>;

/// Runs until SIGTERM or SIGINT.
pub(crate) async fn run(settings: &Settings, serve: &Serve) -> Result<(), CommandError> {
    settings.require_for_serve(serve.only)?;
    let metrics = prometheus::install()?;
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone())?;
    // everything that can fail is made before the first webhook is taken in
    let store = wiring::store(settings).await?;
    for proxy in settings.proxies.hosts() {
        tracing::info!("requests to upstreams go through the proxy `{proxy}`, but to hosts of NO_PROXY");
    }
    let worker = match serve.only {
        Some(Half::Ingest) => None,
        Some(Half::Work) | None => Some(Worker::prepare(settings, &store).await?),
    };
    let controller = worker.as_ref().map(|worker| worker.controller.clone());
    let operator = wiring::operator_on(settings, &store, controller)?;
    let upstreams = worker.as_ref().map_or_else(Vec::new, |worker| worker.upstreams.clone());
    let health = Health { store: store.clone(), upstreams };
    let mut front = health::routes(health.clone());
    if serve.only != Some(Half::Work) {
        front = front.merge(ingest::webhook::routes(wiring::ingest(settings, &store)?));
    }
    let (address, keep_alive) = (settings.server.admin_listen, settings.server.keep_alive);
    let token = settings.server.admin_token.clone();
    let back = admin::routes(address, token, health, metrics.clone(), operator.clone());

    let mut tasks = Tasks::new();
    // health on the webhooks' side answers for both: the admin side is bound first
    tasks.spawn(http_server::listen("admin", address, back, keep_alive, stop.clone()).await?);
    tasks.spawn(http_server::listen("webhooks", settings.server.listen, front, keep_alive, stop.clone()).await?);
    if let Some(worker) = worker {
        worker.start(settings, usize::from(serve.concurrency), operator, &mut tasks, &stop);
    }
    tasks.spawn(infallible(prometheus::run(store.clone(), metrics, stop.clone())));
    let outcome = until_all_end(tasks, &stop).await;
    store.close().await;
    tracing::info!("stopped");
    outcome
}

/// What the working half needs.
struct Worker {
    upstreams: Vec<Upstream>,
    controller: Controller,
    catch_up: CatchUp,
    begun: Begun,
}

impl Worker {
    async fn prepare(settings: &Settings, store: &Store) -> Result<Self, CommandError> {
        let upstreams = wiring::upstreams(settings, store)?;
        let controller = wiring::controller(settings, store, &upstreams)?;
        let catch_up = wiring::catch_up_with(&controller);
        let begun = catch_up.begin().await?;
        startup::run(store, settings).await?;
        let upstreams = gates::upstreams(&controller);
        Ok(Self { upstreams, controller, catch_up, begun })
    }

    fn start(
        self,
        settings: &Settings,
        concurrency: usize,
        operator: Operator,
        tasks: &mut Tasks,
        stop: &CancellationToken,
    ) {
        let store = operator.store.clone();
        let task_leases = operator.task_leases.clone();
        let owner = task_leases.owner.clone();
        tokio::spawn(shared_limits::follow(store.listen(), self.upstreams));
        let nightly_at = settings.reconcile.nightly_at;
        tasks.spawn(infallible(reconciliation_schedule::run(operator, nightly_at, stop.clone())));
        let every = settings.catch_up.every;
        tasks.spawn(infallible(catch_up::run(self.catch_up, self.begun, every, task_leases.clone(), stop.clone())));
        tasks.spawn(infallible(retention::run(store, settings.retention.clone(), task_leases, stop.clone())));
        let percent = settings.bulk.share_percent;
        tasks.spawn(workers::work(self.controller, owner, concurrency, percent, stop.clone()));
    }
}

async fn infallible(task: impl Future<Output = ()>) -> Result<(), CommandError> {
    task.await;
    Ok(())
}

/// Waits for every task; the first that ends stops the others.
async fn until_all_end(mut tasks: Tasks, stop: &CancellationToken) -> Result<(), CommandError> {
    let mut outcome = Ok(());
    while let Some(ended) = tasks.join_next().await {
        let ended = ended.unwrap_or_else(|error| Err(CommandError::because("running the daemon", error)));
        stop.cancel();
        outcome = outcome.and(ended);
    }
    outcome
}

fn stop_on_signal(stop: CancellationToken) -> Result<(), CommandError> {
    let on = |kind| signal(kind).map_err(|error| CommandError::because("waiting for signals", error));
    let mut terminate = on(SignalKind::terminate())?;
    let mut interrupt = on(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: stopping after the work in progress"),
            _ = interrupt.recv() => tracing::info!("SIGINT: stopping after the work in progress"),
        }
        stop.cancel();
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::warn!("a second signal: exiting at once; leases run out by themselves");
        std::process::exit(1);
    });
    Ok(())
}
