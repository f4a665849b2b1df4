//! Dates in headers of answers.

use chrono::DateTime;
use entitlement::model::clock::Timestamp;
use reqwest::header::{DATE, HeaderMap};

/// The upstream's clock when it answered: `Date`.
#[must_use]
pub fn of(headers: &HeaderMap) -> Option<Timestamp> {
    parse(headers.get(DATE)?.to_str().ok()?)
}

/// Parses a date of RFC 9110 §5.6.7, as senders must write it.
#[must_use]
pub fn parse(text: &str) -> Option<Timestamp> {
    DateTime::parse_from_rfc2822(text.trim()).ok().map(|date| date.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Option<Timestamp> {
        of(&HeaderMap::from_iter([(DATE, text.parse().unwrap())]))
    }

    #[test]
    fn the_date_is_the_upstreams_own() {
        let expected = "2026-10-21T07:28:00Z".parse().unwrap();
        assert_eq!(date("Wed, 21 Oct 2026 07:28:00 GMT"), Some(expected));
        assert_eq!(date(" Wed, 21 Oct 2026 07:28:00 GMT "), Some(expected));
    }

    #[test]
    fn a_date_that_cannot_be_read_is_none() {
        for text in ["", "now", "1792567680", "2026-10-21T07:28:00Z", "Mon, 21 Oct 2026 07:28:00 GMT"] {
            assert_eq!(date(text), None, "{text}");
        }
        assert_eq!(of(&HeaderMap::new()), None);
    }
}
