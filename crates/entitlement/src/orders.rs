//! What operators ordered for a customer: promotions, blocks, and details. They are inputs of the decision like billing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::details::DetailsOrdered;
use crate::names::AccessLevel;
use crate::plan::{Entitlement, Refund, Transaction, Until, Verdict, Withheld};
use crate::reason::Reason;

/// All that was ordered, and not taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Orders {
    /// Ended ones too, as far as their levels may still be held.
    pub promotions: Vec<Promotion>,
    pub blocks: Vec<Block>,
    pub details: DetailsOrdered,
}

/// A level that is given without a payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promotion {
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

impl Orders {
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
    pub fn applied(&self, mut verdict: Verdict, now: Timestamp) -> Verdict {
        let mut promotions: Vec<&Promotion> = self.promotions.iter().collect();
        promotions.sort_by_key(|promotion| &promotion.id);
        for promotion in promotions {
            match promotion.ended {
                false if promotion.until.is_after(now) => give(promotion, &mut verdict),
                false => {}
                true => verdict.withheld.push(ended(promotion)),
            }
        }
        let blocked: BTreeSet<&AccessLevel> = self.blocks.iter().map(|block| &block.level).collect();
        blocked.into_iter().for_each(|level| withhold(level, &mut verdict));
        verdict.owed.sort_by(|one, other| one.level.cmp(&other.level));
        verdict
    }
}

fn give(promotion: &Promotion, verdict: &mut Verdict) {
    if let Some(end) = promotion.until.at() {
        verdict.look_again = Some(verdict.look_again.map_or(end, |soonest| soonest.min(end)));
    }
    let because = Reason::Promotion { promotion: promotion.id.clone(), until: promotion.until };
    match verdict.owed.iter_mut().find(|right| right.level == promotion.level) {
        Some(right) if right.until < promotion.until => {
            (right.until, right.because) = (promotion.until, because);
            if right.transaction.is_promotion() {
                right.transaction = Transaction::of_promotion(&promotion.id);
            }
        }
        Some(_) => {}
        None => verdict.owed.push(Entitlement {
            level: promotion.level.clone(),
            until: promotion.until,
            starts_at: None,
            transaction: Transaction::of_promotion(&promotion.id),
            will_renew: false,
            in_grace: false,
            because,
        }),
    }
}

fn ended(promotion: &Promotion) -> Withheld {
    Withheld {
        level: promotion.level.clone(),
        chain: promotion.id.clone(),
        refund: Refund::No,
        refunded: None,
        ended: None,
        because: Reason::PromotionEnded { promotion: promotion.id.clone() },
    }
}

fn withhold(level: &AccessLevel, verdict: &mut Verdict) {
    verdict.owed.retain(|right| right.level != *level);
    let no = Withheld {
        level: level.clone(),
        chain: String::new(),
        refund: Refund::No,
        refunded: None,
        ended: None,
        because: Reason::Blocked,
    };
    verdict.withheld.insert(0, no);
}
