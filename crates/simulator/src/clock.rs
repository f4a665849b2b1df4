//! The one place where the simulator reads the time.

use std::time::SystemTime;

use chrono::{DateTime, Utc};

/// The time of the machine: the simulator plays the outside world, so it has no clock handed in.
#[expect(clippy::disallowed_methods, reason = "the vendors live by the real clock, and the simulator is the vendors")]
#[must_use]
pub fn now() -> DateTime<Utc> {
    DateTime::from(SystemTime::now())
}
