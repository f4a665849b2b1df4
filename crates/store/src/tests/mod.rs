//! What the memory promises, as behaviours of a `Store`.
//!
//! They speak through the public API alone and take their store from [`make::memory`], so that another database is one
//! more way to open it. What only SQLite can do stands in `sqlite.rs`.

mod book;
mod claims;
mod inbox;
mod leases;
mod ledger_reads;
mod make;
mod parked;
mod people;
mod settling;
mod sqlite;
mod worklist;
mod writer;
