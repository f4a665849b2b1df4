//! The one real clock of the program.

use entitlement::model::clock::Timestamp;

/// The time now. Every other crate takes this function as a value.
#[expect(clippy::disallowed_methods, reason = "this is the clock that the daemon hands in")]
pub(crate) fn now() -> Timestamp {
    chrono::Utc::now()
}
