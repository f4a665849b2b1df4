//! The arithmetic of a rate limit, for one process and for many.

use std::num::NonZeroU32;
use std::time::Duration;

/// A rate as the generic cell rate algorithm (GCRA) has it.
///
/// A bucket is one time, `full_at`: when it is full again if nothing is taken. A token moves it by `interval`, and may
/// be used as soon as it is at most `tolerance` ahead. A full bucket holds half a second's worth, rounded up, so at
/// least one: ten saturated seconds stay within 5 % of an even rate, within 10 % of the rate of 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Time between two tokens.
    pub interval: Duration,
    /// How far `full_at` may lie ahead when a token is used: a full bucket less that token.
    pub tolerance: Duration,
}

impl Rate {
    /// `per_second` tokens a second.
    #[must_use]
    pub fn of(per_second: NonZeroU32) -> Self {
        let interval = Duration::from_secs(1) / per_second.get();
        Self { interval, tolerance: interval * (per_second.get().div_ceil(2) - 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_bucket_holds_half_a_second_rounded_up() {
        for (per_second, burst) in [(1, 1), (2, 1), (3, 2), (5, 3), (10, 5), (100, 50), (5_000, 2_500)] {
            let rate = Rate::of(NonZeroU32::new(per_second).unwrap());
            assert_eq!(rate.tolerance, rate.interval * (burst - 1), "{per_second} a second");
        }
    }
}
