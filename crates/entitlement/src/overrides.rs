//! What operators ordered for a customer: promotions, blocks, and details. They are inputs of the decision like billing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::attributes::AttributeOverrides;
use crate::clock::Timestamp;
use crate::names::AccessLevel;
use crate::plan::{Entitlement, Expected, Refund, Sale, Until, Withheld};
use crate::reason::Reason;

/// All that was ordered, and not taken back.
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
    /// Whether nothing was ordered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }

    /// The verdict on what is billed, with what was ordered.
    ///
    /// A promotion neither shortens a paid right nor is shortened by one: the later end counts. What was paid is told
    /// all the same, so the transaction stays that of the payment.
    #[must_use]
    pub fn applied(&self, mut expected: Expected, now: Timestamp) -> Expected {
        let mut promotions: Vec<&PromotionalGrant> = self.promotions.iter().collect();
        promotions.sort_by_key(|promotion| &promotion.id);
        for promotion in promotions {
            match promotion.ended {
                false if promotion.until.is_after(now) => give(promotion, &mut expected),
                false => {}
                true => expected.withheld.push(ended(promotion)),
            }
        }
        let blocked: BTreeSet<&AccessLevel> = self.blocks.iter().map(|block| &block.level).collect();
        blocked.into_iter().for_each(|level| withhold(level, &mut expected));
        expected.owed.sort_by(|one, other| one.level.cmp(&other.level));
        expected
    }
}

fn give(promotion: &PromotionalGrant, expected: &mut Expected) {
    if let Some(end) = promotion.until.at() {
        expected.sync_again_at = Some(expected.sync_again_at.map_or(end, |soonest| soonest.min(end)));
    }
    let because = Reason::Promotion { promotion: promotion.id.clone(), until: promotion.until };
    match expected.owed.iter_mut().find(|right| right.level == promotion.level) {
        Some(right) if right.until < promotion.until => {
            (right.until, right.because) = (promotion.until, because);
            if right.sale.is_promotion() {
                right.sale = Sale::of_promotion(&promotion.id);
            }
        }
        Some(_) => {}
        None => expected.owed.push(Entitlement {
            level: promotion.level.clone(),
            until: promotion.until,
            starts_at: None,
            sale: Sale::of_promotion(&promotion.id),
            will_renew: false,
            in_grace: false,
            because,
        }),
    }
}

fn ended(promotion: &PromotionalGrant) -> Withheld {
    Withheld {
        level: promotion.level.clone(),
        chain: promotion.id.clone(),
        refund: Refund::No,
        refunded: None,
        ended: None,
        because: Reason::PromotionEnded { promotion: promotion.id.clone() },
    }
}

fn withhold(level: &AccessLevel, expected: &mut Expected) {
    expected.owed.retain(|right| right.level != *level);
    let no = Withheld {
        level: level.clone(),
        chain: String::new(),
        refund: Refund::No,
        refunded: None,
        ended: None,
        because: Reason::Blocked,
    };
    expected.withheld.insert(0, no);
}
