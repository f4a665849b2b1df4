//! The payment that an open invoice waits for: whether it is on its way.

use entitlement::model::billing::{Collection, InvoiceStatus};
use entitlement::model::failure::Failure;
use serde_json::Value;
use stripe_client_core::StripeRequest;
use stripe_core::payment_intent::RetrievePaymentIntent;

use super::object::InvoiceObject;
use crate::api::{Api, refusal};
use crate::invoice_payment;

/// The payment of an open invoice that is collected automatically.
#[derive(Clone, Debug)]
pub(crate) struct AwaitedPayment {
    pub(crate) invoice: String,
    intent: Intent,
}

/// Where the state of the payment stands.
#[derive(Clone, Debug)]
enum Intent {
    /// Before 2025-03-31.basil, on the invoice itself.
    Carried { is_on_its_way: bool },
    /// Before 2025-03-31.basil, by its id.
    Named(String),
    /// In the list of invoice payments.
    Listed,
}

/// What `invoice` waits for; `collection` is that of its subscription.
pub(super) fn awaited(invoice: &InvoiceObject, collection: Collection) -> Option<AwaitedPayment> {
    let waits = invoice.status() == InvoiceStatus::Open && invoice.collection(collection) == Collection::Automatic;
    let intent = match &invoice.payment_intent {
        Value::String(id) => Intent::Named(id.clone()),
        Value::Object(_) => Intent::Carried { is_on_its_way: invoice_payment::is_on_its_way(&invoice.payment_intent) },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => Intent::Listed,
    };
    waits.then(|| AwaitedPayment { invoice: invoice.id.clone(), intent })
}

impl AwaitedPayment {
    /// Whether it is on its way, such as a bank debit of some days; not when the key may not read it. One request at most.
    pub(crate) async fn is_on_its_way(&self, api: Api<'_>) -> Result<bool, Failure> {
        match &self.intent {
            Intent::Carried { is_on_its_way } => Ok(*is_on_its_way),
            Intent::Named(intent) => is_processing(api, intent).await,
            Intent::Listed => invoice_payment::is_processing(api, &self.invoice).await,
        }
    }
}

async fn is_processing(api: Api<'_>, intent: &str) -> Result<bool, Failure> {
    let request = RetrievePaymentIntent::new(intent).build();
    match api.get::<Value>(&format!("payment intent `{intent}`"), request).await {
        Ok(object) => Ok(invoice_payment::is_on_its_way(&object)),
        Err(failure) if refusal(&failure).is_some() => Ok(false),
        Err(failure) => Err(failure),
    }
}
