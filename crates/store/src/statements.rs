//! How rows travel: one JSON array in, one statement a table.
//!
//! A statement takes all its rows as one bound JSON text and unfolds them with `json_each`, so its text never changes
//! (it is prepared once) and a batch costs one call to the driver.

use chrono::DateTime;
use entitlement::clock::Timestamp;
use serde::Serialize;

use crate::error::StoreError;

/// The rows of a batch as one JSON array of arrays.
pub(crate) fn rows<T: Serialize>(of: impl IntoIterator<Item = T>) -> Result<String, StoreError> {
    let all: Vec<T> = of.into_iter().collect();
    serde_json::to_string(&all).map_err(|error| StoreError::Row { table: "batch", what: error.to_string() })
}

/// A time as the database keeps it: milliseconds since 1970.
pub(crate) fn millis(at: Timestamp) -> i64 {
    at.timestamp_millis()
}

/// A time as the database kept it; one out of range is the end of time.
pub(crate) fn moment(millis: i64) -> Timestamp {
    DateTime::from_timestamp_millis(millis).unwrap_or(Timestamp::MAX_UTC)
}

/// JSON of a column that we alone write.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Row { table: "ledger", what: error.to_string() })
}
