//! What a customer is owed, and what to do about it.
//!
//! Pure: no IO, no clock, no randomness, no panic. [`decide::decide`] takes three pictures (what the source bills, what
//! the destination shows, what the ledger remembers) and the time, and answers with a [`plan::Plan`] that leaves nothing
//! to choose when it is carried out.

pub mod billing;
mod booked;
pub mod bought;
pub mod catalog;
pub mod clock;
pub mod decide;
mod describe;
pub mod details;
pub mod elsewhere;
pub mod entitle;
pub mod explain;
pub mod failure;
pub mod key;
pub mod ledger;
pub mod money;
pub mod names;
pub mod orders;
pub mod plan;
pub mod profile;
pub mod reason;
pub mod recalled;
pub mod reconcile;
pub mod refund;
mod report;
pub mod retry;
pub mod rules;
pub mod same;
mod share;
pub mod status;
pub mod transaction;
pub mod worth;

#[cfg(test)]
mod tests;
