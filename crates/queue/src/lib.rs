//! apalis workers fed from the worklist.
//!
//! The worklist is the storage; apalis carries the work. A claimer leases due accounts in batches into a bounded channel,
//! [`backend::Feed`] hands them to apalis' workers, and whoever looks at an account settles its lease in the store. So
//! the event, the wake-up and the ledger live in one database and one transaction, and a lost wake-up costs nothing.

pub mod backend;
pub mod claimer;
pub mod held;
pub mod run;

#[cfg(test)]
mod tests;
