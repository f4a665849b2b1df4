//! An upstream's gate, shared by all that send to it: they pass it, wait for it, and say how their requests ended.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::gate_state::{Change, Closed, Ended, Entry, GateState, Probe, Whose};

/// The gate of one upstream in this process.
#[derive(Debug)]
pub(crate) struct Gate {
    state: Mutex<Shared>,
    seen: watch::Sender<Seen>,
    /// Somebody's request ended: another may be sent.
    left: Notify,
    /// A probe is wanted at once.
    pub(crate) probe_now: Notify,
}

#[derive(Debug)]
struct Shared {
    gate: GateState,
    is_probed: bool,
}

/// What those who wait are woken by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) closed: Option<Closed>,
    /// How often somebody was served after others had failed.
    pub(crate) cleared: u64,
}

/// The right to send one request.
#[derive(Debug)]
pub(crate) struct Admission<'a> {
    gate: &'a Gate,
    round: u64,
}

impl Gate {
    /// The open gate of an upstream whose requests may take as long as `timeout`.
    pub(crate) fn new(timeout: Duration) -> Self {
        let state = Mutex::new(Shared { gate: GateState::new(timeout), is_probed: false });
        let (left, probe_now) = (Notify::new(), Notify::new());
        Self { state, seen: watch::Sender::new(Seen::default()), left, probe_now }
    }

    /// Why it is closed.
    pub(crate) fn closed(&self) -> Option<Closed> {
        self.lock().gate.closed()
    }

    /// Hears when it closes and opens, and when somebody is served after others failed.
    pub(crate) fn watch(&self) -> watch::Receiver<Seen> {
        self.seen.subscribe()
    }

    /// How long an answer may take before the request counts as failed.
    pub(crate) fn patience(&self) -> Duration {
        self.lock().gate.patience()
    }

    /// Waits until a request may be sent.
    ///
    /// # Errors
    /// While it is closed.
    pub(crate) async fn enter(&self) -> Result<Admission<'_>, Closed> {
        loop {
            let left = self.left.notified();
            let entry = self.lock().gate.enter();
            match entry {
                Entry::Admitted(round) => return Ok(Admission { gate: self, round }),
                Entry::Closed(closed) => return Err(closed),
                Entry::Crowded => left.await,
            }
        }
    }

    /// Takes in how a request ended that was sent at `sent`.
    pub(crate) fn ended(&self, whose: Whose<'_>, sent: Instant, ended: Ended) -> Change {
        let (change, next_probe) = {
            let gate = &mut self.lock().gate;
            (gate.ended(whose, sent, Instant::now(), ended), gate.next_probe())
        };
        self.publish(change);
        if next_probe == Probe::Now {
            self.probe_now.notify_one();
        }
        if ended == Ended::Served {
            self.left.notify_waiters();
        }
        change
    }

    /// Another process was asked to wait until then.
    pub(crate) fn asked_to_wait(&self, until: Instant) -> Change {
        let change = self.lock().gate.asked_to_wait(Instant::now(), until);
        self.publish(change);
        change
    }

    /// Whether somebody has to begin to probe. Whoever gets a yes probes, until no probe is wanted.
    pub(crate) fn begins_probing(&self) -> bool {
        let mut shared = self.lock();
        match shared.gate.next_probe() {
            Probe::NotWanted => false,
            Probe::Now | Probe::Later(_) => !std::mem::replace(&mut shared.is_probed, true),
        }
    }

    /// When the next probe is wanted. Once none is, nobody probes any more.
    pub(crate) fn next_probe(&self) -> Probe {
        let mut shared = self.lock();
        let next = shared.gate.next_probe();
        shared.is_probed = next != Probe::NotWanted;
        next
    }

    pub(crate) fn probe_sent(&self) {
        self.lock().gate.probe_sent();
    }

    /// Wakes whoever waits for it.
    fn publish(&self, change: Change) {
        match change {
            Change::None => {}
            Change::Closed(closed) => {
                self.seen.send_modify(|seen| seen.closed = Some(closed));
                self.left.notify_waiters();
            }
            Change::Opened => self.seen.send_modify(|seen| seen.closed = None),
            Change::Cleared => self.seen.send_modify(|seen| seen.cleared += 1),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        self.gate.lock().gate.leave(self.round);
        self.gate.left.notify_one();
    }
}
