//! The commands that work on the database, with or without a running daemon.

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
mod timeline;
pub(crate) mod wording;

use entitlement::names::{Account, User};

use crate::command_error::CommandError;

/// An account as it was typed.
pub(crate) fn account(text: &str) -> Result<Account, CommandError> {
    Account::parse(text).map_err(|error| CommandError::Usage(error.to_string()))
}

/// An app user as it was typed.
pub(crate) fn parse_user(text: &str) -> Result<User, CommandError> {
    User::new(text).ok_or_else(|| CommandError::Usage("the user id is empty".into()))
}
