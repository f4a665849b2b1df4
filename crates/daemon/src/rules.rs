//! From the settings to the rules of the core.

use std::time::Duration;

use entitlement::catalog::{Catalog, Listed, Offering, Sold, Term};
use entitlement::names::{AccessLevel, Mode};
use entitlement::rules::{Choice, Policy, Rules, TestClocks, Told, Unpaid};

use crate::settings::adapty::AdaptyApi;
use crate::settings::catalog::{self, CatalogEntry};
use crate::settings::policy::{self, DisputeOpened, FullRefund, PartialRefund, PauseCollection};
use crate::settings::{Settings, stripe};

/// Name of the destination in keys and logs.
pub(crate) const ADAPTY: &str = "adapty";

/// The rules that `settings` ask for. A key that tells no mode counts as live, so that nothing is called a sandbox that
/// is none.
pub(crate) fn of(settings: &Settings) -> Rules {
    Rules {
        destination: ADAPTY.into(),
        mode: mode(settings).unwrap_or(Mode::Live),
        store: settings.adapty.store.clone(),
        told: match settings.adapty.api {
            AdaptyApi::V1 => Told::Transaction,
            AdaptyApi::V2 => Told::Standing,
            AdaptyApi::V2Access => Told::LevelOnly,
        },
        catalog: Catalog(settings.catalog.iter().map(listed).collect()),
        policy: policy_of(&settings.policy),
    }
}

/// The mode of the Stripe key.
pub(crate) fn mode(settings: &Settings) -> Option<Mode> {
    settings.stripe.mode().map(|mode| match mode {
        stripe::Mode::Live => Mode::Live,
        stripe::Mode::Test => Mode::Test,
    })
}

fn listed(entry: &CatalogEntry) -> Listed {
    let price = entry.price.clone().map(Sold::Price);
    let product = entry.product.clone().map(Sold::Product);
    // the settings hold exactly one of the two
    let sold = price.or(product).unwrap_or_else(|| Sold::Price(String::new()));
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

fn policy_of(policy: &policy::Policy) -> Policy {
    let choice = |revoke| if revoke { Choice::Revoke } else { Choice::Keep };
    Policy {
        past_due_grace: seconds(policy.past_due_grace),
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
