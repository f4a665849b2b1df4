//! The Stripe's lists, shapes and moves.

use chrono::TimeDelta;
use serde_json::{Value, json};
use simulator::stripe::Stripe;
use simulator::stripe::event::Event;
use simulator::stripe::moves::{FirstPayment, NewPayment, NewPrice, NewSession, NewSubscription, Subscribed, metadata};
use simulator::stripe::shape::Shape;

use crate::Bench;

pub(crate) fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.kind.as_str()).collect()
}

pub(crate) fn subscribe(stripe: &Stripe, new: NewSubscription) -> Subscribed {
    if stripe.object("price_month").is_none() {
        stripe.add_price(NewPrice::recurring("price_month", "prod_plus", 999, TimeDelta::days(30)));
        stripe.add_price(NewPrice::recurring("price_gold", "prod_gold", 1999, TimeDelta::days(30)));
    }
    let prices = if new.prices.is_empty() { vec![("price_month".to_owned(), 1)] } else { new.prices };
    stripe.subscribe(NewSubscription { prices, ..new })
}

/// A price that is paid once, one of it.
pub(crate) fn with_one_time_price(stripe: &Stripe) -> Vec<(String, u64)> {
    stripe.add_price(NewPrice::one_time("price_life", "prod_life", 9900));
    vec![("price_life".to_owned(), 1)]
}

fn ids(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_list_is_paged_newest_first() {
    let bench = Bench::new().await;
    let made: Vec<String> =
        (0..5).map(|_| subscribe(&bench.simulator.stripe, NewSubscription::default()).subscription).collect();
    let (_, first) = bench.stripe("/subscriptions?limit=2").await;
    assert_eq!(ids(&first), [made[4].as_str(), made[3].as_str()]);
    assert_eq!(first["has_more"], true);
    let (_, last) = bench.stripe(&format!("/subscriptions?limit=3&starting_after={}", made[3])).await;
    assert_eq!(ids(&last), [made[2].as_str(), made[1].as_str(), made[0].as_str()]);
    assert_eq!(last["has_more"], false);
    let (_, newer) = bench.stripe(&format!("/subscriptions?limit=1&ending_before={}", made[2])).await;
    assert_eq!(ids(&newer), [made[3].as_str()]);
    assert_eq!(newer["has_more"], true);
}

#[tokio::test]
async fn a_cursor_that_has_left_the_filter_still_holds_its_place() {
    let bench = Bench::new().await;
    let stripe = &bench.simulator.stripe;
    let made: Vec<String> = (0..3).map(|_| subscribe(stripe, NewSubscription::default()).subscription).collect();
    stripe.cancel_now(&made[1]);
    let (_, rest) = bench.stripe(&format!("/subscriptions?starting_after={}", made[1])).await;
    assert_eq!(ids(&rest), [made[0].as_str()]);
    let (_, unfiltered) = bench.stripe("/subscriptions?status=all").await;
    assert_eq!(unfiltered["data"].as_array().unwrap().len(), 3);
    let (_, usual) = bench.stripe("/subscriptions").await;
    assert_eq!(usual["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn errors_have_the_form_of_stripes() {
    let bench = Bench::new().await;
    let (status, body) = bench.stripe("/subscriptions/sub_none").await;
    assert_eq!((status, &body["error"]["code"]), (404, &json!("resource_missing")));
    assert_eq!(bench.stripe("/nothing/here").await.0, 404);
    assert_eq!(bench.stripe("/subscriptions?limit=101").await.0, 400);
    let (status, body) = bench.stripe("/subscriptions?colour=red").await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!("parameter_unknown")));
    let url = format!("{}/v1/subscriptions", bench.simulator.stripe.url());
    let refused = bench.client.get(url).bearer_auth("sk_test_wrong").send().await.unwrap();
    assert_eq!(refused.status(), 401);
}

#[tokio::test]
async fn a_restricted_key_is_refused_what_it_may_not_read() {
    let bench = Bench::new().await;
    bench.simulator.stripe.add_restricted_key("rk_test_1", &["prices", "checkout/sessions"]);
    let status = async |path: &str| {
        let url = format!("{}/v1/{path}", bench.simulator.stripe.url());
        bench.client.get(url).bearer_auth("rk_test_1").send().await.unwrap().status().as_u16()
    };
    for (path, wanted) in [
        ("prices", 403),
        ("prices/price_1", 403),
        ("checkout/sessions?limit=1", 403),
        ("products/prod_1", 404),
        ("customers", 200),
    ] {
        assert_eq!(status(path).await, wanted, "{path}");
    }
    assert_eq!(bench.stripe("/prices").await.0, 200, "only for that key");
}

#[tokio::test]
async fn prices_are_listed_by_type_and_whether_they_sell() {
    let bench = Bench::new().await;
    let stripe = &bench.simulator.stripe;
    let day = TimeDelta::days(1);
    stripe.add_price(NewPrice::recurring("price_1", "prod_1", 100, day));
    stripe.add_price(NewPrice::recurring("price_2", "prod_1", 100, day));
    stripe.add_price(NewPrice::one_time("price_3", "prod_1", 100));
    stripe.edit("price_2", |price| price["active"] = false.into());
    for (query, wanted) in [
        ("active=true&type=recurring", vec!["price_1"]),
        ("active=false", vec!["price_2"]),
        ("active=true", vec!["price_3", "price_1"]),
        ("type=one_time", vec!["price_3"]),
    ] {
        assert_eq!(ids(&bench.stripe(&format!("/prices?{query}")).await.1), wanted, "{query}");
    }
}

#[tokio::test]
async fn expansion_replaces_ids_along_the_path() {
    let bench = Bench::new().await;
    let session = Some(NewSession::default());
    let made = subscribe(&bench.simulator.stripe, NewSubscription { session, ..Default::default() });
    let (_, plain) = bench.stripe("/subscriptions").await;
    assert_eq!(plain["data"][0]["latest_invoice"], made.invoice);
    let (_, full) = bench.stripe("/subscriptions?expand[]=data.latest_invoice.payments").await;
    let payment = &full["data"][0]["latest_invoice"]["payments"]["data"][0];
    assert_eq!(
        payment["payment"]["payment_intent"],
        json!(bench.simulator.stripe.object(payment["payment"]["payment_intent"].as_str().unwrap()).unwrap()["id"])
    );
    let path = format!("/checkout/sessions/{}?expand[0]=line_items", made.session.unwrap());
    assert_eq!(bench.stripe(&path).await.1["line_items"]["data"][0]["price"]["id"], "price_month");
    assert_eq!(bench.stripe("/subscriptions?expand[]=latest_invoice").await.0, 400);
    let (_, charge) = bench.stripe("/charges?expand[]=data.refunds").await;
    assert_eq!(charge["data"][0]["refunds"]["object"], "list");
}

#[tokio::test]
async fn the_two_shapes_keep_period_and_links_in_their_own_places() {
    let bench = Bench::new().await;
    let stripe = &bench.simulator.stripe;
    let made = subscribe(stripe, NewSubscription::default());
    let now = stripe.object(&made.subscription).unwrap();
    assert!(now["current_period_end"].is_null());
    let end = now["items"]["data"][0]["current_period_end"].clone();
    let invoice = stripe.object(&made.invoice).unwrap();
    assert_eq!(invoice["parent"]["subscription_details"]["subscription"], made.subscription);
    assert!(invoice.get("charge").is_none());
    stripe.set_shape(Shape::PreBasil);
    let then = stripe.object(&made.subscription).unwrap();
    assert_eq!(then["current_period_end"], end);
    assert!(then["items"]["data"][0].get("current_period_end").is_none());
    let invoice = stripe.object(&made.invoice).unwrap();
    assert_eq!((&invoice["subscription"], &invoice["paid"]), (&json!(made.subscription), &json!(true)));
    assert!(invoice.get("parent").is_none());
    assert_eq!(invoice["lines"]["data"][0]["price"]["id"], "price_month");
    let charge = stripe.object(&stripe.charge_of(&made.invoice).unwrap()).unwrap();
    assert_eq!(charge["invoice"], made.invoice);
}

#[tokio::test]
async fn a_renewal_rolls_the_period_before_it_is_paid() {
    let bench = Bench::new().await;
    let stripe = &bench.simulator.stripe;
    let made = subscribe(stripe, NewSubscription::default());
    let paid_until = |object: Value| object["items"]["data"][0]["current_period_end"].as_i64().unwrap();
    let first_end = paid_until(stripe.object(&made.subscription).unwrap());
    let events = stripe.start_renewal(&made.subscription);
    assert_eq!(kinds(&events), ["customer.subscription.updated", "invoice.created"]);
    let rolled = stripe.object(&made.subscription).unwrap();
    assert_eq!(paid_until(rolled.clone()), first_end + 30 * 86_400);
    let draft = stripe.object(rolled["latest_invoice"].as_str().unwrap()).unwrap();
    assert_eq!((&draft["status"], &draft["billing_reason"]), (&json!("draft"), &json!("subscription_cycle")));
    let event: Value = serde_json::from_str(&events[0].body).unwrap();
    assert_eq!(event["data"]["object"]["latest_invoice"], draft["id"]);
    assert_eq!(event["data"]["previous_attributes"]["latest_invoice"], made.invoice);
    let events = stripe.pay_renewal(&made.subscription);
    assert!(kinds(&events).contains(&"invoice.paid"));
    let (_, newest) = bench.stripe("/events?limit=1").await;
    assert_eq!(ids(&newest), [events.last().unwrap().id.as_str()]);
}

#[tokio::test]
async fn what_pause_collection_says_is_done_with_the_next_invoice() {
    let bench = Bench::new().await;
    let stripe = &bench.simulator.stripe;
    let made = subscribe(stripe, NewSubscription::default());
    for (behavior, status) in [("keep_as_draft", "draft"), ("void", "void"), ("mark_uncollectible", "uncollectible")] {
        stripe.pause_collection(&made.subscription, Some(behavior));
        stripe.renew(&made.subscription);
        let invoice = stripe.object(&stripe.latest_invoice(&made.subscription).unwrap()).unwrap();
        assert_eq!(invoice["status"], status);
        let untried = (&invoice["attempted"], &invoice["attempt_count"], &invoice["auto_advance"]);
        assert_eq!(untried, (&json!(false), &json!(0), &json!(false)));
    }
    assert_eq!(stripe.object(&made.subscription).unwrap()["status"], "active");
    stripe.pause_collection(&made.subscription, None);
    stripe.renew(&made.subscription);
    let invoice = stripe.object(&stripe.latest_invoice(&made.subscription).unwrap()).unwrap();
    assert_eq!((&invoice["status"], &invoice["attempted"]), (&json!("paid"), &json!(true)));
}

#[tokio::test]
async fn a_subscription_ends_when_asked_and_keeps_its_period() {
    let bench = Bench::new().await;
    let stripe = &bench.simulator.stripe;
    let made = subscribe(stripe, NewSubscription::default());
    stripe.cancel_at_period_end(&made.subscription, true);
    let leaving = stripe.object(&made.subscription).unwrap();
    assert_eq!((&leaving["status"], &leaving["cancel_at_period_end"]), (&json!("active"), &json!(true)));
    stripe.cancel_at_period_end(&made.subscription, false);
    assert!(stripe.object(&made.subscription).unwrap()["cancel_at"].is_null());
    let events = stripe.cancel_now(&made.subscription);
    assert_eq!(kinds(&events), ["customer.subscription.deleted"]);
    let gone = stripe.object(&made.subscription).unwrap();
    assert!(gone["ended_at"].as_i64() < gone["items"]["data"][0]["current_period_end"].as_i64());
}

#[tokio::test]
async fn a_failed_renewal_is_past_due_until_it_recovers() {
    let bench = Bench::new().await;
    let stripe = &bench.simulator.stripe;
    let made = subscribe(stripe, NewSubscription::default());
    let events = stripe.fail_renewal(&made.subscription);
    assert!(kinds(&events).contains(&"invoice.payment_failed"));
    assert_eq!(stripe.object(&made.subscription).unwrap()["status"], "past_due");
    stripe.fail_renewal(&made.subscription);
    let invoice = stripe.object(&stripe.latest_invoice(&made.subscription).unwrap()).unwrap();
    assert_eq!((&invoice["status"], &invoice["attempt_count"]), (&json!("open"), &json!(2)));
    stripe.recover(&made.subscription);
    assert_eq!(stripe.object(&made.subscription).unwrap()["status"], "active");
    assert_eq!(stripe.object(invoice["id"].as_str().unwrap()).unwrap()["status"], "paid");
}

#[tokio::test]
async fn first_payments_fail_wait_or_are_not_needed() {
    let bench = Bench::new().await;
    let stripe = &bench.simulator.stripe;
    let session = Some(NewSession::default());
    let first_payment = FirstPayment::Failed;
    let failed = subscribe(stripe, NewSubscription { first_payment, session: session.clone(), ..Default::default() });
    assert_eq!(stripe.object(&failed.subscription).unwrap()["status"], "incomplete");
    assert!(!kinds(&failed.events).contains(&"checkout.session.completed"));
    let first_payment = FirstPayment::Pending;
    let waiting = subscribe(stripe, NewSubscription { first_payment, session: session.clone(), ..Default::default() });
    let cs = waiting.session.unwrap();
    assert_eq!(stripe.object(&cs).unwrap()["payment_status"], "unpaid");
    let events = stripe.complete_async_payment(&cs, true);
    assert_eq!(kinds(&events).last(), Some(&"checkout.session.async_payment_succeeded"));
    assert_eq!(stripe.object(&waiting.invoice).unwrap()["status"], "paid");
    let trial = Some(TimeDelta::days(7));
    let trying = subscribe(stripe, NewSubscription { trial, session, ..Default::default() });
    assert_eq!(stripe.object(&trying.subscription).unwrap()["status"], "trialing");
    let invoice = stripe.object(&trying.invoice).unwrap();
    assert_eq!((&invoice["total"], &invoice["status"]), (&json!(0), &json!("paid")));
    assert_eq!(stripe.charge_of(&trying.invoice), None);
    stripe.convert_trial(&trying.subscription);
    assert!(stripe.charge_of(&stripe.latest_invoice(&trying.subscription).unwrap()).is_some());
}

#[tokio::test]
async fn money_that_goes_back_is_found_through_the_invoice_payment() {
    let bench = Bench::new().await;
    let stripe = &bench.simulator.stripe;
    let made = subscribe(stripe, NewSubscription::default());
    let part = stripe.refund(&made.invoice, Some(400), "succeeded");
    let charge = stripe.charge_of(&made.invoice).unwrap();
    let object = stripe.object(&charge).unwrap();
    assert_eq!((&object["amount_refunded"], &object["refunded"]), (&json!(400), &json!(false)));
    stripe.refund(&made.invoice, None, "pending");
    assert_eq!(stripe.object(&charge).unwrap()["refunded"], true);
    let events = stripe.set_refund_status(&part.id, "failed");
    assert!(kinds(&events).contains(&"refund.failed"));
    assert_eq!(stripe.object(&charge).unwrap()["amount_refunded"], 599);
    let intent = object["payment_intent"].as_str().unwrap();
    let path = format!("/invoice_payments?payment[type]=payment_intent&payment[payment_intent]={intent}");
    assert_eq!(bench.stripe(&path).await.1["data"][0]["invoice"], made.invoice);
    let dispute = stripe.dispute(&made.invoice, "needs_response");
    let (_, found) = bench.stripe(&format!("/disputes?charge={charge}")).await;
    assert_eq!(ids(&found), [dispute.id.as_str()]);
}

#[tokio::test]
async fn an_upgrade_bills_the_difference_and_long_lists_have_more() {
    let bench = Bench::new().await;
    let stripe = &bench.simulator.stripe;
    let made = subscribe(stripe, NewSubscription::default());
    let events = stripe.change_price(&made.subscription, &made.items[0], "price_gold", true);
    assert!(kinds(&events).contains(&"invoice.paid"));
    let invoice = stripe.object(&stripe.latest_invoice(&made.subscription).unwrap()).unwrap();
    assert_eq!((&invoice["billing_reason"], &invoice["total"]), (&json!("subscription_update"), &json!(1000)));
    stripe.set_embedded_page(1);
    let (_, object) = bench.stripe(&format!("/invoices/{}", invoice["id"].as_str().unwrap())).await;
    assert_eq!(object["lines"]["has_more"], true);
    let (_, lines) = bench.stripe(&format!("/invoices/{}/lines?limit=100", invoice["id"].as_str().unwrap())).await;
    let prices: Vec<&Value> =
        lines["data"].as_array().unwrap().iter().map(|line| &line["pricing"]["price_details"]["price"]).collect();
    assert_eq!(prices, ["price_month", "price_gold"]);
    let (_, items) = bench.stripe(&format!("/subscription_items?subscription={}", made.subscription)).await;
    assert_eq!(items["data"][0]["price"]["id"], "price_gold");
}

#[tokio::test]
async fn a_purchase_is_paid_now_later_or_never() {
    let bench = Bench::new().await;
    let stripe = &bench.simulator.stripe;
    stripe.add_price(NewPrice::one_time("price_life", "prod_life", 9900));
    stripe.add_price(NewPrice::one_time("price_gift", "prod_gift", 0));
    let buy = |price: &str, paid: bool, invoice_creation: bool| {
        let session = NewSession { metadata: metadata(&[("user_id", "u1")]), ..Default::default() };
        stripe.pay_once(NewPayment {
            prices: vec![(price.to_owned(), 1)],
            session,
            paid,
            invoice_creation,
            customer: None,
        })
    };
    let now = buy("price_life", true, true);
    assert_eq!(stripe.object(&now.session).unwrap()["payment_status"], "paid");
    assert_eq!(stripe.object(&now.invoice.unwrap()).unwrap()["status"], "paid");
    let later = buy("price_life", false, false);
    assert_eq!(stripe.object(&later.session).unwrap()["payment_status"], "unpaid");
    stripe.complete_async_payment(&later.session, false);
    assert_eq!(stripe.object(&later.payment_intent.unwrap()).unwrap()["status"], "requires_payment_method");
    let gift = buy("price_gift", true, false);
    assert_eq!(stripe.object(&gift.session).unwrap()["payment_status"], "no_payment_required");
    assert_eq!(gift.payment_intent, None);
}

#[tokio::test]
async fn a_deleted_customer_leaves_only_its_id() {
    let bench = Bench::new().await;
    let made = subscribe(&bench.simulator.stripe, NewSubscription::default());
    let events = bench.simulator.stripe.delete_customer(&made.customer);
    assert_eq!(kinds(&events), ["customer.subscription.deleted", "customer.deleted"]);
    let (_, object) = bench.stripe(&format!("/customers/{}", made.customer)).await;
    assert_eq!(object, json!({ "id": made.customer, "object": "customer", "deleted": true }));
    let (_, events) = bench.stripe("/events?types[]=customer.deleted&limit=100").await;
    assert_eq!(events["data"].as_array().unwrap().len(), 1);
}
