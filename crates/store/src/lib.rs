//! The memory: inbox, worklist and ledger, with one group-committing writer.
//!
//! Every write of the process goes through one task ([`writer`]) that takes whatever waits, writes it in one transaction
//! with one statement a table, and answers every waiter after the commit. Reads go through a small pool. One SQL text
//! serves SQLite and PostgreSQL ([`statement`]); where it must differ, a comment says why.

pub mod accounts;
pub mod audit;
pub mod claim;
pub mod connection;
pub mod daemon_state;
mod database;
pub mod error;
pub mod event;
pub mod expired;
pub mod import;
pub mod inbox;
pub mod ledger;
pub mod limits;
pub mod link;
pub mod links;
mod listing;
mod migrations;
mod notify;
pub mod open;
pub mod override_request;
pub mod overrides;
pub mod parked;
pub mod record;
pub mod retention;
mod script;
pub mod selection;
mod sqlite_reads;
mod statement;
pub mod statuses;
mod store_purchases;
pub mod task;
pub mod task_leases;
pub mod tokens;
mod transaction;
pub mod worklist;
mod writer;

#[cfg(test)]
mod tests;
