//! Claims due accounts for the workers, and renews their leases.

use std::collections::HashMap;
use std::time::Duration;

use entitlement::model::account::Account;
use entitlement::model::clock::{Clock, Timestamp};
use store::claim::{Capacity, Claim, Claimed, Lease, LeaseDeadline};
use store::open::Store;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::held_leases::HeldLeases;

/// How long a lease lasts unless it is renewed: what a killed worker costs.
pub const LEASE: Duration = Duration::from_secs(8);
/// How often leases are renewed.
const RENEW_EVERY: Duration = Duration::from_secs(2);
/// The part of the workers that may sync bulk accounts: one of so many.
const BULK_SHARE: usize = 4;
/// How often the worklist is looked through without a notification: how long a trigger of another process may wait.
const SWEEP_EVERY: Duration = Duration::from_secs(2);

/// Claims for the workers of one process.
#[derive(Debug)]
pub struct Claimer {
    pub store: Store,
    /// Name of this process start.
    pub owner: String,
    pub feed: mpsc::Sender<Claim>,
    pub held: HeldLeases,
    pub clock: Clock,
}

impl Claimer {
    /// Claims whatever is due, as fast as the workers take it, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut number = 0_u64;
        while let Some(free) = free_workers(&self.feed, &stop).await {
            number += 1;
            let capacity = Capacity { total: free, bulk: self.free_for_bulk().min(free) };
            // while no bulk account may be claimed, an ended sync frees capacity and writes nothing that would wake the
            // claim
            let waits = capacity.bulk > 0 && !self.store.is_shared();
            // not even a stop ends it halfway: what is claimed must be held, so that it can be given back
            let Some(found) = self.claim(Lease::new(&self.owner, number), capacity, waits, &stop).await else {
                idle(&self.store, SWEEP_EVERY, &stop).await;
                continue;
            };
            let may_be_more = found.claims.len() == free;
            found.claims.iter().for_each(|claim| self.held.add(claim));
            for claim in found.claims {
                // a place for each was counted before it was claimed
                if self.feed.send(claim).await.is_err() {
                    return;
                }
            }
            if !may_be_more && !waits {
                idle(&self.store, until_due(found.next_due, (self.clock)()), &stop).await;
            }
        }
    }

    /// A quarter of the workers, at least one, may sync bulk accounts, so that a purchase finds one free.
    fn free_for_bulk(&self) -> usize {
        let most = (self.feed.max_capacity() / BULK_SHARE).max(1);
        most.saturating_sub(self.held.bulk())
    }

    /// With `waits`, not before there is something to claim.
    async fn claim(&self, lease: Lease, capacity: Capacity, waits: bool, stop: &CancellationToken) -> Option<Claimed> {
        let claimed = if waits {
            self.store.claim_when_due(lease, capacity, LEASE, SWEEP_EVERY, stop).await
        } else {
            self.store.claim(lease, capacity, LEASE).await
        };
        match claimed {
            Ok(claimed) => Some(claimed),
            Err(error) => {
                // the writer has logged why, once
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "accounts could not be claimed; trying again"
                );
                None
            }
        }
    }
}

/// Waits until a worker is free, and answers how many are; `None` at shutdown.
async fn free_workers(feed: &mpsc::Sender<Claim>, stop: &CancellationToken) -> Option<usize> {
    tokio::select! {
        () = stop.cancelled() => None,
        permit = feed.reserve() => permit.ok().map(|permit| {
            drop(permit);
            feed.capacity().max(1)
        }),
    }
}

/// Waits for a trigger, or for so long.
async fn idle(store: &Store, longest: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = store.triggered() => {}
        () = tokio::time::sleep(longest) => {}
    }
}

fn until_due(next_due: Option<Timestamp>, now: Timestamp) -> Duration {
    let until_due = next_due.and_then(|due| (due - now).to_std().ok());
    until_due.map_or(SWEEP_EVERY, |until_due| until_due.min(SWEEP_EVERY))
}

/// Renews the leases in `held` until `stop`, then gives back those that are left.
pub async fn renew_leases(store: Store, held: HeldLeases, clock: Clock, stop: CancellationToken) {
    let mut tick = tokio::time::interval(RENEW_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let span = tokio::select! {
            () = stop.cancelled() => Duration::ZERO,
            _ = tick.tick() => LEASE,
        };
        renew(&store, &held.all(), span, clock).await;
        if span.is_zero() {
            return;
        }
    }
}

/// Extends the leases that are still ours; the deadline of a lost one is set to the beginning of time.
async fn renew(store: &Store, held: &HashMap<(Account, Lease), LeaseDeadline>, span: Duration, clock: Clock) {
    if held.is_empty() {
        return;
    }
    let until = clock() + span;
    match store.renew(held.keys().cloned().collect(), span).await {
        Ok(renewed) => {
            for (lease, deadline) in held {
                deadline.set(if renewed.contains(lease) { until } else { Timestamp::MIN_UTC });
            }
        }
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "leases could not be renewed; they expire by themselves");
        }
    }
}
