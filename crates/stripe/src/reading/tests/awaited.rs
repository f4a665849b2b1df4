//! Payments that are on their way, and invoices that nobody collects.

use entitlement::model::failure::Class;
use entitlement::model::reading::Scope;
use serde_json::{Value, json};

use super::{UID, one};
use crate::account;
use crate::test_server::{END, START, TestServer, changed, invoice, list, subscription};

const LISTED: &str = "/v1/invoice_payments?expand[0]=data.payment.payment_intent&invoice=in_1&limit=100";

/// The renewal's invoice, not paid.
fn renewal(change: Value) -> Value {
    let open = json!({"status": "open", "billing_reason": "subscription_cycle", "attempted": true, "attempt_count": 1,
        "status_transitions": {"paid_at": null}, "collection_method": "charge_automatically"});
    changed(changed(invoice(), open), change)
}

fn with(invoice: Value) -> TestServer {
    one(changed(subscription(), json!({"latest_invoice": invoice})))
}

fn payment(status: &str) -> Value {
    json!({"id": "inpay_1", "invoice": "in_1", "amount_paid": null, "status": "open",
        "payment": {"type": "payment_intent", "payment_intent": {"id": "pi_1", "status": status}}})
}

fn debit(change: Value) -> Value {
    let charge = json!({"id": "py_1", "created": END, "status": "pending", "payment_intent": "pi_1", "amount": 999,
        "amount_captured": 999, "amount_refunded": 0, "refunded": false, "disputed": false});
    changed(charge, change)
}

async fn is_processing(server: &TestServer) -> bool {
    server.read(UID, false).await.billing.subscriptions[0].invoices[0].is_processing
}

async fn is_uncollected(invoice: Value) -> bool {
    with(invoice).read(UID, false).await.billing.subscriptions[0].invoices[0].is_uncollected
}

fn asked(server: &TestServer, path: &str) -> usize {
    server.requests().iter().filter(|request| request.starts_with(path)).count()
}

#[tokio::test]
async fn a_pending_charge_of_the_invoice_is_a_payment_on_its_way() {
    let server = with(renewal(json!({}))).with("/v1/charges", list(&[debit(json!({}))])).with(
        "/v1/invoice_payments?limit=100&payment[payment_intent]=pi_1&payment[type]=payment_intent",
        list(&[json!({"id": "inpay_1", "invoice": "in_1"})]),
    );
    assert!(is_processing(&server).await);
    assert_eq!(asked(&server, "/v1/invoice_payments"), 1, "the charge has said it");

    let server = with(renewal(json!({}))).with("/v1/charges", list(&[debit(json!({"invoice": "in_1"}))]));
    assert!(is_processing(&server).await);
    assert_eq!(asked(&server, "/v1/invoice_payments"), 0, "the charge names its invoice");
}

#[tokio::test]
async fn a_pending_charge_of_something_else_says_nothing_of_the_invoice() {
    let server = with(renewal(json!({})))
        .with("/v1/charges", list(&[debit(json!({"invoice": "in_0"}))]))
        .with(LISTED, list(&[payment("requires_payment_method")]));
    assert!(!is_processing(&server).await);
    let refused = with(renewal(json!({}))).with("/v1/charges", list(&[debit(json!({}))])).status(
        "/v1/invoice_payments",
        403,
        json!({"error": {"type": "x"}}),
    );
    let billing = refused.read(UID, false).await.billing;
    assert!(!billing.subscriptions[0].invoices[0].is_processing);
    assert_eq!(billing.gaps, [], "what is not refunded needs no invoice");
}

#[tokio::test]
async fn an_open_invoice_is_asked_once_whether_its_payment_is_processing() {
    for (status, expected) in [("processing", true), ("requires_payment_method", false), ("succeeded", false)] {
        let server = with(renewal(json!({}))).with(LISTED, list(&[payment(status)]));
        assert_eq!(is_processing(&server).await, expected, "{status}");
        assert_eq!(server.requests().iter().filter(|request| *request == LISTED).count(), 1);
    }
    let unexpanded = json!({"id": "inpay_1", "payment": {"type": "payment_intent", "payment_intent": "pi_1"}});
    for payments in [json!([]), json!([unexpanded]), json!([{"id": "inpay_1", "payment": 7}]), json!([7])] {
        let server = with(renewal(json!({}))).with(LISTED, json!({"data": payments}));
        assert!(!is_processing(&server).await, "{payments}");
    }
}

#[tokio::test]
async fn the_payment_intent_of_an_old_invoice_is_taken_as_it_stands_or_read() {
    let expanded = |status: &str| renewal(json!({"payment_intent": {"id": "pi_1", "status": status}}));
    for (status, expected) in [("processing", true), ("requires_payment_method", false)] {
        let server = with(expanded(status));
        assert_eq!(is_processing(&server).await, expected);
        assert_eq!(server.requests().len(), 3, "two, and the former invoices");

        let server = with(renewal(json!({"payment_intent": "pi_1"})))
            .with("/v1/payment_intents/pi_1", json!({"id": "pi_1", "status": status}));
        assert_eq!(is_processing(&server).await, expected);
        assert_eq!((asked(&server, "/v1/payment_intents/pi_1"), asked(&server, "/v1/invoice_payments")), (1, 0));
    }
}

#[tokio::test]
async fn nothing_is_asked_of_an_invoice_that_no_payment_is_awaited_for() {
    let sent = json!({"collection_method": "send_invoice"});
    let by_subscription = changed(
        subscription(),
        json!({"collection_method": "send_invoice",
        "latest_invoice": renewal(json!({"collection_method": null}))}),
    );
    let ended = changed(subscription(), json!({"status": "canceled", "latest_invoice": renewal(json!({}))}));
    let mut servers: Vec<_> =
        ["draft", "paid", "void", "uncollectible"].map(|status| with(renewal(json!({"status": status})))).into();
    servers.extend([with(renewal(sent)), one(by_subscription), one(ended)]);
    for server in servers {
        assert!(!is_processing(&server).await);
        assert_eq!((asked(&server, "/v1/invoice_payments"), asked(&server, "/v1/payment_intents")), (0, 0));
    }
}

#[tokio::test]
async fn a_payment_that_the_key_may_not_read_is_not_known_to_be_on_its_way() {
    let refused = json!({"error": {"type": "x"}});
    for (invoice, path) in [
        (renewal(json!({})), "/v1/invoice_payments"),
        (renewal(json!({"payment_intent": "pi_1"})), "/v1/payment_intents/pi_1"),
    ] {
        let server = with(invoice.clone()).status(path, 403, refused.clone());
        assert!(!is_processing(&server).await);
        assert_eq!(server.read(UID, false).await.billing.gaps, []);
        let server = with(invoice).status(path, 500, refused.clone());
        let reading = server.stripe(UID).await.read(&account::of(None, "cus_1"), Scope { one_time: false }).await;
        assert_eq!(reading.unwrap_err().class, Class::Transient);
    }
}

#[tokio::test]
async fn an_invoice_closed_before_any_attempt_is_collected_by_nobody() {
    for status in ["void", "uncollectible"] {
        let closed = |change: Value| changed(renewal(json!({"status": status, "auto_advance": false})), change);
        let untried = json!({"attempted": false, "attempt_count": 0});
        assert!(is_uncollected(closed(untried.clone())).await, "{status}");
        assert!(is_uncollected(closed(json!({"attempted": false, "attempt_count": null}))).await, "{status}");
        assert!(is_uncollected(closed(json!({"attempted": null, "attempt_count": 0}))).await, "{status}");
        for tried in [
            json!({}),
            json!({"attempted": true, "attempt_count": 0}),
            json!({"attempted": false, "attempt_count": 1}),
            json!({"attempted": null, "attempt_count": null}),
            changed(untried.clone(), json!({"collection_method": "send_invoice"})),
        ] {
            assert!(!is_uncollected(closed(tried.clone())).await, "{status} {tried}");
        }
    }
}

#[tokio::test]
async fn a_draft_that_does_not_advance_is_collected_by_nobody() {
    let draft =
        |change: Value| changed(renewal(json!({"status": "draft", "attempted": false, "attempt_count": 0})), change);
    assert!(is_uncollected(draft(json!({"auto_advance": false}))).await);
    for advances in [
        json!({"auto_advance": true}),
        json!({"auto_advance": null}),
        json!({"auto_advance": false, "collection_method": "send_invoice"}),
        json!({"auto_advance": false, "status": "open"}),
        json!({"auto_advance": false, "status": "paid"}),
    ] {
        assert!(!is_uncollected(draft(advances.clone())).await, "{advances}");
    }
}

#[tokio::test]
async fn an_invoice_that_does_not_say_how_it_is_collected_is_collected_as_its_subscription() {
    let void = renewal(json!({"status": "void", "attempted": false, "attempt_count": 0, "collection_method": null}));
    assert!(is_uncollected(void.clone()).await);
    let sent = changed(subscription(), json!({"collection_method": "send_invoice", "latest_invoice": void}));
    assert!(!one(sent).read(UID, false).await.billing.subscriptions[0].invoices[0].is_uncollected);
}

#[tokio::test]
async fn a_former_invoice_keeps_what_a_pause_did_to_it() {
    let paused = renewal(json!({"id": "in_8", "status": "uncollectible", "attempted": false, "attempt_count": 0}));
    let first = changed(invoice(), json!({"id": "in_7", "created": START}));
    let server = with(renewal(json!({"id": "in_9", "status": "draft", "auto_advance": true})))
        .with("/v1/invoices", list(&[paused, first]));
    let invoices = &server.read(UID, false).await.billing.subscriptions[0].invoices;
    let said: Vec<_> = invoices.iter().map(|invoice| (invoice.id.as_str(), invoice.is_uncollected)).collect();
    assert_eq!(said, [("in_9", false), ("in_8", true), ("in_7", false)]);
}
