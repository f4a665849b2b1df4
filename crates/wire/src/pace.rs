//! How fast tokens come, and how many may come at once.

use std::num::NonZeroU32;
use std::time::Duration;

/// The arithmetic of a rate, the same for a bucket of one process and for the one that processes share (GCRA).
///
/// A bucket is one moment, `full_at`: when it is full again, were nothing taken from now on. A token moves it by
/// `interval`, and may be used as soon as it is at most `spare` ahead. A full bucket holds half a second's worth,
/// rounded up, so at least one: ten saturated seconds stay within 5 % of an even rate, within 10 % of the rate of 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Time between two tokens.
    pub interval: Duration,
    /// How far `full_at` may lie ahead when a token is used: a full bucket but for that one.
    pub spare: Duration,
}

impl Pace {
    /// The pace of `per_second` tokens a second.
    #[must_use]
    pub fn of(per_second: NonZeroU32) -> Self {
        let interval = Duration::from_secs(1) / per_second.get();
        Self { interval, spare: interval * (per_second.get().div_ceil(2) - 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_bucket_holds_half_a_second_rounded_up() {
        for (per_second, held) in [(1, 1), (2, 1), (3, 2), (5, 3), (10, 5), (100, 50), (5_000, 2_500)] {
            let pace = Pace::of(NonZeroU32::new(per_second).unwrap());
            assert_eq!(pace.spare, pace.interval * (held - 1), "{per_second} a second");
        }
    }
}
