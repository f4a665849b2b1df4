//! The memory: inbox, worklist and ledger, with one group-committing writer.
//!
//! Every write of the process goes through one task ([`writer`]) that takes whatever waits, writes it in one transaction
//! with one statement a table, and answers every waiter after the commit. Reads go through a small pool.

pub mod book;
pub mod claim;
pub mod error;
pub mod event;
pub mod inbox;
pub mod notes;
pub mod open;
pub mod parked;
pub mod people;
pub mod record;
pub mod statements;
pub mod worklist;
pub mod writer;

#[cfg(test)]
mod tests;
