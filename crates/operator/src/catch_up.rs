//! Catching up: fetches from the sources the events that no webhook brought.

use entitlement::model::clock::Timestamp;
use ingest::catch_up::{CatchUp, Caught};

use crate::error::OperatorError;
use crate::time::{Since, absolute};

/// From when events are to be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatchUpFrom {
    pub at: Timestamp,
    /// Days that the sources list at most, where an earlier time was asked for.
    pub most_days: Option<i64>,
}

/// The time from which events are fetched.
///
/// # Errors
/// When it lies in the future.
pub fn from(catch_up: &CatchUp, since: Since) -> Result<CatchUpFrom, OperatorError> {
    let now = (catch_up.clock)();
    let at = since.at(now);
    if at > now {
        return Err(OperatorError::Invalid(format!("`since` lies in the future: {}", absolute(at))));
    }
    let longest_reach = catch_up.longest_reach().unwrap_or_default();
    let oldest = now - longest_reach;
    Ok(CatchUpFrom { at: at.max(oldest), most_days: (at < oldest).then(|| longest_reach.num_days()) })
}

/// Fetches all events since `from`, and records those that the inbox does not hold.
///
/// # Errors
/// When the source or the database does not answer.
pub async fn run(catch_up: &CatchUp, from: CatchUpFrom, progress: impl FnMut(Caught)) -> Result<Caught, OperatorError> {
    Ok(catch_up.back_to(from.at, progress).await?)
}
