//! Durations and times of day as operators write them.

use std::time::Duration;

use chrono::NaiveTime;

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest duration that is believed; far beyond it date arithmetic overflows.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);

/// What to write for a duration.
pub(super) const HOW_TO_WRITE: &str = "a duration such as `5s`, `2h` or `3d`, at most 100 years";

/// Reads `5s`, `2h`, `3d`, `0s`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok().filter(|span| *span <= LONGEST)
}

/// Reads `03:00` and `03:00:00`.
pub(super) fn time_of_day(text: &str) -> Option<NaiveTime> {
    let formats = ["%H:%M", "%H:%M:%S"];
    formats.iter().find_map(|format| NaiveTime::parse_from_str(text, format).ok())
}

#[cfg(test)]
mod tests {
    use super::{DAY, Duration, HOUR, duration};

    #[test]
    fn durations_carry_their_unit() {
        assert_eq!(duration("3d"), Some(3 * DAY));
        assert_eq!(duration("1d 2h"), Some(DAY + 2 * HOUR));
        assert_eq!(duration("0s"), Some(Duration::ZERO));
        assert_eq!(duration("30"), None);
        assert_eq!(duration("-1s"), None);
        assert_eq!(duration("9999999y"), None);
    }
}
