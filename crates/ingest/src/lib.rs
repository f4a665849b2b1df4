//! Takes in events: from webhooks, and from the sources' own lists of what no webhook brought.
//!
//! A webhook is answered with 200 only after its event and the account that it makes due are on the disk. Nothing is stored
//! of a request that is refused.

pub mod body;
pub mod catch_up;
mod inbox;
mod refusal;
pub mod webhook;
