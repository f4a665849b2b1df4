//! A claim that waits in the writer until something is due.
//!
//! A claim that found nothing is tried again in the very transaction that may have made something due, so that a
//! trigger and its claim are one commit, or at the time at which an account becomes due by itself.

use std::time::Duration;

use entitlement::model::clock::Timestamp;
use tokio::time::{Instant, sleep_until};

use crate::claim::{Capacity, Claimed};
use crate::write::{Answer, Pending, Wakes, Write};

/// The waiting claim of a writer.
#[derive(Debug, Default)]
pub(crate) struct ClaimQueue {
    waiting: Option<Waiting>,
    /// Until then nothing becomes due without a trigger, as far as the last claim knew.
    idle_until: Option<Instant>,
}

#[derive(Debug)]
struct Waiting {
    claim: Pending,
    /// When it is tried again.
    until: Instant,
}

impl ClaimQueue {
    /// Adds the waiting claim to a batch that may give it something, and takes one out that would find nothing.
    pub(crate) fn arrange(&mut self, batch: &mut Vec<Pending>) {
        // without a write, the waiting claim's own time has come
        if batch.is_empty() || batch.iter().any(|pending| pending.write.wakes() > Wakes::NoProcess) {
            self.idle_until = None;
            batch.extend(self.waiting.take().map(|waiting| waiting.claim));
            return;
        }
        let now = Instant::now();
        let Some(idle_until) = self.idle_until.filter(|idle_until| *idle_until > now) else { return };
        let found = batch.iter().enumerate().find_map(|(place, pending)| match pending.write {
            Write::ClaimWhenDue(.., sweep) => Some((place, sweep)),
            _ => None,
        });
        if let Some((place, sweep)) = found {
            self.wait(batch.remove(place), idle_until.min(now + sweep));
        }
    }

    /// Answers a claim that found something; one that found nothing waits.
    pub(crate) fn take_in(
        &mut self,
        claim: Pending,
        found: Claimed,
        capacity: Capacity,
        sweep: Duration,
        now: Timestamp,
    ) {
        let idle = found.idle(now);
        self.idle_until = (!found.fills(capacity)).then(|| Instant::now() + idle);
        if found.claims.is_empty() {
            self.wait(claim, Instant::now() + idle.min(sweep));
        } else {
            claim.answer(Ok(Answer::Claimed(found)));
        }
    }

    fn wait(&mut self, claim: Pending, until: Instant) {
        self.stop_waiting();
        self.waiting = Some(Waiting { claim, until });
    }

    /// Answers the waiting claim that there is nothing.
    pub(crate) fn stop_waiting(&mut self) {
        if let Some(Waiting { claim, .. }) = self.waiting.take() {
            claim.answer(Ok(Answer::Claimed(Claimed::default())));
        }
    }

    /// Ends when the waiting claim is to be tried again; never, when none waits.
    pub(crate) async fn due(&self) {
        match &self.waiting {
            Some(waiting) => sleep_until(waiting.until).await,
            None => std::future::pending().await,
        }
    }
}
