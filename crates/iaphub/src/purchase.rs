//! The body of a report: a purchase, as IAPHUB names its fields.
//!
//! The names and values are those of a purchase on IAPHUB's pages and in its clients; that a report takes them is
//! unverified. What is not known is left out, never null.

use chrono::SecondsFormat;
use entitlement::model::billing::Stop;
use entitlement::model::clock::Timestamp;
use entitlement::model::money::Money;
use entitlement::model::sale::{Offer, SaleStatus};
use entitlement::model::step::{ReportSale, SaleEvent};
use entitlement::model::until::Until;
use entitlement::model::user::User;
use serde_json::{Number, Value};

/// A field of the purchase.
type Field = (&'static str, Value);

/// The purchase that `report` is about; `None` without the status of its sale, which has its ids and dates.
#[must_use]
pub(crate) fn body(user: &User, environment: &str, report: &ReportSale) -> Option<Value> {
    let sale = &report.sale;
    let status = sale.status.as_deref()?;
    let mut fields: Vec<Field> = vec![
        ("userId", user.as_str().into()),
        ("environment", environment.into()),
        ("platform", report.store.as_str().into()),
        ("productSku", sale.product.as_str().into()),
        ("orderId", status.id.as_str().into()),
        ("originalPurchase", status.original.as_str().into()),
        ("purchaseDate", date(status.bought_at)),
        ("isSandbox", report.sandbox.into()),
    ];
    fields.extend(sale.price.iter().flat_map(price));
    fields.extend(status.country.iter().map(|country| ("country", country.as_str().into())));
    fields.extend(end(report.event, status).map(|end| ("expirationDate", date(end))));
    fields.extend(refund(report.event));
    fields.extend(subscription(report, status));
    Some(fields.into_iter().collect())
}

/// The amount in major units, read from its exact decimal text, so that 9.99 is sent as 9.99; and its currency.
fn price(price: &Money) -> [Field; 2] {
    let value = serde_json::from_str::<Number>(&price.major()).expect("a decimal text is a JSON number");
    [("currency", price.code().into()), ("price", value.into())]
}

fn end(event: SaleEvent, status: &SaleStatus) -> Option<Timestamp> {
    match event {
        SaleEvent::Sold | SaleEvent::Changed | SaleEvent::Refunded(_) => status.paid_until.at(),
        SaleEvent::Ended(at) => Some(at),
    }
}

fn refund(event: SaleEvent) -> Vec<Field> {
    match event {
        SaleEvent::Refunded(at) => vec![("isRefunded", true.into()), ("refundDate", date(at))],
        SaleEvent::Sold | SaleEvent::Changed | SaleEvent::Ended(_) => vec![("isRefunded", false.into())],
    }
}

/// What is for life is no subscription.
fn subscription(report: &ReportSale, status: &SaleStatus) -> Vec<Field> {
    if status.paid_until == Until::Lifetime {
        return vec![("isSubscription", false.into())];
    }
    let is_trial = report.sale.offer == Some(Offer::FreeTrial);
    let mut fields: Vec<Field> = vec![
        ("isSubscription", true.into()),
        ("isSubscriptionRenewable", renews(report.event, status).into()),
        ("subscriptionState", state(report.event, status).into()),
        ("subscriptionPeriodType", if is_trial { "trial" } else { "normal" }.into()),
    ];
    fields.extend(cancel_reason(report.event, status).map(|reason| ("subscriptionCancelReason", reason.into())));
    fields
}

fn renews(event: SaleEvent, status: &SaleStatus) -> bool {
    match event {
        SaleEvent::Sold | SaleEvent::Changed => status.renews,
        SaleEvent::Refunded(_) | SaleEvent::Ended(_) => false,
    }
}

fn state(event: SaleEvent, status: &SaleStatus) -> &'static str {
    match event {
        SaleEvent::Refunded(_) | SaleEvent::Ended(_) => "expired",
        SaleEvent::Sold | SaleEvent::Changed if status.payment_failed_at.is_some() => "grace_period",
        SaleEvent::Sold | SaleEvent::Changed => "active",
    }
}

/// Why it renews no more, as far as that is known.
fn cancel_reason(event: SaleEvent, status: &SaleStatus) -> Option<&'static str> {
    let stopped = status.stop.map(stop_reason);
    match event {
        SaleEvent::Refunded(_) => Some("refunded"),
        SaleEvent::Sold | SaleEvent::Changed => stopped,
        SaleEvent::Ended(_) => stopped.or(status.payment_failed_at.map(|_| "billing_error")),
    }
}

fn stop_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::Asked => "customer_canceled",
        Stop::PaymentFailed => "billing_error",
        Stop::PaymentDisputed | Stop::Unknown => "unknown",
    }
}

fn date(at: Timestamp) -> Value {
    at.to_rfc3339_opts(SecondsFormat::Millis, true).into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sample::{at, report, status, user};

    fn sent(report: &ReportSale) -> Value {
        body(&user(), "production", report).unwrap()
    }

    fn fields<const N: usize>(body: &Value, names: [&str; N]) -> [Value; N] {
        names.map(|name| body[name].clone())
    }

    #[test]
    fn a_renewal_is_reported_to_the_letter_and_what_is_unknown_is_left_out() {
        let expected = json!({
            "userId": "u-1", "environment": "production", "platform": "stripe", "productSku": "prod_1",
            "orderId": "in_2", "originalPurchase": "sub_1", "purchaseDate": "2026-02-01T00:00:10.000Z",
            "isSandbox": true, "currency": "EUR", "price": 9.99, "expirationDate": "2026-03-01T00:00:00.000Z",
            "isRefunded": false, "isSubscription": true, "isSubscriptionRenewable": true,
            "subscriptionState": "active", "subscriptionPeriodType": "normal",
        });
        for event in [SaleEvent::Sold, SaleEvent::Changed] {
            assert_eq!(sent(&report(event)), expected);
        }
    }

    #[test]
    fn a_refund_and_an_end_renew_no_more() {
        let later = at("2026-02-10T00:00:00Z");
        let day = "2026-02-10T00:00:00.000Z";
        let refunded = sent(&report(SaleEvent::Refunded(later)));
        let names =
            ["isRefunded", "refundDate", "subscriptionState", "isSubscriptionRenewable", "subscriptionCancelReason"];
        let expected = [json!(true), json!(day), json!("expired"), json!(false), json!("refunded")];
        assert_eq!(fields(&refunded, names), expected);
        assert_eq!(refunded["expirationDate"], "2026-03-01T00:00:00.000Z");
        let ended = sent(&report(SaleEvent::Ended(later)));
        let names = ["isRefunded", "expirationDate", "subscriptionState", "isSubscriptionRenewable"];
        assert_eq!(fields(&ended, names), [json!(false), json!(day), json!("expired"), json!(false)]);
        assert!(ended.get("refundDate").is_none() && ended.get("subscriptionCancelReason").is_none());
    }

    #[test]
    fn a_failed_payment_is_grace_and_then_why_it_ended() {
        let mut unpaid = report(SaleEvent::Changed);
        status(&mut unpaid).payment_failed_at = Some(at("2026-03-01T00:00:00Z"));
        assert_eq!(sent(&unpaid)["subscriptionState"], "grace_period");
        unpaid.event = SaleEvent::Ended(at("2026-03-04T00:00:00Z"));
        let names = ["subscriptionState", "subscriptionCancelReason"];
        assert_eq!(fields(&sent(&unpaid), names), [json!("expired"), json!("billing_error")]);
    }

    #[test]
    fn a_stop_is_reported_with_its_reason() {
        let mut stopped = report(SaleEvent::Changed);
        for (stop, reason) in [
            (Stop::Asked, "customer_canceled"),
            (Stop::PaymentFailed, "billing_error"),
            (Stop::PaymentDisputed, "unknown"),
            (Stop::Unknown, "unknown"),
        ] {
            status(&mut stopped).renews = false;
            status(&mut stopped).stop = Some(stop);
            let names = ["isSubscriptionRenewable", "subscriptionState", "subscriptionCancelReason"];
            assert_eq!(fields(&sent(&stopped), names), [json!(false), json!("active"), json!(reason)]);
        }
    }

    #[test]
    fn a_trial_is_a_period_of_its_own_and_a_country_is_named_where_it_is_known() {
        let mut trial = report(SaleEvent::Sold);
        trial.sale.offer = Some(Offer::FreeTrial);
        status(&mut trial).country = Some("DE".into());
        assert_eq!(fields(&sent(&trial), ["subscriptionPeriodType", "country"]), [json!("trial"), json!("DE")]);
    }

    #[test]
    fn what_is_for_life_is_no_subscription() {
        let mut for_life = report(SaleEvent::Sold);
        status(&mut for_life).paid_until = Until::Lifetime;
        status(&mut for_life).stop = Some(Stop::Asked);
        let body = sent(&for_life);
        assert_eq!(body["isSubscription"], false);
        for field in [
            "expirationDate",
            "subscriptionState",
            "isSubscriptionRenewable",
            "subscriptionPeriodType",
            "subscriptionCancelReason",
        ] {
            assert_eq!(body.get(field), None, "{field}");
        }
    }

    #[test]
    fn a_price_that_is_not_known_is_left_out() {
        let mut unpriced = report(SaleEvent::Sold);
        unpriced.sale.price = None;
        let body = sent(&unpriced);
        assert_eq!((body.get("price"), body.get("currency")), (None, None));
    }
}
