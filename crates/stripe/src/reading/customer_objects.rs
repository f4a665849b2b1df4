//! The objects of one customer, read side by side; some only when they are first asked for.

use std::collections::BTreeMap;

use entitlement::model::account::Account;
use entitlement::model::attributes::Fact;
use entitlement::model::billing::{self, Gap, Purchase};
use entitlement::model::failure::Failure;
use entitlement::model::reading::Scope;

use crate::api::Api;
use crate::charge::{self, Payer, Payments};
use crate::checkout::{self, Lines, Session};
use crate::client::Extras;
use crate::customer::{self, Customer};
use crate::discount::Discounts;
use crate::facts::{self, FactPlace};
use crate::partial::Partial;
use crate::subscription::{self, Subscription};

pub(crate) struct CustomerObjects<'a> {
    api: Api<'a>,
    pub(crate) id: &'a str,
    pub(crate) subscriptions: Vec<Subscription>,
    payments: Payments,
    /// `None`: not read yet.
    sessions: Option<Vec<Session>>,
    /// `None`: not read yet, or the key may not read it.
    pub(super) customer: Option<Customer>,
    pub(super) gaps: Vec<Gap>,
}

impl<'a> CustomerObjects<'a> {
    /// What `scope` and `extras` ask for.
    pub(super) async fn read(
        api: Api<'a>,
        account: &'a Account,
        scope: Scope,
        extras: &Extras,
    ) -> Result<Self, Failure> {
        let id = account.id();
        let discounts = if extras.discounts { Discounts::Wanted } else { Discounts::NotWanted };
        let (subscriptions, payments, sessions, customer) = tokio::try_join!(
            subscription::of_customer(api, account, discounts),
            charge::payments(api, Payer::Customer(id)),
            sold_once(api, id, scope),
            read_for_extras(api, id, extras)
        )?;
        Ok(Self {
            api,
            id,
            subscriptions: subscriptions.found,
            payments: payments.found,
            sessions: sessions.found,
            customer,
            gaps: [subscriptions.gaps, payments.gaps, sessions.gaps].concat(),
        })
    }

    /// The completed checkout sessions, the newest first.
    pub(crate) async fn sessions(&mut self) -> Result<&[Session], Failure> {
        if self.sessions.is_none() {
            self.sessions = Some(checkout::of_customer(self.api, self.id, Lines::NotWanted).await?.found);
        }
        Ok(self.sessions.as_deref().unwrap_or_default())
    }

    /// The customer object itself.
    pub(crate) async fn customer(&mut self) -> Result<&Customer, Failure> {
        let customer = match self.customer.take() {
            Some(customer) => customer,
            None => customer::by_id(self.api, self.id).await?,
        };
        Ok(self.customer.insert(customer))
    }

    pub(super) fn livemodes(&self) -> impl Iterator<Item = Option<bool>> {
        let of_subscriptions = self.subscriptions.iter().map(|subscription| subscription.livemode);
        let of_sessions = self.sessions.iter().flatten().map(|session| session.livemode);
        of_subscriptions.chain(of_sessions).chain(self.customer.iter().map(|customer| customer.livemode))
    }

    pub(super) fn purchases(&self, account: &Account, scope: Scope) -> Partial<Vec<Purchase>> {
        let sessions = self.sessions.as_deref().filter(|_| scope.one_time).unwrap_or_default();
        checkout::purchases(sessions, account, &self.payments, self.on_test_clock())
    }

    /// What stands at `places`; `all_read` says whether no subscription is missing.
    pub(super) fn facts(&self, places: &[FactPlace], all_read: bool) -> BTreeMap<String, Fact> {
        facts::read(places, &self.subscriptions, all_read, self.customer.as_ref())
    }

    /// That of the customer's address, if it is asked for; else that of the card that paid last.
    pub(super) fn country(&self, extras: &Extras) -> Option<String> {
        let customer = self.customer.as_ref().filter(|_| extras.country);
        let of_address = customer.and_then(Customer::country).and_then(customer::coded);
        of_address.or_else(|| self.payments.country().map(str::to_owned))
    }

    /// In the words of the core, each invoice with what went back of its payment.
    pub(super) fn into_subscriptions(self, country: Option<&str>) -> Vec<billing::Subscription> {
        let mut subscriptions: Vec<billing::Subscription> =
            self.subscriptions.into_iter().map(|subscription| subscription.billing).collect();
        for subscription in &mut subscriptions {
            subscription.country = country.map(str::to_owned);
            subscription.invoices.iter_mut().for_each(|invoice| self.payments.attach_to_invoice(invoice));
        }
        subscriptions
    }

    fn on_test_clock(&self) -> bool {
        self.customer.as_ref().is_some_and(Customer::on_test_clock)
            || self.subscriptions.iter().any(|subscription| subscription.billing.on_test_clock)
    }
}

async fn sold_once(api: Api<'_>, id: &str, scope: Scope) -> Result<Partial<Option<Vec<Session>>>, Failure> {
    if !scope.one_time {
        return Ok(Partial::default());
    }
    let Partial { found, gaps } = checkout::of_customer(api, id, Lines::Wanted).await?;
    Ok(Partial { found: Some(found), gaps })
}

/// The customer, where something is asked of it that no access hangs on.
async fn read_for_extras(api: Api<'_>, id: &str, extras: &Extras) -> Result<Option<Customer>, Failure> {
    let wanted = extras.country || extras.facts.iter().any(FactPlace::is_of_customer);
    if wanted { customer::if_allowed(api, id).await } else { Ok(None) }
}
