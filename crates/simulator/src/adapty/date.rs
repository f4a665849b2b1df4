//! Dates as Adapty v1 reads and writes them.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::Value;

/// Microseconds and an offset without a colon: `2023-03-29T15:30:34.000000+0000`.
pub(super) fn written(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%S%.6f+0000").to_string()
}

pub(super) fn written_or_null(time: Option<DateTime<Utc>>) -> Value {
    time.map_or(Value::Null, |time| Value::from(written(time)))
}

/// Reads `Z`, `+00:00`, `+0000` and no offset at all, with or without a fraction.
pub(super) fn read(text: &str) -> Option<DateTime<Utc>> {
    let text = text.strip_suffix('Z').map_or_else(|| text.to_owned(), |plain| format!("{plain}+0000"));
    let zoned = DateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f%z");
    let naive = || NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f");
    zoned.map(|time| time.to_utc()).or_else(|_| naive().map(|time| time.and_utc())).ok()
}
