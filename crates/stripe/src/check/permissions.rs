//! What a key may read: one object of each kind is requested.

use entitlement::model::clock::Timestamp;
use entitlement::model::failure::Failure;
use entitlement::model::mode::Mode;
use serde::Deserialize;
use stripe_billing::invoice::ListInvoice;
use stripe_billing::invoice_payment::ListInvoicePayment;
use stripe_billing::subscription::ListSubscription;
use stripe_checkout::checkout_session::ListCheckoutSession;
use stripe_client_core::{RequestBuilder, StripeRequest};
use stripe_core::charge::ListCharge;
use stripe_core::customer::ListCustomer;
use stripe_core::dispute::ListDispute;
use stripe_core::event::ListEvent;
use stripe_core::payment_intent::ListPaymentIntent;
use stripe_core::refund::ListRefund;

use crate::api::Api;
use crate::client::Stripe;
use crate::shape::{List, read};

/// A kind of object that a sync reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readable {
    Events,
    Customers,
    Subscriptions,
    Invoices,
    InvoicePayments,
    CheckoutSessions,
    PaymentIntents,
    Charges,
    Refunds,
    Disputes,
}

/// What one object, or the absence of any, shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The mode of the object.
    pub mode: Option<Mode>,
    /// Stripe's clock when it answered.
    pub date: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
struct AnyObject {
    #[serde(default)]
    livemode: Option<bool>,
}

impl Readable {
    /// Events first: whoever may read nothing else may read them.
    pub const ALL: [Self; 10] = [
        Self::Events,
        Self::Customers,
        Self::Subscriptions,
        Self::Invoices,
        Self::InvoicePayments,
        Self::CheckoutSessions,
        Self::PaymentIntents,
        Self::Charges,
        Self::Refunds,
        Self::Disputes,
    ];

    /// The permission of a restricted key that it takes, as the dashboard calls it.
    #[must_use]
    pub fn permission(self) -> &'static str {
        match self {
            Self::Events => "Events",
            Self::Customers => "Customers",
            Self::Subscriptions => "Subscriptions",
            Self::Invoices => "Invoices",
            Self::InvoicePayments => "Invoice payments",
            Self::CheckoutSessions => "Checkout Sessions",
            Self::PaymentIntents => "Payment Intents",
            Self::Charges | Self::Refunds => "Charges and refunds",
            Self::Disputes => "Disputes",
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Customers => "customers",
            Self::Subscriptions => "subscriptions",
            Self::Invoices => "invoices",
            Self::InvoicePayments => "invoice payments",
            Self::CheckoutSessions => "checkout sessions",
            Self::PaymentIntents => "payment intents",
            Self::Charges => "charges",
            Self::Refunds => "refunds",
            Self::Disputes => "disputes",
        }
    }

    fn request(self) -> RequestBuilder {
        match self {
            Self::Events => ListEvent::new().limit(1).build(),
            Self::Customers => ListCustomer::new().limit(1).build(),
            Self::Subscriptions => ListSubscription::new().limit(1).build(),
            Self::Invoices => ListInvoice::new().limit(1).build(),
            Self::InvoicePayments => ListInvoicePayment::new().limit(1).build(),
            Self::CheckoutSessions => ListCheckoutSession::new().limit(1).build(),
            Self::PaymentIntents => ListPaymentIntent::new().limit(1).build(),
            Self::Charges => ListCharge::new().limit(1).build(),
            Self::Refunds => ListRefund::new().limit(1).build(),
            Self::Disputes => ListDispute::new().limit(1).build(),
        }
    }
}

impl Stripe {
    /// Reads at most one object of this kind.
    ///
    /// # Errors
    /// The failed request: status 401 when the key is worth nothing, 403 when it may not read this.
    pub async fn sample(&self, of: Readable) -> Result<Sample, Failure> {
        let answer = Api::new(&self.upstream, None).answer(of.what(), of.request()).await?;
        let list: List = answer.json(of.what())?;
        let first = list.data.first().and_then(|object| read::<AnyObject>(object).ok());
        let mode = first.and_then(|object| object.livemode).map(Mode::of_livemode);
        Ok(Sample { mode, date: answer.date })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_server::{TestServer, list};

    #[tokio::test]
    async fn one_object_of_each_kind_is_requested() {
        let paths = [
            "/v1/events",
            "/v1/customers",
            "/v1/subscriptions",
            "/v1/invoices",
            "/v1/invoice_payments",
            "/v1/checkout/sessions",
            "/v1/payment_intents",
            "/v1/charges",
            "/v1/refunds",
            "/v1/disputes",
        ];
        let server = paths.iter().fold(TestServer::new(), |server, path| server.with(path, list(&[])));
        let stripe = server.stripe(&[]).await;
        for readable in Readable::ALL {
            assert_eq!(stripe.sample(readable).await, Ok(Sample { mode: None, date: None }));
        }
        assert_eq!(server.requests(), paths.map(|path| format!("{path}?limit=1")));
    }

    #[tokio::test]
    async fn an_object_shows_its_mode_and_a_refusal_its_status() {
        let server = TestServer::new()
            .with("/v1/charges", list(&[json!({"id": "ch_1", "livemode": true})]))
            .with("/v1/events", list(&[json!({"id": "evt_1", "livemode": "yes"})]))
            .status("/v1/disputes", 403, json!({"error": {"type": "invalid_request_error"}}));
        let stripe = server.stripe(&[]).await;
        assert_eq!(stripe.sample(Readable::Charges).await.unwrap().mode, Some(Mode::Live));
        assert_eq!(stripe.sample(Readable::Events).await.unwrap().mode, None);
        assert_eq!(stripe.sample(Readable::Disputes).await.unwrap_err().status, Some(403));
        assert!(stripe.sample(Readable::Charges).await.is_ok(), "a refused kind does not cost the key");
    }
}
