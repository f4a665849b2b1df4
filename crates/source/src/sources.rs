//! All sources that are set up, and the way from an account to its own.

use entitlement::model::account::Account;
use entitlement::model::failure::{Class, Failure};
use entitlement::model::mode::Mode;
use entitlement::model::reading::{AccountReading, Resolved, Scope};

use crate::source::Source;

/// The sources that are set up, each once.
#[derive(Clone, Debug)]
pub struct Sources(Vec<Source>);

impl Sources {
    #[must_use]
    pub fn new(sources: Vec<Source>) -> Self {
        Self(sources)
    }

    /// The source that `account` is of.
    #[must_use]
    pub fn of(&self, account: &Account) -> Option<&Source> {
        self.iter().find(|source| source.owns(account))
    }

    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Source> {
        self.iter().find(|source| source.name() == name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.0.iter()
    }

    /// The mode of the first key that says it.
    #[must_use]
    pub fn mode(&self) -> Option<Mode> {
        self.iter().find_map(Source::mode)
    }

    /// The same for work in bulk, which may use `percent` of each rate.
    #[must_use]
    pub fn with_rate_share(&self, percent: u32) -> Self {
        Self(self.iter().map(|source| source.with_rate_share(percent)).collect())
    }

    /// As [`Source::resolve`].
    ///
    /// # Errors
    /// As there; `Class::Permanent` when its source is not set up.
    pub async fn resolve(&self, object: &Account) -> Result<Resolved, Failure> {
        self.needed(object)?.resolve(object).await
    }

    /// As [`Source::read`].
    ///
    /// # Errors
    /// As there; `Class::Permanent` when its source is not set up.
    pub async fn read(&self, account: &Account, scope: Scope) -> Result<AccountReading, Failure> {
        self.needed(account)?.read(account, scope).await
    }

    /// Whether the worklist's `object` is an account of a source that is set up.
    #[must_use]
    pub fn is_account(&self, object: &Account) -> bool {
        self.of(object).is_some_and(|source| source.is_account(object))
    }

    /// Why no user of `account` is known when its source names none.
    #[must_use]
    pub fn why_unnamed(&self, account: &Account) -> String {
        self.of(account).map_or_else(|| "no source names an app user".to_owned(), Source::why_unnamed)
    }

    /// What to do so that the user of `account` is known.
    #[must_use]
    pub fn how_to_name(&self, account: &Account) -> String {
        let link = format!("run `grantsync link {account} USER`");
        self.of(account).map_or_else(|| link.clone(), |source| format!("{}, or {link}", source.how_to_name()))
    }

    fn needed(&self, account: &Account) -> Result<&Source, Failure> {
        self.of(account).ok_or_else(|| {
            let what = format!("the source `{}` of the account is not set up", account.source());
            Failure::new(Class::Permanent, what)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_account_of_a_source_that_is_not_set_up_fails_for_good() {
        let sources = Sources::new(Vec::new());
        let account = Account::new("paddle", "ctm_1");
        let failure = sources.resolve(&account).await.unwrap_err();
        assert_eq!(failure.class, Class::Permanent);
        assert!(failure.to_string().contains("`paddle`"), "{failure}");
        assert!(sources.read(&account, Scope { one_time: true }).await.is_err() && !sources.is_account(&account));
        assert_eq!(sources.how_to_name(&account), "run `grantsync link paddle:ctm_1 USER`");
    }
}
