//! What the webhook endpoint takes, refuses, keeps and ignores.

use chrono::TimeDelta;
use serde_json::Value;
use simulator::clock;
use simulator::journal::Server;
use simulator::stripe::event::Event;
use simulator::webhook::{Webhooks, sign};

use crate::harness::final_checks::finish;
use crate::harness::world::{SECRET, SLACK, World};

const SECOND_SECRET: &str = "whsec_test_9876543210";

/// Delivers a body that is signed now.
async fn signed(world: &World, body: &str) -> u16 {
    let signature = sign(SECRET, clock::now(), body);
    world.webhooks.deliver_signed(body, &signature).await.unwrap().as_u16()
}

/// Nothing came in and no upstream was asked.
async fn nothing_happened(world: &World) {
    assert_eq!(world.daemon.listed(&["events"]).await, Vec::<Value>::new());
    world.daemon.until_idle().await;
    assert_eq!(world.simulator.journal.requests().len(), 0);
    assert_eq!(world.parked().await, []);
}

fn outcomes(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["outcome"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn clocks_may_differ_by_five_minutes_both_ways() {
    let world = World::start().await;
    for (user, off) in [("u-1", 290), ("u-2", -290)] {
        let bought = world.buys(user, "price_premium");
        for event in &bought.events {
            let signature = sign(SECRET, clock::now() + TimeDelta::seconds(off), &event.body);
            assert_eq!(world.webhooks.deliver_signed(&event.body, &signature).await.unwrap().as_u16(), 200);
        }
        world.until_held(user, "premium", world.period_end(&bought.subscription) + SLACK).await;
    }
    finish(world).await;
}

#[tokio::test]
async fn a_signature_that_is_wrong_stale_or_missing_is_refused_and_nothing_is_kept() {
    let world = World::start().await;
    let body = world.buys("u-1", "price_premium").events.pop().unwrap().body;
    let at = |seconds| sign(SECRET, clock::now() + TimeDelta::seconds(seconds), &body);
    let signatures = [
        sign("whsec_of_somebody_else", clock::now(), &body),
        sign(SECRET, clock::now(), "{}"),
        at(-301),
        // the clock goes on between signing and judging
        at(310),
        format!("t={}", clock::now().timestamp()),
        "nonsense".to_owned(),
        String::new(),
    ];
    for signature in signatures {
        let status = world.webhooks.deliver_signed(&body, &signature).await.unwrap();
        assert_eq!(status.as_u16(), 400, "{signature}");
    }
    let bare = reqwest::Client::new().post(format!("{}/webhooks/stripe", world.daemon.front)).body(body);
    assert_eq!(bare.send().await.unwrap().status().as_u16(), 400);
    nothing_happened(&world).await;
    let refused = world.daemon.metric(r#"grantsync_webhooks_refused_total{reason="bad_signature"}"#).await;
    assert_eq!(refused, Some(8.0));
    finish(world).await;
}

#[tokio::test]
async fn a_signature_almost_five_minutes_away_is_believed() {
    let world = World::start().await;
    let bought = world.buys("u-1", "price_premium");
    let [first, .., last] = bought.events.as_slice() else { panic!("a purchase has several events") };
    for (event, seconds) in [(first, -297), (last, 299)] {
        let signature = sign(SECRET, clock::now() + TimeDelta::seconds(seconds), &event.body);
        let status = world.webhooks.deliver_signed(&event.body, &signature).await.unwrap();
        assert_eq!(status.as_u16(), 200, "{seconds}");
    }
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    finish(world).await;
}

#[tokio::test]
async fn while_the_secret_is_rolled_both_secrets_work() {
    let both = format!("[\"{SECRET}\", \"{SECOND_SECRET}\"]");
    let world = World::with(&[("STRIPE__WEBHOOK_SECRETS", &both)]).await;
    let second = Webhooks::new(format!("{}/webhooks/stripe", world.daemon.front), SECOND_SECRET);
    let old = world.buys("u-old", "price_premium");
    let new = world.buys("u-new", "price_premium");
    world.deliver(&old.events).await;
    for event in &new.events {
        assert_eq!(second.deliver(event).await.unwrap().as_u16(), 200);
    }
    world.until_held("u-old", "premium", world.period_end(&old.subscription) + SLACK).await;
    world.until_held("u-new", "premium", world.period_end(&new.subscription) + SLACK).await;
    finish(world).await;
}

#[tokio::test]
async fn a_body_over_a_mebibyte_is_refused_with_413_and_one_just_below_is_taken() {
    let world = World::start().await;
    let id = world.simulator.stripe.ids("price")[0].clone();
    let body = world.simulator.stripe.event("price.updated", &id).body;
    let padded = |length: usize| format!("{body}{}", " ".repeat(length - body.len()));
    assert_eq!(signed(&world, &padded(1024 * 1024 + 1)).await, 413);
    nothing_happened(&world).await;
    assert_eq!(signed(&world, &padded(1024 * 1024)).await, 200);
    assert_eq!(world.daemon.listed(&["events"]).await.len(), 1);
    finish(world).await;
}

#[tokio::test]
async fn a_signed_body_that_is_no_json_object_is_refused() {
    let world = World::start().await;
    for body in ["", "hello", "{", "[]", "[{}]", "\"text\"", "null", "7", "{\"id\": \"evt_1\""] {
        assert_eq!(signed(&world, body).await, 400, "{body}");
    }
    nothing_happened(&world).await;
    finish(world).await;
}

#[tokio::test]
async fn a_signed_object_that_is_no_event_is_parked_and_can_be_dropped() {
    let world = World::start().await;
    let body = r#"{"object": "invoice", "id": "in_1"}"#;
    assert_eq!(signed(&world, body).await, 200);
    assert_eq!(signed(&world, body).await, 200);
    let parked = world.daemon.listed(&["parked"]).await;
    assert_eq!(parked.len(), 1, "{parked:?}");
    assert_eq!(parked[0]["kind"], "unreadable_event");
    assert_eq!(outcomes(&world.daemon.listed(&["events"]).await), ["unreadable"]);
    let dropped = world.daemon.command(&["parked", "drop", "--kind", "unreadable_event"]).await;
    assert!(dropped.status.success(), "{}", dropped.stderr);
    assert_eq!(world.parked().await, []);
    assert_eq!(signed(&world, body).await, 200);
    assert_eq!(world.parked().await, [], "what was dropped stays dropped");
    finish(world).await;
}

#[tokio::test]
async fn an_event_of_an_unknown_type_is_taken_and_does_no_harm() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let of_subscription = world.simulator.stripe.event("customer.subscription.teleported", &bought.subscription);
    let of_price = world.simulator.stripe.event("price.teleported", "price_premium");
    world.deliver_and_settle(&[of_subscription, of_price]).await;
    assert!(world.holds("u-1", "premium"));
    assert_eq!((world.written("/grant/"), world.written("/revoke/")), (1, 0));
    finish(world).await;
}

#[tokio::test]
async fn thin_events_lead_to_the_grant() {
    let world = World::start().await;
    let bought = world.buys("u-1", "price_premium");
    let thin: Vec<Event> = bought.events.iter().map(|event| world.simulator.stripe.thin(event)).collect();
    world.deliver(&thin).await;
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    assert_eq!(world.transaction_ids("u-1"), [bought.subscription]);
    finish(world).await;
}

#[tokio::test]
async fn one_thin_event_about_the_invoice_alone_leads_to_the_grant() {
    let world = World::start().await;
    let bought = world.buys("u-1", "price_premium");
    let paid = bought.events.iter().find(|event| event.kind == "invoice.paid").unwrap();
    world.deliver(&[world.simulator.stripe.thin(paid)]).await;
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    finish(world).await;
}

#[tokio::test]
async fn an_event_of_a_connected_account_is_read_back_in_that_account() {
    let world = World::start().await;
    world.simulator.stripe.set_account(Some("acct_1Connected"));
    let bought = world.buys("u-1", "price_premium");
    world.deliver(&bought.events).await;
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    world.daemon.until_idle().await;
    let asked = world.simulator.journal.requests().into_iter().filter(|request| request.server == Server::Stripe);
    let accounts: Vec<Option<String>> =
        asked.map(|request| request.header("stripe-account").map(str::to_owned)).collect();
    assert!(!accounts.is_empty());
    assert!(accounts.iter().all(|account| account.as_deref() == Some("acct_1Connected")), "{accounts:?}");
    finish(world).await;
}

#[tokio::test]
async fn an_event_of_the_other_mode_is_listed_and_grants_nothing() {
    let world = World::start().await;
    world.simulator.stripe.set_livemode(true);
    let bought = world.buys("u-1", "price_premium");
    world.deliver_and_settle(&bought.events).await;
    let events = world.daemon.listed(&["events"]).await;
    assert_eq!(events.len(), bought.events.len());
    assert!(outcomes(&events).iter().all(|outcome| *outcome == "other_mode"), "{events:?}");
    assert_eq!(world.simulator.journal.requests().len(), 0);
    assert!(!world.holds("u-1", "premium"));
    let counted = world.daemon.metric(r#"grantsync_events_total{type="invoice.paid",outcome="other_mode"}"#).await;
    assert_eq!(counted, Some(1.0));
    finish(world).await;
}

#[tokio::test]
async fn a_duplicate_is_answered_with_200_and_kept_once() {
    let world = World::start().await;
    let bought = world.buys("u-1", "price_premium");
    let event = bought.events.last().unwrap();
    let answers = world.webhooks.deliver_times(event, 5).await.unwrap();
    assert!(answers.iter().all(|status| status.as_u16() == 200), "{answers:?}");
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    let events = world.daemon.listed(&["events"]).await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(events[0]["id"].as_str().unwrap().ends_with(&event.id));
    finish(world).await;
}
