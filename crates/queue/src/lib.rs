//! apalis workers fed from the worklist.
//!
//! The worklist is the storage; apalis carries the work. A claimer leases due accounts in batches into a bounded
//! channel, [`backend::Feed`] hands them to apalis' workers, and the sync of an account settles its lease in the store.
//! So event, trigger and ledger live in one database and one transaction, and a lost notification costs nothing.

pub mod backend;
pub mod claimer;
pub mod held_leases;
pub mod run;

#[cfg(test)]
mod tests;
