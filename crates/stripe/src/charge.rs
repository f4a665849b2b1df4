//! Payments: when they were made, and what of them went back.

use std::collections::BTreeMap;

use entitlement::model::billing::{About, Dispute, DisputeState, Gap, Invoice, MoneyBack, Purchase};
use entitlement::model::clock::Timestamp;
use entitlement::model::failure::{Class, Failure};
use futures_util::future::try_join_all;
use serde::Deserialize;
use serde_json::Value;
use stripe_billing::invoice_payment::{ListInvoicePayment, ListInvoicePaymentPayment, ListInvoicePaymentPaymentType};
use stripe_client_core::StripeRequest;
use stripe_core::charge::ListCharge;
use stripe_core::dispute::ListDispute;
use stripe_core::refund::ListRefund;

use crate::api::Api;
use crate::customer;
use crate::partial::Partial;
use crate::shape::{Ref, Seconds, read};

/// Whose payments are read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Payer<'a> {
    Customer(&'a str),
    /// A guest, known by a payment intent.
    Intent(&'a str),
}

/// What is known of the payments.
#[derive(Clone, Debug, Default)]
pub(crate) struct Payments {
    /// When each payment intent was paid.
    paid_at: BTreeMap<String, Timestamp>,
    /// That of the card that paid last.
    country: Option<String>,
    returned: Vec<Returned>,
}

/// A payment of which something went back, or may.
#[derive(Clone, Debug)]
struct Returned {
    invoice: Option<String>,
    intent: Option<String>,
    back: MoneyBack,
}

/// The Charge object (<https://docs.stripe.com/api/charges/object>).
#[derive(Clone, Debug, Deserialize)]
struct ChargeObject {
    id: String,
    created: Seconds,
    #[serde(default)]
    status: Option<String>,
    #[serde(default, rename = "payment_method_details")]
    details: Value,
    #[serde(default)]
    amount_refunded: Option<i64>,
    #[serde(default)]
    refunded: Option<bool>,
    #[serde(default)]
    disputed: Option<bool>,
    /// Of old versions.
    #[serde(default)]
    dispute: Ref,
    /// Of old versions.
    #[serde(default)]
    invoice: Ref,
    #[serde(default)]
    payment_intent: Ref,
}

#[derive(Clone, Debug, Deserialize)]
struct RefundObject {
    amount: i64,
    /// Without one it is of a version that made only refunds that succeed at once.
    #[serde(default)]
    status: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct DisputeObject {
    status: String,
    #[serde(default)]
    amount: i64,
}

#[derive(Clone, Debug, Deserialize)]
struct InvoicePaymentObject {
    #[serde(default)]
    invoice: Ref,
}

/// The payments of `payer`; when the key may not read them, a gap that says so.
///
/// # Errors
/// Failures that may pass.
pub(crate) async fn payments(api: Api<'_>, payer: Payer<'_>) -> Result<Partial<Payments>, Failure> {
    match read_all(api, payer).await {
        Ok(payments) => Ok(Partial { found: payments, gaps: Vec::new() }),
        Err(ChargeError::Unreadable(why)) => Ok(unseen(&why)),
        Err(ChargeError::Failed(list, failure)) => match refusal(&failure) {
            Some(status) => Ok(unseen(&format!("{list} list answered {status}"))),
            None => Err(failure),
        },
    }
}

/// The status with which Stripe refuses this list alone. 401 is about the key, and a failure without an answer about
/// nothing: to take them for "no refunds seen" would give back what a refund took.
fn refusal(failure: &Failure) -> Option<u16> {
    match failure.class {
        Class::Transient => None,
        Class::Permanent | Class::Credentials | Class::Missing => failure.status.filter(|status| *status != 401),
    }
}

fn unseen(why: &str) -> Partial<Payments> {
    let gap = Gap { about: About::MoneyBack, what: format!("refunds and disputes ({why})") };
    Partial { found: Payments::default(), gaps: vec![gap] }
}

/// Why refunds and disputes are not known.
enum ChargeError {
    /// The list, and what became of it.
    Failed(&'static str, Failure),
    Unreadable(String),
}

async fn read_all(api: Api<'_>, payer: Payer<'_>) -> Result<Payments, ChargeError> {
    let request = |after: Option<String>| {
        let list = match payer {
            Payer::Customer(id) => ListCharge::new().customer(id),
            Payer::Intent(id) => ListCharge::new().payment_intent(id),
        };
        after.into_iter().fold(list.limit(100), ListCharge::starting_after).build()
    };
    let (Payer::Customer(id) | Payer::Intent(id)) = payer;
    let list = api.all(&format!("charges of `{id}`"), request).await;
    let list = list.map_err(|failure| ChargeError::Failed("charges", failure))?;
    let charges: Result<Vec<ChargeObject>, String> = list.data.iter().map(read).collect();
    let charges = charges.map_err(|why| ChargeError::Unreadable(format!("a charge: {why}")))?;
    let touched = charges.iter().filter(|charge| charge.is_touched());
    let returned = try_join_all(touched.map(|charge| returned(api, charge))).await?;
    Ok(Payments { paid_at: paid_at(&charges), country: country(&charges), returned })
}

fn paid_at(charges: &[ChargeObject]) -> BTreeMap<String, Timestamp> {
    let paid = charges.iter().filter(|charge| charge.status.as_deref() == Some("succeeded"));
    paid.filter_map(|charge| Some((charge.payment_intent.owned()?, charge.created.0))).collect()
}

/// Where the card was issued that paid last.
fn country(charges: &[ChargeObject]) -> Option<String> {
    let paid = charges.iter().filter(|charge| charge.status.as_deref() == Some("succeeded"));
    let dated = paid.filter_map(|charge| Some((charge.created.0, charge.card_country()?)));
    dated.max().map(|(_, country)| country)
}

async fn returned(api: Api<'_>, charge: &ChargeObject) -> Result<Returned, ChargeError> {
    let (refunded, disputes, invoice) =
        tokio::try_join!(refunded(api, &charge.id), disputes(api, &charge.id), invoice(api, charge))?;
    Ok(Returned {
        invoice,
        intent: charge.payment_intent.owned(),
        back: MoneyBack { refunded, disputes, received: None },
    })
}

/// The sum of the refunds that succeeded; others are not money back, or not yet
/// (<https://docs.stripe.com/api/refunds/object>, `status`).
async fn refunded(api: Api<'_>, charge: &str) -> Result<i64, ChargeError> {
    let request = |after: Option<String>| {
        let list = ListRefund::new().charge(charge).limit(100);
        after.into_iter().fold(list, ListRefund::starting_after).build()
    };
    let list = api.all(&format!("refunds of `{charge}`"), request).await;
    let list = list.map_err(|failure| ChargeError::Failed("refunds", failure))?;
    let refunds: Result<Vec<RefundObject>, String> = list.data.iter().map(read).collect();
    let refunds = refunds.map_err(|why| ChargeError::Unreadable(format!("a refund of `{charge}`: {why}")))?;
    let succeeded = refunds.iter().filter(|refund| matches!(refund.status.as_deref(), Some("succeeded") | None));
    Ok(succeeded.map(|refund| refund.amount).fold(0, i64::saturating_add))
}

async fn disputes(api: Api<'_>, charge: &str) -> Result<Vec<Dispute>, ChargeError> {
    let request = |after: Option<String>| {
        let list = ListDispute::new().charge(charge).limit(100);
        after.into_iter().fold(list, ListDispute::starting_after).build()
    };
    let list = api.all(&format!("disputes of `{charge}`"), request).await;
    let list = list.map_err(|failure| ChargeError::Failed("disputes", failure))?;
    let disputes: Result<Vec<DisputeObject>, String> = list.data.iter().map(read).collect();
    let disputes = disputes.map_err(|why| ChargeError::Unreadable(format!("a dispute of `{charge}`: {why}")))?;
    Ok(disputes.iter().map(|dispute| Dispute { state: state(&dispute.status), amount: dispute.amount }).collect())
}

/// By `status` of <https://docs.stripe.com/api/disputes/object>. `prevented` and the older `charge_refunded` were settled by a
/// refund, which is counted as such.
fn state(status: &str) -> DisputeState {
    match status {
        "warning_needs_response" | "warning_under_review" | "warning_closed" | "prevented" | "charge_refunded" => {
            DisputeState::Warning
        }
        "needs_response" | "under_review" => DisputeState::Open,
        "won" => DisputeState::Won,
        "lost" => DisputeState::Lost,
        other => DisputeState::Unknown(other.to_owned()),
    }
}

/// The invoice that a charge paid: on the charge itself before 2025-03-31.basil, since then in the list of invoice payments
/// (<https://docs.stripe.com/changelog/basil/2025-03-31/add-support-for-multiple-partial-payments-on-invoices>).
async fn invoice(api: Api<'_>, charge: &ChargeObject) -> Result<Option<String>, ChargeError> {
    match (charge.invoice.get(), charge.payment_intent.get()) {
        (Some(invoice), _) => Ok(Some(invoice.to_owned())),
        (None, Some(intent)) => {
            of_intent(api, intent).await.map_err(|failure| ChargeError::Failed("invoice payments", failure))
        }
        (None, None) => Ok(None),
    }
}

/// The invoice that a payment intent pays.
pub(crate) async fn of_intent(api: Api<'_>, intent: &str) -> Result<Option<String>, Failure> {
    let mut payment = ListInvoicePaymentPayment::new(ListInvoicePaymentPaymentType::PaymentIntent);
    payment.payment_intent = Some(intent.to_owned());
    let request = |after: Option<String>| {
        let list = ListInvoicePayment::new().payment(payment.clone()).limit(100);
        after.into_iter().fold(list, ListInvoicePayment::starting_after).build()
    };
    let list = api.all(&format!("invoice payments of `{intent}`"), request).await?;
    let invoices = list.data.iter().filter_map(|object| read::<InvoicePaymentObject>(object).ok());
    Ok(invoices.into_iter().find_map(|payment| payment.invoice.owned()))
}

impl ChargeObject {
    fn card_country(&self) -> Option<String> {
        customer::coded(self.details.pointer("/card/country")?.as_str()?)
    }

    /// Whether something went back, or may.
    fn is_touched(&self) -> bool {
        self.amount_refunded.is_some_and(|amount| amount > 0)
            || self.refunded == Some(true)
            || self.disputed == Some(true)
            || self.dispute.get().is_some()
    }
}

impl Payments {
    /// Two letters, ISO 3166.
    pub(crate) fn country(&self) -> Option<&str> {
        self.country.as_deref()
    }

    /// When the payment intent was paid, if it was.
    pub(crate) fn paid_at(&self, intent: &str) -> Option<Timestamp> {
        self.paid_at.get(intent).copied()
    }

    /// Adds what went back to the invoice it belongs to. An invoice that was not read is of an older term.
    pub(crate) fn attach_to_invoice(&self, invoice: &mut Invoice) {
        for returned in &self.returned {
            if returned.invoice.as_deref() == Some(invoice.id.as_str()) {
                add(&mut invoice.money_back, &returned.back);
            }
        }
    }

    /// Adds what went back to the purchase it belongs to, which bears the id of its payment or invoice.
    pub(crate) fn attach_to_purchase(&self, purchase: &mut Purchase) {
        for returned in &self.returned {
            if returned.intent.as_ref() == Some(&purchase.id) || returned.invoice.as_ref() == Some(&purchase.id) {
                add(&mut purchase.money_back, &returned.back);
            }
        }
    }
}

fn add(to: &mut MoneyBack, back: &MoneyBack) {
    to.refunded = to.refunded.saturating_add(back.refunded);
    to.disputes.extend(back.disputes.iter().cloned());
}
