//! The objects of one customer, read side by side; some only when they are first asked for.

use std::collections::{BTreeMap, BTreeSet};

use entitlement::model::account::Account;
use entitlement::model::attributes::Fact;
use entitlement::model::billing::{self, Gap, Invoice, InvoiceStatus, Purchase};
use entitlement::model::failure::Failure;
use entitlement::model::reading::Scope;
use futures_util::future::try_join_all;

use crate::api::Api;
use crate::charge::{self, Payer, Payments};
use crate::checkout::{self, Lines, Session};
use crate::client::Extras;
use crate::customer::{self, Customer};
use crate::discount::Discounts;
use crate::facts::{self, FactPlace};
use crate::invoice::sold_once::{self, SoldOnce};
use crate::partial::Partial;
use crate::subscription::{self, Subscription};

pub(crate) struct CustomerObjects<'a> {
    api: Api<'a>,
    pub(crate) id: &'a str,
    pub(crate) subscriptions: Vec<Subscription>,
    payments: Payments,
    /// `None`: not read yet.
    sessions: Option<Vec<Session>>,
    /// What was sold once on invoices.
    invoiced: Vec<SoldOnce>,
    /// Open invoices whose payment is on its way.
    processing: BTreeSet<String>,
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
        let (subscriptions, payments, sessions, invoiced, customer) = tokio::try_join!(
            subscription::of_customer(api, account, discounts),
            charge::payments(api, Payer::Customer(id)),
            sold_in_sessions(api, id, scope),
            sold_on_invoices(api, account, scope),
            read_for_extras(api, id, extras)
        )?;
        let processing = processing(api, &subscriptions.found, &payments.found).await?;
        Ok(Self {
            api,
            id,
            subscriptions: subscriptions.found,
            payments: payments.found,
            sessions: sessions.found,
            invoiced: invoiced.found,
            processing,
            customer,
            gaps: [subscriptions.gaps, payments.gaps, sessions.gaps, invoiced.gaps].concat(),
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
        let of_invoices = self.invoiced.iter().map(|sold| sold.livemode);
        of_subscriptions
            .chain(of_sessions)
            .chain(of_invoices)
            .chain(self.customer.iter().map(|customer| customer.livemode))
    }

    pub(super) fn purchases(&self, account: &Account, scope: Scope) -> Partial<Vec<Purchase>> {
        let sessions = self.sessions.as_deref().filter(|_| scope.one_time).unwrap_or_default();
        let mut purchases = checkout::purchases(sessions, account, &self.payments, self.on_test_clock());
        let invoiced = self.invoiced.iter().map(|sold| &sold.purchase);
        let invoiced = invoiced.filter(|purchase| !checkout::is_sold_by(sessions, &purchase.id));
        purchases.found.extend(invoiced.map(|purchase| self.with_payments(purchase.clone())));
        purchases
    }

    /// A purchase on an invoice, with what its payments say.
    fn with_payments(&self, mut purchase: Purchase) -> Purchase {
        purchase.on_test_clock |= self.on_test_clock();
        self.payments.attach_to_purchase(&mut purchase);
        purchase
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

    /// In the words of the core, each invoice with what its payments say.
    pub(super) fn into_subscriptions(mut self, country: Option<&str>) -> Vec<billing::Subscription> {
        let mut subscriptions: Vec<billing::Subscription> =
            self.subscriptions.drain(..).map(|subscription| subscription.billing).collect();
        for subscription in &mut subscriptions {
            subscription.country = country.map(str::to_owned);
            for invoice in &mut subscription.invoices {
                invoice.is_processing = self.is_processing(invoice);
                self.payments.attach_to_invoice(invoice);
            }
        }
        subscriptions
    }

    fn is_processing(&self, invoice: &Invoice) -> bool {
        let is_on_its_way = self.processing.contains(&invoice.id) || self.payments.is_charging(&invoice.id);
        invoice.status == InvoiceStatus::Open && is_on_its_way
    }

    fn on_test_clock(&self) -> bool {
        self.customer.as_ref().is_some_and(Customer::on_test_clock)
            || self.subscriptions.iter().any(|subscription| subscription.billing.on_test_clock)
    }
}

/// The latest invoices whose payment is on its way without a charge that says so.
async fn processing(
    api: Api<'_>,
    subscriptions: &[Subscription],
    payments: &Payments,
) -> Result<BTreeSet<String>, Failure> {
    let awaited = subscriptions.iter().filter_map(|subscription| subscription.awaited.as_ref());
    let uncharged: Vec<_> = awaited.filter(|payment| !payments.is_charging(&payment.invoice)).collect();
    let on_their_way = try_join_all(uncharged.iter().map(|payment| payment.is_on_its_way(api))).await?;
    let known = uncharged.iter().zip(on_their_way).filter(|(_, is_on_its_way)| *is_on_its_way);
    Ok(known.map(|(payment, _)| payment.invoice.clone()).collect())
}

async fn sold_on_invoices(api: Api<'_>, account: &Account, scope: Scope) -> Result<Partial<Vec<SoldOnce>>, Failure> {
    if scope.one_time { sold_once::of_customer(api, account).await } else { Ok(Partial::default()) }
}

async fn sold_in_sessions(api: Api<'_>, id: &str, scope: Scope) -> Result<Partial<Option<Vec<Session>>>, Failure> {
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
