//! `serve`: the daemon.

use ingest::catch_up::{Begun, CatchUp};
use std::collections::BTreeSet;
use store::claim::Urgency;
use store::open::Store;
use store::record::AttentionKind;
use sync::controller::Controller;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use wire::upstream::Upstream;

use crate::api::Api;
use crate::cli::{Half, Serve};
use crate::command_error::CommandError;
use crate::health::Health;
use crate::settings::Settings;
use crate::standing::Sources;
use crate::turns::Turns;
use crate::{
    admin, catch_up, clock, health, http_server, ordering, prometheus, retention, rounds, shared_limits, wiring,
    workers,
};

/// Runs until SIGTERM or SIGINT.
pub(crate) async fn run(settings: &Settings, serve: &Serve) -> Result<(), CommandError> {
    settings.require_for_serve(serve.only)?;
    let metrics = prometheus::install()?;
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone())?;
    // everything that can fail is made before anything is taken in
    let store = wiring::store(settings).await?;
    let works = match serve.only {
        Some(Half::Ingest) => None,
        Some(Half::Work) | None => Some(Works::prepare(settings, &store).await?),
    };
    let upstreams = works.as_ref().map_or_else(Vec::new, |works| works.upstreams.clone());
    let health = Health { store: store.clone(), upstreams };
    let mut front = health::routes(health.clone());
    if serve.only != Some(Half::Work) {
        front = front.merge(ingest::webhook::routes(wiring::ingest(settings, &store)?));
    }
    let (address, token) = (settings.server.admin_listen, settings.server.admin_token.clone());
    let turns = Turns { store: store.clone(), owner: workers::owner() };
    let sources = Sources::of(settings, &store)?;
    let store_reader = sources.store_reader.clone();
    let api = Api {
        store: store.clone(),
        sources,
        apps: ordering::apps(settings),
        sync: works.as_ref().map(|works| works.sync.clone()),
        turns: turns.clone(),
        share_percent: settings.bulk.share_percent,
    };
    let back = admin::routes(address, token, health, metrics.clone(), api);

    let mut rooms = JoinSet::new();
    // the health that the webhooks' side tells means both
    rooms.spawn(http_server::listen("admin", address, back, stop.clone()).await?);
    rooms.spawn(http_server::listen("webhooks", settings.server.listen, front, stop.clone()).await?);
    if let Some(works) = works {
        tokio::spawn(shared_limits::follow(store.listen(), works.upstreams));
        let (every, share) = (settings.catch_up.every, settings.bulk.share_percent);
        let (owner, concurrency) = (turns.owner.clone(), usize::from(serve.concurrency));
        let (round, nightly_at) = (works.sync.with_rate_share(share), settings.reconcile.nightly_at);
        rooms.spawn(unfailing(rounds::keep(round, store_reader, nightly_at, turns.clone(), stop.clone())));
        rooms.spawn(unfailing(catch_up::run(works.catch_up, works.begun, every, turns.clone(), stop.clone())));
        rooms.spawn(unfailing(retention::run(store.clone(), settings.retention.clone(), turns, stop.clone())));
        rooms.spawn(workers::work(works.sync, owner, concurrency, share, stop.clone()));
    }
    rooms.spawn(unfailing(prometheus::run(store.clone(), metrics, stop.clone())));
    let outcome = until_all_end(rooms, &stop).await;
    store.close().await;
    tracing::info!("stopped");
    outcome
}

/// What the working half needs.
struct Works {
    upstreams: Vec<Upstream>,
    sync: Controller,
    catch_up: CatchUp,
    begun: Begun,
}

impl Works {
    async fn prepare(settings: &Settings, store: &Store) -> Result<Self, CommandError> {
        let upstreams = wiring::upstreams(settings, store)?;
        let sync = wiring::sync(settings, store, &upstreams)?;
        let catch_up = CatchUp { store: store.clone(), sources: sync.sources.clone(), clock: clock::now };
        let begun = catch_up.begin().await?;
        release_after_mending(store, settings).await?;
        miss_apps(store, settings).await?;
        store.retry_all().await?;
        let books = sync.books.iter().map(|books| books.upstream().clone());
        let sources = sync.sources.iter().map(|source| source.upstream().clone());
        let upstreams = sources.chain(upstreams.apps).chain(books).collect();
        Ok(Self { upstreams, sync, catch_up, begun })
    }
}

async fn unfailing(room: impl Future<Output = ()>) -> Result<(), CommandError> {
    room.await;
    Ok(())
}

/// Waits for every room; the first that fails stops the others.
async fn until_all_end(
    mut rooms: JoinSet<Result<(), CommandError>>,
    stop: &CancellationToken,
) -> Result<(), CommandError> {
    let mut outcome = Ok(());
    while let Some(ended) = rooms.join_next().await {
        let ended = ended.unwrap_or_else(|error| Err(CommandError::because("running the daemon", error)));
        stop.cancel();
        outcome = outcome.and(ended);
    }
    outcome
}

/// Where the names of the apps are kept.
const APPS: &str = "apps";

/// Says which apps the ledger knows and the settings do not: what was granted there is not taken back any more.
async fn miss_apps(store: &Store, settings: &Settings) -> Result<(), CommandError> {
    let now: BTreeSet<String> = settings.adapty.iter().map(|app| app.name.clone()).collect();
    let before = store.daemon_state(APPS).await?;
    let before = before.and_then(|text| serde_json::from_str::<BTreeSet<String>>(&text).ok()).unwrap_or_default();
    for app in before.difference(&now) {
        tracing::warn!(
            "the ledger knows the app `{app}`, which the settings do not name any more: what was granted there stays to \
             its end; if it is still the same app, give it that `name`"
        );
    }
    let all: BTreeSet<&String> = before.union(&now).collect();
    let text = serde_json::to_string(&all).map_err(|error| CommandError::because("remembering the apps", error))?;
    Ok(store.set_daemon_state(APPS, text).await?)
}

/// What waits for a catalog entry is looked at again when the catalog has changed.
async fn release_after_mending(store: &Store, settings: &Settings) -> Result<(), CommandError> {
    let catalogs: Vec<_> = settings.adapty.iter().map(|app| crate::rules::of(settings, app).catalog).collect();
    let catalog =
        serde_json::to_string(&catalogs).map_err(|error| CommandError::because("comparing the catalog", error))?;
    if store.daemon_state("catalog").await?.as_deref() == Some(catalog.as_str()) {
        return Ok(());
    }
    let parked = store.parked().await?;
    let waiting = parked.iter().filter(|parked| parked.kind == AttentionKind::UnmappedPrice.as_str());
    let accounts: Vec<_> =
        waiting.filter_map(|parked| entitlement::names::Account::parse(&parked.account).ok()).collect();
    if !accounts.is_empty() {
        tracing::info!(
            accounts = accounts.len(),
            "the catalog changed: accounts that waited for it are looked at again"
        );
        store.enqueue(accounts, Urgency::Requested).await?;
    }
    Ok(store.set_daemon_state("catalog", catalog).await?)
}

fn stop_on_signal(stop: CancellationToken) -> Result<(), CommandError> {
    let on = |kind| signal(kind).map_err(|error| CommandError::because("waiting for signals", error));
    let (mut terminate, mut interrupt) = (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: finishing what is under way"),
            _ = interrupt.recv() => tracing::info!("SIGINT: finishing what is under way"),
        }
        stop.cancel();
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::warn!("a second signal: leaving at once; leases run out by themselves");
        std::process::exit(1);
    });
    Ok(())
}
