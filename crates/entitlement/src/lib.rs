//! What a user is entitled to, and what to do about it.
//!
//! Pure: no IO, no clock, no randomness, no panic. [`decide::decide`] takes a [`case::Case`] (what the sources bill, what
//! the destination shows, what the ledger remembers, and the time) and answers with a [`plan::Plan`] that leaves nothing
//! to choose when it is executed.

pub mod access;
pub mod case;
pub mod decide;
mod enqueue;
mod equivalence;
pub mod model;
pub mod render;
pub mod retry;
pub mod sales;
mod set_attributes;
mod sorted;
pub mod status;

#[cfg(test)]
mod tests;
