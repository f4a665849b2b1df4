//! The key under which a step is known for ever.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::billing::Stop;
use crate::details::{Describe, DetailValue};
use crate::names::{Customer, Mode};
use crate::plan::{Grant, Offer, Refund, Revoke, Standing, Step, Word};

/// Hash of destination, environment, customer, subject, content, and the key of the last confirmed step on that subject.
///
/// A retry anywhere finds the same entry; wanting old content again later is a new link with a new key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepKey(String);

impl StepKey {
    /// The key of `step` for `customer`, following `previous`.
    #[must_use]
    pub fn of(destination: &str, mode: Mode, customer: &Customer, step: &Step, previous: Option<&Self>) -> Self {
        let mut hash = Fields(Sha256::new());
        hash.add(destination);
        hash.add(mode.as_str());
        hash.add(customer.as_str());
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
            Step::Grant(grant) => self.grant(grant),
            Step::Revoke(revoke) => self.revoke(revoke),
            Step::Describe(describe) => self.describe(describe),
            Step::Report(report) => {
                self.grant(&report.grant);
                self.add(match report.word() {
                    Word::Sold => "",
                    Word::Refunded(_) => "refund",
                    Word::Ended(_) => "end",
                });
            }
        }
    }

    fn grant(&mut self, grant: &Grant) {
        let transaction = &grant.transaction;
        self.add(&grant.until.to_string());
        self.add(&grant.starts_at.map_or_else(String::new, |at| at.timestamp().to_string()));
        self.add(&grant.store);
        self.add(&transaction.original);
        self.add(&transaction.id);
        self.add(&transaction.product);
        self.add(&transaction.base_plan);
        self.add(
            &transaction.price.as_ref().map_or_else(String::new, |price| format!("{} {}", price.major(), price.code())),
        );
        self.add(&match &transaction.offer {
            Some(Offer::FreeTrial) => "free_trial".to_owned(),
            Some(Offer::Coupon(id)) => format!("coupon {id}"),
            Some(Offer::Code(id)) => format!("code {id}"),
            None => String::new(),
        });
        self.add(if grant.sandbox { "sandbox" } else { "production" });
        // a key of a step that says nothing of it stays what it was
        if let Some(standing) = &transaction.standing {
            self.standing(standing);
        }
        if let Some(refunded) = &grant.refunded {
            self.add("refunded");
            self.add(&refunded.grant.transaction.id);
        }
    }

    fn standing(&mut self, standing: &Standing) {
        self.add(&standing.id);
        self.add(&standing.original);
        self.add(&standing.bought_at.timestamp().to_string());
        self.add(&standing.chain_began_at.timestamp().to_string());
        self.add(&standing.paid_until.to_string());
        self.add(if standing.renews { "renews" } else { "ends" });
        self.add(&standing.payment_failed_at.map_or_else(String::new, |at| at.timestamp().to_string()));
        self.add(&standing.stopped_at.map_or_else(String::new, |at| at.timestamp().to_string()));
        self.add(&standing.grace_until.map_or_else(String::new, |at| at.timestamp().to_string()));
        self.add(standing.country.as_deref().unwrap_or_default());
        if let Some(stop) = standing.stop {
            self.add("stop");
            self.add(match stop {
                Stop::Asked => "asked",
                Stop::PaymentFailed => "payment_failed",
                Stop::PaymentDisputed => "payment_disputed",
                Stop::Unknown => "unknown",
            });
        }
        if let Some(variation) = &standing.variation {
            self.add("variation");
            self.add(variation);
        }
    }

    fn revoke(&mut self, revoke: &Revoke) {
        self.add(match revoke.refund {
            Refund::Yes => "refund",
            Refund::No => "",
        });
    }

    fn describe(&mut self, describe: &Describe) {
        for (name, value) in &describe.details {
            self.add(name.as_str());
            self.add(match value {
                DetailValue::Text(_) => "text",
                DetailValue::Number(_) => "number",
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
        Step::Revoke(Revoke { level: AccessLevel(level.into()), refund: Refund::No, refunded: None, ended: None })
    }

    #[test]
    fn the_same_wish_after_another_confirmation_is_a_new_key() {
        let customer = Customer::new("u1").unwrap();
        let key = |previous| StepKey::of("adapty", Mode::Live, &customer, &revoke("premium"), previous);
        let first = key(None);
        assert_eq!(first, key(None));
        assert_ne!(first, key(Some(&first)));
        assert_ne!(first, StepKey::of("adapty", Mode::Test, &customer, &revoke("premium"), None));
        assert_ne!(first, StepKey::of("adapty", Mode::Live, &customer, &revoke("gold"), None));
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
