//! The memory: inbox, worklist and ledger, with one group-committing writer.
//!
//! Every write of the process goes through one task ([`writer`]) that takes whatever waits, writes it in one transaction
//! with one statement a table, and answers every waiter after the commit. Reads go through a small pool. One SQL text
//! serves SQLite and PostgreSQL ([`statement`]); where it must differ, a comment says why.

mod bell;
pub mod book;
pub mod claim;
pub mod connection;
mod database;
pub mod error;
pub mod event;
pub mod import;
pub mod inbox;
mod lanes;
pub mod limits;
mod listing;
pub mod notes;
pub mod open;
pub mod ordered;
pub mod orders;
pub mod parked;
pub mod people;
pub mod record;
pub mod retention;
mod script;
mod statement;
pub mod statuses;
mod transaction;
pub mod turns;
pub mod walk;
mod witnessed;
pub mod worklist;
mod writer;

#[cfg(test)]
mod tests;
