//! From the settings to the rules of the core.

use std::time::Duration;

use entitlement::model::access_level::AccessLevel;
use entitlement::model::attributes::{AttributeLimits, AttributeName, SourcedAttribute};
use entitlement::model::catalog::{Catalog, Listed, Offering, Sold, Term};
use entitlement::model::mode::Mode;
use entitlement::model::rules::{Choice, Policy, Protocol, Rules, TestClocks, Unpaid};

use ::adapty::attributes;
use ::stripe::facts::FactPlace;

use crate::settings::adapty::{Adapty, AdaptyApi};
use crate::settings::catalog::{self, CatalogEntry};
use crate::settings::policy::{self, DisputeOpened, FullRefund, PartialRefund, PauseCollection};
use crate::settings::{Settings, stripe};

/// The rules of `app`. A key that shows no mode counts as live, so that no purchase is called a sandbox purchase wrongly.
pub(crate) fn of(settings: &Settings, app: &Adapty) -> Rules {
    Rules {
        destination: app.name.clone(),
        mode: mode(settings).unwrap_or(Mode::Live),
        store: app.store.clone(),
        protocol: match app.api {
            AdaptyApi::V1 => Protocol::AccessWithSale,
            AdaptyApi::V2 => Protocol::SalesAndAccess,
            AdaptyApi::V2Access => Protocol::AccessOnly,
        },
        catalog: catalog_of(settings, app),
        sourced_attributes: app.attributes.iter().map(sourced_attributes).collect(),
        limits: limits(app),
        policy: policy_of(&settings.policy),
    }
}

/// The rules of IAPHUB, which is reported the sales of the first app.
pub(crate) fn of_books(settings: &Settings) -> Option<Rules> {
    let rules = of(settings, settings.adapty.first()?);
    Some(Rules {
        destination: "iaphub".to_owned(),
        protocol: Protocol::SalesOnly,
        sourced_attributes: Vec::new(),
        ..rules
    })
}

/// The catalog of `app`: what is sold for other apps alone is listed, and gives nothing here.
fn catalog_of(settings: &Settings, app: &Adapty) -> Catalog {
    let is_of_app = |entry: &CatalogEntry| entry.app.as_ref().is_none_or(|of| *of == app.name);
    let entry = |entry: &CatalogEntry| match is_of_app(entry) {
        true => listed(entry),
        false => Listed::Elsewhere { elsewhere: sold(entry) },
    };
    Catalog(settings.catalog.iter().map(entry).collect())
}

fn sourced_attributes((name, from): &(AttributeName, FactPlace)) -> SourcedAttribute {
    SourcedAttribute { name: name.clone(), from: from.to_string() }
}

/// The attributes that the app takes: ten in the first of Adapty's APIs, thirty in the second.
pub(crate) fn limits(app: &Adapty) -> AttributeLimits {
    let attributes = match app.api {
        AdaptyApi::V1 => attributes::MOST_V1,
        AdaptyApi::V2 | AdaptyApi::V2Access => attributes::MOST_V2,
    };
    AttributeLimits { attributes: u32::try_from(attributes).unwrap_or(u32::MAX), characters: app.attribute_length }
}

/// The catalog of all apps together.
pub(crate) fn whole_catalog(settings: &Settings) -> Catalog {
    Catalog(settings.catalog.iter().map(listed).collect())
}

/// The mode of the Stripe key.
pub(crate) fn mode(settings: &Settings) -> Option<Mode> {
    settings.stripe.mode().map(|mode| match mode {
        stripe::Mode::Live => Mode::Live,
        stripe::Mode::Test => Mode::Test,
    })
}

fn listed(entry: &CatalogEntry) -> Listed {
    let sold = sold(entry);
    let Some(level) = entry.access_level.clone() else { return Listed::Ignored { ignored: sold } };
    Listed::Offering(Offering {
        sold,
        level: AccessLevel(level),
        vendor_product_id: entry.vendor_product_id.clone(),
        term: entry.duration.as_ref().map(|term| match term {
            catalog::Term::Lifetime => Term::Lifetime,
            catalog::Term::For(span) => Term::Seconds(seconds(*span)),
        }),
    })
}

fn sold(entry: &CatalogEntry) -> Sold {
    let price = entry.price.clone().map(Sold::Price);
    let product = entry.product.clone().map(Sold::Product);
    // the settings hold exactly one of the two
    price.or(product).unwrap_or_else(|| Sold::Price(String::new()))
}

fn policy_of(policy: &policy::Policy) -> Policy {
    let choice = |revoke| if revoke { Choice::Revoke } else { Choice::Keep };
    Policy {
        past_due_grace: seconds(policy.past_due_grace),
        processing_grace: seconds(policy.processing_grace),
        renewal_slack: seconds(policy.renewal_slack),
        profile_lag: seconds(policy.profile_lag),
        pause_collection: choice(policy.pause_collection == PauseCollection::Revoke),
        partial_refund: choice(policy.partial_refund == PartialRefund::Revoke),
        full_refund: choice(policy.full_refund == FullRefund::Revoke),
        dispute_opened: choice(policy.dispute_opened == DisputeOpened::Revoke),
        unpaid_invoice: match policy.unpaid_invoice_subscription {
            policy::UnpaidInvoiceSubscription::Wait => Unpaid::Wait,
            policy::UnpaidInvoiceSubscription::Grant => Unpaid::Grant,
        },
        test_clocks: match policy.test_clocks {
            policy::TestClocks::Refuse => TestClocks::Refuse,
            policy::TestClocks::Allow => TestClocks::Allow,
        },
    }
}

fn seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}
