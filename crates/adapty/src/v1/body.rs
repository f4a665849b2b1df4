//! The bodies of v1's grant and revoke.

use entitlement::model::expected::Refund;
use entitlement::model::money::Money;
use entitlement::model::sale::Offer;
use entitlement::model::step::{GrantAccess, RevokeAccess};
use entitlement::model::until::Until;
use serde_json::{Map, Number, Value, json};

use crate::date;

/// The body of a grant, from the page's table of request parameters.
///
/// The end is always absolute: `duration_days` adds up, so a repeat would give more. No parameter may be null, so
/// what is not known is left out. Adapty records a transaction, once, when product, transaction id and store are all
/// there.
#[must_use]
pub fn grant(grant: &GrantAccess) -> Value {
    let mut body = Map::new();
    match grant.until {
        Until::At(at) => body.insert("expires_at".to_owned(), date::write_v1(at).into()),
        Until::Lifetime => body.insert("is_lifetime".to_owned(), true.into()),
    };
    if let Some(starts_at) = grant.starts_at {
        body.insert("starts_at".to_owned(), date::write_v1(starts_at).into());
    }
    body.insert("is_sandbox".to_owned(), grant.sandbox.into());
    // without a transaction Adapty fills in words of its own
    if !grant.sale.is_promotion() {
        put_sale(&mut body, grant);
    }
    Value::Object(body)
}

/// The body of a revoke: `is_refund` is required, and true takes the revenue back as well.
#[must_use]
pub fn revoke(revoke: &RevokeAccess) -> Value {
    let is_refund = match revoke.refund {
        Refund::Yes => true,
        Refund::No => false,
    };
    json!({ "is_refund": is_refund })
}

fn put_sale(body: &mut Map<String, Value>, grant: &GrantAccess) {
    let sale = &grant.sale;
    // what v2 reported keeps the ids that it was reported under
    let (original, id) = match &sale.status {
        Some(status) => (&status.original, &status.id),
        None => (&sale.original, &sale.id),
    };
    let texts = [
        ("vendor_product_id", &sale.product),
        ("base_plan_id", &sale.base_plan),
        ("vendor_original_transaction_id", original),
        ("vendor_transaction_id", id),
        ("store", &grant.store),
    ];
    for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        body.insert(name.to_owned(), text.clone().into());
    }
    if sale.offer == Some(Offer::FreeTrial) {
        // v1 knows no other offers than introductory ones
        body.insert("introductory_offer_type".to_owned(), "free_trial".into());
    }
    if let Some(price) = &sale.price {
        put_price(body, price);
    }
}

/// The amount in major units, read from its exact decimal text, so that 9.99 is sent as 9.99; and its currency.
fn put_price(body: &mut Map<String, Value>, price: &Money) {
    let number = serde_json::from_str::<Number>(&price.major()).expect("a decimal text is a JSON number");
    body.insert("price".to_owned(), number.into());
    // the name misleads: it is the ISO 4217 code, and without it Adapty takes USD
    body.insert("price_locale".to_owned(), price.code().into());
}

#[cfg(test)]
mod tests {
    use entitlement::model::sale::Sale;
    use entitlement::model::step::SaleEvent;

    use super::*;
    use crate::sample;

    fn full() -> GrantAccess {
        GrantAccess { starts_at: Some(sample::at("2026-02-01T12:30:00.5Z")), ..sample::grant() }
    }

    #[test]
    fn a_grant_says_all_that_is_known() {
        let expected = json!({
            "expires_at": "2026-03-01T00:00:00.000000+0000",
            "starts_at": "2026-02-01T12:30:00.500000+0000",
            "vendor_product_id": "prod_1",
            "base_plan_id": "price_1",
            "vendor_original_transaction_id": "sub_1",
            "vendor_transaction_id": "in_2",
            "store": "stripe",
            "price": 9.99,
            "price_locale": "EUR",
            "is_sandbox": false,
        });
        assert_eq!(grant(&full()), expected);
    }

    #[test]
    fn what_is_not_known_is_left_out_and_never_null() {
        let mut bare = full();
        bare.starts_at = None;
        bare.sale.price = None;
        bare.sale.base_plan.clear();
        let body = grant(&bare);
        for name in ["starts_at", "price", "price_locale", "base_plan_id", "introductory_offer_type", "is_lifetime"] {
            assert_eq!(body.get(name), None, "{name}");
        }
    }

    #[test]
    fn a_promotion_has_no_transaction() {
        let promotion = GrantAccess { sale: Sale::of_promotion("o_1"), ..sample::grant() };
        let expected = json!({ "expires_at": "2026-03-01T00:00:00.000000+0000", "is_sandbox": false });
        assert_eq!(grant(&promotion), expected);
    }

    #[test]
    fn a_sale_that_v2_reported_keeps_the_ids_of_its_report() {
        let mut sale = sample::report(SaleEvent::Sold).sale;
        let status = sale.status.as_mut().unwrap();
        status.id = "in_2:si_2".into();
        status.original = "sub_1:si_2".into();
        let body = grant(&GrantAccess { sale, ..sample::grant() });
        assert_eq!(body["vendor_transaction_id"], "in_2:si_2");
        assert_eq!(body["vendor_original_transaction_id"], "sub_1:si_2");
    }

    #[test]
    fn a_lifetime_has_no_end_and_a_trial_has_its_offer() {
        let mut trial = full();
        trial.until = Until::Lifetime;
        trial.sale.offer = Some(Offer::FreeTrial);
        let body = grant(&trial);
        assert_eq!((&body["is_lifetime"], body.get("expires_at")), (&json!(true), None));
        assert_eq!(body["introductory_offer_type"], "free_trial");
    }

    #[test]
    fn prices_are_exact_decimals() {
        let sent = |minor, currency: &str| {
            let mut priced = full();
            priced.sale.price = Some(Money { minor, currency: currency.into() });
            grant(&priced)["price"].to_string()
        };
        assert_eq!(sent(999, "eur"), "9.99");
        assert_eq!(sent(1999, "usd"), "19.99");
        assert_eq!(sent(0, "usd"), "0.0");
        assert_eq!(sent(1200, "jpy"), "1200");
        assert_eq!(sent(1_250, "kwd"), "1.25");
        assert_eq!(sent(123_456_789_012, "usd"), "1234567890.12");
    }

    #[test]
    fn a_revoke_says_whether_money_went_back() {
        assert_eq!(revoke(&sample::revoke(Refund::Yes)), json!({"is_refund": true}));
        assert_eq!(revoke(&sample::revoke(Refund::No)), json!({"is_refund": false}));
    }
}
