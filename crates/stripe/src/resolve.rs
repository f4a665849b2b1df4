//! Finds the account behind an object that names no customer.
//!
//! A refund leads to its charge, a charge to its payment, a payment to the session or invoice it paid. Since the version
//! 2025-03-31 neither charge nor payment intent says which invoice it paid; the list of invoice payments does.

use entitlement::model::account::Account;
use entitlement::model::failure::Failure;
use entitlement::model::reading::Resolved;
use serde::Deserialize;
use stripe_billing::invoice::RetrieveInvoice;
use stripe_billing::invoice_payment::RetrieveInvoicePayment;
use stripe_billing::subscription::RetrieveSubscription;
use stripe_billing::subscription_item::RetrieveSubscriptionItem;
use stripe_checkout::checkout_session::{ListCheckoutSession, RetrieveCheckoutSession};
use stripe_client_core::{RequestBuilder, StripeMethod, StripeRequest};
use stripe_core::charge::RetrieveCharge;
use stripe_core::customer::RetrieveCustomer;
use stripe_core::dispute::RetrieveDispute;
use stripe_core::payment_intent::RetrievePaymentIntent;
use stripe_core::refund::RetrieveRefund;

use crate::account;
use crate::api::Api;
use crate::client::Stripe;
use crate::invoice_payment;
use crate::kind::Kind;
use crate::shape::{List, Ref, read};

/// Longer than any way from an object to its customer.
const HOPS: usize = 6;

/// An object, as far as it leads to others; references are ids or expanded objects.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Pointers {
    id: Ref,
    mode: Option<String>,
    customer: Ref,
    subscription: Ref,
    invoice: Ref,
    charge: Ref,
    payment_intent: Ref,
}

/// Where an object leads.
enum Next {
    Found(Resolved),
    Object(String),
}

impl Stripe {
    /// The account behind what the worklist holds: a customer is its own, any other object is followed. Somebody who paid
    /// without becoming a customer is known by the session.
    ///
    /// # Errors
    /// The failed request; `Class::Missing` when the object is not there any more.
    pub async fn resolve(&self, account: &Account) -> Result<Resolved, Failure> {
        let api = Api::about(&self.upstream, account);
        let mut id = account.id().to_owned();
        for _ in 0..HOPS {
            let Some(kind) = Kind::of_id(&id).filter(|kind| *kind != Kind::Customer) else {
                return Ok(Resolved::Account(account::of(account::connect(account), &id)));
            };
            match step(api, account::connect(account), kind, &id).await? {
                Next::Found(resolved) => return Ok(resolved),
                Next::Object(next) => id = next,
            }
        }
        Ok(Resolved::Nobody(format!("object `{}` leads from one object to the next", account.id())))
    }
}

async fn step(api: Api<'_>, connect: Option<&str>, kind: Kind, id: &str) -> Result<Next, Failure> {
    let object: Pointers = api.get(&format!("object `{id}`"), retrieve(kind, id)).await?;
    if let Some(customer) = object.customer.get() {
        return Ok(Next::Found(Resolved::Account(account::of(connect, customer))));
    }
    let next = match kind {
        Kind::PaymentIntent if object.invoice.get().is_none() => return of_intent(api, connect, id).await,
        Kind::CheckoutSession => return Ok(of_session(connect, id, &object)),
        Kind::Charge => object.invoice.owned().or_else(|| object.payment_intent.owned()),
        Kind::Refund | Kind::Dispute => object.charge.owned().or_else(|| object.payment_intent.owned()),
        Kind::InvoicePayment | Kind::CreditNote | Kind::PaymentIntent => object.invoice.owned(),
        Kind::SubscriptionItem => object.subscription.owned(),
        Kind::Invoice | Kind::Subscription | Kind::Customer => None,
    };
    let nobody = || Next::Found(Resolved::Nobody(format!("object `{id}` names no customer")));
    Ok(next.map_or_else(nobody, Next::Object))
}

fn of_session(connect: Option<&str>, id: &str, session: &Pointers) -> Next {
    match (session.subscription.owned(), session.mode.as_deref()) {
        (Some(subscription), _) => Next::Object(subscription),
        (None, Some("setup" | "subscription")) => {
            Next::Found(Resolved::Nobody(format!("checkout session `{id}` bought nothing")))
        }
        (None, _) => Next::Found(Resolved::Account(account::of(connect, id))),
    }
}

/// A payment without a customer: of a guest's session, or of an invoice.
async fn of_intent(api: Api<'_>, connect: Option<&str>, intent: &str) -> Result<Next, Failure> {
    let request = ListCheckoutSession::new().payment_intent(intent).limit(1).build();
    let sessions: List = api.get(&format!("checkout sessions of `{intent}`"), request).await?;
    let session = sessions.data.first().and_then(|object| read::<Pointers>(object).ok());
    if let Some((session, id)) = session.and_then(|session| Some((session.clone(), session.id.owned()?))) {
        return Ok(match session.customer.get() {
            Some(customer) => Next::Found(Resolved::Account(account::of(connect, customer))),
            None => of_session(connect, &id, &session),
        });
    }
    Ok(match invoice_payment::invoice_of(api, intent).await? {
        Some(invoice) => Next::Object(invoice),
        None => {
            let why = format!("payment `{intent}` belongs to no customer, checkout session or invoice");
            Next::Found(Resolved::Nobody(why))
        }
    })
}

fn retrieve(kind: Kind, id: &str) -> RequestBuilder {
    match kind {
        Kind::Customer => RetrieveCustomer::new(id).build(),
        Kind::Subscription => RetrieveSubscription::new(id).build(),
        Kind::SubscriptionItem => RetrieveSubscriptionItem::new(id).build(),
        Kind::Invoice => RetrieveInvoice::new(id).build(),
        Kind::InvoicePayment => RetrieveInvoicePayment::new(id).build(),
        // async-stripe has no request for it without a further feature
        Kind::CreditNote => RequestBuilder::new(StripeMethod::Get, format!("/credit_notes/{id}")),
        Kind::Charge => RetrieveCharge::new(id).build(),
        Kind::PaymentIntent => RetrievePaymentIntent::new(id).build(),
        Kind::Refund => RetrieveRefund::new(id).build(),
        Kind::Dispute => RetrieveDispute::new(id).build(),
        Kind::CheckoutSession => RetrieveCheckoutSession::new(id).build(),
    }
}

#[cfg(test)]
mod tests;
