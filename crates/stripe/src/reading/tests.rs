//! Whole readings: subscriptions, their invoices, and lists.

mod awaited;
mod bought;
mod money_back;
mod on_invoices;
mod user;

use entitlement::model::billing::{
    About, Collection, Gap, Invoice, InvoiceReason, InvoiceStatus, Item, Line, MoneyBack, Period, Status, Subscription,
};
use entitlement::model::clock::Timestamp;
use entitlement::model::failure::Class;
use entitlement::model::mode::Mode;
use entitlement::model::money::Money;
use entitlement::model::reading::Scope;
use serde_json::{Value, json};

use crate::account;
use crate::test_server::{END, START, TestServer, changed, invoice, list, page, subscription};

const UID: &[&str] = &["subscription.metadata.uid"];

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(seconds, 0).unwrap()
}

fn one(subscription: Value) -> TestServer {
    TestServer::new().with("/v1/subscriptions", list(&[subscription]))
}

/// The same in the shape of before 2025-03-31.
fn old_shape() -> Value {
    let line = json!({
        "id": "il_1", "amount": 999, "period": {"start": START, "end": END}, "discount_amounts": [], "tax_amounts": [],
        "price": {"id": "price_1", "product": {"id": "prod_1"}}, "subscription_item": "si_1", "proration": false
    });
    let invoice = changed(
        invoice(),
        json!({"parent": null, "status": null, "paid": true, "subscription": "sub_1", "lines": list(&[line])}),
    );
    let item = json!({"id": "si_1", "plan": {"id": "price_1", "product": "prod_1", "currency": "eur"}, "quantity": 1});
    changed(
        subscription(),
        json!({"items": list(&[item]), "currency": null, "latest_invoice": invoice,
            "current_period_start": START, "current_period_end": END}),
    )
}

fn expected() -> Subscription {
    let period = Period { start: at(START), end: at(END) };
    let line = Line {
        price: Some("price_1".into()),
        product: Some("prod_1".into()),
        item: Some("si_1".into()),
        amount: 999,
        period: Some(period),
        proration: false,
        discount: None,
    };
    let invoice = Invoice {
        id: "in_1".into(),
        status: InvoiceStatus::Paid,
        reason: InvoiceReason::SubscriptionCreate,
        created: at(START),
        paid_at: Some(at(START + 5)),
        total: Money { minor: 999, currency: "eur".into() },
        lines: vec![line],
        is_processing: false,
        is_uncollected: false,
        money_back: MoneyBack::default(),
    };
    let item = Item { id: "si_1".into(), price: "price_1".into(), product: "prod_1".into(), quantity: 1, period };
    Subscription {
        canceled_at: None,
        stop: None,
        country: None,
        variation: None,
        id: "sub_1".into(),
        account: account::of(None, "cus_1"),
        status: Status::Active,
        created: at(START),
        started: Some(at(START)),
        trial: None,
        stops_at_period_end: false,
        cancel_at: None,
        ended_at: None,
        currency: "eur".into(),
        collection: Collection::Automatic,
        collection_paused: false,
        items: vec![item],
        invoices: vec![invoice],
        on_test_clock: false,
    }
}

#[tokio::test]
async fn both_shapes_lead_to_the_same_billing() {
    let new = one(subscription()).read(UID, false).await;
    assert_eq!(new.billing.subscriptions, [expected()]);
    assert_eq!((new.billing.mode, new.billing.gaps.len(), new.deleted), (Mode::Test, 0, false));
    assert_eq!(one(old_shape()).read(UID, false).await, new);
}

#[tokio::test]
async fn a_settled_customer_costs_two_requests() {
    let server = one(subscription());
    server.read(UID, false).await;
    let mut requests = server.requests();
    requests.sort();
    assert_eq!(
        requests,
        [
            "/v1/charges?customer=cus_1&limit=100",
            "/v1/subscriptions?customer=cus_1&expand[0]=data.latest_invoice&limit=100&status=all"
        ]
    );
}

#[tokio::test]
async fn every_field_is_read_and_an_unknown_status_is_kept_as_it_is() {
    let change = json!({
        "status": "hibernating", "cancel_at_period_end": true, "cancel_at": END, "ended_at": END, "trial_start": START,
        "trial_end": END, "collection_method": "send_invoice", "pause_collection": {"behavior": "void"},
        "test_clock": "clock_1", "pending_update": {"subscription_items": []}, "livemode": true
    });
    let billing = one(changed(subscription(), change)).read(UID, false).await.billing;
    let read = &billing.subscriptions[0];
    assert_eq!(read.status, Status::Unknown("hibernating".into()));
    assert_eq!((read.cancel_at, read.ended_at), (Some(at(END)), Some(at(END))));
    assert_eq!(read.trial, Some(Period { start: at(START), end: at(END) }));
    assert!(read.stops_at_period_end && read.collection_paused && read.on_test_clock);
    assert_eq!(read.collection, Collection::SendInvoice);
    assert_eq!(billing.mode, Mode::Live);
}

#[tokio::test]
async fn a_subscription_that_cannot_be_read_is_a_gap_and_hides_no_other() {
    let without = |field: &str| changed(subscription(), json!({"id": "sub_2", field: null}));
    let item = json!({"id": "si_9", "price": {"id": "price_1", "product": "prod_1"}});
    let broken = changed(subscription(), json!({"id": "sub_3", "created": "ann@example.com"}));
    let item_less = changed(subscription(), json!({"id": "sub_4", "items": list(&[item])}));
    let bad_invoice =
        changed(subscription(), json!({"id": "sub_5", "latest_invoice": changed(invoice(), json!({"total": null}))}));
    let all = [without("items"), without("id"), broken, item_less, bad_invoice, subscription()];
    let billing = TestServer::new().with("/v1/subscriptions", list(&all)).read(UID, false).await.billing;
    assert_eq!(billing.subscriptions, [expected()]);
    let chain = |id: &str, what: &str| Gap { about: About::Chain(id.into()), what: what.into() };
    assert_eq!(
        billing.gaps,
        [
            chain("sub_2", "subscription `sub_2`: missing field `items`"),
            Gap { about: About::Everything, what: "a subscription without `id`".into() },
            chain("sub_3", "subscription `sub_3`: a field has an unexpected type"),
            chain("sub_4", "subscription `sub_4`: item `si_9`: missing field `current_period_start`"),
            chain("sub_5", "subscription `sub_5`: invoice `in_1`: missing field `total`"),
        ]
    );
}

#[tokio::test]
async fn an_absent_quantity_is_one() {
    let mut metered = subscription();
    metered["items"]["data"][0]["quantity"] = Value::Null;
    let billing = one(metered).read(UID, false).await.billing;
    assert_eq!(billing.subscriptions[0].items[0].quantity, 1);
}

#[tokio::test]
async fn lists_are_read_to_their_end() {
    let numbered = |id: &str| changed(subscription(), json!({"id": id, "latest_invoice": null}));
    let mut many_items = numbered("sub_3");
    many_items["items"]["has_more"] = json!(true);
    let mut further = subscription()["items"]["data"][0].clone();
    further["id"] = json!("si_2");
    let first = "/v1/subscriptions?customer=cus_1&expand[0]=data.latest_invoice&limit=100&status=all";
    let second =
        "/v1/subscriptions?customer=cus_1&expand[0]=data.latest_invoice&limit=100&starting_after=sub_2&status=all";
    let server = TestServer::new()
        .with(first, page(&[numbered("sub_1"), numbered("sub_2")]))
        .with(second, list(&[many_items]))
        .with("/v1/subscription_items?limit=100&starting_after=si_1&subscription=sub_3", list(&[further]));
    let billing = server.read(UID, false).await.billing;
    let ids: Vec<_> = billing.subscriptions.iter().map(|read| (read.id.as_str(), read.items.len())).collect();
    assert_eq!(ids, [("sub_1", 1), ("sub_2", 1), ("sub_3", 2)]);
}

#[tokio::test]
async fn an_answer_that_is_no_list_is_not_an_empty_one() {
    let server = TestServer::new().with("/v1/subscriptions", json!({}));
    let stripe = server.stripe(UID).await;
    let failure = stripe.read(&account::of(None, "cus_1"), Scope { one_time: false }).await.unwrap_err();
    assert_eq!(failure.class, Class::Transient);
    let endless = TestServer::new().with("/v1/subscriptions", page(&[]));
    let stripe = endless.stripe(UID).await;
    assert!(stripe.read(&account::of(None, "cus_1"), Scope { one_time: false }).await.is_err());
}

#[tokio::test]
async fn former_invoices_are_read_until_the_last_paid_term() {
    let open = changed(invoice(), json!({"id": "in_9", "status": "open", "billing_reason": "subscription_cycle"}));
    let change = changed(invoice(), json!({"id": "in_8", "billing_reason": "subscription_update"}));
    let paid = changed(invoice(), json!({"id": "in_7", "billing_reason": "subscription_cycle"}));
    let foreign = changed(invoice(), json!({"id": "in_6", "parent": null, "subscription": "sub_2"}));
    let server = one(changed(subscription(), json!({"latest_invoice": open.clone()})))
        .with("/v1/invoices?limit=100&subscription=sub_1", page(&[open, change]))
        .with("/v1/invoices?limit=100&starting_after=in_8&subscription=sub_1", page(&[paid, foreign]));
    let billing = server.read(UID, false).await.billing;
    let ids: Vec<_> = billing.subscriptions[0].invoices.iter().map(|invoice| invoice.id.as_str()).collect();
    assert_eq!(ids, ["in_9", "in_8", "in_7"]);
    assert_eq!(server.requests().iter().filter(|path| path.starts_with("/v1/invoices")).count(), 2);
}

#[tokio::test]
async fn a_latest_invoice_that_is_only_named_is_fetched_and_its_further_lines_too() {
    let mut long = invoice();
    long["lines"]["has_more"] = json!(true);
    let mut further = long["lines"]["data"][0].clone();
    further["amount"] = json!(1);
    let server = one(changed(subscription(), json!({"latest_invoice": "in_1"})))
        .with("/v1/invoices/in_1", long)
        .with("/v1/invoices/in_1/lines?limit=100&starting_after=il_1", list(&[further]));
    let billing = server.read(UID, false).await.billing;
    let amounts: Vec<_> = billing.subscriptions[0].invoices[0].lines.iter().map(|line| line.amount).collect();
    assert_eq!(amounts, [999, 1]);
}

#[tokio::test]
async fn a_line_costs_its_amount_less_discounts_with_the_taxes_on_top() {
    let amount = async |change: Value| {
        let mut subscription = subscription();
        let line = &mut subscription["latest_invoice"]["lines"]["data"][0];
        *line = changed(line.clone(), change);
        one(subscription).read(UID, false).await.billing.subscriptions[0].invoices[0].lines[0].amount
    };
    let discounts = json!([{"amount": 100, "discount": "di_1"}, {"amount": 50}]);
    let taxes = json!([{"amount": 70, "tax_behavior": "exclusive"}, {"amount": 30, "tax_behavior": "inclusive"}]);
    assert_eq!(amount(json!({"discount_amounts": discounts, "taxes": taxes})).await, 999 - 150 + 70);
    let old = json!([{"amount": 70, "inclusive": false}, {"amount": 30, "inclusive": true}]);
    assert_eq!(amount(json!({"taxes": null, "tax_amounts": old})).await, 999 + 70);
}

#[tokio::test]
async fn a_proration_keeps_its_mark() {
    let mut subscription = subscription();
    let line = &mut subscription["latest_invoice"]["lines"]["data"][0];
    line["parent"] = json!({"type": "invoice_item_details", "subscription_item_details": null,
        "invoice_item_details": {"proration": true, "subscription_item": "si_1"}});
    let billing = one(subscription).read(UID, false).await.billing;
    assert!(billing.subscriptions[0].invoices[0].lines[0].proration);
}

#[tokio::test]
async fn a_customer_stripe_does_not_know_is_missing() {
    let error = json!({"error": {"type": "invalid_request_error", "code": "resource_missing", "param": "customer"}});
    let server = TestServer::new().status("/v1/subscriptions", 400, error.clone()).status("/v1/charges", 400, error);
    let stripe = server.stripe(UID).await;
    let failure = stripe.read(&account::of(None, "cus_1"), Scope { one_time: true }).await.unwrap_err();
    assert_eq!(failure.class, Class::Missing);
}

#[tokio::test]
async fn a_connected_account_is_read_in_its_name_and_an_invoice_is_no_account() {
    let server = one(subscription());
    let stripe = server.stripe(UID).await;
    let account = account::of(Some("acct_1"), "cus_1");
    let reading = stripe.read(&account, Scope { one_time: false }).await.unwrap();
    assert_eq!(reading.billing.subscriptions[0].account, account);
    assert!(server.requests().iter().all(|path| path.ends_with(" @acct_1")));
    let failure = stripe.read(&account::of(None, "in_1"), Scope { one_time: false }).await.unwrap_err();
    assert_eq!(failure.class, Class::Permanent);
}
