//! What the rules speak of: each type in the file of its name.

pub mod access_level;
pub mod account;
pub mod attributes;
pub mod billing;
pub mod catalog;
pub mod clock;
pub(crate) mod content;
pub mod event;
pub mod expected;
pub mod failure;
pub mod finding;
pub mod key;
pub mod ledger;
pub mod mode;
pub mod money;
pub mod overrides;
pub mod plan;
pub mod profile;
pub mod reading;
pub mod reason;
mod reason_sentence;
pub mod rules;
pub mod sale;
pub mod step;
pub mod stored_step;
pub mod until;
pub mod user;
