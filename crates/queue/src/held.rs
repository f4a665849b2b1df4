//! The leases that looks of this process live by.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use entitlement::names::Account;
use store::claim::{Claim, Hold, Lease};

/// Accounts claimed and not yet looked at to the end. Only their leases are renewed: one that a look left behind
/// unsettled runs out by itself.
#[derive(Clone, Debug, Default)]
pub struct HeldLeases(Arc<Mutex<HashMap<(Account, Lease), Hold>>>);

impl HeldLeases {
    /// A look is to come.
    pub fn add(&self, claim: &Claim) {
        self.lock().insert((claim.account.clone(), claim.lease.clone()), claim.hold.clone());
    }

    /// The look has ended, whatever became of it.
    pub fn remove(&self, claim: &Claim) {
        self.lock().remove(&(claim.account.clone(), claim.lease.clone()));
    }

    /// All that are held now.
    #[must_use]
    pub fn all(&self) -> HashMap<(Account, Lease), Hold> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Account, Lease), Hold>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
