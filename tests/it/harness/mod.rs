//! A daemon as a child process between the simulator's Stripe and Adapty.

pub(crate) mod daemon;
pub(crate) mod final_checks;
#[allow(dead_code, reason = "not every program of tests draws")]
pub(crate) mod random;
pub(crate) mod world;
