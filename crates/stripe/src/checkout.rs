//! Completed checkout sessions: purchases, and who bought.

use entitlement::model::account::Account;
use entitlement::model::billing::{About, Gap, MoneyBack, Purchase, PurchaseLine, PurchaseState, SoldOn};
use entitlement::model::failure::{Failure, brief};
use entitlement::model::money::Money;
use futures_util::future::try_join_all;
use serde::Deserialize;
use serde_json::Value;
use stripe_checkout::CheckoutSessionStatus;
use stripe_checkout::checkout_session::{ListCheckoutSession, ListLineItemsCheckoutSession, RetrieveCheckoutSession};
use stripe_client_core::StripeRequest;

use crate::api::Api;
use crate::charge::Payments;
use crate::customer;
use crate::partial::Partial;
use crate::shape::{Expandable, List, Metadata, Object, Price, Ref, Seconds, id_of, read};

/// The Checkout Session object (<https://docs.stripe.com/api/checkout/sessions/object>).
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Session {
    id: String,
    created: Seconds,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    mode: Option<String>,
    #[serde(default)]
    payment_status: Option<String>,
    #[serde(default)]
    pub(crate) payment_intent: Ref,
    #[serde(default)]
    invoice: Ref,
    #[serde(default)]
    amount_total: Option<i64>,
    #[serde(default)]
    currency: Option<String>,
    #[serde(default)]
    line_items: Option<List>,
    #[serde(default)]
    pub(crate) client_reference_id: Option<String>,
    #[serde(default)]
    pub(crate) metadata: Metadata,
    #[serde(default)]
    customer_details: Option<Details>,
    #[serde(default)]
    pub(crate) livemode: Option<bool>,
}

#[derive(Clone, Debug, Deserialize)]
struct Details {
    #[serde(default)]
    email: Option<String>,
    /// Read from what may stand there, since no access hangs on it.
    #[serde(default)]
    address: Value,
}

#[derive(Clone, Debug, Deserialize)]
struct LineItem {
    #[serde(default)]
    price: Option<Expandable<Price>>,
    #[serde(default)]
    quantity: Option<i64>,
    amount_total: i64,
}

/// Whether sessions are read with their lines, or only for what they say of the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lines {
    Wanted,
    NotWanted,
}

/// The completed sessions of a customer, newest first; one that cannot be read leaves a gap.
pub(crate) async fn of_customer(api: Api<'_>, customer: &str, lines: Lines) -> Result<Partial<Vec<Session>>, Failure> {
    let request = |after: Option<String>| {
        let list = ListCheckoutSession::new().customer(customer).status(CheckoutSessionStatus::Complete).limit(100);
        let list = if lines == Lines::Wanted { list.expand(vec!["data.line_items".to_owned()]) } else { list };
        after.into_iter().fold(list, ListCheckoutSession::starting_after).build()
    };
    let list = api.all(&format!("checkout sessions of `{customer}`"), request).await?;
    let mut sessions = Partial::default();
    list.data.iter().for_each(|object| sessions.add(session(object)));
    sessions.found.retain(Session::is_complete);
    if lines == Lines::Wanted {
        try_join_all(sessions.found.iter_mut().map(|session| read_further_lines(api, session))).await?;
    }
    sessions.found.sort_by(|one, other| (other.created.0, &other.id).cmp(&(one.created.0, &one.id)));
    Ok(sessions)
}

/// One session by its id; `None` and a gap when it cannot be read.
pub(crate) async fn by_id(api: Api<'_>, id: &str) -> Result<Partial<Option<Session>>, Failure> {
    let request = RetrieveCheckoutSession::new(id).expand(vec!["line_items".to_owned()]).build();
    let object: Object = api.get(&format!("checkout session `{id}`"), request).await?;
    match session(&object) {
        Ok(mut session) => {
            read_further_lines(api, &mut session).await?;
            Ok(Partial { found: Some(session), gaps: Vec::new() })
        }
        Err(gap) => Ok(Partial { found: None, gaps: vec![gap] }),
    }
}

fn session(object: &Object) -> Result<Session, Gap> {
    read(object).map_err(|why| match id_of(object) {
        Some(id) => gap(&id, &id, &why),
        None => Gap { about: About::Everything, what: "a checkout session without `id`".to_owned() },
    })
}

fn gap(chain: &str, session: &str, why: &str) -> Gap {
    Gap { about: About::Chain(chain.to_owned()), what: brief(format!("checkout session `{session}`: {why}")) }
}

/// Reads the lines of a purchase that it does not carry.
async fn read_further_lines(api: Api<'_>, session: &mut Session) -> Result<(), Failure> {
    if !session.is_purchase() {
        return Ok(());
    }
    let id = session.id.clone();
    let request = |after: Option<String>| {
        let list = ListLineItemsCheckoutSession::new(id.as_str()).limit(100);
        after.into_iter().fold(list, ListLineItemsCheckoutSession::starting_after).build()
    };
    let carried = session.line_items.take().unwrap_or_else(List::unread);
    session.line_items = Some(api.rest(&format!("line items of checkout session `{id}`"), carried, request).await?);
    Ok(())
}

/// The purchases among `sessions`, with their payments; one that cannot be read leaves a gap.
pub(crate) fn purchases(
    sessions: &[Session],
    account: &Account,
    payments: &Payments,
    on_test_clock: bool,
) -> Partial<Vec<Purchase>> {
    let mut purchases = Partial::default();
    for session in sessions.iter().filter(|session| session.is_purchase()) {
        let purchase = session.purchase(account, payments);
        purchases.add(purchase.map_err(|why| gap(session.purchase_id(), &session.id, &why)));
    }
    purchases.found.iter_mut().for_each(|purchase| purchase.on_test_clock = on_test_clock);
    purchases
}

/// Whether one of `sessions` is the purchase that `invoice` billed.
pub(crate) fn is_sold_by(sessions: &[Session], invoice: &str) -> bool {
    sessions.iter().any(|session| session.was_billed_by(invoice))
}

impl Session {
    pub(crate) fn is_complete(&self) -> bool {
        self.status.as_deref() == Some("complete")
    }

    /// Whether it is a purchase that was billed by `invoice`.
    fn was_billed_by(&self, invoice: &str) -> bool {
        self.is_purchase() && self.invoice.get() == Some(invoice)
    }

    fn is_purchase(&self) -> bool {
        self.is_complete() && self.mode.as_deref() == Some("payment")
    }

    /// The e-mail address a guest checked out with.
    pub(crate) fn email(&self) -> Option<&str> {
        self.customer_details.as_ref()?.email.as_deref()
    }

    /// The country of the address they gave.
    fn country(&self) -> Option<String> {
        customer::coded(customer::country_of(&self.customer_details.as_ref()?.address)?)
    }

    /// The purchase's id: where nothing was due there is no payment, and without an invoice only the session.
    fn purchase_id(&self) -> &str {
        self.payment_intent.get().or_else(|| self.invoice.get()).unwrap_or(&self.id)
    }

    fn purchase(&self, account: &Account, payments: &Payments) -> Result<Purchase, String> {
        let minor = self.amount_total.ok_or("missing field `amount_total`")?;
        let currency = self.currency.as_ref().ok_or("missing field `currency`")?.to_ascii_lowercase();
        let lines = self.line_items.as_ref().map_or(&[][..], |lines| lines.data.as_slice());
        let mut purchase = Purchase {
            country: self.country().or_else(|| payments.country().map(str::to_owned)),
            variation: self.metadata.variation(),
            account: account.clone(),
            id: self.purchase_id().to_owned(),
            state: self.state(payments),
            created: self.created.0,
            total: Money { minor, currency },
            lines: lines.iter().map(line).collect::<Result<_, _>>()?,
            money_back: MoneyBack::default(),
            on_test_clock: false,
            sold_on: SoldOn::Checkout,
        };
        payments.attach_to_purchase(&mut purchase);
        Ok(purchase)
    }

    /// By `payment_status` of <https://docs.stripe.com/api/checkout/sessions/object>. A session that was paid without a payment
    /// was paid when it was made.
    fn state(&self, payments: &Payments) -> PurchaseState {
        let paid_at = || self.payment_intent.get().and_then(|intent| payments.paid_at(intent));
        match self.payment_status.as_deref() {
            Some("paid" | "no_payment_required") => PurchaseState::Paid(paid_at().unwrap_or(self.created.0)),
            Some("unpaid") => PurchaseState::Waiting,
            Some(other) => PurchaseState::Unknown(other.to_owned()),
            None => PurchaseState::Unknown("missing".to_owned()),
        }
    }
}

fn line(object: &Object) -> Result<PurchaseLine, String> {
    let missing = |field: &str| format!("line item: missing field `{field}`");
    let line: LineItem = read(object).map_err(|why| format!("line item: {why}"))?;
    let price = line.price.as_ref().ok_or_else(|| missing("price"))?;
    Ok(PurchaseLine {
        price: price.id().ok_or_else(|| missing("price.id"))?.to_owned(),
        product: price.product().ok_or_else(|| missing("price.product"))?.to_owned(),
        quantity: line.quantity.map_or(1, |quantity| u64::try_from(quantity).unwrap_or(0)),
        amount: line.amount_total,
    })
}
