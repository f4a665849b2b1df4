//! A destination's whole picture of one customer.

use serde::{Deserialize, Serialize};

use crate::model::access_level::AccessLevel;
use crate::model::clock::Timestamp;
use crate::model::until::Until;
use crate::model::user::User;

/// What the destination shows; `levels` is empty for a profile that does not exist yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    #[serde(alias = "customer")]
    pub user: User,
    /// False when the destination does not know the customer yet.
    pub exists: bool,
    /// One entry a level.
    pub levels: Vec<ActualLevel>,
    /// What stores sold, whether a level shows it or a longer right stands before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sold: Vec<StoreSubscription>,
}

/// A subscription of a store, as the destination lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreSubscription {
    pub store: String,
    /// The store's product.
    pub product: String,
    /// Its end; it may lie in the past.
    pub until: Until,
    /// It was bought in the store's sandbox, where nobody pays.
    pub sandbox: bool,
}

impl StoreSubscription {
    /// Whether `actual` is shown under its store and product.
    #[must_use]
    pub fn is_shown_by(&self, actual: &ActualLevel) -> bool {
        (Some(&self.store), Some(&self.product)) == (actual.store.as_ref(), actual.product.as_ref())
    }
}

/// One right as the destination shows it, running or over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActualLevel {
    pub level: AccessLevel,
    /// Its end; it may lie in the past.
    pub until: Until,
    pub starts_at: Option<Timestamp>,
    /// The store it came from, for example `stripe`, `app_store`.
    pub store: Option<String>,
    pub product: Option<String>,
    #[serde(alias = "transaction")]
    pub transaction_id: Option<String>,
    #[serde(alias = "original")]
    pub original_transaction_id: Option<String>,
    /// Whether it will renew, where that is said. Like the two below it decides nothing, and is only shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub will_renew: Option<bool>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_grace: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub billing_issue: bool,
}

/// The store and product under which Adapty shows a level that its API gave without a transaction (page "Webhook event
/// types and fields", `vendor_product_id`).
pub const BARE: (&str, &str) = ("adapty", "adapty_server_side_product");

impl ActualLevel {
    /// Whether it was given by the destination's API without a transaction; whatever ids it shows are its own.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        (self.store.as_deref(), self.product.as_deref()) == (Some(BARE.0), Some(BARE.1))
    }

    /// Whether the right is not over yet; one that starts later counts.
    #[must_use]
    pub fn runs(&self, now: Timestamp) -> bool {
        self.until.is_after(now)
    }
}

impl Profile {
    /// The profile of a customer the destination does not know.
    #[must_use]
    pub fn absent(user: User) -> Self {
        Self { user, exists: false, levels: Vec::new(), sold: Vec::new() }
    }

    /// The entry of `level`.
    #[must_use]
    pub fn level(&self, level: &AccessLevel) -> Option<&ActualLevel> {
        self.levels.iter().find(|shown| &shown.level == level)
    }
}
