//! A daemon as a child process between the sandbox's Stripe and Adapty.

pub(crate) mod daemon;
pub(crate) mod finish;
pub(crate) mod world;
