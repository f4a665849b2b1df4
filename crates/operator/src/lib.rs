//! What an operator can ask for: one function an operation.
//!
//! The command line and the admin API parse, call these functions, and render what they answer.

pub mod audit;
pub mod backfill;
pub mod catch_up;
pub mod error;
pub mod events;
pub mod explain;
pub mod explanation;
pub mod explanation_document;
pub mod input;
pub mod ledger;
pub mod links;
pub mod operator;
pub mod override_input;
pub mod overrides;
pub mod parked;
pub mod reconcile;
mod remedy;
pub mod resync;
pub mod sentence;
pub mod status;
pub mod task_lease;
pub mod time;
pub mod timeline;
pub mod worklist;
