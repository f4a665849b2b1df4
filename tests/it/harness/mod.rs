//! A daemon as a child process between the sandbox's Stripe and Adapty.

#[allow(dead_code, reason = "not every program of tests draws")]
pub(crate) mod chance;
pub(crate) mod daemon;
pub(crate) mod finish;
pub(crate) mod world;
