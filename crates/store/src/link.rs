//! Which app user an account belongs to.

use entitlement::model::account::Account;
use entitlement::model::user::User;

/// An account and its user.
#[derive(Clone, Debug)]
pub struct Link {
    pub account: Account,
    pub user: User,
    /// A source of `identity.user_id`, or [`OPERATOR`].
    pub origin: String,
}

/// The origin of a link that an operator made. It wins over anything that is read at a source.
pub const OPERATOR: &str = "operator";

/// Whether a link could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linked {
    Done,
    /// Another worker syncs an account of that user just now, or an operator linked the account meanwhile.
    Busy,
    LeaseLost,
}
