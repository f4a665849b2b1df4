//! One-time prices on invoices: of a subscription's checkout, of a renewal, or made by hand.

use entitlement::model::billing::{About, Purchase, PurchaseLine, PurchaseState};
use entitlement::model::mode::Mode;
use entitlement::model::money::Money;
use serde_json::{Value, json};

use super::{UID, at, one};
use crate::test_server::{START, TestServer, changed, invoice, list, page, subscription};

const PAID: &str = "/v1/invoices?customer=cus_1&limit=100&status=paid";

/// A line for a one-time price, in the shape of now.
fn line(change: Value) -> Value {
    let line = json!({
        "id": "il_2", "object": "line_item", "amount": 4999, "quantity": 2, "discount_amounts": [], "taxes": [],
        "period": {"start": START, "end": START},
        "pricing": {"type": "price_details", "price_details": {"price": "price_9", "product": "prod_9"}},
        "parent": {"type": "invoice_item_details", "subscription_item_details": null,
            "invoice_item_details": {"invoice_item": "ii_1", "proration": false, "subscription": "sub_1"}}
    });
    changed(line, change)
}

/// The same before 2025-03-31.
fn old_line(change: Value) -> Value {
    let line = json!({
        "id": "il_2", "object": "line_item", "amount": 4999, "quantity": 2, "discount_amounts": [], "tax_amounts": [],
        "period": {"start": START, "end": START}, "type": "invoiceitem", "invoice_item": "ii_1",
        "price": {"id": "price_9", "product": "prod_9"}, "plan": null, "proration": false, "subscription": "sub_1"
    });
    changed(line, change)
}

/// The subscription's first invoice with `lines` beside its own.
fn first_with(lines: &[Value]) -> Value {
    let mut invoice = changed(invoice(), json!({"total": 5998, "livemode": false}));
    invoice["lines"]["data"].as_array_mut().unwrap().extend_from_slice(lines);
    invoice
}

fn with(invoices: &[Value]) -> TestServer {
    one(subscription()).with(PAID, list(invoices)).with("/v1/checkout/sessions", list(&[]))
}

async fn purchases(server: &TestServer) -> Vec<Purchase> {
    let billing = server.read(UID, true).await.billing;
    assert_eq!(billing.gaps, []);
    billing.purchases
}

#[tokio::test]
async fn a_one_time_price_beside_a_subscription_is_a_purchase_by_its_invoice_in_both_shapes() {
    for line in [line(json!({})), old_line(json!({}))] {
        let found = purchases(&with(&[first_with(&[line])])).await;
        let [purchase] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((purchase.id.as_str(), purchase.account.id()), ("in_1", "cus_1"));
        assert_eq!((&purchase.state, purchase.created), (&PurchaseState::Paid(at(START + 5)), at(START)));
        assert_eq!(purchase.total, Money { minor: 5998, currency: "eur".into() });
        let sold = PurchaseLine { price: "price_9".into(), product: "prod_9".into(), quantity: 2, amount: 4999 };
        assert_eq!((purchase.lines.as_slice(), purchase.sold_on.is_invoice()), (&[sold][..], true));
    }
}

#[tokio::test]
async fn an_invoice_made_by_hand_is_read_without_any_subscription() {
    let manual = json!({"billing_reason": "manual", "parent": null, "status_transitions": {"paid_at": null},
        "livemode": true, "test_clock": "clock_1", "lines": list(&[line(json!({"parent": null, "quantity": null}))])});
    let server =
        TestServer::new().with(PAID, list(&[changed(invoice(), manual)])).with("/v1/checkout/sessions", list(&[]));
    let billing = server.read(UID, true).await.billing;
    let purchase = &billing.purchases[0];
    assert_eq!((&purchase.state, purchase.lines[0].quantity), (&PurchaseState::Paid(at(START)), 1));
    assert!(purchase.on_test_clock);
    assert_eq!(billing.mode, Mode::Live);
}

#[tokio::test]
async fn terms_prorations_credits_and_lines_without_a_price_sell_nothing_once() {
    let of_item = |proration: bool| {
        json!({"parent": {"type": "subscription_item_details",
        "subscription_item_details": {"subscription_item": "si_1", "proration": proration}}})
    };
    let prorated = json!({"parent": {"type": "invoice_item_details",
        "invoice_item_details": {"invoice_item": "ii_1", "proration": true}}});
    let lines = [
        line(of_item(false)),
        line(of_item(true)),
        line(prorated),
        line(json!({"parent": {"type": "subscription_item_details", "subscription_item_details": {}}})),
        line(json!({"amount": -4999})),
        line(json!({"pricing": null})),
        old_line(json!({"type": "subscription"})),
        old_line(json!({"subscription_item": "si_1"})),
        old_line(json!({"proration": true})),
        old_line(json!({"price": null})),
    ];
    for line in lines {
        assert_eq!(purchases(&with(&[first_with(std::slice::from_ref(&line))])).await, [], "{line}");
    }
    let open = changed(first_with(&[line(json!({}))]), json!({"status": "open"}));
    assert_eq!(purchases(&with(&[open])).await, [], "whatever the list is asked for");
}

#[tokio::test]
async fn the_invoice_of_a_checkout_s_purchase_is_not_sold_a_second_time() {
    let session = json!({
        "id": "cs_1", "mode": "payment", "status": "complete", "created": START, "payment_status": "paid",
        "payment_intent": "pi_1", "invoice": "in_1", "amount_total": 4999, "currency": "eur", "line_items": list(&[
            json!({"id": "li_1", "amount_total": 4999, "quantity": 1, "price": {"id": "price_9", "product": "prod_9"}})])
    });
    let billed = changed(first_with(&[line(json!({}))]), json!({"billing_reason": "manual"}));
    let sold = async |session: Value| {
        let server = with(std::slice::from_ref(&billed)).with("/v1/checkout/sessions", list(&[session]));
        let ids: Vec<_> = purchases(&server).await.into_iter().map(|purchase| purchase.id).collect();
        ids
    };
    assert_eq!(sold(session.clone()).await, ["pi_1"]);
    assert_eq!(sold(changed(session.clone(), json!({"invoice": {"id": "in_1"}}))).await, ["pi_1"]);
    assert_eq!(sold(changed(session.clone(), json!({"invoice": null}))).await, ["pi_1", "in_1"]);
    let of_subscription = json!({"mode": "subscription", "payment_intent": null});
    assert_eq!(sold(changed(session, of_subscription)).await, ["in_1"]);
}

#[tokio::test]
async fn a_refund_of_the_invoice_is_one_of_the_term_and_of_the_purchase() {
    let charge = json!({"id": "ch_1", "created": START, "status": "succeeded", "payment_intent": "pi_1", "amount": 5998,
        "amount_captured": 5998, "amount_refunded": 5998, "refunded": true, "disputed": false});
    let payment = json!({"id": "inpay_1", "invoice": "in_1", "amount_paid": 5998, "status": "paid",
        "payment": {"type": "payment_intent", "payment_intent": "pi_1"}});
    let server = with(&[first_with(&[line(json!({}))])])
        .with("/v1/charges", list(&[charge]))
        .with("/v1/refunds", list(&[json!({"id": "re_1", "amount": 5998, "status": "succeeded"})]))
        .with("/v1/disputes", list(&[]))
        .with("/v1/invoice_payments", list(&[payment]));
    let billing = server.read(UID, true).await.billing;
    let of_purchase = &billing.purchases[0].money_back;
    assert_eq!((of_purchase.refunded, of_purchase.received), (5998, Some(5998)));
    assert_eq!(&billing.subscriptions[0].invoices[0].money_back, of_purchase);
}

#[tokio::test]
async fn all_pages_and_all_lines_are_read() {
    let next = format!("{}&starting_after=in_1&status=paid", PAID.trim_end_matches("&status=paid"));
    let mut long = first_with(&[]);
    long["lines"]["has_more"] = json!(true);
    let second = changed(first_with(&[line(json!({}))]), json!({"id": "in_2"}));
    let server = with(&[])
        .with(PAID, page(&[long]))
        .with(&next, list(&[second]))
        .with("/v1/invoices/in_1/lines?limit=100&starting_after=il_1", list(&[line(json!({}))]));
    let ids: Vec<_> = purchases(&server).await.into_iter().map(|purchase| purchase.id).collect();
    assert_eq!(ids, ["in_1", "in_2"]);
}

#[tokio::test]
async fn invoices_are_not_listed_where_nothing_is_sold_once() {
    let server = with(&[first_with(&[line(json!({}))])]);
    assert_eq!(server.read(UID, false).await.billing.purchases, []);
    assert!(!server.requests().iter().any(|request| request.starts_with("/v1/invoices")));
}

#[tokio::test]
async fn an_invoice_that_cannot_be_read_is_a_gap_and_hides_no_other() {
    let odd_line = line(json!({"pricing": {"price_details": {"price": "price_9"}}}));
    let server = with(&[
        changed(first_with(&[]), json!({"id": "in_8", "total": null})),
        changed(first_with(&[odd_line]), json!({"id": "in_9"})),
        first_with(&[line(json!({}))]),
    ]);
    let billing = server.read(UID, true).await.billing;
    let gaps: Vec<_> = billing.gaps.iter().map(|gap| (gap.about.clone(), gap.what.as_str())).collect();
    assert_eq!(
        gaps,
        [
            (About::Chain("in_8".into()), "invoice `in_8`: missing field `total`"),
            (About::Chain("in_9".into()), "a line of invoice `in_9`: missing field `product`"),
        ]
    );
    assert_eq!(billing.purchases[0].id, "in_1");
}
