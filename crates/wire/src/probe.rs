//! Probes of an upstream that is in doubt: a cheap read, until somebody is served.

use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::Duration;

use backoff::backoff::Backoff;
use backoff::{ExponentialBackoff, ExponentialBackoffBuilder};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::gate::Gate;
use crate::gate_state::{Closed, Probe, Reason, TOO_SOON};

/// The first delay; each further one is half as long again, and up to a quarter longer or shorter.
const FIRST: Duration = Duration::from_secs(1);
/// The longest delay before chance: an upstream that serves again is noticed within 5 s.
const LONGEST: Duration = Duration::from_secs(4);
/// The same while it refuses the key: within 30 s.
const LONGEST_OF_KEY: Duration = Duration::from_secs(24);

/// The delays between probes.
#[derive(Debug)]
pub(crate) struct ProbeDelays {
    usual: ExponentialBackoff,
    of_key: ExponentialBackoff,
    /// When the last probe was found to be enough.
    ended_at: Option<Instant>,
}

impl ProbeDelays {
    pub(crate) fn new() -> Self {
        Self { usual: delays(LONGEST), of_key: delays(LONGEST_OF_KEY), ended_at: None }
    }

    /// Begins anew, unless the gate was hardly open.
    fn begin(&mut self) {
        if self.ended_at.is_none_or(|ended_at| ended_at.elapsed() > TOO_SOON) {
            *self = Self::new();
        }
    }

    fn next(&mut self, closed: Option<Closed>) -> Duration {
        let delays = match closed.map(|closed| closed.reason) {
            Some(Reason::KeyRefused) => &mut self.of_key,
            Some(Reason::RetryAfter | Reason::Failing) | None => &mut self.usual,
        };
        delays.next_backoff().unwrap_or(LONGEST)
    }
}

fn delays(longest: Duration) -> ExponentialBackoff {
    ExponentialBackoffBuilder::new()
        .with_initial_interval(FIRST)
        .with_multiplier(1.5)
        .with_randomization_factor(0.25)
        .with_max_interval(longest)
        .with_max_elapsed_time(None)
        .build()
}

/// Sends probes until none is wanted. They may overtake each other: one that is not answered holds up no further one.
pub(crate) async fn run<F>(gate: Weak<Gate>, delays: Arc<tokio::sync::Mutex<ProbeDelays>>, send: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut delays = delays.lock().await;
    delays.begin();
    let mut under_way = JoinSet::new();
    while let Some(gate) = gate.upgrade() {
        let mut seen = gate.watch();
        let at = match gate.next_probe() {
            Probe::NotWanted => break,
            Probe::Now => Instant::now(),
            // whoever asked to wait is probed as soon as that is over
            Probe::Later(Some(closed)) if closed.until > Instant::now() => closed.until,
            Probe::Later(closed) => Instant::now() + delays.next(closed),
        };
        tokio::select! {
            () = sleep_until(at) => {}
            // it closed, opened, or is to be probed at once: ask again
            _ = seen.changed() => continue,
            () = gate.probe_now.notified() => continue,
        }
        // a longer wait may have been asked for meanwhile
        if gate.closed().is_some_and(|closed| closed.until > Instant::now()) {
            continue;
        }
        gate.probe_sent();
        under_way.spawn(send());
        while under_way.try_join_next().is_some() {}
    }
    delays.ended_at = Some(Instant::now());
}
