//! One case in, one plan out.

use serde::{Deserialize, Serialize};

use crate::billing::Billing;
use crate::clock::Timestamp;
use crate::elsewhere;
use crate::entitle::entitle;
use crate::key::StepKey;
use crate::ledger::{Entry, Ledger};
use crate::names::User;
use crate::overrides::Overrides;
use crate::plan::{Plan, Step};
use crate::profile::Profile;
use crate::reconcile::reconcile;
use crate::report::report;
use crate::rules::{Protocol, Rules};
use crate::set_attributes::set_attributes;

/// All that a decision depends on, as one value that can be saved and replayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// What the source bills, of all accounts of the customer.
    pub billing: Billing,
    /// What the destination shows.
    pub profile: Profile,
    /// What was done before.
    pub ledger: Ledger,
    /// What operators ordered.
    #[serde(default, alias = "orders", skip_serializing_if = "Overrides::is_empty")]
    pub overrides: Overrides,
    pub rules: Rules,
    pub now: Timestamp,
}

impl Case {
    /// The same case of nobody in particular: the customer is replaced, and the keys of the ledger with them, so that
    /// their levels are decided alike. What is told about them is left out, and who ordered something, and why.
    #[must_use]
    pub fn anonymous(mut self) -> Self {
        let nobody = User::nobody();
        let entries = std::mem::take(&mut self.ledger.entries);
        let mut renamed: Vec<Entry> = Vec::with_capacity(entries.len());
        let mut in_order = entries;
        in_order.retain(|entry| !matches!(entry.step, Step::SetAttributes(_)));
        in_order.sort_by_key(|entry| entry.seq);
        for entry in in_order {
            let of_subject = renamed.iter().rev().filter(|other| other.step.subject() == entry.step.subject());
            let previous = of_subject.into_iter().find(|other| other.confirmed_at().is_some()).map(|other| &other.key);
            let Rules { destination, mode, .. } = &self.rules;
            let key = StepKey::of(destination, *mode, &nobody, &entry.step, previous);
            renamed.push(Entry { key, ..entry });
        }
        self.ledger.entries = renamed;
        self.profile.user = nobody;
        self.billing.facts.clear();
        self.overrides.attributes.clear();
        for promotion in &mut self.overrides.promotions {
            (promotion.by, promotion.why) = (String::new(), String::new());
        }
        for block in &mut self.overrides.blocks {
            (block.by, block.why) = (String::new(), String::new());
        }
        self
    }
}

/// What is owed, and the steps that bring the destination there.
#[must_use]
pub fn decide(case: &Case) -> Plan {
    let expected = entitle(&case.billing, &case.rules, case.now);
    if case.rules.protocol == Protocol::SalesOnly {
        // what an operator orders is no sale, and books show nothing
        let mut plan = Plan { sync_again_at: expected.sync_again_at, expected, ..Plan::default() };
        report(case, &mut plan);
        return plan;
    }
    let expected = case.overrides.applied(expected, case.now);
    let mut plan = reconcile(expected, &case.profile, &case.ledger, &case.rules, case.now);
    report(case, &mut plan);
    set_attributes(case, &mut plan);
    elsewhere::watch(case, &mut plan);
    plan
}
