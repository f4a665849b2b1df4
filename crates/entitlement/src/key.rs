//! The key under which a step is known for ever.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::attributes::{AttributeValue, SetAttributes};
use crate::billing::Stop;
use crate::names::{Mode, User};
use crate::plan::{GrantAccess, Offer, Refund, RevokeAccess, SaleEvent, SaleStatus, Step};

/// Hash of destination, environment, customer, subject, content, and the key of the last confirmed step on that subject.
///
/// A retry anywhere finds the same entry; wanting old content again later is a new link with a new key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepKey(String);

impl StepKey {
    /// The key of `step` for `user`, following `previous`.
    #[must_use]
    pub fn of(destination: &str, mode: Mode, user: &User, step: &Step, previous: Option<&Self>) -> Self {
        let mut hash = Fields(Sha256::new());
        hash.add(destination);
        hash.add(mode.as_str());
        hash.add(user.as_str());
        hash.step(step);
        hash.add(previous.map_or("", Self::as_str));
        Self(hash.finish())
    }

    /// A key as the database keeps it.
    #[must_use]
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// The key in hexadecimal.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A number in `0..span` that depends on the key and `salt` alone: jitter without chance.
    #[must_use]
    pub fn spread(&self, salt: u32, span: u64) -> u64 {
        let mut hash = Fields(Sha256::new());
        hash.add(&self.0);
        hash.add(&salt.to_string());
        let digest = hash.0.finalize();
        let number = digest.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
        number.checked_rem(span).unwrap_or(0)
    }
}

impl fmt::Display for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Fields hashed with their lengths, so that no two lists of fields read alike.
struct Fields(Sha256);

impl Fields {
    fn add(&mut self, field: &str) {
        self.0.update((field.len() as u64).to_be_bytes());
        self.0.update(field.as_bytes());
    }

    fn step(&mut self, step: &Step) {
        self.add(step.kind());
        self.add(step.subject());
        match step {
            Step::GrantAccess(grant) => self.grant(grant),
            Step::RevokeAccess(revoke) => self.revoke(revoke),
            Step::SetAttributes(describe) => self.describe(describe),
            Step::ReportSale(report) => {
                self.grant(&report.grant);
                self.add(match report.word() {
                    SaleEvent::Sold => "",
                    SaleEvent::Refunded(_) => "refund",
                    SaleEvent::Ended(_) => "end",
                });
            }
        }
    }

    fn grant(&mut self, grant: &GrantAccess) {
        let sale = &grant.sale;
        self.add(&grant.until.to_string());
        self.add(&grant.starts_at.map_or_else(String::new, |at| at.timestamp().to_string()));
        self.add(&grant.store);
        self.add(&sale.original);
        self.add(&sale.id);
        self.add(&sale.product);
        self.add(&sale.base_plan);
        self.add(&sale.price.as_ref().map_or_else(String::new, |price| format!("{} {}", price.major(), price.code())));
        self.add(&match &sale.offer {
            Some(Offer::FreeTrial) => "free_trial".to_owned(),
            Some(Offer::Coupon(id)) => format!("coupon {id}"),
            Some(Offer::Code(id)) => format!("code {id}"),
            None => String::new(),
        });
        self.add(if grant.sandbox { "sandbox" } else { "production" });
        // a key of a step that says nothing of it stays what it was
        if let Some(status) = &sale.status {
            self.status(status);
        }
        if let Some(refunded) = &grant.refunded {
            self.add("refunded");
            self.add(&refunded.grant.sale.id);
        }
    }

    fn status(&mut self, status: &SaleStatus) {
        self.add(&status.id);
        self.add(&status.original);
        self.add(&status.bought_at.timestamp().to_string());
        self.add(&status.chain_began_at.timestamp().to_string());
        self.add(&status.paid_until.to_string());
        self.add(if status.renews { "renews" } else { "ends" });
        self.add(&status.payment_failed_at.map_or_else(String::new, |at| at.timestamp().to_string()));
        self.add(&status.stopped_at.map_or_else(String::new, |at| at.timestamp().to_string()));
        self.add(&status.grace_until.map_or_else(String::new, |at| at.timestamp().to_string()));
        self.add(status.country.as_deref().unwrap_or_default());
        if let Some(stop) = status.stop {
            self.add("stop");
            self.add(match stop {
                Stop::Asked => "asked",
                Stop::PaymentFailed => "payment_failed",
                Stop::PaymentDisputed => "payment_disputed",
                Stop::Unknown => "unknown",
            });
        }
        if let Some(variation) = &status.variation {
            self.add("variation");
            self.add(variation);
        }
    }

    fn revoke(&mut self, revoke: &RevokeAccess) {
        self.add(match revoke.refund {
            Refund::Yes => "refund",
            Refund::No => "",
        });
    }

    fn describe(&mut self, describe: &SetAttributes) {
        for (name, value) in &describe.attributes {
            self.add(name.as_str());
            self.add(match value {
                AttributeValue::Text(_) => "text",
                AttributeValue::Number(_) => "number",
            });
            self.add(value.as_str());
        }
        self.add("gone");
        describe.gone.iter().for_each(|name| self.add(name.as_str()));
        if !describe.stays_gone.is_empty() {
            self.add("stays gone");
            describe.stays_gone.iter().for_each(|name| self.add(name.as_str()));
        }
    }

    fn finish(self) -> String {
        hex::encode(&self.0.finalize()[..16])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::AccessLevel;

    fn revoke(level: &str) -> Step {
        Step::RevokeAccess(RevokeAccess {
            level: AccessLevel(level.into()),
            refund: Refund::No,
            refunded: None,
            ended: None,
        })
    }

    #[test]
    fn the_same_wish_after_another_confirmation_is_a_new_key() {
        let user = User::new("u1").unwrap();
        let key = |previous| StepKey::of("adapty", Mode::Live, &user, &revoke("premium"), previous);
        let first = key(None);
        assert_eq!(first, key(None));
        assert_ne!(first, key(Some(&first)));
        assert_ne!(first, StepKey::of("adapty", Mode::Test, &user, &revoke("premium"), None));
        assert_ne!(first, StepKey::of("adapty", Mode::Live, &user, &revoke("gold"), None));
        assert_eq!(first.as_str().len(), 32);
    }

    #[test]
    fn spread_stays_in_its_span() {
        let key = StepKey::stored("k".into());
        assert!((0..100).all(|salt| key.spread(salt, 7) < 7));
        assert_eq!(key.spread(1, 0), 0);
        let spread: std::collections::BTreeSet<_> = (0..100).map(|salt| key.spread(salt, 7)).collect();
        assert_eq!((spread.len(), key.to_string().as_str()), (7, "k"));
    }
}
