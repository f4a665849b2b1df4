//! The webhook endpoints that are set up at Stripe (<https://docs.stripe.com/api/webhook_endpoints>).
//!
//! Requests are built by hand, here and in [`crate::check::prices`]: async-stripe keeps these objects in two further crates, and
//! only the command `check` asks for them.

use std::fmt;

use entitlement::model::failure::Failure;
use entitlement::model::mode::Mode;
use serde::{Deserialize, Serialize};
use stripe_client_core::{RequestBuilder, StripeMethod};
use url::Url;

use crate::api::Api;
use crate::client::Stripe;
use crate::events::TYPES;
use crate::shape::{List, read};
use crate::webhook::PATH;

/// What an endpoint may send besides [`TYPES`]: that a card needs its owner's confirmation, or that a bank debit is on its way,
/// is known sooner by it; in the end the subscription shows the same.
pub const RECOMMENDED: [&str; 2] = ["invoice.payment_action_required", "charge.pending"];

/// An endpoint that gets the events of this account.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `we_…`.
    pub id: String,
    /// Where events are sent; it may hold a secret, so only its host may be shown.
    url: String,
    pub enabled: bool,
    pub mode: Option<Mode>,
    /// The types that are sent; `*` is all.
    events: Vec<String>,
    /// The version its events are written in; `None`: that of the account.
    pub api_version: Option<String>,
}

/// <https://docs.stripe.com/api/webhook_endpoints/object>.
#[derive(Debug, Deserialize)]
struct EndpointObject {
    id: String,
    url: String,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    livemode: Option<bool>,
    #[serde(default)]
    enabled_events: Vec<String>,
    #[serde(default)]
    api_version: Option<String>,
    /// Set on those that belong to an app, which gets the events of whoever installs it.
    #[serde(default)]
    application: Option<String>,
}

/// One page of a list.
#[derive(Serialize)]
pub(crate) struct Page {
    pub(crate) limit: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) starting_after: Option<String>,
}

impl Stripe {
    /// Every webhook endpoint of the account. Event destinations that send thin events are not among them.
    ///
    /// # Errors
    /// The failed request; one that cannot be read is left out.
    pub async fn webhook_endpoints(&self) -> Result<Vec<Endpoint>, Failure> {
        let request = |starting_after| {
            RequestBuilder::new(StripeMethod::Get, "/webhook_endpoints").query(&Page { limit: 100, starting_after })
        };
        let List { data, .. } = Api::new(&self.upstream, None).all("webhook endpoints", request).await?;
        let written = data.iter().filter_map(|object| read::<EndpointObject>(object).ok());
        Ok(written.filter(|written| written.application.is_none()).map(Endpoint::from).collect())
    }
}

impl From<EndpointObject> for Endpoint {
    fn from(written: EndpointObject) -> Self {
        Self {
            id: written.id,
            url: written.url,
            enabled: written.status.as_deref() != Some("disabled"),
            mode: written.livemode.map(Mode::of_livemode),
            events: written.enabled_events,
            api_version: written.api_version,
        }
    }
}

impl fmt::Debug for Endpoint {
    /// The address is not printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Endpoint {
    /// Whether its events arrive where ours are taken in.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        Url::parse(&self.url).is_ok_and(|url| url.path().ends_with(PATH))
    }

    /// How it is called in a finding: its address may hold a secret, its host does not.
    #[must_use]
    pub fn name(&self) -> String {
        format!("endpoint `{}` ({})", self.id, self.host())
    }

    /// Its host in lower case, without port; empty when it has none.
    #[must_use]
    pub fn host(&self) -> String {
        Url::parse(&self.url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Whether both send to the same address.
    #[must_use]
    pub fn sends_where(&self, other: &Self) -> bool {
        self.url == other.url
    }

    /// Whether it sends events of this type.
    #[must_use]
    pub fn sends(&self, kind: &str) -> bool {
        self.events.iter().any(|sent| sent == kind || sent == "*")
    }

    /// Whether it sends all that is needed.
    #[must_use]
    pub fn sends_all(&self) -> bool {
        TYPES.iter().all(|kind| self.sends(kind))
    }
}

#[cfg(test)]
mod tests;
