//! Ways from an object to whom it concerns.

use entitlement::failure::Class;
use serde_json::json;

use super::*;
use crate::account;
use crate::test_server::{Fake, list};

async fn resolve(fake: &Fake, id: &str) -> Resolved {
    fake.stripe(&[]).await.resolve(&account::of(None, id)).await.unwrap()
}

fn customer(id: &str) -> Resolved {
    Resolved::Account(account::of(None, id))
}

#[tokio::test]
async fn a_customer_is_its_own_account_and_nothing_is_asked() {
    let fake = Fake::new();
    assert_eq!(resolve(&fake, "cus_1").await, customer("cus_1"));
    assert_eq!(resolve(&fake, "old-style-id").await, customer("old-style-id"));
    assert!(fake.asked().is_empty());
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
        let fake = Fake::new().with(path, json!({"id": id, "customer": {"id": "cus_1", "deleted": true}}));
        assert_eq!(resolve(&fake, id).await, customer("cus_1"), "{id}");
        assert_eq!(fake.asked(), [path]);
    }
}

#[tokio::test]
async fn refunds_and_disputes_lead_through_their_charge() {
    let fake = Fake::new()
        .with("/v1/refunds/re_1", json!({"id": "re_1", "charge": "ch_1"}))
        .with("/v1/refunds/pyr_1", json!({"id": "pyr_1", "payment_intent": "pi_1"}))
        .with("/v1/disputes/du_1", json!({"id": "du_1", "charge": {"id": "ch_1"}}))
        .with("/v1/charges/ch_1", json!({"id": "ch_1", "customer": "cus_1"}))
        .with("/v1/payment_intents/pi_1", json!({"id": "pi_1", "customer": "cus_2"}));
    assert_eq!(resolve(&fake, "re_1").await, customer("cus_1"));
    assert_eq!(resolve(&fake, "du_1").await, customer("cus_1"));
    assert_eq!(resolve(&fake, "pyr_1").await, customer("cus_2"));
}

#[tokio::test]
async fn a_payment_that_names_no_customer_leads_through_the_invoice_it_paid() {
    let fake = Fake::new()
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
        assert_eq!(resolve(&fake, id).await, customer("cus_1"), "{id}");
    }
    let asked = "/v1/invoice_payments?limit=100&payment[payment_intent]=pi_1&payment[type]=payment_intent";
    assert!(fake.asked().iter().any(|path| path == asked), "{:?}", fake.asked());
}

#[tokio::test]
async fn a_guest_is_found_by_the_session_of_the_payment() {
    let session = json!({"id": "cs_1", "object": "checkout.session", "mode": "payment", "customer": null});
    let fake = Fake::new()
        .with("/v1/charges/ch_1", json!({"id": "ch_1", "payment_intent": "pi_1"}))
        .with("/v1/payment_intents/pi_1", json!({"id": "pi_1"}))
        .with("/v1/checkout/sessions?limit=1&payment_intent=pi_1", list(std::slice::from_ref(&session)))
        .with("/v1/checkout/sessions/cs_1", session);
    let guest = Resolved::Account(account::of(None, "cs_1"));
    assert_eq!(resolve(&fake, "ch_1").await, guest);
    assert_eq!(resolve(&fake, "cs_1").await, guest);
}

#[tokio::test]
async fn what_concerns_nobody_says_why() {
    let fake = Fake::new()
        .with("/v1/payment_intents/pi_1", json!({"id": "pi_1"}))
        .with("/v1/checkout/sessions", list(&[]))
        .with("/v1/invoice_payments", list(&[]))
        .with("/v1/checkout/sessions/cs_1", json!({"id": "cs_1", "mode": "setup"}))
        .with("/v1/invoices/in_1", json!({"id": "in_1"}));
    for id in ["pi_1", "cs_1", "in_1"] {
        let Resolved::Nobody(why) = resolve(&fake, id).await else { panic!("{id} concerns nobody") };
        assert!(why.contains(&format!("`{id}`")), "{why}");
    }
}

#[tokio::test]
async fn an_object_that_is_gone_is_missing_and_a_connected_account_is_asked_in_its_name() {
    let fake = Fake::new().with("/v1/invoices/in_1", json!({"id": "in_1", "customer": "cus_1"}));
    let stripe = fake.stripe(&[]).await;
    let failure = stripe.resolve(&account::of(None, "in_2")).await.unwrap_err();
    assert_eq!(failure.class, Class::Missing);
    let found = stripe.resolve(&account::of(Some("acct_1"), "in_1")).await.unwrap();
    assert_eq!(found, Resolved::Account(account::of(Some("acct_1"), "cus_1")));
    assert_eq!(fake.asked()[1], "/v1/invoices/in_1 @acct_1");
}
