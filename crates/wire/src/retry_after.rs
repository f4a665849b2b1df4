//! The header `Retry-After`.

use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::http_date;

/// Whole seconds of `Retry-After`, from RFC 9110 §10.2.3: a number, or an HTTP date.
///
/// A date is measured against the answer's own `Date`, so neither clock has to be right; without one, and when it
/// cannot be read, the header is ignored.
#[must_use]
pub fn seconds(headers: &HeaderMap) -> Option<i64> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(text.parse().unwrap_or(i64::MAX));
    }
    let (then, now) = (http_date::parse(text)?, http_date::of(headers)?);
    Some((then - now).num_seconds().max(0))
}

#[cfg(test)]
mod tests {
    use reqwest::header::DATE;

    use super::*;

    fn read(retry_after: &str, date: Option<&str>) -> Option<i64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, retry_after.parse().unwrap());
        if let Some(date) = date {
            headers.insert(DATE, date.parse().unwrap());
        }
        seconds(&headers)
    }

    #[test]
    fn a_number_is_seconds() {
        assert_eq!(read("0", None), Some(0));
        assert_eq!(read(" 120 ", None), Some(120));
        assert_eq!(read("99999999999999999999999", None), Some(i64::MAX));
    }

    #[test]
    fn a_date_counts_from_the_answers_own_date() {
        let (now, then) = ("Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:28:30 GMT");
        assert_eq!(read(then, Some(now)), Some(30));
        assert_eq!(read(now, Some(then)), Some(0));
        assert_eq!(read(then, None), None);
    }

    #[test]
    fn nonsense_is_ignored() {
        for text in ["soon", "-1", "1.5", ""] {
            assert_eq!(read(text, None), None, "{text}");
        }
    }
}
