//! One-time purchases of customers and guests.

use entitlement::model::billing::{About, PurchaseLine, PurchaseState};
use entitlement::model::money::Money;
use entitlement::model::reading::{AccountReading, Scope};

use serde_json::{Value, json};

use super::{UID, at};
use crate::account;
use crate::client::Extras;
use crate::test_server::{START, TestServer, changed, list, page};

fn session() -> Value {
    json!({
        "id": "cs_1", "object": "checkout.session", "mode": "payment", "status": "complete", "created": START,
        "payment_status": "paid", "payment_intent": "pi_1", "invoice": "in_1", "amount_total": 1200, "currency": "jpy",
        "client_reference_id": "user-1", "livemode": false, "customer_details": {"email": "ann@example.com"},
        "line_items": list(&[line("li_1")])
    })
}

fn line(id: &str) -> Value {
    json!({"id": id, "object": "item", "amount_total": 1200, "quantity": 2,
        "price": {"id": "price_9", "product": "prod_9"}})
}

fn charge(change: Value) -> Value {
    let charge = json!({"id": "ch_1", "created": START + 60, "status": "succeeded", "payment_intent": "pi_1",
        "amount_refunded": 0, "refunded": false, "disputed": false});
    changed(charge, change)
}

async fn read(session: Value) -> AccountReading {
    TestServer::new().with("/v1/checkout/sessions", list(&[session])).read(UID, true).await
}

#[tokio::test]
async fn a_completed_payment_session_is_a_purchase_paid_when_its_charge_was() {
    let server = TestServer::new()
        .with("/v1/checkout/sessions", list(&[session()]))
        .with("/v1/charges", list(&[charge(json!({})), charge(json!({"status": "failed", "created": 1}))]));
    let billing = server.read(UID, true).await.billing;
    let purchase = &billing.purchases[0];
    assert_eq!(purchase.id, "pi_1");
    assert_eq!(purchase.state, PurchaseState::Paid(at(START + 60)));
    assert_eq!(purchase.total, Money { minor: 1200, currency: "jpy".into() });
    let line = PurchaseLine { price: "price_9".into(), product: "prod_9".into(), quantity: 2, amount: 1200 };
    assert_eq!(purchase.lines, [line]);
    let asked = "/v1/checkout/sessions?customer=cus_1&expand[0]=data.line_items&limit=100&status=complete";
    assert!(server.requests().iter().any(|path| path == asked), "{:?}", server.requests());
}

#[tokio::test]
async fn the_payment_status_says_whether_it_is_paid() {
    for (status, expected) in [
        ("paid", PurchaseState::Paid(at(START))),
        ("no_payment_required", PurchaseState::Paid(at(START))),
        ("unpaid", PurchaseState::Waiting),
        ("bartered", PurchaseState::Unknown("bartered".into())),
    ] {
        let reading = read(changed(session(), json!({"payment_status": status}))).await;
        assert_eq!(reading.billing.purchases[0].state, expected);
    }
}

#[tokio::test]
async fn without_a_payment_the_invoice_names_the_purchase_and_else_the_session() {
    let id = async |change: Value| read(changed(session(), change)).await.billing.purchases[0].id.clone();
    assert_eq!(id(json!({"payment_intent": null})).await, "in_1");
    assert_eq!(id(json!({"payment_intent": null, "invoice": null})).await, "cs_1");
    assert_eq!(id(json!({"payment_intent": {"id": "pi_7", "object": "payment_intent"}})).await, "pi_7");
}

#[tokio::test]
async fn sessions_that_bought_nothing_once_are_no_purchases() {
    for change in [json!({"mode": "subscription"}), json!({"mode": "setup"}), json!({"status": "expired"})] {
        assert!(read(changed(session(), change)).await.billing.purchases.is_empty());
    }
}

#[tokio::test]
async fn a_purchase_that_cannot_be_read_is_a_gap() {
    let billing = read(changed(session(), json!({"amount_total": null}))).await.billing;
    assert!(billing.purchases.is_empty());
    assert_eq!(billing.gaps[0].about, About::Chain("pi_1".into()));
    assert_eq!(billing.gaps[0].what, "checkout session `cs_1`: missing field `amount_total`");
}

#[tokio::test]
async fn further_lines_are_read() {
    let long = changed(session(), json!({"line_items": page(&[line("li_1")])}));
    let server = TestServer::new()
        .with("/v1/checkout/sessions", list(&[long]))
        .with("/v1/checkout/sessions/cs_1/line_items?limit=100&starting_after=li_1", list(&[line("li_2")]));
    assert_eq!(server.read(UID, true).await.billing.purchases[0].lines.len(), 2);
}

#[tokio::test]
async fn a_guest_is_read_by_their_session() {
    let server = TestServer::new()
        .with("/v1/checkout/sessions/cs_1", session())
        .with("/v1/charges?limit=100&payment_intent=pi_1", list(&[charge(json!({"amount_refunded": 200}))]))
        .with("/v1/refunds", list(&[json!({"id": "re_1", "amount": 200, "status": "succeeded"})]))
        .with("/v1/disputes", list(&[]))
        .with("/v1/invoice_payments", list(&[]));
    let account = account::of(None, "cs_1");
    let order = ["subscription.metadata.uid", "customer.id", "checkout_session.client_reference_id", "customer.email"];
    let stripe = server.stripe(&order).await;
    let reading = stripe.read(&account, Scope { one_time: false }).await.unwrap();
    let identity = reading.identity.unwrap();
    assert_eq!((identity.user.as_str(), identity.origin.as_str()), ("user-1", order[2]));
    let purchase = &reading.billing.purchases[0];
    assert_eq!((&purchase.account, purchase.money_back.refunded), (&account, 200));
    assert_eq!(purchase.state, PurchaseState::Paid(at(START + 60)));
    assert_eq!(server.requests()[0], "/v1/checkout/sessions/cs_1?expand[0]=line_items");

    let by_address = server.stripe(&["customer.email"]).await;
    let reading = by_address.read(&account, Scope { one_time: false }).await.unwrap();
    assert_eq!(reading.identity.unwrap().user.as_str(), "ann@example.com");
}

#[tokio::test]
async fn what_succeeded_of_a_purchase_s_payment_was_received() {
    let part = |id: &str, captured: i64, refunded: i64, status: &str| {
        let amounts = json!({"id": id, "amount": 9999, "amount_captured": captured, "amount_refunded": refunded,
            "status": status});
        charge(amounts)
    };
    let server = TestServer::new()
        .with("/v1/checkout/sessions", list(&[session()]))
        .with(
            "/v1/charges",
            list(&[
                part("ch_1", 700, 700, "succeeded"),
                part("ch_2", 500, 0, "succeeded"),
                part("ch_3", 500, 0, "failed"),
            ]),
        )
        .with("/v1/refunds", list(&[json!({"id": "re_1", "amount": 700, "status": "succeeded"})]))
        .with("/v1/disputes", list(&[]))
        .with("/v1/invoice_payments", list(&[]));
    let purchase = server.read(UID, true).await.billing.purchases.remove(0);
    assert_eq!((purchase.money_back.refunded, purchase.money_back.received), (700, Some(1200)));
    let untouched = TestServer::new()
        .with("/v1/checkout/sessions", list(&[session()]))
        .with("/v1/charges", list(&[part("ch_1", 700, 0, "succeeded")]));
    assert_eq!(untouched.read(UID, true).await.billing.purchases[0].money_back.received, None);
}

#[tokio::test]
async fn a_guest_s_country_is_that_of_the_address_they_gave_else_of_their_card() {
    let card = json!({"payment_method_details": {"card": {"country": "FR"}}});
    for (address, expected) in [
        (json!({"country": "de"}), "DE"),
        (json!({"country": ""}), "FR"),
        (json!({"country": "Germany"}), "FR"),
        (json!({"country": 7}), "FR"),
        (json!("somewhere"), "FR"),
        (json!(null), "FR"),
    ] {
        let session = changed(session(), json!({"customer_details": {"email": null, "address": address}}));
        let server = TestServer::new()
            .with("/v1/checkout/sessions/cs_1", session)
            .with("/v1/charges?limit=100&payment_intent=pi_1", list(&[charge(card.clone())]));
        let account = account::of(None, "cs_1");
        let reading = server.stripe(&[]).await.read(&account, Scope { one_time: false }).await.unwrap();
        assert_eq!(reading.billing.purchases[0].country.as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn a_country_that_is_none_gives_way_to_the_next() {
    for (address, card, expected) in [
        (json!("de"), json!("FR"), Some("DE")),
        (json!(""), json!("fr"), Some("FR")),
        (json!("Germany"), json!(""), None),
    ] {
        let details = json!({"payment_method_details": {"card": {"country": card}}});
        let server = TestServer::new()
            .with("/v1/checkout/sessions", list(&[session()]))
            .with("/v1/charges", list(&[charge(details)]))
            .with("/v1/customers/cus_1", json!({"id": "cus_1", "address": {"country": address}}));
        let asking = Extras { country: true, ..Extras::default() };
        let stripe = server.stripe(UID).await.with_extras(asking);
        let reading = stripe.read(&account::of(None, "cus_1"), Scope { one_time: true }).await.unwrap();
        assert_eq!(reading.billing.purchases[0].country.as_deref(), expected);
    }
}
