//! The memory: inbox, worklist and ledger, with one group-committing writer.
//!
//! Every write of the process goes through one task ([`writer`]) that takes whatever waits, writes it in one transaction
//! with one statement a table, and answers every waiter after the commit. Reads go through a small pool. One SQL text
//! serves SQLite and PostgreSQL ([`statement`]); where it must differ, a comment says why.

pub mod audit;
pub mod claim;
pub mod connection;
mod database;
pub mod error;
pub mod event;
pub mod import;
pub mod inbox;
mod lanes;
pub mod ledger;
pub mod limits;
pub mod links;
mod listing;
mod migrations;
pub mod notes;
mod notify;
pub mod open;
pub mod overrides;
pub mod parked;
pub mod record;
pub mod retention;
mod script;
mod statement;
pub mod statuses;
mod store_purchases;
pub mod task_leases;
mod transaction;
pub mod walk;
pub mod worklist;
mod writer;

#[cfg(test)]
mod tests;
