//! One case in, one plan out.

use serde::{Deserialize, Serialize};

use crate::billing::Billing;
use crate::clock::Timestamp;
use crate::entitle::entitle;
use crate::ledger::Ledger;
use crate::plan::Plan;
use crate::profile::Profile;
use crate::reconcile::reconcile;
use crate::rules::Rules;

/// All that a decision depends on, as one value that can be saved and replayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// What the source bills, of all accounts of the customer.
    pub billing: Billing,
    /// What the destination shows.
    pub profile: Profile,
    /// What was done before.
    pub ledger: Ledger,
    pub rules: Rules,
    pub now: Timestamp,
}

/// What is owed, and the steps that bring the destination there.
#[must_use]
pub fn decide(case: &Case) -> Plan {
    let verdict = entitle(&case.billing, &case.rules, case.now);
    reconcile(verdict, &case.profile, &case.ledger, &case.rules, case.now)
}
