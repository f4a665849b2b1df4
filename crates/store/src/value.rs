//! Values of statements and rows, and how times and JSON are stored.

use std::borrow::Cow;
use std::time::Duration;

use chrono::DateTime;
use entitlement::model::clock::Timestamp;
use serde::Serialize;

use crate::error::StoreError;

/// A value of a statement or of a row.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Value<'a> {
    Text(Option<Cow<'a, str>>),
    Number(Option<i64>),
    Flag(bool),
}

impl Value<'_> {
    pub(crate) fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => text.as_deref().map(without_nul),
            Self::Number(_) | Self::Flag(_) => None,
        }
    }

    pub(crate) fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => *number,
            Self::Flag(flag) => Some(i64::from(*flag)),
            Self::Text(_) => None,
        }
    }
}

/// PostgreSQL's text stores every character but NUL.
fn without_nul(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

impl<'a> From<Cow<'a, str>> for Value<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self::Text(Some(text))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Some(Cow::Borrowed(text)))
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(Some(Cow::Owned(text)))
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(text: Option<&'a str>) -> Self {
        Self::Text(text.map(Cow::Borrowed))
    }
}

impl<'a> From<&'a Option<String>> for Value<'a> {
    fn from(text: &'a Option<String>) -> Self {
        Self::from(text.as_deref())
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(number: Option<i64>) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value<'_> {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

/// A time as it is stored: milliseconds since 1970.
pub(crate) fn millis(at: Timestamp) -> i64 {
    at.timestamp_millis()
}

/// A stored time; one out of range is the end of time.
pub(crate) fn timestamp(millis: i64) -> Timestamp {
    DateTime::from_timestamp_millis(millis).unwrap_or(Timestamp::MAX_UTC)
}

/// JSON of a column that this program alone writes.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Row { table: "ledger", what: error.to_string() })
}

/// The stored time `span` after `now`.
pub(crate) fn millis_after(now: Timestamp, span: Duration) -> i64 {
    millis(now).saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX))
}
