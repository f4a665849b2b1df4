//! Names that must not be mixed up: account, customer, access level.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A customer as one *source* knows it: `stripe:cus_…`, `stripe:cs_…` for a guest checkout,
/// `stripe:acct_…/cus_…` for a Connect account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Account(String);

/// The source of accounts that are no source's.
const USER: &str = "user";

impl Account {
    /// The account of object `id` at Stripe; `connect` is the connected account (`acct_…`) it lives in, if any.
    #[must_use]
    pub fn stripe(connect: Option<&str>, id: &str) -> Self {
        match connect {
            Some(acct) => Self(format!("stripe:{acct}/{id}")),
            None => Self(format!("stripe:{id}")),
        }
    }

    /// An account of a user that is no source's, so that what was ordered for them can be looked at. `name` says nothing
    /// about whose it is, since it is logged.
    #[must_use]
    pub fn of_user(name: &str) -> Self {
        Self(format!("{USER}:{name}"))
    }

    /// Whether it is one of [`Account::of_user`]: nothing is ever billed to it.
    #[must_use]
    pub fn is_of_user(&self) -> bool {
        self.source() == USER
    }

    /// Reads `source:id`, as operators type it and the database keeps it.
    ///
    /// # Errors
    /// Says what an account looks like when `text` is not one.
    pub fn parse(text: &str) -> Result<Self, NotAnAccount> {
        match text.split_once(':') {
            Some((source, id)) if !source.is_empty() && !id.is_empty() => Ok(Self(text.to_owned())),
            _ => Err(NotAnAccount(text.to_owned())),
        }
    }

    /// The source before the colon, for example `stripe`.
    #[must_use]
    pub fn source(&self) -> &str {
        self.0.split_once(':').map_or("", |(source, _)| source)
    }

    /// The object's id at the source, without the connected account.
    #[must_use]
    pub fn id(&self) -> &str {
        let local = self.0.split_once(':').map_or(self.0.as_str(), |(_, local)| local);
        local.rsplit_once('/').map_or(local, |(_, id)| id)
    }

    /// The connected account (`acct_…`) this account lives in.
    #[must_use]
    pub fn connect(&self) -> Option<&str> {
        let (_, local) = self.0.split_once(':')?;
        local.split_once('/').map(|(acct, _)| acct)
    }

    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is not `source:id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAnAccount(String);

impl fmt::Display for NotAnAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not an account; write `stripe:cus_…`", self.0)
    }
}

impl std::error::Error for NotAnAccount {}

/// The same human as the *destination* knows it: the app's own user id (`customer_user_id`).
///
/// It may be an e-mail address, so it is kept out of logs; [`User::as_str`] is for requests and the database.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct User(String);

impl User {
    /// `None` when nothing but white space is left of `id`.
    #[must_use]
    pub fn new(id: &str) -> Option<Self> {
        let id = id.trim();
        (!id.is_empty()).then(|| Self(id.to_owned()))
    }

    /// A customer who is nobody, for cases that leave the house.
    #[must_use]
    pub fn nobody() -> Self {
        Self("nobody".to_owned())
    }

    /// The id itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("User(…)")
    }
}

/// The name of a right at the destination, for example `premium`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccessLevel(pub String);

impl fmt::Display for AccessLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether real money moves. The two never mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    Live,
    Test,
}

impl Mode {
    /// From Stripe's `livemode`.
    #[must_use]
    pub fn of_livemode(livemode: bool) -> Self {
        if livemode { Self::Live } else { Self::Test }
    }

    /// `live` or `test`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_of_a_connected_account_keeps_both_ids() {
        let account = Account::stripe(Some("acct_1"), "cus_1");
        assert_eq!(account.as_str(), "stripe:acct_1/cus_1");
        assert_eq!((account.source(), account.connect(), account.id()), ("stripe", Some("acct_1"), "cus_1"));
        assert_eq!(Account::stripe(None, "cus_1").connect(), None);
    }

    #[test]
    fn a_customer_never_prints() {
        let user = User::new(" ann@example.com ").unwrap();
        assert_eq!(user.as_str(), "ann@example.com");
        assert_eq!(format!("{user:?}"), "User(…)");
        assert_eq!(User::new("  "), None);
    }

    #[test]
    fn text_without_a_source_is_not_an_account() {
        for text in ["cus_1", ":cus_1", "stripe:", ":"] {
            assert!(Account::parse(text).unwrap_err().to_string().contains("stripe:cus_"), "{text}");
        }
        assert_eq!(Account::parse("stripe:cus_1").unwrap().to_string(), "stripe:cus_1");
    }
}
