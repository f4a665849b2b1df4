//! A customer of a source.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A customer as one *source* knows it, for example `stripe:cus_…`: the source, a colon, and the path below it, whose last
/// part is the id of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Account(String);

/// The source of accounts that are no source's.
const USER: &str = "user";

impl Account {
    /// The account that `source` knows by `path`: the id of an object, below what it lives in where that matters.
    #[must_use]
    pub fn new(source: &str, path: &str) -> Self {
        Self(format!("{source}:{path}"))
    }

    /// An account of a user that is no source's, so that their overrides can be synced. `name` says nothing about whose it
    /// is, since it is logged.
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

    /// All that stands behind the colon.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.split_once(':').map_or(self.0.as_str(), |(_, path)| path)
    }

    /// The object's id at the source: the last part of the path.
    #[must_use]
    pub fn id(&self) -> &str {
        self.path().rsplit_once('/').map_or(self.path(), |(_, id)| id)
    }

    /// The object `id` that lives beside this one: of the same source, below the same path.
    #[must_use]
    pub fn sibling(&self, id: &str) -> Self {
        let above = &self.0[..self.0.len() - self.id().len()];
        Self(format!("{above}{id}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_a_source_and_a_path_that_ends_in_an_id() {
        let account = Account::new("chargebee", "acme/c-1");
        assert_eq!(account.as_str(), "chargebee:acme/c-1");
        assert_eq!((account.source(), account.path(), account.id()), ("chargebee", "acme/c-1", "c-1"));
        assert_eq!(account.sibling("in-7").as_str(), "chargebee:acme/in-7");
        assert_eq!(Account::new("paddle", "ctm_1").sibling("txn_1").as_str(), "paddle:txn_1");
    }

    #[test]
    fn text_without_a_source_is_not_an_account() {
        for text in ["cus_1", ":cus_1", "stripe:", ":"] {
            assert!(Account::parse(text).unwrap_err().to_string().contains("stripe:cus_"), "{text}");
        }
        assert_eq!(Account::parse("stripe:cus_1").unwrap().to_string(), "stripe:cus_1");
    }
}
