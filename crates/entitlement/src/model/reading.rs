//! What a source says of an account, and which accounts it has.

use crate::model::account::Account;
use crate::model::billing::Billing;
use crate::model::mode::Mode;
use crate::model::user::User;

/// One account as its source shows it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountReading {
    pub billing: Billing,
    /// The user behind the account; `None` when none of the configured places says.
    pub identity: Option<Identity>,
    /// Why no user is taken although a place names one: it names several.
    pub contradiction: Option<String>,
    /// The customer was deleted. Known only when an identity place had the customer read.
    pub deleted: bool,
}

impl AccountReading {
    /// Of an account to which nothing is ever billed.
    #[must_use]
    pub fn nothing(mode: Mode) -> Self {
        Self { billing: Billing::empty(mode), identity: None, contradiction: None, deleted: false }
    }
}

/// The user of an account, and where that was learnt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub user: User,
    /// The place as it is written in the settings, for example `subscription.metadata.customer_user_id`; or `operator`.
    pub origin: String,
}

/// How much of an account has to be read for the catalog at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The catalog has entries that are bought once, so one-time purchases are read too.
    pub one_time: bool,
}

/// Whom an object concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    Account(Account),
    /// No account that could be synced; says why.
    Nobody(String),
}

/// One of the lists by which a source names all its accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// Subscriptions that can still give something.
    Subscriptions,
    /// One-time purchases that were completed.
    Purchases,
}

impl Listing {
    /// The lists that hold everybody within `scope`.
    #[must_use]
    pub fn within(scope: Scope) -> &'static [Self] {
        if scope.one_time { &[Self::Subscriptions, Self::Purchases] } else { &[Self::Subscriptions] }
    }
}

/// One page of a listing, the newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountPage {
    /// Whom its objects concern, each once.
    pub accounts: Vec<Account>,
    /// Where the next page begins, in the source's own terms; `None` at the end.
    pub next: Option<String>,
}
