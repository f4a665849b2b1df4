//! Reads everything that Stripe bills to one account.

pub(crate) mod customer_objects;

use entitlement::model::account::Account;
use entitlement::model::billing::{About, Billing};
use entitlement::model::failure::{Class, Failure};
use entitlement::model::mode::Mode;
use entitlement::model::reading::{AccountReading, Scope};

use self::customer_objects::CustomerObjects;
use crate::api::Api;
use crate::charge::{self, Payer};
use crate::checkout::{self, Session};
use crate::client::Stripe;
use crate::identity::finder::{self, Found};
use crate::kind::Kind;
use crate::partial::Partial;

impl Stripe {
    /// Everything billed to `account`, a customer or the checkout session of a guest.
    ///
    /// What cannot be read or understood becomes a gap; only what makes the whole picture doubtful is an error.
    ///
    /// # Errors
    /// The failed request; `Class::Missing` when Stripe does not know the account, `Class::Permanent` when it is
    /// neither a customer nor a session (see [`Stripe::resolve`]).
    pub async fn read(&self, account: &Account, scope: Scope) -> Result<AccountReading, Failure> {
        let api = Api::about(&self.upstream, account);
        match Kind::of_id(account.id()) {
            None | Some(Kind::Customer) => self.read_customer(api, account, scope).await,
            Some(Kind::CheckoutSession) => self.read_guest(api, account).await,
            Some(_) => {
                let what = format!("account `{account}` is neither a customer nor a checkout session");
                Err(Failure::new(Class::Permanent, what))
            }
        }
    }

    async fn read_customer(&self, api: Api<'_>, account: &Account, scope: Scope) -> Result<AccountReading, Failure> {
        let mut objects = CustomerObjects::read(api, account, scope, &self.extras).await?;
        let found = finder::of_customer(&mut objects, &self.user_id).await?;
        let deleted = objects.customer.as_ref().is_some_and(|customer| customer.deleted);
        let mode = self.mode_of(objects.livemodes());
        let billing = self.customer_billing(objects, account, scope, mode);
        let (identity, contradiction) = match found {
            Found::User(identity) => (Some(identity), None),
            Found::SeveralUsers(place) => {
                (None, Some(format!("`{place}` names several users of running subscriptions")))
            }
            Found::Nobody => (None, None),
        };
        Ok(AccountReading { billing, identity, contradiction, deleted })
    }

    /// What was read of a customer, in the words of the core.
    fn customer_billing(&self, objects: CustomerObjects<'_>, account: &Account, scope: Scope, mode: Mode) -> Billing {
        let bought = objects.purchases(account, scope);
        let mut gaps = objects.gaps.clone();
        gaps.extend(bought.gaps);
        let all_subscriptions_read = gaps.iter().all(|gap| gap.about == About::MoneyBack);
        let facts = objects.facts(&self.extras.facts, all_subscriptions_read);
        let country = objects.country(&self.extras);
        let mut purchases = bought.found;
        for purchase in &mut purchases {
            purchase.country = country.clone().or(purchase.country.take());
        }
        let subscriptions = objects.into_subscriptions(country.as_deref());
        Billing { mode, subscriptions, purchases, gaps, facts }
    }

    async fn read_guest(&self, api: Api<'_>, account: &Account) -> Result<AccountReading, Failure> {
        let Partial { found, mut gaps } = checkout::by_id(api, account.id()).await?;
        let Some(session) = found else {
            let billing = Billing { gaps, ..Billing::empty(self.mode_of([])) };
            return Ok(AccountReading { billing, identity: None, contradiction: None, deleted: false });
        };
        let payments = match session.payment_intent.get() {
            Some(intent) => charge::payments(api, Payer::Intent(intent)).await?,
            None => Partial::default(),
        };
        gaps.extend(payments.gaps);
        let sessions = std::slice::from_ref(&session);
        let bought = checkout::purchases(sessions, account, &payments.found, false);
        gaps.extend(bought.gaps);
        let billing = Billing { purchases: bought.found, gaps, ..Billing::empty(self.mode_of([session.livemode])) };
        Ok(self.guest_reading(billing, &session))
    }

    fn guest_reading(&self, billing: Billing, session: &Session) -> AccountReading {
        let identity = finder::of_guest(session, &self.user_id);
        AccountReading { billing, identity, contradiction: None, deleted: false }
    }

    /// The key's mode; that of an object which does not fit it, since nothing may be done with those.
    fn mode_of(&self, livemodes: impl IntoIterator<Item = Option<bool>>) -> Mode {
        let mut modes = livemodes.into_iter().flatten().map(Mode::of_livemode);
        match self.mode {
            Some(own) => modes.find(|mode| *mode != own).unwrap_or(own),
            None => modes.next().unwrap_or(Mode::Live),
        }
    }
}

#[cfg(test)]
mod tests;
