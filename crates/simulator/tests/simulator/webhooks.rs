//! Signatures, thin events and deliveries.

use chrono::DateTime;
use serde_json::{Value, json};
use simulator::stripe::moves::NewCustomer;
use simulator::webhook::{Webhooks, sign};

use crate::Bench;

#[test]
fn the_signature_is_the_one_python_computes() {
    // hmac.new(b"whsec_sandbox", b'1700000000.{"id":"evt_1"}', hashlib.sha256).hexdigest()
    let expected = "5c83ca56a76fc13716319e676dde1719da89def4594f7494e0b1de8abe94ed7d";
    let at = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let header = sign("whsec_sandbox", at, r#"{"id":"evt_1"}"#);
    assert_eq!(header, format!("t=1700000000,v1={expected}"));
}

#[tokio::test]
async fn a_thin_event_names_its_object_and_does_not_show_it() {
    let bench = Bench::new().await;
    let made = bench.simulator.stripe.add_customer(NewCustomer::default());
    let thin = bench.simulator.stripe.thin(&made.events[0]);
    let body: Value = serde_json::from_str(&thin.body).unwrap();
    assert_eq!((&body["object"], &body["type"]), (&json!("v2.core.event"), &json!("v1.customer.created")));
    let related = json!({ "id": made.id, "type": "customer", "url": format!("/v1/customers/{}", made.id) });
    assert_eq!(body["related_object"], related);
    assert!(body.get("data").is_none());
}

#[tokio::test]
async fn deliveries_arrive_signed_and_a_seed_gives_one_order() {
    let bench = Bench::new().await;
    let stripe = &bench.simulator.stripe;
    let events: Vec<_> = (0..6).flat_map(|_| stripe.add_customer(NewCustomer::default()).events).collect();
    // Any HTTP server will do to deliver to; the journal of the Adapty shows what came.
    let hooks = Webhooks::new(format!("{}/hook", bench.simulator.adapty.url()), "whsec_sandbox");
    assert_eq!(hooks.deliver_times(&events[0], 2).await.unwrap(), [401, 401]);
    hooks.deliver_all(&events).await.unwrap();
    hooks.deliver_shuffled(&events, 7).await.unwrap();
    hooks.deliver_shuffled(&events, 7).await.unwrap();
    let came = bench.simulator.journal.requests();
    let ids: Vec<&str> = came.iter().map(|request| request.body["id"].as_str().unwrap()).collect();
    let sent: Vec<&str> = events.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids[2..8], sent);
    assert_ne!(ids[8..14], sent);
    assert_eq!(ids[8..14], ids[14..20]);
    assert!(came[0].header("stripe-signature").unwrap().starts_with("t="));
}
