//! The waits between quick tries: `backoff`'s arithmetic, nothing else.
//!
//! Only the numbers come from that crate. The loop, the count of tries and the time limit are ours, since its own retry
//! functions let a `Retry-After` bypass every limit.

use std::time::Duration;

use backoff::backoff::Backoff;
use backoff::{ExponentialBackoff, ExponentialBackoffBuilder};

/// How often one request is sent at most.
pub(crate) const TRIES: u32 = 3;
/// No try begins later than this after the first.
pub(crate) const TOTAL: Duration = Duration::from_secs(5);
/// The first wait; each further one is three times as long.
const FIRST: Duration = Duration::from_millis(100);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(1);

/// Waits of about 100 ms, 300 ms, …, each up to a half longer or shorter.
#[derive(Debug)]
pub struct Schedule(ExponentialBackoff);

impl Schedule {
    /// The schedule at its start.
    #[must_use]
    pub fn new() -> Self {
        let waits = ExponentialBackoffBuilder::new()
            .with_initial_interval(FIRST)
            .with_multiplier(3.0)
            .with_randomization_factor(0.5)
            .with_max_interval(LONGEST)
            .with_max_elapsed_time(None)
            .build();
        Self(waits)
    }

    /// The next wait.
    pub fn wait(&mut self) -> Duration {
        self.0.next_backoff().unwrap_or(LONGEST)
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_triple_and_stay_below_their_cap() {
        let mut schedule = Schedule::new();
        let waits: Vec<u128> = (0..20).map(|_| schedule.wait().as_millis()).collect();
        assert!((50..=150).contains(&waits[0]) && (150..=450).contains(&waits[1]), "{waits:?}");
        assert!(waits.iter().all(|wait| *wait <= 1500), "{waits:?}");
    }
}
