//! Puts the sources together as the settings say: the one place where each is made.

use std::collections::BTreeSet;

use source::kind::SourceKind;
use source::receiver::Receiver;
use source::source::Source;
use source::sources::Sources;
use stripe::client::{Extras, Stripe};
use stripe::facts::FactPlace;
use stripe::webhook;
use wire::client::Client;
use wire::limit::LimitScope;
use wire::upstream::Upstream;

use crate::command_error::CommandError;
use crate::rules;
use crate::settings::Settings;
use crate::settings::adapty::AdaptyApi;
use crate::settings::secret::Secret;

/// Every source whose key is set.
///
/// # Errors
/// When there is none, or what is set cannot be used.
pub(crate) fn all(settings: &Settings, client: &Client, limit: &LimitScope) -> Result<Sources, CommandError> {
    let kinds = SourceKind::ALL.into_iter().filter(|kind| has_key(*kind, settings));
    let sources: Vec<Source> =
        kinds.map(|kind| one(kind, settings, client, limit.clone())).collect::<Result<_, _>>()?;
    if sources.is_empty() {
        settings.stripe.secret_key.require()?;
    }
    Ok(Sources::new(sources))
}

/// Whether there is a key to read the source with.
pub(crate) fn has_key(kind: SourceKind, settings: &Settings) -> bool {
    match kind {
        SourceKind::Stripe => settings.stripe.secret_key.present().is_some(),
    }
}

/// One source.
///
/// # Errors
/// When its key is not set, or its section cannot be used.
pub(crate) fn one(
    kind: SourceKind,
    settings: &Settings,
    client: &Client,
    limit: LimitScope,
) -> Result<Source, CommandError> {
    match kind {
        SourceKind::Stripe => stripe(settings, client, limit).map(Source::Stripe),
    }
}

/// What takes in the webhooks of every source.
///
/// # Errors
/// When a secret is not set.
pub(crate) fn receivers(settings: &Settings) -> Result<Vec<Receiver>, CommandError> {
    SourceKind::ALL.into_iter().map(|kind| receiver(kind, settings)).collect()
}

fn receiver(kind: SourceKind, settings: &Settings) -> Result<Receiver, CommandError> {
    match kind {
        SourceKind::Stripe => {
            let secrets: Vec<&str> = settings.stripe.webhook_secrets.require()?.iter().map(Secret::expose).collect();
            Ok(Receiver::Stripe(webhook::Receiver::new(&secrets, rules::mode(settings))))
        }
    }
}

fn stripe(settings: &Settings, client: &Client, limit: LimitScope) -> Result<Stripe, CommandError> {
    let of = &settings.stripe;
    let key = of.secret_key.require()?.expose();
    let setup = ::stripe::api::setup(of.api_base.clone(), key, of.requests_per_second, of.timeout);
    let upstream = Upstream::new(client, setup.with_limit(limit));
    let upstream = upstream.map_err(|error| CommandError::Usage(error.to_string()))?;
    Ok(Stripe::new(upstream, rules::mode(settings), settings.identity.user_id.clone()).with_extras(extras(settings)))
}

/// What the destinations take beside what is billed.
fn extras(settings: &Settings) -> Extras {
    let places = settings.adapty.iter().flat_map(|app| &app.attributes).map(|(_, place)| place.clone());
    let facts: BTreeSet<FactPlace> = places.collect();
    let iaphub_is_written = settings.iaphub.as_ref().is_some_and(|iaphub| iaphub.route.is_some());
    let is_v2 = settings.adapty.iter().any(|app| app.api == AdaptyApi::V2);
    // IAPHUB has no field for a coupon
    Extras { facts: facts.into_iter().collect(), country: iaphub_is_written || is_v2, discounts: is_v2 }
}
