//! Takes in webhooks: checks, keeps, rings, answers; nothing else.
//!
//! A webhook is answered with 200 only after its event and its bell are on the disk. Nothing is stored of a request that
//! is refused.

pub mod catch_up;
mod event;
pub mod stripe_webhook;
