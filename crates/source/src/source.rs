//! A billing system that is followed.

use entitlement::model::account::Account;
use entitlement::model::failure::Failure;
use entitlement::model::finding::{CheckInput, Finding};
use entitlement::model::mode::Mode;
use entitlement::model::reading::{AccountPage, AccountReading, Listing, Resolved, Scope};
use stripe::client::Stripe;
use wire::upstream::Upstream;

use crate::feed::Feed;
use crate::kind::SourceKind;

/// A billing system, read with a key.
#[derive(Clone, Debug)]
pub enum Source {
    Stripe(Stripe),
}

/// Reading.
impl Source {
    /// The account behind what the worklist holds: an account is its own, any other object is followed to one.
    ///
    /// # Errors
    /// The failed request; `Class::Missing` when the object is not there any more.
    pub async fn resolve(&self, object: &Account) -> Result<Resolved, Failure> {
        match self {
            Self::Stripe(stripe) => stripe.resolve(object).await,
        }
    }

    /// Everything billed to `account`, and whose it is. What cannot be read or understood becomes a gap of the billing.
    ///
    /// # Errors
    /// What makes the whole picture doubtful: the failed request; `Class::Missing` when the source does not know the
    /// account, `Class::Permanent` when it is no account (see [`Source::resolve`]).
    pub async fn read(&self, account: &Account, scope: Scope) -> Result<AccountReading, Failure> {
        match self {
            Self::Stripe(stripe) => stripe.read(account, scope).await,
        }
    }

    /// One page of a listing; `after` is where the page before said that this one begins.
    ///
    /// # Errors
    /// The failed request.
    pub async fn accounts(&self, listing: Listing, after: Option<String>) -> Result<AccountPage, Failure> {
        match self {
            Self::Stripe(stripe) => stripe.accounts(listing, after).await,
        }
    }

    /// Its past events, where it lists them.
    #[must_use]
    pub fn feed(&self) -> Option<Feed<'_>> {
        match self {
            Self::Stripe(stripe) => Some(Feed::Stripe(stripe)),
        }
    }

    /// Looks at everything that is seen through the key. Nothing is written.
    pub async fn check(&self, input: &CheckInput<'_>) -> Vec<Finding> {
        match self {
            Self::Stripe(stripe) => stripe.check(input).await,
        }
    }
}

/// What holds for it.
impl Source {
    #[must_use]
    pub fn kind(&self) -> SourceKind {
        match self {
            Self::Stripe(_) => SourceKind::Stripe,
        }
    }

    /// Its name in settings and in what is stored, for example `stripe`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.kind().name()
    }

    /// Whether `account` is one of its own.
    #[must_use]
    pub fn owns(&self, account: &Account) -> bool {
        match self {
            Self::Stripe(_) => account.source() == SourceKind::Stripe.name(),
        }
    }

    /// The mode of the key, where it says.
    #[must_use]
    pub fn mode(&self) -> Option<Mode> {
        match self {
            Self::Stripe(stripe) => stripe.mode(),
        }
    }

    /// What its requests go through: rate limit, state, failures.
    #[must_use]
    pub fn upstream(&self) -> &Upstream {
        match self {
            Self::Stripe(stripe) => stripe.upstream(),
        }
    }

    /// The same for work in bulk, which may use `percent` of the rate.
    #[must_use]
    pub fn with_rate_share(&self, percent: u32) -> Self {
        match self {
            Self::Stripe(stripe) => Self::Stripe(stripe.with_rate_share(percent)),
        }
    }

    /// Whether the worklist's `object` is an account, and not something that only leads to one.
    #[must_use]
    pub fn is_account(&self, object: &Account) -> bool {
        match self {
            Self::Stripe(_) => Stripe::is_account(object),
        }
    }
}

/// What is said of it to a human.
impl Source {
    /// Why no user is known when none of the configured places names one.
    #[must_use]
    pub fn why_unnamed(&self) -> String {
        match self {
            Self::Stripe(stripe) => {
                let places: Vec<String> = stripe.user_id_places().collect();
                format!("none of `identity.user_id` ({}) names an app user", places.join(", "))
            }
        }
    }

    /// What to do at the source so that it names the user of an account.
    #[must_use]
    pub fn how_to_name(&self) -> &'static str {
        match self {
            Self::Stripe(_) => "set the metadata at Stripe",
        }
    }

    /// Where a human sees `account` at the source.
    #[must_use]
    pub fn dashboard_url(&self, account: &Account) -> Option<String> {
        match self {
            Self::Stripe(stripe) => stripe::links::dashboard(account, stripe.mode()),
        }
    }
}
