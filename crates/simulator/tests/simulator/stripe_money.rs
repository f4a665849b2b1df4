//! What is due of an invoice, what pays it, and what it sells once.

use serde_json::{Value, json};
use simulator::stripe::Stripe;
use simulator::stripe::moves::{FirstPayment, NewSession, NewSubscription};
use simulator::stripe::shape::Shape;

use crate::Bench;
use crate::stripe::{kinds, subscribe, with_one_time_price};

fn money(stripe: &Stripe, invoice: &str) -> [i64; 4] {
    let invoice = stripe.object(invoice).unwrap();
    ["total", "amount_due", "amount_paid", "amount_remaining"].map(|field| invoice[field].as_i64().unwrap())
}

fn charged(stripe: &Stripe, invoice: &str) -> i64 {
    stripe.object(&stripe.charge_of(invoice).unwrap()).unwrap()["amount"].as_i64().unwrap()
}

/// The lines of an invoice that the API shows.
fn lines(stripe: &Stripe, invoice: &str) -> Vec<Value> {
    stripe.object(invoice).unwrap()["lines"]["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn credit_of_the_customer_pays_a_part_and_the_card_the_rest() {
    let bench = Bench::new().await;
    let stripe = &bench.simulator.stripe;
    let made = subscribe(stripe, NewSubscription::default());
    stripe.set_balance(&made.customer, -400);
    stripe.renew(&made.subscription);
    let invoice = stripe.latest_invoice(&made.subscription).unwrap();
    assert_eq!((money(stripe, &invoice), charged(stripe, &invoice)), ([999, 599, 599, 0], 599));
    let object = stripe.object(&invoice).unwrap();
    assert_eq!((&object["starting_balance"], &object["ending_balance"]), (&json!(-400), &json!(0)));
    assert_eq!(stripe.object(&made.customer).unwrap()["balance"], 0);
    let (_, payments) = bench.stripe(&format!("/invoice_payments?invoice={invoice}&status=paid")).await;
    assert_eq!(payments["data"][0]["amount_paid"], 599);
}

#[tokio::test]
async fn credit_that_is_enough_leaves_nothing_to_charge() {
    let bench = Bench::new().await;
    let stripe = &bench.simulator.stripe;
    let made = subscribe(stripe, NewSubscription::default());
    stripe.set_balance(&made.customer, -1500);
    stripe.renew(&made.subscription);
    let invoice = stripe.latest_invoice(&made.subscription).unwrap();
    assert_eq!((money(stripe, &invoice), stripe.charge_of(&invoice)), ([999, 0, 0, 0], None));
    assert_eq!(stripe.object(&made.customer).unwrap()["balance"], -501);
}

#[tokio::test]
async fn a_credit_note_on_an_open_invoice_lowers_what_is_charged() {
    let bench = Bench::new().await;
    let stripe = &bench.simulator.stripe;
    let first_payment = FirstPayment::Failed;
    let made = subscribe(stripe, NewSubscription { first_payment, ..Default::default() });
    let note = stripe.credit_open_invoice(&made.invoice, 300);
    assert_eq!(kinds(&note.events), ["credit_note.created", "invoice.updated"]);
    assert_eq!(money(stripe, &made.invoice), [999, 699, 0, 699]);
    stripe.recover(&made.subscription);
    assert_eq!((money(stripe, &made.invoice), charged(stripe, &made.invoice)), ([999, 699, 699, 0], 699));
    let (_, found) = bench.stripe(&format!("/credit_notes/{}", note.id)).await;
    assert_eq!((&found["invoice"], &found["type"]), (&json!(made.invoice), &json!("pre_payment")));
}

#[tokio::test]
async fn an_invoice_paid_in_parts_has_a_charge_for_each() {
    let bench = Bench::new().await;
    let stripe = &bench.simulator.stripe;
    let first_payment = FirstPayment::Failed;
    let made = subscribe(stripe, NewSubscription { first_payment, ..Default::default() });
    stripe.pay_invoice_in_part(&made.invoice, 400);
    assert_eq!(money(stripe, &made.invoice), [999, 999, 400, 599]);
    assert_eq!(stripe.object(&made.invoice).unwrap()["status"], "open");
    stripe.recover(&made.subscription);
    assert_eq!((money(stripe, &made.invoice), charged(stripe, &made.invoice)), ([999, 999, 999, 0], 599));
    let (_, payments) = bench.stripe(&format!("/invoice_payments?invoice={}&status=paid", made.invoice)).await;
    let paid: Vec<_> = payments["data"].as_array().unwrap().iter().map(|row| row["amount_paid"].clone()).collect();
    assert_eq!(paid, [400, 599]);
}

#[tokio::test]
async fn a_bank_debit_leaves_the_invoice_open_until_the_bank_answers() {
    let bench = Bench::new().await;
    let stripe = &bench.simulator.stripe;
    for succeeded in [true, false] {
        let made = subscribe(stripe, NewSubscription::default());
        let events = stripe.debit_renewal(&made.subscription);
        assert!(kinds(&events).ends_with(&["charge.pending", "payment_intent.processing"]));
        let invoice = stripe.latest_invoice(&made.subscription).unwrap();
        let states = |charge: &str, invoice_status: &str, subscription: &str| {
            assert_eq!(stripe.object(&stripe.charge_of(&invoice).unwrap()).unwrap()["status"], charge);
            assert_eq!(stripe.object(&invoice).unwrap()["status"], invoice_status);
            assert_eq!(stripe.object(&made.subscription).unwrap()["status"], subscription);
        };
        states("pending", "open", "active");
        let path = format!("/invoice_payments?invoice={invoice}&expand[]=data.payment.payment_intent");
        let (_, payments) = bench.stripe(&path).await;
        assert_eq!(payments["data"][0]["payment"]["payment_intent"]["status"], "processing");
        let events = stripe.settle_debit(&made.subscription, succeeded);
        let (kind, charge, status, subscription) = match succeeded {
            true => ("invoice.paid", "succeeded", "paid", "active"),
            false => ("invoice.payment_failed", "failed", "open", "past_due"),
        };
        assert!(kinds(&events).contains(&kind));
        states(charge, status, subscription);
    }
}

#[tokio::test]
async fn a_one_time_price_in_a_subscription_s_checkout_is_on_its_first_invoice_in_both_shapes() {
    let bench = Bench::new().await;
    let stripe = &bench.simulator.stripe;
    let once = with_one_time_price(stripe);
    let new = NewSubscription { once, session: Some(NewSession::default()), ..Default::default() };
    let made = subscribe(stripe, new);
    assert_eq!(money(stripe, &made.invoice), [10899, 10899, 10899, 0]);
    assert_eq!(stripe.object(&made.session.unwrap()).unwrap()["amount_total"], 10899);
    assert_eq!(stripe.object(&made.subscription).unwrap()["items"]["data"].as_array().unwrap().len(), 1);
    let [_, line] = lines(stripe, &made.invoice).try_into().unwrap();
    let details = &line["parent"]["invoice_item_details"];
    assert_eq!((&details["subscription"], &details["proration"]), (&json!(made.subscription), &json!(false)));
    assert_eq!(line["pricing"]["price_details"]["price"], "price_life");
    stripe.set_shape(Shape::PreBasil);
    let [term, line] = lines(stripe, &made.invoice).try_into().unwrap();
    assert_eq!((&term["type"], &line["type"]), (&json!("subscription"), &json!("invoiceitem")));
    assert_eq!((&line["price"]["id"], &line["proration"]), (&json!("price_life"), &json!(false)));
    assert_eq!((&line["invoice_item"], &line["subscription_item"]), (&details["invoice_item"], &Value::Null));
    stripe.renew(&made.subscription);
    assert_eq!(money(stripe, &stripe.latest_invoice(&made.subscription).unwrap())[0], 999, "sold once");
}

#[tokio::test]
async fn an_invoice_made_by_hand_is_open_until_it_is_paid() {
    let bench = Bench::new().await;
    let stripe = &bench.simulator.stripe;
    let made = subscribe(stripe, NewSubscription::default());
    with_one_time_price(stripe);
    let sent = stripe.send_invoice(&made.customer, &[("price_life", 2)]);
    let object = stripe.object(&sent.id).unwrap();
    assert_eq!((&object["status"], &object["billing_reason"]), (&json!("open"), &json!("manual")));
    assert!(kinds(&stripe.pay_invoice(&sent.id)).contains(&"invoice.paid"));
    assert_eq!(money(stripe, &sent.id), [19800, 19800, 19800, 0]);
    assert!(lines(stripe, &sent.id)[0]["parent"]["invoice_item_details"]["subscription"].is_null());
    let item = stripe.add_invoice_item(&made.subscription, "price_life");
    stripe.renew(&made.subscription);
    let renewal = stripe.latest_invoice(&made.subscription).unwrap();
    assert_eq!(money(stripe, &renewal)[0], 999 + 9900);
    assert_eq!(lines(stripe, &renewal)[1]["parent"]["invoice_item_details"]["invoice_item"], item.id);
}
