//! Tokens of a rate limit that all processes share: what is asked for, and what is granted.

use std::time::Duration;

/// A request for tokens of one limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    /// The name of the limit: the upstream and a hash of its key.
    pub limit: String,
    /// Requests a second, over all processes; above zero.
    pub per_second: u32,
    pub wanted: u32,
}

/// The answer. Times count from now, since machines' clocks differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenGrant {
    /// When each token may be used; at least one.
    Slots(Vec<Duration>),
    /// None is free before that.
    Wait(Duration),
    /// The upstream answered some process with a `Retry-After` of that length.
    Paused(Duration),
}

/// An upstream answered with a `Retry-After`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamPause {
    pub limit: String,
    pub seconds: i64,
}
