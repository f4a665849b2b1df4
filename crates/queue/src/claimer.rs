//! Leases due accounts and keeps the leases alive.

use std::collections::HashMap;
use std::time::Duration;

use entitlement::clock::{Clock, Timestamp};
use entitlement::names::Account;
use store::claim::{Capacity, Claim, Claimed, Lease, LeaseDeadline};
use store::error::StoreError;
use store::open::Store;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::held::HeldLeases;

/// How long a lease lasts unless it is renewed: what a killed worker costs.
pub const LEASE: Duration = Duration::from_secs(8);
/// How often leases are renewed.
const RENEW_EVERY: Duration = Duration::from_secs(2);
/// The part of the workers that may look at what is in bulk.
const BULK_SHARE: usize = 4;
/// The net below the bell: how long an account rung by another process may wait.
const SWEEP_EVERY: Duration = Duration::from_secs(2);

/// What the claimer needs.
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
        while let Some(free) = room(&self.feed, &stop).await {
            number += 1;
            // not even a stop ends it halfway: what is claimed must be held, so that it can be given back
            let room = Capacity { total: free, bulk: self.room_for_bulk().min(free) };
            let stands = room.bulk > 0 && !self.store.is_shared();
            let Some(found) = self.claim(Lease::new(&self.owner, number), room, stands, &stop).await else {
                rest(&self.store, SWEEP_EVERY, &stop).await;
                continue;
            };
            let more = found.claims.len() == free;
            found.claims.iter().for_each(|claim| self.held.add(claim));
            for claim in found.claims {
                // room for each was counted before it was claimed
                if self.feed.send(claim).await.is_err() {
                    return;
                }
            }
            if !more && !stands {
                rest(&self.store, wait(found.next_due, (self.clock)()), &stop).await;
            }
        }
    }

    /// A quarter of the workers, at least one, may look at backfills and rounds, so that a purchase finds one free.
    fn room_for_bulk(&self) -> usize {
        let most = (self.feed.max_capacity() / BULK_SHARE).max(1);
        most.saturating_sub(self.held.bulk())
    }

    /// `stands`: not before there is something to claim. Not while there is no room for what is in bulk: that a look has
    /// ended makes room, and writes nothing.
    async fn claim(&self, lease: Lease, room: Capacity, stands: bool, stop: &CancellationToken) -> Option<Claimed> {
        let claimed = if stands {
            self.store.claim_when_due(lease, room, LEASE, SWEEP_EVERY, stop).await
        } else {
            self.store.claim(lease, room, LEASE).await
        };
        let failed = |error: &StoreError| {
            // the writer has said why, once
            tracing::debug!(error = error as &dyn std::error::Error, "accounts could not be claimed; trying again");
        };
        claimed.inspect_err(failed).ok()
    }
}

/// Waits until the workers have room; `None` at shutdown.
async fn room(feed: &mpsc::Sender<Claim>, stop: &CancellationToken) -> Option<usize> {
    tokio::select! {
        () = stop.cancelled() => None,
        permit = feed.reserve() => permit.ok().map(|permit| {
            drop(permit);
            feed.capacity().max(1)
        }),
    }
}

async fn rest(store: &Store, wait: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = store.triggered() => {}
        () = tokio::time::sleep(wait) => {}
    }
}

fn wait(next_due: Option<Timestamp>, now: Timestamp) -> Duration {
    let until_due = next_due.and_then(|due| (due - now).to_std().ok());
    until_due.map_or(SWEEP_EVERY, |until| until.min(SWEEP_EVERY))
}

/// Renews the leases of looks under way until `stop`, then gives back those that are left.
pub async fn keep(store: Store, held: HeldLeases, clock: Clock, stop: CancellationToken) {
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

/// Prolongs what is still ours, and tells looks whose lease is lost.
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
            tracing::warn!(error, "leases could not be renewed; they run out by themselves");
        }
    }
}
