//! One HTTP client for every upstream.
//!
//! [`client::Client`] is the one pool of connections. An [`upstream::Upstream`] is a vendor behind it, with its key,
//! its rate limit, its time limit and its gate. Whatever goes wrong comes back as an [`entitlement::model::failure::Failure`]
//! that says how to go on and prints no key, no path and no body.
//!
//! A rate limit is a token bucket of this process, or one that all processes with the same key share ([`limit`]); the
//! tokens of a shared one are granted by another room ([`token_server`]).
//!
//! Retries that help at once are made here ([`upstream`]); every longer wait belongs to the queue.

pub mod bucket;
pub mod call;
pub(crate) mod channel;
pub mod classify;
pub mod client;
pub mod exchange;
pub(crate) mod gate;
pub mod gate_state;
pub mod gate_watch;
pub mod http_date;
pub mod limit;
pub(crate) mod probe;
pub mod rate;
pub mod retry_after;
pub mod retry_delays;
pub mod setup;
pub mod shared_bucket;
pub mod token_server;
pub mod upstream;
