//! Puts the rooms together as the settings say.

use std::sync::Arc;

use adapty::adapty::{Adapty, Api};
use ingest::stripe_webhook::{Bodies, Ingest};
use store::connection::Time;
use store::open::{Options, Store};
use stripe::reader::Stripe;
use stripe::signature::Verifier;
use sync::look::{Conduct, Sync};
use wire::client::Client;
use wire::limit::LimitBy;
use wire::upstream::{Setup, Upstream};

use crate::failed::Failed;
use crate::settings::policy::Mode as Observing;
use crate::settings::secret::Secret;
use crate::settings::{Settings, adapty::AdaptyApi};
use crate::{clock, lending, rules};

/// Opens the database of the settings.
pub(crate) async fn store(settings: &Settings) -> Result<Store, Failed> {
    let options = Options {
        url: settings.database.url.clone(),
        max_waiting: settings.server.max_waiting,
        clock: clock::now,
        time: Time::Database,
    };
    Store::open(options).await.map_err(|error| Failed::because("opening the database", error))
}

/// The two upstreams.
#[derive(Clone, Debug)]
pub(crate) struct Upstreams {
    pub(crate) stripe: Upstream,
    pub(crate) adapty: Upstream,
}

/// Connects nothing yet; checks that the addresses and keys can be used. On a shared database, rate limits hold over all
/// processes on it.
pub(crate) fn upstreams(settings: &Settings, store: &Store) -> Result<Upstreams, Failed> {
    let client = Client::new().map_err(|error| Failed::because("setting up TLS", error))?;
    let (stripe, adapty) = (&settings.stripe, &settings.adapty);
    let stripe_key = stripe.secret_key.require()?.expose();
    let adapty_key = adapty.secret_key.require()?.expose();
    let stripe = ::stripe::api::setup(stripe.api_base.clone(), stripe_key, stripe.requests_per_second, stripe.timeout);
    let adapty =
        ::adapty::setup::setup(adapty.api_base.clone(), adapty_key, adapty.requests_per_second, adapty.timeout);
    let limit = if store.is_shared() { LimitBy::Shared(lending::begin(store)) } else { LimitBy::Own };
    let open = |setup| {
        let setup = Setup::limited_by(setup, limit.clone());
        Upstream::new(&client, setup).map_err(|error| Failed::Usage(error.to_string()))
    };
    Ok(Upstreams { stripe: open(stripe)?, adapty: open(adapty)? })
}

/// What looks at accounts.
pub(crate) fn sync(settings: &Settings, store: &Store, upstreams: &Upstreams) -> Result<Sync, Failed> {
    let api = match settings.adapty.api {
        AdaptyApi::V1 => Api::V1,
        AdaptyApi::V2 | AdaptyApi::V2Access => {
            let text = "`adapty.api` is `v2` or `v2-access`, which this version does not speak yet; write `v1`";
            return Err(Failed::Usage(text.into()));
        }
    };
    Ok(Sync {
        store: store.clone(),
        stripe: Stripe::new(upstreams.stripe.clone(), rules::mode(settings), settings.identity.user_id.clone()),
        adapty: Adapty::new(upstreams.adapty.clone(), api),
        rules: rules::of(settings),
        mode: rules::mode(settings),
        sources: settings.identity.user_id.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        conduct: match settings.policy.mode {
            Observing::Enforce => Conduct::Enforce,
            Observing::Observe => Conduct::Observe,
        },
        clock: clock::now,
    })
}

/// What takes in webhooks.
pub(crate) fn ingest(settings: &Settings, store: &Store) -> Result<Ingest, Failed> {
    let secrets: Vec<&str> = settings.stripe.webhook_secrets.require()?.iter().map(Secret::expose).collect();
    Ok(Ingest {
        store: store.clone(),
        verifier: Arc::new(Verifier::new(&secrets)),
        mode: rules::mode(settings),
        bodies: if settings.inbox.keep_bodies { Bodies::Keep } else { Bodies::Forget },
        clock: clock::now,
    })
}
