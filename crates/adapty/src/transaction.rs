//! The body of v2's set-transaction.
//!
//! Its documented rules are kept before anything is sent: times that must be later than the purchase are so by a second at
//! least, and what is not known is left out, never null. The core keeps the ids short enough.

use chrono::Duration;
use entitlement::model::billing::Stop;
use entitlement::model::clock::{Timestamp, after};
use entitlement::model::money::Money;
use entitlement::model::sale::{Offer, Sale, SaleStatus};
use entitlement::model::step::{ReportSale, SaleEvent};
use entitlement::model::until::Until;
use serde_json::{Map, Number, Value, json};

use crate::date;
use crate::sale_format::SaleFormat;

/// The body that reports a sale, or what became of it; `None` without a price or without its status.
#[must_use]
pub(crate) fn body(report: &ReportSale, format: &SaleFormat) -> Option<Value> {
    let status = report.sale.status.as_deref()?;
    let body = match report.event {
        SaleEvent::Sold | SaleEvent::Changed => sold(report, status, format)?,
        SaleEvent::Refunded(at) => refunded(report, status, at, format)?,
        // its end says that it is over
        SaleEvent::Ended(_) => common(report, &renewing_no_more(status), format)?,
    };
    Some(Value::Object(body))
}

fn sold(report: &ReportSale, status: &SaleStatus, format: &SaleFormat) -> Option<Map<String, Value>> {
    let mut body = common(report, status, format)?;
    if let Some(failed_at) = status.payment_failed_at {
        body.insert("billing_issue_detected_at".to_owned(), later(failed_at, status).into());
        let grace = status.grace_until.filter(|end| status.paid_until.at().is_some_and(|paid| *end >= paid));
        if let Some(end) = grace {
            body.insert("grace_period_expires_at".to_owned(), later(end, status).into());
        }
    }
    Some(body)
}

fn refunded(
    report: &ReportSale,
    status: &SaleStatus,
    at: Timestamp,
    format: &SaleFormat,
) -> Option<Map<String, Value>> {
    let mut body = common(report, &renewing_no_more(status), format)?;
    body.insert("refunded_at".to_owned(), later(at, status).into());
    body.insert("cancellation_reason".to_owned(), "refund".into());
    Some(body)
}

fn renewing_no_more(status: &SaleStatus) -> SaleStatus {
    SaleStatus { renews: false, ..status.clone() }
}

fn common(report: &ReportSale, status: &SaleStatus, format: &SaleFormat) -> Option<Map<String, Value>> {
    let price = report.sale.price.as_ref()?;
    let value = serde_json::from_str::<Number>(&price.major()).ok()?;
    let country = status.country.as_ref().unwrap_or(&format.country);
    let texts = [
        ("store", report.store.clone()),
        ("environment", if report.sandbox { "Sandbox" } else { "Production" }.to_owned()),
        ("store_product_id", product_id(&report.sale, format)),
        ("store_transaction_id", status.id.clone()),
        ("store_original_transaction_id", status.original.clone()),
        ("purchased_at", date::write_v2(status.bought_at)),
    ];
    let mut body = Map::new();
    body.extend(texts.map(|(name, text)| (name.to_owned(), text.into())));
    body.insert("price".to_owned(), json!({ "country": country, "currency": price.code(), "value": value }));
    match status.paid_until {
        Until::At(end) => subscription(&mut body, status, end, report.sale.offer.as_ref(), price),
        // what never ends has no field for its end
        Until::Lifetime => drop(body.insert("purchase_type".to_owned(), "one_time_purchase".into())),
    }
    if let Some(variation) = &status.variation {
        body.insert("variation_id".to_owned(), variation.as_str().into());
    }
    Some(body)
}

fn product_id(sale: &Sale, format: &SaleFormat) -> String {
    match format.with_price {
        true => format!("{}:{}", sale.product, sale.base_plan),
        false => sale.product.clone(),
    }
}

fn subscription(
    body: &mut Map<String, Value>,
    status: &SaleStatus,
    end: Timestamp,
    offer: Option<&Offer>,
    price: &Money,
) {
    body.insert("purchase_type".to_owned(), "subscription".into());
    body.insert("originally_purchased_at".to_owned(), date::write_v2(status.chain_began_at).into());
    body.insert("expires_at".to_owned(), later(end, status).into());
    body.insert("renew_status".to_owned(), status.renews.into());
    if let Some(stopped_at) = status.stopped_at {
        body.insert("renew_status_changed_at".to_owned(), later(stopped_at, status).into());
    }
    if let Some(stop) = status.stop {
        body.insert("cancellation_reason".to_owned(), cancellation_reason(stop).into());
    }
    if let Some(offer) = offer {
        body.insert("offer".to_owned(), written_offer(offer, price));
    }
}

/// What costs nothing is a free trial to Adapty, whatever made it so; a coupon takes off of each payment.
fn written_offer(offer: &Offer, price: &Money) -> Value {
    let (category, id) = match offer {
        Offer::FreeTrial => return json!({ "category": "introductory", "type": "free_trial" }),
        Offer::Coupon(id) => ("promotional", id),
        Offer::Code(id) => ("offer_code", id),
    };
    let kind = if price.minor == 0 { "free_trial" } else { "pay_as_you_go" };
    json!({ "category": category, "type": kind, "id": id })
}

fn cancellation_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::Asked => "voluntarily_cancelled",
        Stop::PaymentFailed => "billing_error",
        // a dispute that takes the money is reported as a refund
        Stop::PaymentDisputed | Stop::Unknown => "unknown",
    }
}

/// A moment that must come after the purchase.
fn later(moment: Timestamp, status: &SaleStatus) -> String {
    date::write_v2(moment.max(after(status.bought_at, Duration::seconds(1))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{at, end, format, report, status};

    fn sent(report: &ReportSale) -> Value {
        body(report, &format()).unwrap()
    }

    fn refunded() -> SaleEvent {
        SaleEvent::Refunded(at("2026-02-10T00:00:00Z"))
    }

    #[test]
    fn a_renewal_is_reported_to_the_letter() {
        let expected = json!({
            "purchase_type": "subscription", "store": "stripe", "environment": "Production",
            "store_product_id": "prod_1", "store_transaction_id": "in_2", "store_original_transaction_id": "sub_1",
            "price": { "country": "US", "currency": "EUR", "value": 9.99 },
            "purchased_at": "2026-02-01T00:00:10Z", "originally_purchased_at": "2026-01-01T00:00:10Z",
            "expires_at": "2026-03-01T00:00:00Z", "renew_status": true,
        });
        for event in [SaleEvent::Sold, SaleEvent::Changed] {
            assert_eq!(sent(&report(event)), expected);
        }
        let with_price = SaleFormat { with_price: true, ..format() };
        assert_eq!(body(&report(SaleEvent::Sold), &with_price).unwrap()["store_product_id"], "prod_1:price_1");
    }

    #[test]
    fn a_price_has_the_country_of_its_sale_and_test_mode_is_sandbox() {
        let mut abroad = report(SaleEvent::Sold);
        abroad.sandbox = true;
        status(&mut abroad).country = Some("DE".into());
        let body = sent(&abroad);
        assert_eq!((&body["price"]["country"], &body["environment"]), (&json!("DE"), &json!("Sandbox")));
    }

    #[test]
    fn a_coupon_a_code_and_what_is_free_are_reported_as_the_offers_they_are() {
        let offer = |offer: Offer, minor: i64| {
            let mut reduced = report(SaleEvent::Sold);
            reduced.sale.offer = Some(offer);
            reduced.sale.price = Some(Money { minor, currency: "eur".into() });
            sent(&reduced)["offer"].clone()
        };
        let coupon = Offer::Coupon("SUMMER".into());
        let expected = json!({ "category": "promotional", "type": "pay_as_you_go", "id": "SUMMER" });
        assert_eq!(offer(coupon.clone(), 499), expected);
        assert_eq!(offer(coupon, 0), json!({ "category": "promotional", "type": "free_trial", "id": "SUMMER" }));
        let expected = json!({ "category": "offer_code", "type": "pay_as_you_go", "id": "promo_1" });
        assert_eq!(offer(Offer::Code("promo_1".into()), 499), expected);
    }

    #[test]
    fn a_stop_is_reported_with_its_reason_and_a_sale_with_its_paywall() {
        let mut stopped = report(SaleEvent::Changed);
        for (stop, reason) in [
            (Stop::Asked, "voluntarily_cancelled"),
            (Stop::PaymentFailed, "billing_error"),
            (Stop::PaymentDisputed, "unknown"),
            (Stop::Unknown, "unknown"),
        ] {
            let status = status(&mut stopped);
            status.renews = false;
            status.stopped_at = Some(at("2026-02-05T00:00:00Z"));
            status.stop = Some(stop);
            status.variation = Some("0a1b".into());
            let body = sent(&stopped);
            assert_eq!((&body["renew_status"], &body["cancellation_reason"]), (&json!(false), &json!(reason)));
            assert_eq!(body["renew_status_changed_at"], "2026-02-05T00:00:00Z");
            assert_eq!(body["variation_id"], "0a1b");
        }
        stopped.event = refunded();
        assert_eq!(sent(&stopped)["cancellation_reason"], "refund");
    }

    #[test]
    fn grace_is_reported_with_the_failed_payment_and_the_end_of_what_was_paid() {
        let mut unpaid = report(SaleEvent::Changed);
        unpaid.until = Until::Lifetime;
        status(&mut unpaid).payment_failed_at = end().at();
        status(&mut unpaid).grace_until = Some(at("2026-03-04T00:00:00Z"));
        let body = sent(&unpaid);
        assert_eq!(body["expires_at"], "2026-03-01T00:00:00Z");
        assert_eq!(body["billing_issue_detected_at"], "2026-03-01T00:00:00Z");
        assert_eq!(body["grace_period_expires_at"], "2026-03-04T00:00:00Z");
    }

    #[test]
    fn a_grace_that_ends_before_what_was_paid_is_left_out() {
        let mut unpaid = report(SaleEvent::Changed);
        status(&mut unpaid).payment_failed_at = Some(at("2026-02-05T00:00:00Z"));
        status(&mut unpaid).grace_until = Some(at("2026-02-08T00:00:00Z"));
        let body = sent(&unpaid);
        assert_eq!(body["billing_issue_detected_at"], "2026-02-05T00:00:00Z");
        assert_eq!(body.get("grace_period_expires_at"), None);
    }

    #[test]
    fn a_refund_names_its_reason_and_comes_after_the_purchase() {
        let mut report = report(refunded());
        status(&mut report).bought_at = at("2026-02-10T00:00:00Z");
        let body = sent(&report);
        assert_eq!((&body["refunded_at"], &body["renew_status"]), (&json!("2026-02-10T00:00:01Z"), &json!(false)));
        assert_eq!(body["cancellation_reason"], "refund");
    }

    #[test]
    fn what_went_back_or_is_over_is_in_no_grace_and_renews_no_more() {
        for event in [refunded(), SaleEvent::Ended(at("2026-02-10T00:00:00Z"))] {
            let mut report = report(event);
            status(&mut report).payment_failed_at = end().at();
            status(&mut report).grace_until = Some(at("2026-03-04T00:00:00Z"));
            let body = sent(&report);
            assert_eq!(body["renew_status"], false);
            assert!(
                ["billing_issue_detected_at", "grace_period_expires_at"].iter().all(|name| body.get(name).is_none())
            );
        }
    }

    #[test]
    fn a_lifetime_is_a_one_time_purchase_without_end_or_trial() {
        let mut for_life = report(SaleEvent::Sold);
        for_life.until = Until::Lifetime;
        for_life.sale.offer = Some(Offer::FreeTrial);
        status(&mut for_life).paid_until = Until::Lifetime;
        let body = sent(&for_life);
        assert_eq!(body["purchase_type"], "one_time_purchase");
        for field in ["expires_at", "renew_status", "originally_purchased_at", "offer"] {
            assert_eq!(body.get(field), None, "{field}");
        }
    }

    #[test]
    fn a_trial_is_free() {
        let mut trial = report(SaleEvent::Sold);
        trial.sale.offer = Some(Offer::FreeTrial);
        trial.sale.price = Some(Money { minor: 0, currency: "eur".into() });
        let body = sent(&trial);
        assert_eq!(body["offer"], json!({"category": "introductory", "type": "free_trial"}));
        assert_eq!(body["price"]["value"], 0.0);
    }

    #[test]
    fn what_has_no_price_or_no_status_has_no_body() {
        for event in [SaleEvent::Sold, SaleEvent::Changed, refunded()] {
            let mut unpriced = report(event);
            unpriced.sale.price = None;
            assert_eq!(body(&unpriced, &format()), None);
            let mut without_status = report(event);
            without_status.sale.status = None;
            assert_eq!(body(&without_status, &format()), None);
        }
    }
}
