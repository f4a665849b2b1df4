//! What a customer is owed, and what to do about it.
//!
//! Pure: no IO, no clock, no randomness, no panic. [`decide::decide`] takes three pictures (what the source bills, what
//! the destination shows, what the ledger remembers) and the time, and answers with a [`plan::Plan`] that leaves nothing
//! to choose when it is carried out.

pub mod attributes;
pub mod billing;
mod booked;
pub mod bought;
pub mod catalog;
pub mod clock;
pub mod decide;
pub mod elsewhere;
pub mod entitle;
pub mod event;
pub mod explain;
pub mod failure;
pub mod finding;
pub mod key;
pub mod ledger;
pub mod money;
pub mod names;
pub mod overrides;
pub mod plan;
pub mod profile;
pub mod reading;
pub mod reason;
pub mod recalled;
pub mod reconcile;
pub mod refund;
mod report;
pub mod retry;
pub mod rules;
pub mod sale_ids;
pub mod same;
mod set_attributes;
mod share;
pub mod status;
pub mod worth;

#[cfg(test)]
mod tests;
