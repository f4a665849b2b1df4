//! One sync of one account, start to end: read, decide, execute, settle.

mod attention;
pub mod backfill;
pub mod collect;
pub mod controller;
mod destinations;
mod execute;
mod former_users;
mod log;
mod outcome;
pub mod profile_cache;
mod read;
pub mod reconciliation;
mod settle;
pub mod store_reader;
pub mod sync;
pub mod target;
