//! Payments: when they were made, and what of them went back.

use std::collections::BTreeMap;

use entitlement::billing::{About, Dispute, DisputeState, Gap, Invoice, MoneyBack, Purchase};
use entitlement::clock::Timestamp;
use entitlement::failure::{Class, Failure};
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
use crate::shape::{Ref, Seconds, read};

/// Whose payments are asked for.
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

/// A charge as Stripe writes it.
#[derive(Clone, Debug, Deserialize)]
struct Written {
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
struct WrittenRefund {
    amount: i64,
    /// Without one it is of a version that made only refunds that succeed at once.
    #[serde(default)]
    status: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct WrittenDispute {
    status: String,
    #[serde(default)]
    amount: i64,
}

#[derive(Clone, Debug, Deserialize)]
struct WrittenInvoicePayment {
    #[serde(default)]
    invoice: Ref,
}

/// The payments of `payer`; when the key may not read them, a gap that says so.
///
/// # Errors
/// Failures that may pass.
pub(crate) async fn payments(api: Api<'_>, payer: Payer<'_>) -> Result<(Payments, Vec<Gap>), Failure> {
    match read_all(api, payer).await {
        Ok(payments) => Ok((payments, Vec::new())),
        Err(Trouble::Unreadable(why)) => Ok((Payments::default(), vec![gap(&why)])),
        Err(Trouble::Failed(list, failure)) => match refusal(&failure) {
            Some(status) => Ok((Payments::default(), vec![gap(&format!("{list} list answered {status}"))])),
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

fn gap(why: &str) -> Gap {
    Gap { about: About::MoneyBack, what: format!("refunds and disputes ({why})") }
}

enum Trouble {
    /// The list, and what became of it.
    Failed(&'static str, Failure),
    Unreadable(String),
}

async fn read_all(api: Api<'_>, payer: Payer<'_>) -> Result<Payments, Trouble> {
    let request = |after: Option<String>| {
        let list = match payer {
            Payer::Customer(id) => ListCharge::new().customer(id),
            Payer::Intent(id) => ListCharge::new().payment_intent(id),
        };
        after.into_iter().fold(list.limit(100), ListCharge::starting_after).build()
    };
    let (Payer::Customer(id) | Payer::Intent(id)) = payer;
    let list = api.all(&format!("charges of `{id}`"), request).await;
    let list = list.map_err(|failure| Trouble::Failed("charges", failure))?;
    let charges: Result<Vec<Written>, String> = list.data.iter().map(read).collect();
    let charges = charges.map_err(|why| Trouble::Unreadable(format!("a charge: {why}")))?;
    let touched = charges.iter().filter(|charge| charge.is_touched());
    let returned = try_join_all(touched.map(|charge| returned(api, charge))).await?;
    Ok(Payments { paid_at: paid_at(&charges), country: country(&charges), returned })
}

fn paid_at(charges: &[Written]) -> BTreeMap<String, Timestamp> {
    let paid = charges.iter().filter(|charge| charge.status.as_deref() == Some("succeeded"));
    paid.filter_map(|charge| Some((charge.payment_intent.owned()?, charge.created.0))).collect()
}

/// Where the card was issued that paid last.
fn country(charges: &[Written]) -> Option<String> {
    let paid = charges.iter().filter(|charge| charge.status.as_deref() == Some("succeeded"));
    let country = |charge: &Written| customer::coded(charge.details.pointer("/card/country")?.as_str()?);
    let told = paid.filter_map(|charge| Some((charge.created.0, country(charge)?)));
    told.max().map(|(_, country)| country)
}

async fn returned(api: Api<'_>, charge: &Written) -> Result<Returned, Trouble> {
    let (refunded, disputes, invoice) =
        tokio::try_join!(refunded(api, &charge.id), disputes(api, &charge.id), invoice(api, charge))?;
    Ok(Returned { invoice, intent: charge.payment_intent.owned(), back: MoneyBack { refunded, disputes } })
}

/// The sum of the refunds that succeeded; others are not money back, or not yet.
async fn refunded(api: Api<'_>, charge: &str) -> Result<i64, Trouble> {
    let request = |after: Option<String>| {
        let list = ListRefund::new().charge(charge).limit(100);
        after.into_iter().fold(list, ListRefund::starting_after).build()
    };
    let list = api.all(&format!("refunds of `{charge}`"), request).await;
    let list = list.map_err(|failure| Trouble::Failed("refunds", failure))?;
    let refunds: Result<Vec<WrittenRefund>, String> = list.data.iter().map(read).collect();
    let refunds = refunds.map_err(|why| Trouble::Unreadable(format!("a refund of `{charge}`: {why}")))?;
    let succeeded = refunds.iter().filter(|refund| matches!(refund.status.as_deref(), Some("succeeded") | None));
    Ok(succeeded.map(|refund| refund.amount).fold(0, i64::saturating_add))
}

async fn disputes(api: Api<'_>, charge: &str) -> Result<Vec<Dispute>, Trouble> {
    let request = |after: Option<String>| {
        let list = ListDispute::new().charge(charge).limit(100);
        after.into_iter().fold(list, ListDispute::starting_after).build()
    };
    let list = api.all(&format!("disputes of `{charge}`"), request).await;
    let list = list.map_err(|failure| Trouble::Failed("disputes", failure))?;
    let disputes: Result<Vec<WrittenDispute>, String> = list.data.iter().map(read).collect();
    let disputes = disputes.map_err(|why| Trouble::Unreadable(format!("a dispute of `{charge}`: {why}")))?;
    Ok(disputes.iter().map(|dispute| Dispute { state: state(&dispute.status), amount: dispute.amount }).collect())
}

/// `prevented` and the older `charge_refunded` were settled by a refund, which is counted as such.
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

/// The invoice a charge paid: on the charge itself before 2025-03-31, since then in the list of invoice payments.
async fn invoice(api: Api<'_>, charge: &Written) -> Result<Option<String>, Trouble> {
    match (charge.invoice.get(), charge.payment_intent.get()) {
        (Some(invoice), _) => Ok(Some(invoice.to_owned())),
        (None, Some(intent)) => {
            of_intent(api, intent).await.map_err(|failure| Trouble::Failed("invoice payments", failure))
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
    let invoices = list.data.iter().filter_map(|object| read::<WrittenInvoicePayment>(object).ok());
    Ok(invoices.into_iter().find_map(|payment| payment.invoice.owned()))
}

impl Written {
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
        let own = |id: &Option<String>| id.as_deref() == Some(purchase.id.as_str());
        let backs: Vec<&MoneyBack> = self
            .returned
            .iter()
            .filter(|returned| own(&returned.intent) || own(&returned.invoice))
            .map(|returned| &returned.back)
            .collect();
        for back in backs {
            add(&mut purchase.money_back, back);
        }
    }
}

fn add(to: &mut MoneyBack, back: &MoneyBack) {
    to.refunded = to.refunded.saturating_add(back.refunded);
    to.disputes.extend(back.disputes.iter().cloned());
}
