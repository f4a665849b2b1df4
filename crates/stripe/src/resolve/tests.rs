//! Ways from an object to whom it concerns.

use entitlement::model::failure::Class;
use serde_json::json;

use super::*;
use crate::account;
use crate::test_server::{TestServer, list};

async fn resolve(server: &TestServer, id: &str) -> Resolved {
    server.stripe(&[]).await.resolve(&account::of(None, id)).await.unwrap()
}

fn customer(id: &str) -> Resolved {
    Resolved::Account(account::of(None, id))
}

#[tokio::test]
async fn a_customer_is_its_own_account_and_nothing_is_requested() {
    let server = TestServer::new();
    assert_eq!(resolve(&server, "cus_1").await, customer("cus_1"));
    assert_eq!(resolve(&server, "old-style-id").await, customer("old-style-id"));
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn objects_that_name_their_customer_need_one_request() {
    for (id, path) in [
        ("in_1", "/v1/invoices/in_1"),
        ("ch_1", "/v1/charges/ch_1"),
        ("py_1", "/v1/charges/py_1"),
        ("pi_1", "/v1/payment_intents/pi_1"),
        ("cn_1", "/v1/credit_notes/cn_1"),
        ("sub_1", "/v1/subscriptions/sub_1"),
        ("cs_test_1", "/v1/checkout/sessions/cs_test_1"),
    ] {
        let server = TestServer::new().with(path, json!({"id": id, "customer": {"id": "cus_1", "deleted": true}}));
        assert_eq!(resolve(&server, id).await, customer("cus_1"), "{id}");
        assert_eq!(server.requests(), [path]);
    }
}

#[tokio::test]
async fn refunds_and_disputes_lead_through_their_charge() {
    let server = TestServer::new()
        .with("/v1/refunds/re_1", json!({"id": "re_1", "charge": "ch_1"}))
        .with("/v1/refunds/pyr_1", json!({"id": "pyr_1", "payment_intent": "pi_1"}))
        .with("/v1/disputes/du_1", json!({"id": "du_1", "charge": {"id": "ch_1"}}))
        .with("/v1/charges/ch_1", json!({"id": "ch_1", "customer": "cus_1"}))
        .with("/v1/payment_intents/pi_1", json!({"id": "pi_1", "customer": "cus_2"}));
    assert_eq!(resolve(&server, "re_1").await, customer("cus_1"));
    assert_eq!(resolve(&server, "du_1").await, customer("cus_1"));
    assert_eq!(resolve(&server, "pyr_1").await, customer("cus_2"));
}

#[tokio::test]
async fn a_payment_that_names_no_customer_leads_through_the_invoice_it_paid() {
    let server = TestServer::new()
        .with("/v1/invoice_payments/inpay_1", json!({"id": "inpay_1", "invoice": "in_1"}))
        .with("/v1/charges/ch_1", json!({"id": "ch_1", "customer": null, "payment_intent": "pi_1"}))
        .with("/v1/charges/ch_2", json!({"id": "ch_2", "invoice": "in_1"}))
        .with("/v1/payment_intents/pi_1", json!({"id": "pi_1", "customer": null}))
        .with("/v1/checkout/sessions", list(&[]))
        .with("/v1/invoice_payments", list(&[json!({"id": "inpay_1", "invoice": "in_1"})]))
        .with("/v1/subscription_items/si_1", json!({"id": "si_1", "subscription": "sub_1"}))
        .with("/v1/subscriptions/sub_1", json!({"id": "sub_1", "customer": "cus_1"}))
        .with("/v1/invoices/in_1", json!({"id": "in_1", "customer": "cus_1"}));
    for id in ["inpay_1", "ch_1", "ch_2", "si_1"] {
        assert_eq!(resolve(&server, id).await, customer("cus_1"), "{id}");
    }
    let asked = "/v1/invoice_payments?limit=100&payment[payment_intent]=pi_1&payment[type]=payment_intent";
    assert!(server.requests().iter().any(|path| path == asked), "{:?}", server.requests());
}

#[tokio::test]
async fn a_guest_is_found_by_the_session_of_the_payment() {
    let session = json!({"id": "cs_1", "object": "checkout.session", "mode": "payment", "customer": null});
    let server = TestServer::new()
        .with("/v1/charges/ch_1", json!({"id": "ch_1", "payment_intent": "pi_1"}))
        .with("/v1/payment_intents/pi_1", json!({"id": "pi_1"}))
        .with("/v1/checkout/sessions?limit=1&payment_intent=pi_1", list(std::slice::from_ref(&session)))
        .with("/v1/checkout/sessions/cs_1", session);
    let guest = Resolved::Account(account::of(None, "cs_1"));
    assert_eq!(resolve(&server, "ch_1").await, guest);
    assert_eq!(resolve(&server, "cs_1").await, guest);
}

#[tokio::test]
async fn what_concerns_nobody_says_why() {
    let server = TestServer::new()
        .with("/v1/payment_intents/pi_1", json!({"id": "pi_1"}))
        .with("/v1/checkout/sessions", list(&[]))
        .with("/v1/invoice_payments", list(&[]))
        .with("/v1/checkout/sessions/cs_1", json!({"id": "cs_1", "mode": "setup"}))
        .with("/v1/invoices/in_1", json!({"id": "in_1"}));
    for id in ["pi_1", "cs_1", "in_1"] {
        let Resolved::Nobody(why) = resolve(&server, id).await else { panic!("{id} concerns nobody") };
        assert!(why.contains(&format!("`{id}`")), "{why}");
    }
}

#[tokio::test]
async fn an_object_that_is_gone_is_missing_and_a_connected_account_is_read_in_its_name() {
    let server = TestServer::new().with("/v1/invoices/in_1", json!({"id": "in_1", "customer": "cus_1"}));
    let stripe = server.stripe(&[]).await;
    let failure = stripe.resolve(&account::of(None, "in_2")).await.unwrap_err();
    assert_eq!(failure.class, Class::Missing);
    let found = stripe.resolve(&account::of(Some("acct_1"), "in_1")).await.unwrap();
    assert_eq!(found, Resolved::Account(account::of(Some("acct_1"), "cus_1")));
    assert_eq!(server.requests()[1], "/v1/invoices/in_1 @acct_1");
}
