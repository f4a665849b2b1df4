//! When a failed step or sync is tried again: a rule, not a mood.

use chrono::Duration;

use crate::model::clock::{Timestamp, after as later};
use crate::model::failure::{Class, Failure};
use crate::model::key::StepKey;

/// What to do after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Try again at this moment.
    At(Timestamp),
    /// When the upstream's gate opens: the failure is not its own, and is not counted.
    WhenGateOpens,
    /// Never by itself; it is for a human now.
    Never,
}

/// First wait, in seconds.
const FIRST: i64 = 1;
/// Longest wait, in seconds.
const LONGEST: i64 = 3600;
/// Tries after which it is over: 12 doublings to an hour, then hourly, make three days.
const TRIES: u32 = 82;

/// When to try again after the `attempts`-th failure (counted from 1) at `now`.
///
/// What may pass waits from a second, doubling, to an hour, with jitter of a quarter that depends on `key` alone, for
/// about three days (the horizon of Stripe's own retries). What the upstream asked for in `Retry-After` is kept, and
/// capped at a day. What is the upstream's failure waits for its gate, however long that takes.
#[must_use]
pub fn after(failure: &Failure, attempts: u32, key: &StepKey, now: Timestamp) -> Next {
    match failure.class {
        Class::Permanent | Class::Missing => Next::Never,
        Class::Credentials | Class::GateClosed => Next::WhenGateOpens,
        Class::Transient | Class::Forbidden if attempts >= TRIES => Next::Never,
        Class::Transient | Class::Forbidden => Next::At(later(now, wait(failure, attempts, key))),
    }
}

/// What stands before the last error of a step that was tried for as long as steps are tried.
const GIVEN_UP: &str = "given up after three days of tries: ";

/// Why a step is not sent again that failed every time, though not for good; `error` is the last one.
#[must_use]
pub fn given_up(error: &str) -> String {
    format!("{GIVEN_UP}{error}")
}

/// Whether `why` says that a step was given up, and not that it was refused.
#[must_use]
pub fn is_given_up(why: &str) -> bool {
    why.starts_with(GIVEN_UP)
}

fn wait(failure: &Failure, attempts: u32, key: &StepKey) -> Duration {
    let doublings = attempts.saturating_sub(1).min(12);
    let seconds = (FIRST << doublings).min(LONGEST);
    let quarter = u64::try_from(seconds * 250).unwrap_or(0);
    let jitter = i64::try_from(key.spread(attempts, quarter.max(1))).unwrap_or(0);
    let own = Duration::milliseconds(seconds * 1000 + jitter);
    let asked = Duration::seconds(failure.retry_after.unwrap_or(0).clamp(0, 24 * 3600));
    own.max(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    fn seconds(class: Class, attempts: u32, retry_after: Option<i64>) -> Option<i64> {
        let failure = Failure { retry_after, ..Failure::new(class, "sending") };
        match after(&failure, attempts, &StepKey::stored("k".into()), moment()) {
            Next::At(at) => Some((at - moment()).num_seconds()),
            Next::WhenGateOpens | Next::Never => None,
        }
    }

    #[test]
    fn waits_double_from_a_second_to_an_hour_and_end_after_three_days() {
        assert_eq!(seconds(Class::Transient, 1, None), Some(1));
        assert!((8..=10).contains(&seconds(Class::Transient, 4, None).unwrap()));
        assert!((3600..=4500).contains(&seconds(Class::Transient, 40, None).unwrap()));
        let total: i64 = (1..).map_while(|attempts| seconds(Class::Transient, attempts, None)).sum();
        assert!((3 * 86_400..=4 * 86_400).contains(&total), "{total}");
    }

    #[test]
    fn what_the_upstream_asks_for_is_kept() {
        assert_eq!(seconds(Class::Transient, 1, Some(30)), Some(30));
        assert_eq!(seconds(Class::Transient, 1, Some(i64::MAX)), Some(86_400));
    }

    #[test]
    fn a_refusal_is_final_and_what_is_not_allowed_is_tried_again() {
        let next = |class| after(&Failure::new(class, "sending"), 1, &StepKey::stored("k".into()), moment());
        assert_eq!((next(Class::Permanent), next(Class::Missing)), (Next::Never, Next::Never));
        assert_eq!(seconds(Class::Forbidden, 1, None), Some(1));
    }

    #[test]
    fn an_upstreams_trouble_waits_for_its_gate_however_often_it_is_met() {
        for class in [Class::Credentials, Class::GateClosed] {
            let next = after(&Failure::new(class, "sending"), TRIES, &StepKey::stored("k".into()), moment());
            assert_eq!(next, Next::WhenGateOpens, "{class:?}");
        }
    }
}
