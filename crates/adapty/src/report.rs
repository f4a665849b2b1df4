//! The body of v2's set-transaction.
//!
//! Its documented rules are kept before anything is sent: times that must be later than the purchase are so by a second at
//! least, and what is not known is left out, never null. That ids are short enough is the core's care.

use chrono::Duration;
use entitlement::billing::Stop;
use entitlement::clock::{Timestamp, after};
use entitlement::money::Money;
use entitlement::plan::{GrantAccess, Offer, Refunded, SaleStatus, Until};
use serde_json::{Map, Number, Value, json};

use crate::adapty::Books;
use crate::date;

/// What was bought; `None` without a price or without word of where it stands.
#[must_use]
pub(crate) fn bought(grant: &GrantAccess, books: &Books) -> Option<Value> {
    let status = grant.sale.status.as_ref()?;
    let mut body = common(grant, status, books)?;
    if let Some(failed_at) = status.payment_failed_at {
        body.insert("billing_issue_detected_at".to_owned(), later(failed_at, status).into());
        let grace = status.grace_until.filter(|end| status.paid_until.at().is_some_and(|paid| *end >= paid));
        if let Some(end) = grace {
            body.insert("grace_period_expires_at".to_owned(), later(end, status).into());
        }
    }
    Some(Value::Object(body))
}

/// The same with its money given back.
#[must_use]
pub(crate) fn refunded(refunded: &Refunded, books: &Books) -> Option<Value> {
    let status = refunded.grant.sale.status.as_ref()?;
    let mut body = common(&refunded.grant, &SaleStatus { renews: false, ..(**status).clone() }, books)?;
    body.insert("refunded_at".to_owned(), later(refunded.at, status).into());
    body.insert("cancellation_reason".to_owned(), "refund".into());
    Some(Value::Object(body))
}

fn common(grant: &GrantAccess, status: &SaleStatus, books: &Books) -> Option<Map<String, Value>> {
    let sale = &grant.sale;
    let price = sale.price.as_ref()?;
    let value = serde_json::from_str::<Number>(&price.major()).ok()?;
    let product = match books.with_price {
        true => format!("{}:{}", sale.product, sale.base_plan),
        false => sale.product.clone(),
    };
    let country = status.country.as_ref().unwrap_or(&books.country);
    let mut body = Map::new();
    let texts = [
        ("store", grant.store.clone()),
        ("environment", if grant.sandbox { "Sandbox" } else { "Production" }.to_owned()),
        ("store_product_id", product),
        ("store_transaction_id", status.id.clone()),
        ("store_original_transaction_id", status.original.clone()),
        ("purchased_at", date::write_v2(status.bought_at)),
    ];
    body.extend(texts.map(|(name, text)| (name.to_owned(), text.into())));
    body.insert("price".to_owned(), json!({ "country": country, "currency": price.code(), "value": value }));
    match status.paid_until {
        Until::At(end) => {
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
            if let Some(offer) = &sale.offer {
                body.insert("offer".to_owned(), told_offer(offer, price));
            }
        }
        // what never ends has no field for its end
        Until::Lifetime => drop(body.insert("purchase_type".to_owned(), "one_time_purchase".into())),
    }
    if let Some(variation) = &status.variation {
        body.insert("variation_id".to_owned(), variation.as_str().into());
    }
    Some(body)
}

/// What costs nothing is a free trial to Adapty, whatever made it so; a coupon takes off of each payment.
fn told_offer(offer: &Offer, price: &Money) -> Value {
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
        // a dispute that takes the money is told as a refund
        Stop::PaymentDisputed | Stop::Unknown => "unknown",
    }
}

/// A moment that must come after the purchase.
fn later(moment: Timestamp, status: &SaleStatus) -> String {
    date::write_v2(moment.max(after(status.bought_at, Duration::seconds(1))))
}

#[cfg(test)]
mod tests {
    use entitlement::names::AccessLevel;
    use entitlement::plan::Sale;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn books() -> Books {
        Books { with_price: false, country: "US".to_owned() }
    }

    fn grant() -> GrantAccess {
        let end = Until::At(at("2026-03-01T00:00:00Z"));
        GrantAccess {
            level: AccessLevel("premium".into()),
            until: end,
            starts_at: None,
            store: "stripe".into(),
            sale: Sale {
                original: "sub_1".into(),
                id: "in_2".into(),
                product: "prod_1".into(),
                base_plan: "price_1".into(),
                price: Some(Money { minor: 999, currency: "eur".into() }),
                offer: None,
                status: Some(Box::new(SaleStatus {
                    id: "in_2".into(),
                    original: "sub_1".into(),
                    bought_at: at("2026-02-01T00:00:10Z"),
                    chain_began_at: at("2026-01-01T00:00:10Z"),
                    paid_until: end,
                    renews: true,
                    stopped_at: None,
                    stop: None,
                    payment_failed_at: None,
                    grace_until: None,
                    country: None,
                    variation: None,
                })),
            },
            sandbox: false,
            refunded: None,
        }
    }

    fn status(grant: &mut GrantAccess) -> &mut SaleStatus {
        grant.sale.status.as_mut().unwrap()
    }

    #[test]
    fn a_renewal_is_told_to_the_letter() {
        let expected = json!({
            "purchase_type": "subscription", "store": "stripe", "environment": "Production",
            "store_product_id": "prod_1", "store_transaction_id": "in_2", "store_original_transaction_id": "sub_1",
            "price": { "country": "US", "currency": "EUR", "value": 9.99 },
            "purchased_at": "2026-02-01T00:00:10Z", "originally_purchased_at": "2026-01-01T00:00:10Z",
            "expires_at": "2026-03-01T00:00:00Z", "renew_status": true,
        });
        assert_eq!(bought(&grant(), &books()), Some(expected));
        let with_price = Books { with_price: true, ..books() };
        assert_eq!(bought(&grant(), &with_price).unwrap()["store_product_id"], "prod_1:price_1");
    }

    #[test]
    fn a_coupon_a_code_and_what_is_free_are_told_as_the_offers_they_are() {
        let offer = |offer: Offer, minor: i64| {
            let mut grant = grant();
            grant.sale.offer = Some(offer);
            grant.sale.price = Some(Money { minor, currency: "eur".into() });
            bought(&grant, &books()).unwrap()["offer"].clone()
        };
        let coupon = Offer::Coupon("SUMMER".into());
        let expected = json!({ "category": "promotional", "type": "pay_as_you_go", "id": "SUMMER" });
        assert_eq!(offer(coupon.clone(), 499), expected);
        assert_eq!(offer(coupon, 0), json!({ "category": "promotional", "type": "free_trial", "id": "SUMMER" }));
        let expected = json!({ "category": "offer_code", "type": "pay_as_you_go", "id": "promo_1" });
        assert_eq!(offer(Offer::Code("promo_1".into()), 499), expected);
        let mut for_life = grant();
        for_life.sale.offer = Some(Offer::FreeTrial);
        status(&mut for_life).paid_until = Until::Lifetime;
        assert_eq!(bought(&for_life, &books()).unwrap().get("offer"), None, "what is bought once has no trial");
    }

    #[test]
    fn a_stop_is_told_with_its_reason_and_a_sale_with_its_paywall() {
        let mut grant = grant();
        let stopped_at = at("2026-02-05T00:00:00Z");
        for (stop, reason) in
            [(Stop::Asked, "voluntarily_cancelled"), (Stop::PaymentFailed, "billing_error"), (Stop::Unknown, "unknown")]
        {
            let status = status(&mut grant);
            (status.renews, status.stopped_at, status.stop) = (false, Some(stopped_at), Some(stop));
            status.variation = Some("0a1b".into());
            let body = bought(&grant, &books()).unwrap();
            assert_eq!(body["cancellation_reason"], reason);
            assert_eq!(body["renew_status_changed_at"], "2026-02-05T00:00:00Z");
            assert_eq!(body["variation_id"], "0a1b");
        }
        let back = refunded(&Refunded { grant: Box::new(grant), at: at("2026-02-10T00:00:00Z") }, &books()).unwrap();
        assert_eq!(back["cancellation_reason"], "refund");
    }

    #[test]
    fn grace_is_told_with_the_failed_payment_and_the_end_of_what_was_paid() {
        let mut grant = grant();
        let paid = at("2026-03-01T00:00:00Z");
        let grace = at("2026-03-04T00:00:00Z");
        (status(&mut grant).payment_failed_at, status(&mut grant).grace_until) = (Some(paid), Some(grace));
        grant.until = Until::Lifetime;
        let body = bought(&grant, &books()).unwrap();
        assert_eq!(body["expires_at"], "2026-03-01T00:00:00Z");
        assert_eq!(body["billing_issue_detected_at"], "2026-03-01T00:00:00Z");
        assert_eq!(body["grace_period_expires_at"], "2026-03-04T00:00:00Z");
    }

    #[test]
    fn a_refund_names_its_reason_and_comes_after_the_purchase() {
        let mut grant = grant();
        status(&mut grant).bought_at = at("2026-02-10T00:00:00Z");
        let told = refunded(&Refunded { grant: Box::new(grant), at: at("2026-02-10T00:00:00Z") }, &books()).unwrap();
        assert_eq!(
            (&told["refunded_at"], &told["cancellation_reason"]),
            (&json!("2026-02-10T00:00:01Z"), &json!("refund"))
        );
        assert_eq!(told["renew_status"], false);
    }

    #[test]
    fn a_lifetime_is_a_one_time_purchase_without_an_end() {
        let mut grant = grant();
        (status(&mut grant).paid_until, grant.until) = (Until::Lifetime, Until::Lifetime);
        let body = bought(&grant, &books()).unwrap();
        assert_eq!(body["purchase_type"], "one_time_purchase");
        assert!(
            ["expires_at", "renew_status", "originally_purchased_at"].iter().all(|field| body.get(field).is_none())
        );
    }

    #[test]
    fn a_trial_is_free_and_what_has_no_price_is_not_told() {
        let mut trial = grant();
        trial.sale.offer = Some(Offer::FreeTrial);
        trial.sale.price = Some(Money { minor: 0, currency: "eur".into() });
        let body = bought(&trial, &books()).unwrap();
        assert_eq!(body["offer"], json!({"category": "introductory", "type": "free_trial"}));
        assert_eq!(body["price"]["value"], 0.0);
        trial.sale.price = None;
        assert_eq!(bought(&trial, &books()), None);
    }
}
