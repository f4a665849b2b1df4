//! One paid, free or refunded term or purchase, with its transaction ids.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::billing::{Discount, Stop};
use crate::model::clock::Timestamp;
use crate::model::money::Money;
use crate::model::profile::BARE;
use crate::model::until::Until;

/// A sale as it is reported to a destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sale {
    /// Id of the chain: `sub_…`, or the purchase's own id.
    pub original: String,
    /// Own id; equal to `original` for a first purchase, `in_…` for each later paid invoice.
    pub id: String,
    /// The destination's product.
    pub product: String,
    /// The source's price.
    pub base_plan: String,
    /// What was charged for this product; `None` when the source did not say.
    pub price: Option<Money>,
    pub offer: Option<Offer>,
    /// How the subscription stands; only where sales are reported ([`crate::model::rules::Protocol::reports_sales`]).
    #[serde(default, alias = "standing", skip_serializing_if = "Option::is_none")]
    pub status: Option<Box<SaleStatus>>,
}

impl Sale {
    /// What stands in the place of a sale where nobody paid.
    #[must_use]
    pub fn of_promotion(id: &str) -> Self {
        Self {
            original: id.to_owned(),
            id: id.to_owned(),
            product: BARE.1.to_owned(),
            base_plan: String::new(),
            price: None,
            offer: None,
            status: None,
        }
    }

    /// Whether nobody paid.
    #[must_use]
    pub fn is_promotion(&self) -> bool {
        self.product == BARE.1
    }

    /// The ids that it is reported under.
    #[must_use]
    pub fn reported_ids(&self) -> ReportedIds {
        match &self.status {
            Some(status) => ReportedIds { id: status.id.clone(), original: status.original.clone() },
            None => ReportedIds { id: reported_id(&self.id, None), original: reported_id(&self.original, None) },
        }
    }

    /// The same sale, reported under `ids`.
    #[must_use]
    pub fn reported_as(mut self, ids: ReportedIds) -> Self {
        if let Some(status) = &mut self.status {
            (status.id, status.original) = (ids.id, ids.original);
        }
        self
    }

    /// Whether a destination shows it as transaction `id`: its own, or that under which it was reported.
    #[must_use]
    pub fn has_id(&self, id: &str) -> bool {
        self.id == id || self.status.as_ref().is_some_and(|status| status.id == id)
    }

    /// The same for the first transaction of its chain.
    #[must_use]
    pub fn has_original_id(&self, original: &str) -> bool {
        self.original == original || self.status.as_ref().is_some_and(|status| status.original == original)
    }
}

/// The transaction ids that a sale is reported under.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReportedIds {
    pub id: String,
    /// That of the first of its chain.
    pub original: String,
}

/// The id under which `id` is reported; that of a further product of one payment is kept `apart` from the first's.
pub(crate) fn reported_id(id: &str, apart: Option<&str>) -> String {
    match apart {
        Some(apart) => short(&format!("{id}:{apart}")),
        None => short(id),
    }
}

/// The longest id that is taken: Adapty's `store_transaction_id`.
const LONGEST_ID: usize = 50;

/// An id as it is, or its hash where it is too long, as those of checkout sessions are.
fn short(id: &str) -> String {
    if id.chars().count() <= LONGEST_ID {
        return id.to_owned();
    }
    format!("sha_{}", &hex::encode(Sha256::digest(id))[..40])
}

/// How the subscription behind a sale stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaleStatus {
    /// The transaction id it is reported under: its own, unless that is too long, or another product of the same payment
    /// has it.
    #[serde(default)]
    pub id: String,
    /// The same of the first of its chain.
    #[serde(default)]
    pub original: String,
    pub bought_at: Timestamp,
    /// When the chain began; never after `bought_at`.
    pub chain_began_at: Timestamp,
    /// The end of what was paid for, without grace.
    pub paid_until: Until,
    pub renews: bool,
    /// When its renewal was switched off, or it ended without that, where the source says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<Timestamp>,
    /// Why it renews no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
    /// When a payment failed; access lasts on in grace.
    pub payment_failed_at: Option<Timestamp>,
    /// When that grace ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_until: Option<Timestamp>,
    /// Where it was bought: two letters, ISO 3166.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// The paywall it was sold on, by the destination's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variation: Option<String>,
}

/// The offer a sale was made under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Offer {
    FreeTrial,
    /// Less than the price, by the coupon of this id.
    Coupon(String),
    /// The same, by the code of this id, which the user entered.
    Code(String),
}

impl Offer {
    pub(crate) fn of(discount: &Discount) -> Self {
        match &discount.code {
            Some(code) => Self::Code(code.clone()),
            None => Self::Coupon(discount.coupon.clone()),
        }
    }
}
