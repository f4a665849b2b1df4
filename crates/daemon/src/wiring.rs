//! Wires the crates together as the settings say.

use ::iaphub::iaphub::Iaphub;
use adapty::adapty::{Adapty, Api};
use adapty::sale_format::SaleFormat;
use destination::destination::Destination;
use destination::store_service::StoreService;
use entitlement::model::access_level::AccessLevel;
use ingest::body::BodyBudget;
use ingest::catch_up::CatchUp;
use ingest::webhook::{Bodies, Ingest};
use operator::operator::Operator;
use operator::task_lease::TaskLeases;
use source::sources::Sources;
use store::connection::Time;
use store::open::{Options, Store};
use sync::controller::{Controller, PolicyMode};
use sync::profile_cache::ProfileCache;
use sync::store_reader::StoreReader;
use sync::target::Target;
use wire::client::Client;
use wire::limit::LimitScope;
use wire::setup::Setup;
use wire::upstream::Upstream;

use crate::command_error::CommandError;
use crate::settings::adapty::{AdaptyApi, ProductId};
use crate::settings::policy::Mode as Observing;
use crate::settings::secret::Secret;
use crate::settings::{self, Settings};
use crate::{clock, rules, shared_limits, sources, workers};

/// Opens the database of the settings.
pub(crate) async fn store(settings: &Settings) -> Result<Store, CommandError> {
    let options = Options {
        url: settings.database.url.clone(),
        max_waiting: settings.server.max_waiting,
        clock: clock::now,
        time: Time::Database,
    };
    Store::open(options).await.map_err(|error| CommandError::because("opening the database", error))
}

/// Opens the database of the settings, which must be there: a command that finds none was started in the wrong place, or
/// with the wrong settings.
async fn existing_store(settings: &Settings) -> Result<Store, CommandError> {
    match missing_database(settings).await? {
        None => store(settings).await,
        Some(place) => Err(CommandError::Sentence(format!(
            "no database at `{place}`: start the command where it is, or name its settings with `--config`; `grantsync serve` \
             and `grantsync migrate` make a new one"
        ))),
    }
}

/// Where the database would be, if it is not there.
pub(crate) async fn missing_database(settings: &Settings) -> Result<Option<String>, CommandError> {
    let missing = Store::missing(&settings.database.url).await;
    missing.map_err(|error| CommandError::because("opening the database", error))
}

/// Every source and every app.
#[derive(Clone, Debug)]
pub(crate) struct Upstreams {
    pub(crate) sources: Sources,
    /// In the order of the settings.
    pub(crate) apps: Vec<Upstream>,
}

/// Connects nothing yet; checks that the addresses and keys can be used. On a shared database, rate limits hold over all
/// processes on it.
pub(crate) fn upstreams(settings: &Settings, store: &Store) -> Result<Upstreams, CommandError> {
    let client = client(settings)?;
    let limit = if store.is_shared() { LimitScope::Shared(shared_limits::start(store)) } else { LimitScope::Process };
    let apps = settings.adapty.iter().map(|app| adapty(app, &client, limit.clone()));
    let sources = sources::all(settings, &client, &limit)?;
    Ok(Upstreams { sources, apps: apps.collect::<Result<_, _>>()? })
}

/// The pool of connections, through the proxies of the environment.
pub(crate) fn client(settings: &Settings) -> Result<Client, CommandError> {
    Client::through(&settings.proxies).map_err(|error| CommandError::because("setting up HTTP", error))
}

pub(crate) fn adapty(
    of: &settings::adapty::Adapty,
    client: &Client,
    limit: LimitScope,
) -> Result<Upstream, CommandError> {
    let key = of.secret_key.require()?.expose();
    upstream(
        client,
        ::adapty::setup::setup(&of.name, of.api_base.clone(), key, of.requests_per_second, of.timeout),
        limit,
    )
}

fn upstream(client: &Client, setup: Setup, limit: LimitScope) -> Result<Upstream, CommandError> {
    Upstream::new(client, setup.with_limit(limit)).map_err(|error| CommandError::Usage(error.to_string()))
}

/// Adapty's API as the app uses it.
pub(crate) fn adapty_api(settings: &settings::adapty::Adapty) -> Api {
    match settings.api {
        AdaptyApi::V1 => Api::V1,
        AdaptyApi::V2Access => Api::V2Access,
        AdaptyApi::V2 => Api::V2(SaleFormat {
            with_price: settings.product_id == ProductId::ProductAndPrice,
            country: settings.default_country.clone(),
        }),
    }
}

fn app(settings: &Settings, of: &settings::adapty::Adapty, upstream: &Upstream) -> Target {
    let adapty = Adapty::new(upstream.clone(), adapty_api(of));
    Target::new(Destination::Adapty(adapty), rules::of(settings, of))
}

/// What operators ask for, of the database alone.
pub(crate) async fn operator(settings: &Settings) -> Result<Operator, CommandError> {
    operator_on(settings, &existing_store(settings).await?, None)
}

/// The same with the keys of the upstreams.
pub(crate) async fn operator_with_keys(settings: &Settings) -> Result<Operator, CommandError> {
    let store = existing_store(settings).await?;
    let controller = controller(settings, &store, &upstreams(settings, &store)?)?;
    operator_on(settings, &store, Some(controller))
}

/// What operators ask for; `controller` reads the upstreams.
pub(crate) fn operator_on(
    settings: &Settings,
    store: &Store,
    controller: Option<Controller>,
) -> Result<Operator, CommandError> {
    Ok(Operator {
        store: store.clone(),
        apps: settings.adapty.iter().map(|app| operator::operator::App::of(&rules::of(settings, app))).collect(),
        controller,
        store_reader: store_reader(settings, store)?,
        web_stores: settings.adapty.iter().map(|app| app.store.clone()).collect(),
        task_leases: TaskLeases { store: store.clone(), owner: workers::owner() },
        bulk_percent: settings.bulk.share_percent,
        clock: clock::now,
    })
}

/// What fetches the events that no webhook brought.
pub(crate) async fn catch_up(settings: &Settings) -> Result<CatchUp, CommandError> {
    let store = store(settings).await?;
    let upstreams = upstreams(settings, &store)?;
    Ok(catch_up_with(&controller(settings, &store, &upstreams)?))
}

/// The same, with what syncs accounts.
pub(crate) fn catch_up_with(controller: &Controller) -> CatchUp {
    CatchUp { store: controller.store.clone(), sources: controller.sources.clone(), clock: clock::now }
}

/// What syncs accounts.
pub(crate) fn controller(
    settings: &Settings,
    store: &Store,
    upstreams: &Upstreams,
) -> Result<Controller, CommandError> {
    Ok(Controller {
        store: store.clone(),
        sources: upstreams.sources.clone(),
        apps: settings.adapty.iter().zip(&upstreams.apps).map(|(of, upstream)| app(settings, of, upstream)).collect(),
        sales: sales(settings, store)?,
        mode: rules::mode(settings),
        policy_mode: match settings.policy.mode {
            Observing::Enforce => PolicyMode::Enforce,
            Observing::Observe => PolicyMode::Observe,
        },
        profile_cache: ProfileCache::default(),
        clock: clock::now,
    })
}

/// Where sales alone are reported, if a path to write to is set. It has an upstream of its own: what refuses a write does
/// not keep store purchases from being read.
fn sales(settings: &Settings, store: &Store) -> Result<Option<Target>, CommandError> {
    let Some(of) = &settings.iaphub else { return Ok(None) };
    let (Some(route), Some(rules)) = (of.route.clone(), rules::of_books(settings)) else { return Ok(None) };
    of.api_key.require()?;
    let limit = if store.is_shared() { LimitScope::Shared(shared_limits::start(store)) } else { LimitScope::Process };
    Ok(iaphub(settings, of, limit)?.map(|iaphub| Target::slow(Destination::Iaphub(iaphub, route), rules)))
}

/// What reads the purchases of the app's stores, if `[iaphub]` is there, with its key.
fn store_reader(settings: &Settings, store: &Store) -> Result<Option<StoreReader>, CommandError> {
    let Some(of) = &settings.iaphub else { return Ok(None) };
    let limit = if store.is_shared() { LimitScope::Shared(shared_limits::start(store)) } else { LimitScope::Process };
    let iaphub = iaphub(settings, of, limit)?;
    Ok(iaphub.map(|iaphub| StoreReader::new(StoreService::Iaphub(iaphub), store.clone(), of.good_for, clock::now)))
}

/// IAPHUB, if there is a key.
pub(crate) fn iaphub(
    settings: &Settings,
    of: &settings::iaphub::Iaphub,
    limit: LimitScope,
) -> Result<Option<Iaphub>, CommandError> {
    let Some(key) = of.api_key.present().map(Secret::expose) else { return Ok(None) };
    let setup = ::iaphub::setup::setup(of.api_base.clone(), &of.app_id, key, of.requests_per_second, of.timeout);
    let upstream = upstream(&client(settings)?, setup, limit)?;
    let level = |(product, level): (&String, &String)| (product.clone(), AccessLevel(level.clone()));
    let levels = of.levels.iter().map(level).collect();
    Ok(Some(Iaphub::new(upstream, &of.app_id, &of.environment, levels)))
}

/// What takes in webhooks.
pub(crate) fn ingest(settings: &Settings, store: &Store) -> Result<Ingest, CommandError> {
    Ok(Ingest {
        store: store.clone(),
        receivers: sources::receivers(settings)?,
        bodies: if settings.inbox.keep_bodies { Bodies::Keep } else { Bodies::Forget },
        body_budget: BodyBudget::new(settings.server.body_budget),
        clock: clock::now,
    })
}
