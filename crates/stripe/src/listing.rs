//! Lists everybody whom Stripe bills, page by page.
//!
//! Pages of 100 are the longest that Stripe gives (<https://docs.stripe.com/api/pagination>).

use entitlement::model::account::Account;
use entitlement::model::failure::Failure;
use entitlement::model::reading::{AccountPage, Listing};
use serde::Deserialize;
use stripe_billing::subscription::ListSubscription;
use stripe_checkout::CheckoutSessionStatus;
use stripe_checkout::checkout_session::ListCheckoutSession;
use stripe_client_core::{RequestBuilder, StripeRequest};

use crate::account;
use crate::api::Api;
use crate::client::Stripe;
use crate::kind::Kind;
use crate::shape::{List, Ref, id_of, read};

const PAGE: i64 = 100;

/// An object, as far as it says whom it concerns.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Pointers {
    id: Ref,
    customer: Ref,
    mode: Option<String>,
}

impl Stripe {
    /// The page of `listing` that begins after the object `after`.
    ///
    /// # Errors
    /// The failed request.
    pub async fn accounts(&self, listing: Listing, after: Option<String>) -> Result<AccountPage, Failure> {
        let (what, request) = match listing {
            Listing::Subscriptions => ("subscriptions", running_subscriptions(after)),
            Listing::Purchases => ("checkout sessions", complete_sessions(after)),
        };
        let list: List = Api::new(&self.upstream, None).get(what, request).await?;
        let last = list.data.last().and_then(id_of);
        let mut accounts: Vec<Account> = Vec::with_capacity(list.data.len());
        for object in list.data.iter().filter_map(|object| read::<Pointers>(object).ok()) {
            accounts.extend(concerned(listing, &object).filter(|account| !accounts.contains(account)));
        }
        Ok(AccountPage { accounts, next: last.filter(|_| list.has_more) })
    }

    /// Whether the worklist's `account` is one, and not an object that only leads to one.
    #[must_use]
    pub fn is_account(account: &Account) -> bool {
        matches!(Kind::of_id(account.id()), None | Some(Kind::Customer | Kind::CheckoutSession))
    }
}

/// All but canceled ones, which give nothing any more: the list leaves those out unless `status` asks for them
/// (<https://docs.stripe.com/api/subscriptions/list>).
fn running_subscriptions(after: Option<String>) -> RequestBuilder {
    let list = ListSubscription::new().limit(PAGE);
    after.into_iter().fold(list, ListSubscription::starting_after).build()
}

fn complete_sessions(after: Option<String>) -> RequestBuilder {
    let list = ListCheckoutSession::new().status(CheckoutSessionStatus::Complete).limit(PAGE);
    after.into_iter().fold(list, ListCheckoutSession::starting_after).build()
}

/// A customer, or the session of a guest; nobody where a session sold a subscription, which the other list holds.
fn concerned(listing: Listing, object: &Pointers) -> Option<Account> {
    let id = match listing {
        Listing::Subscriptions => object.customer.get()?,
        Listing::Purchases if object.mode.as_deref() != Some("payment") => return None,
        Listing::Purchases => object.customer.get().or_else(|| object.id.get())?,
    };
    Some(account::of(None, id))
}
