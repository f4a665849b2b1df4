//! Times as operators write and read them: in UTC, and as a time ago.

use std::time::Duration;

use chrono::DateTime;
use entitlement::model::clock::Timestamp;

use crate::error::OperatorError;

/// The longest time ago that is believed; far beyond it date arithmetic overflows.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);

/// A time as it was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    At(Timestamp),
    Ago(Duration),
}

impl Since {
    /// The time that was meant.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(span) => now - span,
        }
    }
}

/// Reads `2026-11-20T10:00:00Z`, `2026-11-20 10:00:00Z`, `2h`, `3d`.
///
/// # Errors
/// Says what to write.
pub fn since(text: &str) -> Result<Since, OperatorError> {
    let text = text.trim();
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(Since::At(at.to_utc()));
    }
    let span = humantime::parse_duration(text).ok().filter(|span| *span <= LONGEST);
    let write = || OperatorError::Invalid("write a time such as `2026-11-20T10:00:00Z`, or `2h` or `3d` ago".into());
    span.map(Since::Ago).ok_or_else(write)
}

/// `2026-11-20 10:00:00Z`
#[must_use]
pub fn absolute(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// `3h ago`, `in 2d`, `now`: the largest unit alone.
#[must_use]
pub fn relative(at: Timestamp, now: Timestamp) -> String {
    let seconds = (now - at).num_seconds();
    let (number, unit) = match seconds.unsigned_abs() {
        0 => return "now".into(),
        span @ ..60 => (span, "s"),
        span @ ..3_600 => (span / 60, "m"),
        span @ ..172_800 => (span / 3_600, "h"),
        span => (span / 86_400, "d"),
    };
    if seconds > 0 { format!("{number}{unit} ago") } else { format!("in {number}{unit}") }
}

/// `2026-11-20 10:00:00Z (3h ago)`
#[must_use]
pub fn both(at: Timestamp, now: Timestamp) -> String {
    format!("{} ({})", absolute(at), relative(at, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_time_is_absolute_or_a_time_ago() {
        let now = at("2026-11-20T10:00:00Z");
        for (text, meant) in [
            ("2026-11-19T10:00:00Z", "2026-11-19T10:00:00Z"),
            ("2026-11-19 12:00:00+02:00", "2026-11-19T10:00:00Z"),
            ("2h", "2026-11-20T08:00:00Z"),
            ("1d 1h", "2026-11-19T09:00:00Z"),
        ] {
            assert_eq!(since(text).unwrap().at(now), at(meant), "{text}");
        }
        for wrong in ["", "yesterday", "-2h", "2026-11-19", "9999999y"] {
            assert!(since(wrong).unwrap_err().to_string().contains("`2h`"), "{wrong}");
        }
    }

    #[test]
    fn a_time_ago_has_one_unit() {
        let now = at("2026-11-20T10:00:00Z");
        for (text, shown) in [
            ("2026-11-20T10:00:00Z", "now"),
            ("2026-11-20T09:59:15Z", "45s ago"),
            ("2026-11-20T09:00:01Z", "59m ago"),
            ("2026-11-20T07:00:00Z", "3h ago"),
            ("2026-11-18T10:00:01Z", "47h ago"),
            ("2026-11-18T10:00:00Z", "2d ago"),
            ("2026-11-20T12:30:00Z", "in 2h"),
        ] {
            assert_eq!(relative(at(text), now), shown, "{text}");
        }
        assert_eq!(both(at("2026-11-20T07:00:00Z"), now), "2026-11-20 07:00:00Z (3h ago)");
    }
}
