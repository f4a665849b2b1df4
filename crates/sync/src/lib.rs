//! One account, start to end: gather, decide, carry out.

pub mod attention;
pub mod backfill;
pub mod books;
pub mod carry;
pub mod controller;
pub mod examine;
pub mod inspect;
mod log;
pub mod read;
pub mod recent;
pub mod reconciliation;
pub mod serve;
pub mod store_reader;
