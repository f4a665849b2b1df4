//! What operators set for a user: promotional grants, blocks and attributes. A decision takes them like billing.

use serde::{Deserialize, Serialize};

use crate::model::access_level::AccessLevel;
use crate::model::attributes::AttributeOverrides;
use crate::model::until::Until;

/// All that is set, and not taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Overrides {
    /// Ended ones too, as far as their levels may still be held.
    pub promotions: Vec<PromotionalGrant>,
    pub blocks: Vec<Block>,
    #[serde(alias = "details")]
    pub attributes: AttributeOverrides,
}

/// A level that is given without a payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromotionalGrant {
    pub id: String,
    pub level: AccessLevel,
    pub until: Until,
    /// Who gave it, and why, as they said.
    pub by: String,
    pub why: String,
    /// An operator ended it before its time.
    pub ended: bool,
}

/// A level that is withheld, whatever is paid, until it is unblocked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    pub level: AccessLevel,
    /// Who blocked it, and why, as they said.
    pub by: String,
    pub why: String,
}

impl Overrides {
    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}
