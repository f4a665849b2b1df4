//! Leases due accounts and keeps the leases alive.

use std::time::Duration;

use entitlement::clock::{Clock, Timestamp};
use store::claim::{Claim, Claimed, Lease};
use store::open::Store;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How long a lease lasts unless it is renewed: what a killed worker costs.
pub const LEASE: Duration = Duration::from_secs(8);
/// How often leases are renewed.
const RENEW_EVERY: Duration = Duration::from_secs(2);
/// The net below the bell: how long an account rung by another process may wait.
const SWEEP_EVERY: Duration = Duration::from_secs(2);

/// Claims whatever is due, as fast as the workers take it, until `stop`.
pub async fn claim(store: Store, owner: String, feed: mpsc::Sender<Claim>, clock: Clock, stop: CancellationToken) {
    let mut number = 0_u64;
    while let Some(free) = room(&feed, &stop).await {
        number += 1;
        let found = match store.claim(Lease::new(&owner, number), free, LEASE).await {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "accounts could not be claimed; trying again"
                );
                Claimed::default()
            }
        };
        let more = found.claims.len() == free;
        for claim in found.claims {
            // room for each was counted before it was claimed
            if feed.send(claim).await.is_err() {
                return;
            }
        }
        if !more {
            rest(&store, wait(found.next_due, clock()), &stop).await;
        }
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
        () = store.rung() => {}
        () = tokio::time::sleep(wait) => {}
    }
}

fn wait(next_due: Option<Timestamp>, now: Timestamp) -> Duration {
    let until_due = next_due.and_then(|due| (due - now).to_std().ok());
    until_due.map_or(SWEEP_EVERY, |until| until.min(SWEEP_EVERY))
}

/// Renews the leases of `owner` until `stop`, then gives back those that are left.
pub async fn keep(store: Store, owner: String, stop: CancellationToken) {
    let mut tick = tokio::time::interval(RENEW_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let span = tokio::select! {
            () = stop.cancelled() => Duration::ZERO,
            _ = tick.tick() => LEASE,
        };
        if let Err(error) = store.renew(owner.clone(), span).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "leases could not be renewed; they run out by themselves"
            );
        }
        if span.is_zero() {
            return;
        }
    }
}
