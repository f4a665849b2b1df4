//! All that a decision depends on, as one value.

use serde::{Deserialize, Serialize};

use crate::model::billing::Billing;
use crate::model::clock::Timestamp;
use crate::model::key::StepKey;
use crate::model::ledger::{Entry, Ledger};
use crate::model::overrides::Overrides;
use crate::model::profile::Profile;
use crate::model::rules::Rules;
use crate::model::step::Step;
use crate::model::user::User;

/// A case can be saved, sent to somebody else, and decided again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// What the sources bill, of all accounts of the user.
    pub billing: Billing,
    /// What the destination shows.
    pub profile: Profile,
    /// What was sent before.
    pub ledger: Ledger,
    /// What operators set.
    #[serde(default, alias = "orders", skip_serializing_if = "Overrides::is_empty")]
    pub overrides: Overrides,
    pub rules: Rules,
    pub now: Timestamp,
}

impl Case {
    /// The same case without personal data: the user is replaced, and the keys of the ledger with them, so that access is
    /// decided alike. Attributes are left out, and who set an override, and why.
    #[must_use]
    pub fn anonymous(mut self) -> Self {
        self.profile.user = User::nobody();
        self.ledger.entries = rekeyed(std::mem::take(&mut self.ledger.entries), &self.rules);
        self.billing.facts.clear();
        self.overrides.attributes.clear();
        for grant in &mut self.overrides.promotions {
            (grant.by, grant.why) = (String::new(), String::new());
        }
        for block in &mut self.overrides.blocks {
            (block.by, block.why) = (String::new(), String::new());
        }
        self
    }
}

/// The entries under the keys that they would have, were they of nobody.
fn rekeyed(mut entries: Vec<Entry>, rules: &Rules) -> Vec<Entry> {
    let nobody = User::nobody();
    let mut renamed: Vec<Entry> = Vec::with_capacity(entries.len());
    entries.retain(|entry| !matches!(entry.step, Step::SetAttributes(_)));
    entries.sort_by_key(|entry| entry.seq);
    for entry in entries {
        let previous = last_confirmed(&renamed, &entry.step);
        let key = StepKey::of(&rules.destination, rules.mode, &nobody, &entry.step, previous);
        renamed.push(Entry { key, ..entry });
    }
    renamed
}

fn last_confirmed<'a>(entries: &'a [Entry], step: &Step) -> Option<&'a StepKey> {
    let mut of_subject = entries.iter().rev().filter(|other| other.step.subject() == step.subject());
    of_subject.find(|other| other.confirmed_at().is_some()).map(|other| &other.key)
}
