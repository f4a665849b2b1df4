use std::collections::BTreeMap;
use std::time::Duration;

use entitlement::money::Money;
use entitlement::names::AccessLevel;
use entitlement::plan::Sale;
use serde_json::json;
use wire::client::Client;
use wire::upstream::Upstream;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn grant() -> GrantAccess {
    let end = Until::At(at("2026-03-01T00:00:00Z"));
    let status = SaleStatus {
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
    };
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
            status: Some(Box::new(status)),
        },
        sandbox: true,
        refunded: None,
    }
}

fn status(grant: &mut GrantAccess) -> &mut SaleStatus {
    grant.sale.status.as_mut().unwrap()
}

fn told(grant: GrantAccess, word: SaleEvent) -> Value {
    let setup = crate::setup::setup("https://api.iaphub.com", "key", 5, Duration::from_secs(1));
    let upstream = Upstream::new(&Client::new().unwrap(), setup).unwrap();
    let iaphub = Iaphub::new(upstream, "app", "production", BTreeMap::new());
    iaphub.purchase(&User::new("u-1").unwrap(), &ReportSale::of(grant, word)).unwrap()
}

#[test]
fn a_renewal_is_told_to_the_letter_and_what_is_unknown_is_left_out() {
    let expected = json!({
        "userId": "u-1", "environment": "production", "platform": "stripe", "productSku": "prod_1", "orderId": "in_2",
        "originalPurchase": "sub_1", "purchaseDate": "2026-02-01T00:00:10.000Z", "isSandbox": true,
        "currency": "EUR", "price": 9.99, "expirationDate": "2026-03-01T00:00:00.000Z", "isRefunded": false,
        "isSubscription": true, "isSubscriptionRenewable": true, "subscriptionState": "active",
        "subscriptionPeriodType": "normal",
    });
    assert_eq!(told(grant(), SaleEvent::Sold), expected);
}

#[test]
fn a_refund_and_an_end_renew_no_more() {
    let later = at("2026-02-10T00:00:00Z");
    let refunded = told(grant(), SaleEvent::Refunded(later));
    let fields = |body: &Value, names: [&str; 5]| names.map(|name| body[name].clone());
    let names =
        ["isRefunded", "refundDate", "subscriptionState", "isSubscriptionRenewable", "subscriptionCancelReason"];
    let day = "2026-02-10T00:00:00.000Z";
    assert_eq!(fields(&refunded, names), [json!(true), json!(day), json!("expired"), json!(false), json!("refunded")]);
    assert_eq!(refunded["expirationDate"], "2026-03-01T00:00:00.000Z");
    let ended = told(grant(), SaleEvent::Ended(later));
    let names = ["isRefunded", "expirationDate", "subscriptionState", "isSubscriptionRenewable", "refundDate"];
    assert_eq!(fields(&ended, names), [json!(false), json!(day), json!("expired"), json!(false), Value::Null]);
    assert!(ended.get("refundDate").is_none() && ended.get("subscriptionCancelReason").is_none());
}

#[test]
fn a_failed_payment_is_grace_and_then_why_it_ended() {
    let mut grant = grant();
    status(&mut grant).payment_failed_at = Some(at("2026-03-01T00:00:00Z"));
    assert_eq!(told(grant.clone(), SaleEvent::Sold)["subscriptionState"], "grace_period");
    let ended = told(grant, SaleEvent::Ended(at("2026-03-04T00:00:00Z")));
    assert_eq!(
        (&ended["subscriptionState"], &ended["subscriptionCancelReason"]),
        (&json!("expired"), &json!("billing_error"))
    );
}

#[test]
fn a_stop_is_told_with_who_asked_for_it() {
    let mut grant = grant();
    for (stop, reason) in [(Stop::Asked, "customer_canceled"), (Stop::PaymentFailed, "billing_error")] {
        (status(&mut grant).renews, status(&mut grant).stop) = (false, Some(stop));
        let body = told(grant.clone(), SaleEvent::Sold);
        assert_eq!(
            (&body["isSubscriptionRenewable"], &body["subscriptionState"], &body["subscriptionCancelReason"]),
            (&json!(false), &json!("active"), &json!(reason))
        );
    }
}

#[test]
fn a_trial_is_one_and_a_lifetime_is_no_subscription() {
    let mut trial = grant();
    trial.sale.offer = Some(Offer::FreeTrial);
    status(&mut trial).country = Some("DE".into());
    let body = told(trial, SaleEvent::Sold);
    assert_eq!((&body["subscriptionPeriodType"], &body["country"]), (&json!("trial"), &json!("DE")));
    let mut life = grant();
    status(&mut life).paid_until = Until::Lifetime;
    let body = told(life, SaleEvent::Sold);
    assert_eq!(body["isSubscription"], false);
    let none = ["expirationDate", "subscriptionState", "isSubscriptionRenewable", "subscriptionPeriodType"];
    assert!(none.iter().all(|field| body.get(field).is_none()));
}

#[test]
fn a_path_is_filled_with_what_means_itself() {
    let path = Path::parse("/v1/app/{app}/user/{user}/transaction/{transaction}?x=1").unwrap();
    assert_eq!(
        path.filled("a/b", "ann@example.com", "sub_1:si_2"),
        "/v1/app/a%2Fb/user/ann%40example%2Ecom/transaction/sub_1%3Asi_2?x=1"
    );
}

#[test]
fn what_is_no_path_or_names_another_place_is_refused() {
    for odd in [
        "",
        "v1/app",
        "https://api.iaphub.com/v1",
        "/v1/{customer}",
        "/v1/{user",
        "/v1/user}",
        "/v1/{ user}",
        "/a b",
        "/a#b",
    ] {
        assert_eq!(Path::parse(odd), None, "{odd}");
    }
}
