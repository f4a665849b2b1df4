//! The time as the core takes it: a value, handed in from outside.

use chrono::{DateTime, Utc};

/// A moment, always in UTC.
pub type Timestamp = DateTime<Utc>;

/// Where a room that needs the time gets it from. The daemon hands in the one real clock; nothing else reads it.
pub type Clock = fn() -> Timestamp;

/// `moment + span`, or the last representable moment when that is out of range.
#[must_use]
pub fn after(moment: Timestamp, span: chrono::Duration) -> Timestamp {
    moment.checked_add_signed(span).unwrap_or(Timestamp::MAX_UTC)
}

/// The earlier of what is known and `other`.
#[must_use]
pub fn earliest(known: Option<Timestamp>, other: Timestamp) -> Timestamp {
    known.map_or(other, |at| at.min(other))
}
