//! Adapty as the rest of the house uses it.

use entitlement::failure::Failure;
use entitlement::names::Customer;
use entitlement::plan::Step;
use entitlement::profile::Profile;
use wire::upstream::Upstream;

use crate::v1;

/// One app at Adapty; clones share its limits and pauses.
#[derive(Clone, Debug)]
pub struct Adapty {
    upstream: Upstream,
    api: Api,
}

/// Which of Adapty's APIs is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// `/api/v1/sdk`: a grant chooses the level and records the revenue, in one call.
    V1,
}

impl Adapty {
    /// Adapty behind `upstream`, which [`crate::setup::setup`] describes.
    #[must_use]
    pub fn new(upstream: Upstream, api: Api) -> Self {
        Self { upstream, api }
    }

    /// The same for work in bulk, which may use `percent` of the rate.
    #[must_use]
    pub fn leaving_room(&self, percent: u32) -> Self {
        Self { upstream: self.upstream.leaving_room(percent), ..self.clone() }
    }

    /// The upstream, for its name and its pauses.
    #[must_use]
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// The profile of `customer`; one that Adapty does not know is [`Profile::absent`].
    ///
    /// # Errors
    /// [`Failure`]; an answer that cannot be read is transient.
    pub async fn profile(&self, customer: &Customer) -> Result<Profile, Failure> {
        match self.api {
            Api::V1 => v1::profile(&self.upstream, customer).await,
        }
    }

    /// Makes a profile for `customer`, and answers with it; one that was there already is as good.
    ///
    /// # Errors
    /// [`Failure`]; what Adapty said against it, when the profile is still not there.
    pub async fn create(&self, customer: &Customer) -> Result<Profile, Failure> {
        match self.api {
            Api::V1 => v1::create(&self.upstream, customer).await,
        }
    }

    /// Sends `step`, and answers with the profile as it is then.
    ///
    /// # Errors
    /// [`Failure`]: [`Missing`] when the profile must be created first, any other 404 is [`Permanent`]. After a
    /// [`Transient`] the step may have arrived; the profile will show it.
    ///
    /// [`Missing`]: entitlement::failure::Class::Missing
    /// [`Permanent`]: entitlement::failure::Class::Permanent
    /// [`Transient`]: entitlement::failure::Class::Transient
    pub async fn carry_out(&self, customer: &Customer, step: &Step) -> Result<Profile, Failure> {
        match self.api {
            Api::V1 => v1::carry_out(&self.upstream, customer, step).await,
        }
    }
}
