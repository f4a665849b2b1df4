//! What a user is entitled to, and what to do about it.
//!
//! Pure: no IO, no clock, no randomness, no panic. [`decide::decide`] takes a [`case::Case`] (what the sources bill, what
//! the destination shows, what the ledger remembers, and the time) and answers with a [`plan::Plan`] that leaves nothing
//! to choose when it is executed.

mod allocation;
pub mod attributes;
pub mod billing;
pub mod cached_profile;
pub mod case;
pub mod catalog;
pub mod clock;
mod content;
pub mod coverage;
pub mod decide;
mod desired;
mod enqueue;
pub mod entitle;
mod equivalence;
pub mod event;
pub mod expected;
pub mod failure;
pub mod finding;
pub mod key;
pub mod ledger;
pub mod level;
pub mod money;
pub mod names;
pub mod one_time;
pub mod other_stores;
pub mod overridden;
pub mod overrides;
pub mod plan;
pub mod profile;
pub mod reading;
pub mod reason;
pub mod reconcile;
pub mod refund;
pub mod render;
mod report;
mod reported;
pub mod retry;
pub mod rules;
pub mod sale;
pub mod sale_status;
mod set_attributes;
mod sorted;
pub mod status;
pub mod step;
pub mod stored_step;
pub mod term;
pub mod transaction_ids;
pub mod until;

#[cfg(test)]
mod tests;
