//! The memory: inbox, worklist and ledger on SQLite or PostgreSQL, with one group-committing writer.
//!
//! Every write of the process goes through one task ([`writer`]) that takes whatever waits, writes it in one
//! transaction with one statement a table ([`transaction`]), and answers every waiter after the commit. Reads go
//! through a small pool. One SQL text serves both databases ([`statement`]); where it must differ, a comment says why.
//!
//! From bottom to top, and never back: what is written and read (`claim`, `record`, `event`, …), connections and
//! statements, [`open::Store`], one file a table with its queries, the transaction, the writer, and [`start`], which
//! opens a store.

pub mod accounts;
mod apply_override;
pub mod audit;
mod batch;
pub mod claim;
mod claim_queue;
mod claiming;
pub mod connection;
pub mod daemon_state;
mod database;
pub mod error;
pub mod event;
pub mod expired;
mod failure;
mod health;
pub mod import;
mod import_tables;
pub mod inbox;
mod leases;
pub mod ledger;
mod ledger_entries;
pub mod limits;
pub mod link;
pub mod links;
mod listing;
mod migration_history;
mod migrations;
mod notify;
pub mod open;
pub mod override_request;
pub mod overrides;
pub mod parked;
pub mod record;
pub mod retention;
pub mod selection;
mod settling;
mod sqlite_pipeline;
mod sqlite_reads;
mod start;
mod statement;
pub mod statuses;
mod store_purchases;
pub mod task;
pub mod task_leases;
pub mod tokens;
mod transaction;
mod value;
pub mod waiting;
pub mod worklist;
mod write;
mod write_health;
mod writer;

#[cfg(test)]
mod tests;
