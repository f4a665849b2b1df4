//! One HTTP client for every upstream.
//!
//! [`client::Client`] is the one pool of connections. An [`upstream::Upstream`] is a vendor behind it, with its key,
//! its rate limit, its time limit and its pauses. Whatever goes wrong comes back as an
//! [`entitlement::failure::Failure`] that says what it asks for and prints no key, no path and no body.
//!
//! A rate limit is kept by the process itself, or lent piece by piece to all that use the same key ([`limit`]); who
//! lends lives in another room ([`lender`]).
//!
//! Tries that a second attempt cures at once are made here ([`upstream`]); every longer wait belongs to the queue.

pub mod bucket;
pub mod classify;
pub mod client;
pub mod date;
pub mod exchange;
pub mod lender;
pub mod limit;
pub mod pace;
pub mod pause;
pub mod retry_after;
pub mod schedule;
pub mod shared;
pub mod upstream;
