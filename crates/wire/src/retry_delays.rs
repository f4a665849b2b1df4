//! The delays between quick retries: `backoff`'s arithmetic, nothing else.
//!
//! Only the numbers come from that crate. The loop, the number of attempts and the time limit are ours, since its own
//! retry functions let a `Retry-After` bypass every limit.

use std::time::Duration;

use backoff::backoff::Backoff;
use backoff::{ExponentialBackoff, ExponentialBackoffBuilder};

/// How often one request is sent at most.
pub(crate) const ATTEMPTS: u32 = 3;
/// No attempt begins later than this after the first.
pub(crate) const TOTAL: Duration = Duration::from_secs(5);
/// The first delay; each further one is three times as long.
const FIRST: Duration = Duration::from_millis(100);
/// The longest delay.
const LONGEST: Duration = Duration::from_secs(1);

/// Delays of about 100 ms, 300 ms, …, each up to a half longer or shorter.
#[derive(Debug)]
pub struct RetryDelays(ExponentialBackoff);

impl RetryDelays {
    /// The delays from the first on.
    #[must_use]
    pub fn new() -> Self {
        let delays = ExponentialBackoffBuilder::new()
            .with_initial_interval(FIRST)
            .with_multiplier(3.0)
            .with_randomization_factor(0.5)
            .with_max_interval(LONGEST)
            .with_max_elapsed_time(None)
            .build();
        Self(delays)
    }

    /// The next delay.
    pub fn next_delay(&mut self) -> Duration {
        self.0.next_backoff().unwrap_or(LONGEST)
    }
}

impl Default for RetryDelays {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_triple_and_stay_below_their_cap() {
        let mut delays = RetryDelays::new();
        let delays: Vec<u128> = (0..20).map(|_| delays.next_delay().as_millis()).collect();
        assert!((50..=150).contains(&delays[0]) && (150..=450).contains(&delays[1]), "{delays:?}");
        assert!(delays.iter().all(|delay| *delay <= 1500), "{delays:?}");
    }
}
