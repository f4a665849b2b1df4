//! What a customer object says of the user behind it.

use entitlement::failure::Failure;
use serde::Deserialize;
use serde::de::IgnoredAny;
use stripe_client_core::StripeRequest;
use stripe_core::customer::RetrieveCustomer;

use crate::api::Api;
use crate::shape::Metadata;

/// A customer as Stripe writes it; of a deleted one only id and `deleted` are left.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Read {
    #[serde(default)]
    pub(crate) deleted: bool,
    #[serde(default)]
    pub(crate) email: Option<String>,
    #[serde(default)]
    pub(crate) metadata: Metadata,
    #[serde(default)]
    pub(crate) livemode: Option<bool>,
    #[serde(default)]
    test_clock: Option<IgnoredAny>,
}

impl Read {
    pub(crate) fn on_test_clock(&self) -> bool {
        self.test_clock.is_some()
    }
}

pub(crate) async fn by_id(api: Api<'_>, id: &str) -> Result<Read, Failure> {
    api.get(&format!("customer `{id}`"), RetrieveCustomer::new(id).build()).await
}
