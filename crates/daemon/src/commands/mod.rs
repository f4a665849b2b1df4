//! The commands: each parses, calls the operator, and renders. They work with or without a running daemon.

pub(crate) mod audit;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod decide;
pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod ledger;
pub(crate) mod link;
pub(crate) mod migrate;
pub(crate) mod overrides;
pub(crate) mod parked;
pub(crate) mod profile;
pub(crate) mod reconcile;
pub(crate) mod resync;
pub(crate) mod status;
