//! Chance that comes out the same again for the same seed.

use std::time::Duration;

/// Splitmix64.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

/// The seed of `GRANTSYNC_SEED`, or the same at every run, so that a failure is the change's own.
#[expect(clippy::disallowed_methods, reason = "a switch of the tests, no setting of the program")]
pub(crate) fn seed() -> u64 {
    std::env::var("GRANTSYNC_SEED").map_or(1, |seed| seed.parse().unwrap())
}

impl Chance {
    pub(crate) fn of(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut drawn = self.0;
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        drawn ^ (drawn >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    /// Whether one of `of` comes up.
    pub(crate) fn one_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    /// A time below `most`, to a millisecond.
    pub(crate) fn within(&mut self, most: Duration) -> Duration {
        Duration::from_millis(self.next() % u64::try_from(most.as_millis()).unwrap())
    }

    /// Fisher and Yates.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}
