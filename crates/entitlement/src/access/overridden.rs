//! What operators set, over what is billed: promotional grants and blocks.

use std::collections::BTreeSet;

use crate::model::access_level::AccessLevel;
use crate::model::clock::Timestamp;
use crate::model::expected::{Entitlement, Expected, Refund, Withheld};
use crate::model::overrides::{Overrides, PromotionalGrant};
use crate::model::reason::Reason;
use crate::model::sale::Sale;

/// What billing gives, with what operators set.
///
/// A promotional grant neither shortens a paid right nor is shortened by one: the later end counts. What was paid is
/// reported all the same, so the sale stays that of the payment.
#[must_use]
pub fn overridden(mut expected: Expected, overrides: &Overrides, now: Timestamp) -> Expected {
    let mut grants: Vec<&PromotionalGrant> = overrides.promotions.iter().collect();
    grants.sort_by_key(|grant| &grant.id);
    for grant in grants {
        if grant.ended {
            expected.withheld.push(ended(grant));
        } else if grant.until.is_after(now) {
            give(grant, &mut expected);
        }
    }
    let blocked: BTreeSet<&AccessLevel> = overrides.blocks.iter().map(|block| &block.level).collect();
    blocked.into_iter().for_each(|level| block(level, &mut expected));
    expected.entitlements.sort_by(|one, other| one.level.cmp(&other.level));
    expected
}

fn give(grant: &PromotionalGrant, expected: &mut Expected) {
    if let Some(end) = grant.until.at() {
        expected.changes_by(end);
    }
    let because = Reason::Promotion { promotion: grant.id.clone(), until: grant.until };
    match expected.entitlements.iter_mut().find(|right| right.level == grant.level) {
        Some(right) if right.until < grant.until => {
            (right.until, right.because) = (grant.until, because);
            if right.sale.is_promotion() {
                right.sale = Sale::of_promotion(&grant.id);
            }
        }
        Some(_) => {}
        None => expected.entitlements.push(Entitlement {
            level: grant.level.clone(),
            until: grant.until,
            starts_at: None,
            sale: Sale::of_promotion(&grant.id),
            will_renew: false,
            in_grace: false,
            because,
        }),
    }
}

fn ended(grant: &PromotionalGrant) -> Withheld {
    let because = Reason::PromotionEnded { promotion: grant.id.clone() };
    Withheld::new(&grant.level, &grant.id, Refund::No, because)
}

fn block(level: &AccessLevel, expected: &mut Expected) {
    expected.entitlements.retain(|right| right.level != *level);
    // in front, since it applies to every chain and is said first
    expected.withheld.insert(0, Withheld::new(level, "", Refund::No, Reason::Blocked));
}
