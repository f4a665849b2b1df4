//! Walks over everything that Stripe bills: for backfills and rounds.

use entitlement::failure::Failure;
use entitlement::names::Account;
use serde::Deserialize;
use stripe_billing::subscription::ListSubscription;
use stripe_checkout::CheckoutSessionStatus;
use stripe_checkout::checkout_session::ListCheckoutSession;
use stripe_client_core::StripeRequest;

use crate::api::Api;
use crate::kind::Kind;
use crate::reader::Stripe;
use crate::shape::{List, Ref, id_of, read};

/// What is walked over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// Subscriptions that are not canceled: Stripe's list leaves those out unless it is asked for them, and they give
    /// nothing any more.
    Subscriptions,
    /// Completed checkout sessions that were paid once.
    Purchases,
}

/// One page of a walk, the newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Whom its objects concern, each once.
    pub accounts: Vec<Account>,
    /// The object to go on after; `None` at the end.
    pub next: Option<String>,
}

/// An object, as far as it says whom it concerns.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Pointers {
    id: Ref,
    customer: Ref,
    mode: Option<String>,
}

impl Stripe {
    /// The page of `walk` that begins after the object `after`.
    ///
    /// # Errors
    /// The failed request.
    pub async fn walk(&self, walk: Walk, after: Option<String>) -> Result<Page, Failure> {
        let (what, request) = match walk {
            Walk::Subscriptions => {
                let list = ListSubscription::new().limit(100);
                ("subscriptions", after.into_iter().fold(list, ListSubscription::starting_after).build())
            }
            Walk::Purchases => {
                let list = ListCheckoutSession::new().status(CheckoutSessionStatus::Complete).limit(100);
                ("checkout sessions", after.into_iter().fold(list, ListCheckoutSession::starting_after).build())
            }
        };
        let list: List = Api::new(&self.upstream, None).get(what, request).await?;
        let last = list.data.last().and_then(id_of);
        let mut accounts: Vec<Account> = Vec::with_capacity(list.data.len());
        for object in list.data.iter().filter_map(|object| read::<Pointers>(object).ok()) {
            accounts.extend(account(walk, &object).filter(|account| !accounts.contains(account)));
        }
        Ok(Page { accounts, next: last.filter(|_| list.has_more) })
    }

    /// Whether the worklist's `account` is one, and not an object that only leads to one.
    #[must_use]
    pub fn is_account(account: &Account) -> bool {
        matches!(Kind::of_id(account.id()), None | Some(Kind::Customer | Kind::CheckoutSession))
    }
}

/// A customer, or the session of a guest.
fn account(walk: Walk, object: &Pointers) -> Option<Account> {
    if walk == Walk::Purchases && object.mode.as_deref() != Some("payment") {
        return None;
    }
    let id = match walk {
        Walk::Subscriptions => object.customer.get()?,
        Walk::Purchases => object.customer.get().or_else(|| object.id.get())?,
    };
    Some(Account::stripe(None, id))
}
