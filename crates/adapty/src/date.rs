//! Adapty's many ways to write a moment.

use chrono::{DateTime, NaiveDateTime, SubsecRound};
use entitlement::model::clock::Timestamp;

/// Reads `2020-01-15T15:10:36.517975+0000` (v1), `2024-12-24T10:50:23+00:00` (v2) and what lies between.
///
/// The zone is `Z`, `+00:00`, `+0000` or missing (UTC); the seconds have any number of fractional digits, kept to the
/// microsecond; a blank stands for the `T` too. `None` when it is no moment.
#[must_use]
pub fn read(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    with_zone(text).or_else(|| without_zone(text)).map(|moment| moment.trunc_subsecs(6))
}

/// Writes a moment as v1's pages do: `2026-01-01T00:00:00.000000+0000`.
#[must_use]
pub fn write_v1(moment: Timestamp) -> String {
    moment.format("%Y-%m-%dT%H:%M:%S%.6f+0000").to_string()
}

/// Writes a moment as v2's document does: `2026-01-01T00:00:00Z`; whole seconds, as billing counts.
#[must_use]
pub fn write_v2(moment: Timestamp) -> String {
    moment.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn with_zone(text: &str) -> Option<Timestamp> {
    let forms = ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z"];
    let read = forms.iter().find_map(|form| DateTime::parse_from_str(text, form).ok())?;
    Some(read.to_utc())
}

fn without_zone(text: &str) -> Option<Timestamp> {
    let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"];
    let read = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())?;
    Some(read.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_moment_is_read() {
        let whole = "2026-01-15T15:10:36Z".parse::<Timestamp>().unwrap();
        for zone in ["Z", "z", "+00:00", "+0000", "+00", ""] {
            for fraction in ["", ".0", ".00", ".000", ".000000"] {
                let text = format!("2026-01-15T15:10:36{fraction}{zone}");
                assert_eq!(read(&text), Some(whole), "{text}");
            }
        }
        assert_eq!(read("2026-01-15 15:10:36"), Some(whole));
        assert_eq!(read("2026-01-15T17:10:36+02:00"), Some(whole));
        assert_eq!(read("2026-01-15T13:10:36.000-0200"), Some(whole));
    }

    #[test]
    fn fractions_keep_their_microseconds() {
        let moment = read("2020-01-15T15:10:36.517975+0000").unwrap();
        assert_eq!(moment.timestamp_subsec_micros(), 517_975);
        assert_eq!(read("2020-01-15T15:10:36.517975999Z"), Some(moment));
        assert_eq!(read("2020-01-15T15:10:36.5Z").unwrap().timestamp_subsec_micros(), 500_000);
    }

    #[test]
    fn what_is_no_moment_is_not_read() {
        for text in ["", "soon", "2026-01-15", "2026-13-01T00:00:00Z", "2026-01-15T15:10:36+", "1767225600", "null"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_moment_is_written_as_v1_writes_it() {
        let text = "2026-01-01T00:00:00.000000+0000";
        assert_eq!(write_v1(read(text).unwrap()), text);
    }
}
