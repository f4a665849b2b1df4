//! What a reconciliation has found so far.

use std::collections::{BTreeMap, BTreeSet};

use entitlement::model::account::Account;
use entitlement::model::clock::Timestamp;

use crate::reconciliation::comparison::{Compared, Comparison};
use crate::reconciliation::report::{DoubleSubscription, Drift, Progress, Reconciliation};

/// Failures that a report names; more say nothing new.
const FAILURES: usize = 20;

#[derive(Default)]
pub(super) struct Tally {
    accounts: u64,
    /// By user, app and level: accounts of one user find the same.
    drifts: BTreeMap<(String, String, String), Drift>,
    unsettled: BTreeSet<Account>,
    failures: Vec<String>,
    /// By user and level.
    double_subscriptions: BTreeMap<(String, String), DoubleSubscription>,
    pub(super) store_reads_failed: u64,
    pub(super) store_reads_skipped: u64,
}

impl Tally {
    pub(super) fn add(&mut self, account: &Account, compared: Compared) {
        self.accounts += 1;
        for comparison in compared.apps {
            match comparison {
                Comparison::Same => {}
                Comparison::Unsettled => drop(self.unsettled.insert(account.clone())),
                Comparison::Failed(why) => self.failures.push(why),
                Comparison::Drifted(found) => found.into_iter().for_each(|drift| self.add_drift(drift)),
            }
        }
        compared.double_subscriptions.into_iter().for_each(|found| self.add_double_subscription(found));
    }

    fn add_drift(&mut self, drift: Drift) {
        let key = (drift.user.clone(), drift.app.clone(), drift.level.clone());
        self.drifts.entry(key).or_insert(drift);
    }

    pub(super) fn add_double_subscription(&mut self, found: DoubleSubscription) {
        self.double_subscriptions.insert((found.user.clone(), found.level.clone()), found);
    }

    pub(super) fn take_drifts(&mut self) -> Vec<Drift> {
        std::mem::take(&mut self.drifts).into_values().collect()
    }

    /// The unsettled accounts, to be compared and counted again.
    pub(super) fn take_unsettled(&mut self) -> Vec<Account> {
        let unsettled = std::mem::take(&mut self.unsettled);
        self.accounts -= unsettled.len() as u64;
        unsettled.into_iter().collect()
    }

    pub(super) fn unsettled(&self) -> Vec<Account> {
        self.unsettled.iter().cloned().collect()
    }

    pub(super) fn progress(&self) -> Progress {
        Progress { accounts: self.accounts, drifts: self.drifts.len() as u64 }
    }

    pub(super) fn report(self, drifts: Vec<Drift>, started_at: Timestamp, finished_at: Timestamp) -> Reconciliation {
        let repaired = drifts.iter().filter(|drift| drift.action == "repaired").count() as u64;
        let left = drifts.iter().filter(|drift| drift.action.starts_with("failed")).count();
        Reconciliation {
            started_at,
            finished_at,
            accounts: self.accounts,
            drifts,
            repaired,
            failed: (self.failures.len() + left) as u64,
            unsettled: self.unsettled.len() as u64,
            failures: self.failures.into_iter().take(FAILURES).collect(),
            double_subscriptions: self.double_subscriptions.into_values().collect(),
            store_reads_failed: self.store_reads_failed,
            store_reads_skipped: self.store_reads_skipped,
        }
    }
}
