//! Payments: when they were made, what is on its way, and what went back.

use std::collections::{BTreeMap, BTreeSet};

use entitlement::model::billing::{About, Dispute, DisputeState, Gap, Invoice, MoneyBack, Purchase};
use entitlement::model::clock::Timestamp;
use entitlement::model::failure::Failure;
use futures_util::future::try_join_all;
use serde::Deserialize;
use serde_json::Value;
use stripe_client_core::StripeRequest;
use stripe_core::charge::ListCharge;
use stripe_core::dispute::ListDispute;
use stripe_core::refund::ListRefund;

use crate::api::{Api, refusal};
use crate::customer;
use crate::invoice_payment;
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
    /// By payment intent.
    paid: BTreeMap<String, Paid>,
    /// That of the card that paid last.
    country: Option<String>,
    returned: Vec<Returned>,
    /// The sum of the charges that succeeded, by invoice of which something went back; not there where it is not known.
    received: BTreeMap<String, i64>,
    /// Invoices with a charge that is on its way.
    pending: BTreeSet<String>,
}

/// The charges of a payment intent that succeeded.
#[derive(Clone, Copy, Debug)]
struct Paid {
    at: Timestamp,
    /// Their sum, smallest unit.
    received: i64,
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
    amount: i64,
    /// Less than the amount where only a part was captured; not there in old versions.
    #[serde(default)]
    amount_captured: Option<i64>,
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
    let touched = try_join_all(touched.map(|charge| returned(api, charge)));
    let (returned, pending) = tokio::try_join!(touched, pending(api, &charges))?;
    let received = received(api, &charges, &returned).await?;
    Ok(Payments { paid: paid(&charges), country: country(&charges), returned, received, pending })
}

fn paid(charges: &[ChargeObject]) -> BTreeMap<String, Paid> {
    let mut paid = BTreeMap::new();
    for charge in charges.iter().filter(|charge| charge.succeeded()) {
        let Some(intent) = charge.payment_intent.owned() else { continue };
        let sum = paid.entry(intent).or_insert(Paid { at: charge.created.0, received: 0 });
        *sum = Paid { at: charge.created.0, received: sum.received.saturating_add(charge.captured()) };
    }
    paid
}

/// Where the card was issued that paid last.
fn country(charges: &[ChargeObject]) -> Option<String> {
    let paid = charges.iter().filter(|charge| charge.succeeded());
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

/// The invoices with a charge that is on its way, such as a bank debit of some days
/// (<https://docs.stripe.com/api/charges/object>, `status`). Of one that the key may not look up nothing is known.
async fn pending(api: Api<'_>, charges: &[ChargeObject]) -> Result<BTreeSet<String>, ChargeError> {
    let pending = charges.iter().filter(|charge| charge.status.as_deref() == Some("pending"));
    let invoices = try_join_all(pending.map(|charge| invoice_if_allowed(api, charge))).await?;
    Ok(invoices.into_iter().flatten().collect())
}

async fn invoice_if_allowed(api: Api<'_>, charge: &ChargeObject) -> Result<Option<String>, ChargeError> {
    match invoice(api, charge).await {
        Err(ChargeError::Failed(_, failure)) if refusal(&failure).is_some() => Ok(None),
        invoice => invoice,
    }
}

/// What was received for each invoice of which something went back, as far as that is known.
async fn received(
    api: Api<'_>,
    charges: &[ChargeObject],
    returned: &[Returned],
) -> Result<BTreeMap<String, i64>, ChargeError> {
    let refunded = returned.iter().filter(|returned| returned.back.refunded > 0);
    let invoices: BTreeSet<&str> = refunded.filter_map(|returned| returned.invoice.as_deref()).collect();
    let sums = try_join_all(invoices.into_iter().map(|invoice| received_for(api, charges, invoice))).await?;
    Ok(sums.into_iter().flatten().collect())
}

/// The charges name their invoice before 2025-03-31.basil; since then the invoice payments say what was received.
async fn received_for(
    api: Api<'_>,
    charges: &[ChargeObject],
    invoice: &str,
) -> Result<Option<(String, i64)>, ChargeError> {
    let sum = match received_by_named(charges, invoice) {
        Some(sum) => Some(sum),
        None => {
            let listed = invoice_payment::received(api, invoice).await;
            listed.map_err(|failure| ChargeError::Failed("invoice payments", failure))?
        }
    };
    // a refund of nothing is no answer
    Ok(sum.filter(|sum| *sum > 0).map(|sum| (invoice.to_owned(), sum)))
}

/// The sum of the charges that succeeded of those that name `invoice`; `None` when none does.
fn received_by_named(charges: &[ChargeObject], invoice: &str) -> Option<i64> {
    let named: Vec<&ChargeObject> = charges.iter().filter(|charge| charge.invoice.get() == Some(invoice)).collect();
    let succeeded = named.iter().filter(|charge| charge.succeeded());
    let sum = succeeded.map(|charge| charge.captured()).fold(0, i64::saturating_add);
    (!named.is_empty()).then_some(sum)
}

/// The invoice that a charge paid: on the charge itself before 2025-03-31.basil, since then in the list of invoice payments.
async fn invoice(api: Api<'_>, charge: &ChargeObject) -> Result<Option<String>, ChargeError> {
    match (charge.invoice.get(), charge.payment_intent.get()) {
        (Some(invoice), _) => Ok(Some(invoice.to_owned())),
        (None, Some(intent)) => invoice_payment::invoice_of(api, intent)
            .await
            .map_err(|failure| ChargeError::Failed("invoice payments", failure)),
        (None, None) => Ok(None),
    }
}

impl ChargeObject {
    fn card_country(&self) -> Option<String> {
        customer::coded(self.details.pointer("/card/country")?.as_str()?)
    }

    fn succeeded(&self) -> bool {
        self.status.as_deref() == Some("succeeded")
    }

    fn captured(&self) -> i64 {
        self.amount_captured.unwrap_or(self.amount)
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
        self.paid.get(intent).map(|paid| paid.at)
    }

    /// Whether a charge for the invoice with this id is on its way.
    pub(crate) fn is_charging(&self, invoice: &str) -> bool {
        self.pending.contains(invoice)
    }

    /// Adds what went back to the invoice it belongs to. An invoice that was not read is of an older term.
    pub(crate) fn attach_to_invoice(&self, invoice: &mut Invoice) {
        for returned in &self.returned {
            if returned.invoice.as_deref() == Some(invoice.id.as_str()) {
                add(&mut invoice.money_back, &returned.back);
            }
        }
        if invoice.money_back.refunded > 0 {
            invoice.money_back.received = self.received.get(&invoice.id).copied();
        }
    }

    /// Adds what went back to the purchase it belongs to, which bears the id of its payment or invoice.
    pub(crate) fn attach_to_purchase(&self, purchase: &mut Purchase) {
        for returned in &self.returned {
            if returned.intent.as_ref() == Some(&purchase.id) || returned.invoice.as_ref() == Some(&purchase.id) {
                add(&mut purchase.money_back, &returned.back);
            }
        }
        if purchase.money_back.refunded > 0 {
            purchase.money_back.received = self.received_by(&purchase.id);
        }
    }

    /// The sum of the charges that succeeded for a payment intent or an invoice.
    fn received_by(&self, payment: &str) -> Option<i64> {
        let of_intent = self.paid.get(payment).map(|paid| paid.received).filter(|sum| *sum > 0);
        of_intent.or_else(|| self.received.get(payment).copied())
    }
}

fn add(to: &mut MoneyBack, back: &MoneyBack) {
    to.refunded = to.refunded.saturating_add(back.refunded);
    to.disputes.extend(back.disputes.iter().cloned());
}
