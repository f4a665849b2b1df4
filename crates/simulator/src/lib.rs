//! The vendors, played by us over HTTP on loopback: a Stripe, an Adapty, an IAPHUB.
//!
//! The `demo` command and the integration tests talk to them. The JSON of each is written
//! by hand from their documentation, and no other crate of the workspace is used, so that a misreading
//! in a client shows as a failure instead of being repeated here.

// Stripe's objects have more fields than the default lets `json!` take.
#![recursion_limit = "256"]

pub mod adapty;
pub mod clock;
mod connection;
pub mod fault;
pub mod iaphub;
pub mod journal;
pub mod server;
pub mod simulator;
pub mod stripe;
pub mod webhook;
