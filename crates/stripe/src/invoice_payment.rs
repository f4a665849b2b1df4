//! The payments of an invoice: a list of their own since 2025-03-31.basil.
//!
//! <https://docs.stripe.com/changelog/basil/2025-03-31/add-support-for-multiple-partial-payments-on-invoices>,
//! <https://docs.stripe.com/api/invoice-payment/object>.

use entitlement::model::failure::Failure;
use serde::Deserialize;
use serde_json::Value;
use stripe_billing::invoice_payment::{
    ListInvoicePayment, ListInvoicePaymentPayment, ListInvoicePaymentPaymentType, ListInvoicePaymentStatus,
};
use stripe_client_core::StripeRequest;

use crate::api::{Api, refusal};
use crate::shape::{List, Ref, read};

#[derive(Clone, Debug, Deserialize)]
struct InvoicePayment {
    #[serde(default)]
    invoice: Ref,
    #[serde(default)]
    amount_paid: Option<i64>,
    /// Read from what may stand there: what paid, by its `type`.
    #[serde(default)]
    payment: Value,
}

/// The invoice that a payment intent pays.
pub(crate) async fn invoice_of(api: Api<'_>, intent: &str) -> Result<Option<String>, Failure> {
    let mut payment = ListInvoicePaymentPayment::new(ListInvoicePaymentPaymentType::PaymentIntent);
    payment.payment_intent = Some(intent.to_owned());
    let request = |after: Option<String>| {
        let list = ListInvoicePayment::new().payment(payment.clone()).limit(100);
        after.into_iter().fold(list, ListInvoicePayment::starting_after).build()
    };
    let list = api.all(&format!("invoice payments of `{intent}`"), request).await?;
    let payments = list.data.iter().filter_map(|object| read::<InvoicePayment>(object).ok());
    Ok(payments.into_iter().find_map(|payment| payment.invoice.owned()))
}

/// What charges paid of an invoice, smallest unit; `None` when the key may not read it, or it cannot be understood.
pub(crate) async fn received(api: Api<'_>, invoice: &str) -> Result<Option<i64>, Failure> {
    let request = |after: Option<String>| {
        let list = ListInvoicePayment::new().invoice(invoice).status(ListInvoicePaymentStatus::Paid).limit(100);
        after.into_iter().fold(list, ListInvoicePayment::starting_after).build()
    };
    match api.all(&format!("invoice payments of `{invoice}`"), request).await {
        Ok(list) => Ok(charged(&list)),
        Err(failure) if refusal(&failure).is_some() => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn charged(list: &List) -> Option<i64> {
    let payments: Vec<InvoicePayment> = list.data.iter().map(read).collect::<Result<_, _>>().ok()?;
    let by_charge = payments.iter().filter(|payment| payment.is_by_charge());
    by_charge.map(|payment| payment.amount_paid).try_fold(0, |sum: i64, paid| Some(sum.saturating_add(paid?)))
}

/// Whether a payment of the invoice is on its way; not when the key may not read it.
pub(crate) async fn is_processing(api: Api<'_>, invoice: &str) -> Result<bool, Failure> {
    let list = ListInvoicePayment::new().invoice(invoice).limit(100);
    let request = list.expand(vec!["data.payment.payment_intent".to_owned()]).build();
    match api.get::<List>(&format!("invoice payments of `{invoice}`"), request).await {
        Ok(list) => {
            let payments = list.data.iter().filter_map(|object| read::<InvoicePayment>(object).ok());
            Ok(payments.into_iter().any(|payment| payment.is_processing()))
        }
        Err(failure) if refusal(&failure).is_some() => Ok(false),
        Err(failure) => Err(failure),
    }
}

impl InvoicePayment {
    /// A payment record was paid outside of Stripe: nothing that Stripe could give back.
    fn is_by_charge(&self) -> bool {
        matches!(self.payment.pointer("/type").and_then(Value::as_str), Some("payment_intent" | "charge"))
    }

    fn is_processing(&self) -> bool {
        self.payment.pointer("/payment_intent").is_some_and(is_on_its_way)
    }
}

/// Whether an expanded payment intent is on its way (<https://docs.stripe.com/payments/paymentintents/lifecycle>).
pub(crate) fn is_on_its_way(intent: &Value) -> bool {
    intent.pointer("/status").and_then(Value::as_str) == Some("processing")
}
