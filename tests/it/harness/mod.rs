//! A daemon as a child process between the sandbox's Stripe and Adapty.

pub mod daemon;
pub mod world;
