//! A Stripe account, read with one key.

use entitlement::model::mode::Mode;
use wire::upstream::Upstream;

use crate::facts::FactPlace;
use crate::identity::UserIdPlace;

/// A Stripe account, read with one key.
#[derive(Clone)]
pub struct Stripe {
    pub(crate) upstream: Upstream,
    pub(crate) mode: Option<Mode>,
    pub(crate) user_id: Vec<UserIdPlace>,
    pub(crate) extras: Extras,
}

/// What is read beside what is billed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    pub facts: Vec<FactPlace>,
    /// The country of the customer's address; that of their card is read anyway.
    pub country: bool,
    /// Which coupons and codes made payments less.
    pub discounts: bool,
}

impl Stripe {
    /// A client over `upstream` (see [`crate::api::setup`]). `mode` is that of the key, where it says; `user_id` are the
    /// places of the user id, the best first.
    #[must_use]
    pub fn new(upstream: Upstream, mode: Option<Mode>, user_id: Vec<UserIdPlace>) -> Self {
        Self { upstream, mode, user_id, extras: Extras::default() }
    }

    /// The same, which also reads `extras`.
    #[must_use]
    pub fn with_extras(self, extras: Extras) -> Self {
        Self { extras, ..self }
    }

    /// The same for work in bulk, which may use `percent` of the rate.
    #[must_use]
    pub fn with_rate_share(&self, percent: u32) -> Self {
        Self { upstream: self.upstream.with_rate_share(percent), ..self.clone() }
    }

    /// The mode of the key, where it says.
    #[must_use]
    pub fn mode(&self) -> Option<Mode> {
        self.mode
    }

    /// What its requests go through.
    #[must_use]
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Where the user id is looked for, the best first, as written in the settings.
    pub fn user_id_places(&self) -> impl Iterator<Item = String> {
        self.user_id.iter().map(ToString::to_string)
    }
}

impl std::fmt::Debug for Stripe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stripe").field("mode", &self.mode).field("user_id", &self.user_id).finish_non_exhaustive()
    }
}
