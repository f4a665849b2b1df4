//! Refunds and disputes, and the invoices they belong to.

use entitlement::model::billing::{About, Dispute, DisputeState, Gap, MoneyBack};
use entitlement::model::failure::Class;
use entitlement::model::reading::Scope;

use serde_json::{Value, json};

use super::{UID, one};
use crate::account;
use crate::test_server::{START, TestServer, list, subscription};

fn charge(id: &str, intent: &str, refunded: i64) -> Value {
    json!({"id": id, "created": START, "status": "succeeded", "payment_intent": intent, "amount_refunded": refunded,
        "refunded": false, "disputed": false})
}

fn refund(amount: i64, status: &str) -> Value {
    json!({"id": "re_1", "amount": amount, "status": status})
}

async fn money_back(server: &TestServer) -> MoneyBack {
    server.read(UID, false).await.billing.subscriptions[0].invoices[0].money_back.clone()
}

#[tokio::test]
async fn refunds_that_succeeded_are_summed_over_all_charges_of_the_invoice() {
    let pending = [refund(100, "succeeded"), refund(7, "pending"), refund(7, "failed"), refund(7, "canceled")];
    let server = one(subscription())
        .with(
            "/v1/charges",
            list(&[charge("ch_1", "pi_1", 100), charge("ch_2", "pi_2", 50), charge("ch_3", "pi_3", 0)]),
        )
        .with("/v1/refunds?charge=ch_1&limit=100", list(&pending))
        .with("/v1/refunds?charge=ch_2&limit=100", list(&[refund(30, "succeeded"), refund(20, "succeeded")]))
        .with("/v1/disputes", list(&[]))
        .with("/v1/invoice_payments", list(&[json!({"id": "inpay_1", "invoice": "in_1"})]));
    assert_eq!(money_back(&server).await, MoneyBack { refunded: 150, ..MoneyBack::default() });
    assert!(!server.requests().iter().any(|path| path.contains("ch_3") || path.contains("pi_3")));
}

#[tokio::test]
async fn the_invoice_on_an_old_charge_is_taken_as_it_stands() {
    let mut old = charge("ch_1", "pi_1", 0);
    (old["invoice"], old["disputed"]) = (json!("in_1"), json!(true));
    let dispute = |status: &str| json!({"id": "dp_1", "status": status, "amount": 999});
    let states = ["warning_needs_response", "needs_response", "under_review", "won", "lost", "appeal_under_review"];
    let server = one(subscription())
        .with("/v1/charges", list(&[old]))
        .with("/v1/refunds", list(&[]))
        .with("/v1/disputes", list(&states.map(dispute)));
    let expected = [
        DisputeState::Warning,
        DisputeState::Open,
        DisputeState::Open,
        DisputeState::Won,
        DisputeState::Lost,
        DisputeState::Unknown("appeal_under_review".into()),
    ];
    let disputes: Vec<_> = expected.map(|state| Dispute { state, amount: 999 }).into();
    assert_eq!(money_back(&server).await, MoneyBack { disputes, ..MoneyBack::default() });
    assert!(!server.requests().iter().any(|path| path.starts_with("/v1/invoice_payments")));
}

#[tokio::test]
async fn a_refund_of_an_older_term_is_attached_to_nothing() {
    let server = one(subscription())
        .with("/v1/charges", list(&[charge("ch_1", "pi_1", 100)]))
        .with("/v1/refunds", list(&[refund(100, "succeeded")]))
        .with("/v1/disputes", list(&[]))
        .with("/v1/invoice_payments", list(&[json!({"id": "inpay_1", "invoice": "in_0"})]));
    assert_eq!(money_back(&server).await, MoneyBack::default());
}

/// Where a charge of `in_1` was refunded in the shape of now.
fn refunded(charges: &[Value]) -> TestServer {
    one(subscription())
        .with("/v1/charges", list(charges))
        .with("/v1/refunds", list(&[refund(599, "succeeded")]))
        .with("/v1/disputes", list(&[]))
        .with("/v1/invoice_payments", list(&[json!({"id": "inpay_1", "invoice": "in_1"})]))
}

fn paid(amount: i64, kind: &str) -> Value {
    json!({"id": "inpay_1", "invoice": "in_1", "amount_paid": amount, "status": "paid", "payment": {"type": kind}})
}

#[tokio::test]
async fn what_charges_paid_of_a_refunded_invoice_was_received_and_what_was_paid_elsewhere_was_not() {
    let asked = "/v1/invoice_payments?invoice=in_1&limit=100&status=paid";
    let payments = [paid(599, "payment_intent"), paid(100, "charge"), paid(300, "payment_record"), paid(7, "barter")];
    let server = refunded(&[charge("ch_1", "pi_1", 599)]).with(asked, list(&payments));
    assert_eq!(money_back(&server).await, MoneyBack { refunded: 599, received: Some(699), ..MoneyBack::default() });
    assert_eq!(server.requests().iter().filter(|request| *request == asked).count(), 1);
}

#[tokio::test]
async fn charges_that_name_their_invoice_are_summed_as_they_were_captured() {
    let named = |id: &str, status: &str, refunded: i64, captured: Option<i64>| {
        let mut charge = charge(id, &format!("pi_{id}"), refunded);
        (charge["invoice"], charge["status"]) = (json!("in_1"), json!(status));
        (charge["amount"], charge["amount_captured"]) = (json!(400), json!(captured));
        charge
    };
    let mut other = named("ch_5", "succeeded", 0, Some(400));
    other["invoice"] = json!("in_2");
    let server = refunded(&[
        named("ch_1", "succeeded", 599, Some(350)),
        named("ch_2", "succeeded", 0, None),
        named("ch_3", "failed", 0, Some(400)),
        named("ch_4", "pending", 0, Some(400)),
        other,
    ]);
    assert_eq!(money_back(&server).await.received, Some(750));
    assert!(!server.requests().iter().any(|request| request.starts_with("/v1/invoice_payments")));
}

#[tokio::test]
async fn what_was_received_is_asked_only_where_something_went_back() {
    let mut disputed = charge("ch_1", "pi_1", 0);
    disputed["disputed"] = json!(true);
    let server = refunded(&[disputed]).with("/v1/refunds", list(&[refund(599, "pending")]));
    assert_eq!(money_back(&server).await, MoneyBack::default());
    let is_asked = |request: &String| request.starts_with("/v1/invoice_payments?invoice=");
    assert!(!server.requests().iter().any(is_asked));
}

#[tokio::test]
async fn what_was_received_is_not_known_where_the_key_may_not_read_it_or_it_cannot_be_understood() {
    let asked = "/v1/invoice_payments?invoice=in_1&limit=100&status=paid";
    let server = || refunded(&[charge("ch_1", "pi_1", 599)]);
    for status in [403, 404, 400] {
        let refused = server().status(asked, status, json!({"error": {"type": "x"}}));
        let billing = refused.read(UID, false).await.billing;
        let back = MoneyBack { refunded: 599, ..MoneyBack::default() };
        assert_eq!((&billing.subscriptions[0].invoices[0].money_back, billing.gaps), (&back, vec![]));
    }
    let mut silent = paid(0, "payment_intent");
    silent["amount_paid"] = Value::Null;
    for payments in [vec![], vec![json!({"amount_paid": "599"})], vec![silent, paid(100, "charge")]] {
        assert_eq!(money_back(&server().with(asked, list(&payments))).await.received, None, "{payments:?}");
    }
    let failing = server().status(asked, 500, json!({})).stripe(UID).await;
    let reading = failing.read(&account::of(None, "cus_1"), Scope { one_time: false }).await;
    assert_eq!(reading.unwrap_err().class, Class::Transient);
}

#[tokio::test]
async fn charges_the_key_may_not_read_are_a_gap_and_no_error() {
    for status in [403, 404, 400] {
        let server = one(subscription()).status("/v1/charges", status, json!({"error": {"type": "x"}}));
        let billing = server.read(UID, false).await.billing;
        let what = format!("refunds and disputes (charges list answered {status})");
        assert_eq!(billing.gaps, [Gap { about: About::MoneyBack, what }]);
        assert_eq!(billing.subscriptions.len(), 1);
    }
}

#[tokio::test]
async fn a_failure_that_may_pass_or_a_refused_key_fails_the_reading() {
    for (status, class) in [(500, Class::Transient), (401, Class::Credentials)] {
        let server = one(subscription()).status("/v1/charges", status, json!({}));
        let stripe = server.stripe(UID).await;
        let reading = stripe.read(&account::of(None, "cus_1"), Scope { one_time: false }).await;
        assert_eq!(reading.unwrap_err().class, class);
    }
}

#[tokio::test]
async fn a_refund_that_cannot_be_read_is_a_gap() {
    let server = one(subscription())
        .with("/v1/charges", list(&[charge("ch_1", "pi_1", 100)]))
        .with("/v1/refunds", list(&[json!({"id": "re_1"})]))
        .with("/v1/disputes", list(&[]))
        .with("/v1/invoice_payments", list(&[]));
    let gaps = server.read(UID, false).await.billing.gaps;
    assert_eq!(gaps[0].about, About::MoneyBack);
    assert_eq!(gaps[0].what, "refunds and disputes (a refund of `ch_1`: missing field `amount`)");
}
