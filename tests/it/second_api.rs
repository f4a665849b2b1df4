//! Adapty's second API (`v2`): sales are reported, and levels granted where no product brings them.

use chrono::TimeDelta;
use simulator::fault::{Fault, Match, What};
use simulator::journal::Server;
use simulator::stripe::moves::{NewCustomer, NewPayment, NewSession, NewSubscription, metadata};

use crate::harness::final_checks::finish;
use crate::harness::world::{SLACK, World, same};

const GRANT: &str = "/purchase/profile/grant/access-level/";
const REVOKE: &str = "/purchase/profile/revoke/access-level/";

const SET: &str = "/purchase/set/transaction/";

/// A world that reports transactions; the product brings the level, as in Adapty's dashboard.
pub(crate) async fn reporting() -> World {
    reporting_within("0s").await
}

async fn reporting_within(lag: &str) -> World {
    let world = World::with(&[("ADAPTY__API", "v2"), ("POLICY__PROFILE_LAG", lag)]).await;
    world.simulator.adapty.set_product("prod_premium", Some("premium"));
    world.simulator.adapty.set_product("prod_gold", Some("gold"));
    world
}

/// The events of purchases that Adapty's integrations were sent.
fn events_of_purchases(world: &World) -> Vec<String> {
    world.simulator.adapty.events().into_iter().filter(|event| event != "access_level_updated").collect()
}

/// No rule of Adapty's was broken.
pub(crate) async fn finish_unrefused(world: World) {
    assert_eq!(world.simulator.journal.count(|request| request.status == Some(400)), 0, "adapty refused something");
    assert_eq!(world.parked().await, []);
    finish(world).await;
}

#[tokio::test]
async fn a_life_is_reported_sale_by_sale() {
    let world = reporting().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    world.deliver_and_settle(&world.simulator.stripe.renew(&bought.subscription)).await;
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    assert_eq!(events_of_purchases(&world), ["subscription_started", "subscription_renewed"]);
    assert_eq!(world.simulator.adapty.revenue("u-1")["USD"], 19.98);
    assert_eq!((world.written(SET), world.written(GRANT)), (2, 0), "the product brought the level");
    let output = world.daemon.command(&["resync", "--user", "u-1", "--wait"]).await;
    assert!(output.status.success(), "{}", output.stderr);
    assert_eq!(world.written(SET), 2, "nothing is reported twice");
    finish_unrefused(world).await;
}

#[tokio::test]
async fn a_renewal_switched_off_and_a_failed_card_are_reported_of_the_same_sale() {
    let world = reporting().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    world.deliver_and_settle(&world.simulator.stripe.cancel_at_period_end(&bought.subscription, true)).await;
    world.until_held("u-1", "premium", world.period_end(&bought.subscription)).await;
    let reported = world.bodies(SET).pop().unwrap();
    assert_eq!((&reported["renew_status"], reported["renew_status_changed_at"].is_string()), (&false.into(), true));
    assert_eq!(reported["cancellation_reason"], "voluntarily_cancelled");
    world.deliver_and_settle(&world.simulator.stripe.cancel_at_period_end(&bought.subscription, false)).await;
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    let failed = world.granted("u-2", "price_premium", "premium").await;
    world.deliver_and_settle(&world.simulator.stripe.fail_renewal(&failed.subscription)).await;
    let reported = world.bodies(SET).pop().unwrap();
    assert!(
        reported["billing_issue_detected_at"].is_string() && reported["grace_period_expires_at"].is_string(),
        "{reported:#}"
    );
    assert!(world.holds("u-2", "premium"));
    world.deliver_and_settle(&world.simulator.stripe.recover(&failed.subscription)).await;
    world.until_held("u-2", "premium", world.period_end(&failed.subscription) + SLACK).await;
    assert_eq!(events_of_purchases(&world), ["subscription_started", "subscription_started", "subscription_renewed"]);
    finish_unrefused(world).await;
}

#[tokio::test]
async fn a_refund_takes_the_level_and_the_revenue_back_and_a_cancellation_the_level() {
    let world = reporting().await;
    let refunded = world.granted("u-1", "price_premium", "premium").await;
    let canceled = world.granted("u-2", "price_premium", "premium").await;
    world.deliver_and_settle(&world.simulator.stripe.refund(&refunded.invoice, None, "succeeded").events).await;
    world.until_gone("u-1", "premium").await;
    assert_eq!(world.simulator.adapty.revenue("u-1").get("USD"), None);
    assert_eq!(world.bodies(SET).last().unwrap()["cancellation_reason"], "refund");
    world.deliver_and_settle(&world.simulator.stripe.cancel_now(&canceled.subscription)).await;
    world.until_gone("u-2", "premium").await;
    assert_eq!(world.simulator.adapty.revenue("u-2")["USD"], 9.99);
    let reported = world.bodies(SET).pop().unwrap();
    assert_eq!((&reported["renew_status"], reported["renew_status_changed_at"].is_string()), (&false.into(), true));
    assert_eq!(reported["cancellation_reason"], "voluntarily_cancelled");
    assert_eq!(world.written(SET), 4);
    finish_unrefused(world).await;
}

#[tokio::test]
async fn a_right_of_another_store_that_a_refund_uncovers_is_not_taken() {
    let world = reporting().await;
    let soon = simulator::clock::now() + TimeDelta::days(3);
    world.simulator.adapty.put_level("u-1", "premium", "app_store", Some(soon));
    let bought = world.granted("u-1", "price_premium", "premium").await;
    world.deliver_and_settle(&world.simulator.stripe.refund(&bought.invoice, None, "succeeded").events).await;
    let level = world.simulator.adapty.level("u-1", "premium").unwrap();
    assert_eq!((level.store.as_str(), level.expires_at.map(|end| same(end, soon))), ("app_store", Some(true)));
    assert_eq!((world.simulator.adapty.revenue("u-1").get("USD"), world.written(REVOKE)), (None, 0));
    finish_unrefused(world).await;
}

#[tokio::test]
async fn what_is_paid_for_is_reported_behind_a_longer_right_of_another_store() {
    let world = reporting().await;
    let far = simulator::clock::now() + TimeDelta::days(300);
    world.simulator.adapty.put_level("u-1", "premium", "app_store", Some(far));
    let bought = world.buys("u-1", "price_premium");
    world.deliver_and_settle(&bought.events).await;
    assert_eq!((events_of_purchases(&world), world.written(GRANT)), (vec!["subscription_started".to_owned()], 0));
    world.deliver_and_settle(&world.simulator.stripe.renew(&bought.subscription)).await;
    assert_eq!(world.simulator.adapty.revenue("u-1")["USD"], 19.98);
    world.deliver_and_settle(&world.simulator.stripe.cancel_now(&bought.subscription)).await;
    let level = world.simulator.adapty.level("u-1", "premium").unwrap();
    assert_eq!((level.store.as_str(), level.expires_at.map(|end| same(end, far))), ("app_store", Some(true)));
    let reported = world.bodies(SET);
    assert_eq!((reported.len(), world.written(REVOKE)), (3, 0), "the end is reported, and takes nothing");
    assert_eq!(
        (&reported[2]["renew_status"], &reported[2]["cancellation_reason"]),
        (&false.into(), &"voluntarily_cancelled".into())
    );
    finish_unrefused(world).await;
}

#[tokio::test]
async fn a_refund_after_the_end_takes_the_revenue_back() {
    let world = reporting().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    world.deliver_and_settle(&world.simulator.stripe.cancel_now(&bought.subscription)).await;
    world.until_gone("u-1", "premium").await;
    world.deliver_and_settle(&world.simulator.stripe.refund(&bought.invoice, None, "succeeded").events).await;
    assert_eq!(world.simulator.adapty.revenue("u-1").get("USD"), None);
    assert_eq!((world.written(SET), world.written(REVOKE)), (3, 1));
    // a refund is dated the second after the purchase at the earliest
    let end = world.simulator.adapty.level("u-1", "premium").and_then(|level| level.expires_at).unwrap();
    assert!(end < simulator::clock::now() + TimeDelta::seconds(2), "{end}");
    let output = world.daemon.command(&["resync", "--user", "u-1", "--wait"]).await;
    assert!(output.status.success() && world.written(SET) == 3, "nothing is reported twice: {}", output.stderr);
    let ledger = world.daemon.command(&["ledger", "list"]).await;
    assert!(ledger.stdout.contains("report"), "{}", ledger.stdout);
    finish_unrefused(world).await;
}

#[tokio::test]
async fn two_subscriptions_to_one_level_are_both_reported_and_one_that_is_refunded_leaves_the_other() {
    let world = reporting().await;
    let month = world.granted("u-1", "price_premium", "premium").await;
    let year = world.buys("u-1", "price_yearly");
    world.deliver_and_settle(&year.events).await;
    let end = world.period_end(&year.subscription) + SLACK;
    world.until_held("u-1", "premium", end).await;
    let other = world.buys("u-1", "price_premium");
    world.deliver_and_settle(&other.events).await;
    assert_eq!(world.simulator.adapty.revenue("u-1")["USD"], 119.97);
    for refunded in [&month, &other] {
        world.deliver_and_settle(&world.simulator.stripe.refund(&refunded.invoice, None, "succeeded").events).await;
    }
    world.until_held("u-1", "premium", end).await;
    assert_eq!(world.simulator.adapty.revenue("u-1")["USD"], 99.99);
    assert_eq!((world.written(SET), world.written(GRANT), world.written(REVOKE)), (5, 0, 0));
    finish_unrefused(world).await;
}

#[tokio::test]
async fn what_a_report_may_have_done_to_the_levels_is_read() {
    let world = reporting_within("2m").await;
    let year = world.buys("u-1", "price_yearly");
    world.deliver_and_settle(&year.events).await;
    world.until_held("u-1", "premium", world.period_end(&year.subscription) + SLACK).await;
    let month = world.buys("u-1", "price_premium");
    world.deliver_and_settle(&month.events).await;
    let profile_reads =
        || world.simulator.journal.count(|request| request.server == Server::Adapty && request.method == "GET");
    let before = profile_reads();
    let same = metadata(&[("customer_user_id", "u-1")]);
    world.deliver_and_settle(&world.simulator.stripe.set_subscription_metadata(&month.subscription, &same)).await;
    assert!(profile_reads() > before);
    finish_unrefused(world).await;
}

#[tokio::test]
async fn two_prices_of_one_product_are_reported_with_their_own_amounts() {
    let world = reporting().await;
    let price = simulator::stripe::moves::NewPrice::recurring("price_plus", "prod_premium", 500, TimeDelta::days(30));
    world.simulator.stripe.add_price(price);
    let bought = world.subscribe(NewSubscription {
        prices: vec![("price_premium".to_owned(), 1), ("price_plus".to_owned(), 1)],
        metadata: metadata(&[("customer_user_id", "u-1")]),
        ..NewSubscription::default()
    });
    world.deliver_and_settle(&bought.events).await;
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    assert_eq!(world.transaction_ids("u-1").len(), 2);
    assert_eq!(world.simulator.adapty.revenue("u-1")["USD"], 14.99);
    finish_unrefused(world).await;
}

#[tokio::test]
async fn a_level_that_the_product_does_not_bring_is_granted_beside_the_transaction() {
    let world = reporting().await;
    world.simulator.adapty.set_product("prod_premium", None);
    let bought = world.granted("u-1", "price_premium", "premium").await;
    assert_eq!((world.written(SET), world.written(GRANT)), (1, 1));
    world.deliver_and_settle(&world.simulator.stripe.cancel_now(&bought.subscription)).await;
    world.until_gone("u-1", "premium").await;
    assert_eq!(world.transaction_ids("u-1"), [bought.subscription.as_str()]);
    finish_unrefused(world).await;
}

#[tokio::test]
async fn a_sale_that_adapty_refuses_is_parked_and_its_level_is_granted_all_the_same() {
    let world = reporting().await;
    let body = r#"{"errors":[{"source":"store","errors":["No."]}],"error_code":"value_error","status_code":400}"#;
    let refusal = What::Status(400, Vec::new(), body.to_owned());
    world.simulator.adapty.faults.inject(Fault::always(Match::on("POST", SET), refusal));
    let bought = world.buys("u-1", "price_premium");
    world.deliver_and_settle(&bought.events).await;
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    assert_eq!(world.parked().await, [("refused_step".to_owned(), format!("stripe:{}", bought.customer))]);
    world.simulator.adapty.faults.clear();
    world.daemon.command(&["parked", "release", "--all"]).await;
    world.daemon.until_idle().await;
    assert_eq!(world.transaction_ids("u-1"), [bought.subscription.as_str()]);
    finish(world).await;
}

#[tokio::test]
async fn two_products_of_one_subscription_are_two_transactions() {
    let world = reporting().await;
    let bought = world.subscribe(NewSubscription {
        prices: vec![("price_premium".to_owned(), 1), ("price_gold".to_owned(), 1)],
        metadata: metadata(&[("customer_user_id", "u-1")]),
        ..NewSubscription::default()
    });
    world.deliver_and_settle(&bought.events).await;
    let end = world.period_end(&bought.subscription) + SLACK;
    world.until_held("u-1", "premium", end).await;
    world.until_held("u-1", "gold", end).await;
    assert_eq!(world.transaction_ids("u-1").len(), 2);
    assert_eq!(world.simulator.adapty.revenue("u-1")["USD"], 29.98);
    let written = world.written(SET);
    let output = world.daemon.command(&["resync", "--user", "u-1", "--wait"]).await;
    assert!(output.status.success() && world.written(SET) == written, "{}", output.stderr);
    finish_unrefused(world).await;
}

#[tokio::test]
async fn a_report_whose_answer_is_lost_is_counted_once() {
    for what in [What::ResetAfter, What::Truncate, What::DropBodyAfter, What::ResetBefore] {
        let world = reporting().await;
        world.simulator.adapty.faults.inject(Fault::once(Match::on("POST", SET), what));
        let bought = world.buys("u-1", "price_premium");
        world.deliver(&bought.events).await;
        world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
        world.daemon.until_idle().await;
        assert_eq!(world.transaction_ids("u-1"), [bought.subscription.as_str()]);
        assert_eq!(events_of_purchases(&world), ["subscription_started"]);
        finish_unrefused(world).await;
    }
}

#[tokio::test]
async fn a_trial_is_free_and_its_first_payment_converts_it() {
    let world = reporting().await;
    let bought = world.subscribe(NewSubscription {
        prices: vec![("price_premium".to_owned(), 1)],
        metadata: metadata(&[("customer_user_id", "u-1")]),
        trial: Some(TimeDelta::days(7)),
        ..NewSubscription::default()
    });
    world.deliver_and_settle(&bought.events).await;
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    world.deliver_and_settle(&world.simulator.stripe.convert_trial(&bought.subscription)).await;
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    assert_eq!(events_of_purchases(&world), ["trial_started", "trial_converted"]);
    assert_eq!(world.simulator.adapty.revenue("u-1")["USD"], 9.99);
    finish_unrefused(world).await;
}

#[tokio::test]
async fn what_is_bought_for_life_is_a_purchase_of_its_own() {
    let world = World::selling_once_with(&[("ADAPTY__API", "v2"), ("POLICY__PROFILE_LAG", "0s")]).await;
    world.simulator.adapty.set_product("prod_life", Some("gold"));
    let bought = world.simulator.stripe.pay_once(NewPayment {
        customer: Some(world.simulator.stripe.add_customer(NewCustomer::default()).id),
        prices: vec![("price_life".to_owned(), 1)],
        session: NewSession { client_reference_id: Some("u-1".to_owned()), ..NewSession::default() },
        paid: true,
        ..NewPayment::default()
    });
    world.deliver_and_settle(&bought.events).await;
    assert!(world.holds("u-1", "gold") && world.simulator.adapty.level("u-1", "gold").unwrap().is_lifetime);
    assert_eq!(events_of_purchases(&world), ["non_subscription_purchase"]);
    assert_eq!((world.written(SET), world.written(GRANT)), (1, 0));
    finish_unrefused(world).await;
}

#[tokio::test]
async fn a_price_is_reported_with_the_country_of_the_customer_else_of_the_card_else_of_the_settings() {
    let world = World::with(&[("ADAPTY__API", "v2"), ("ADAPTY__DEFAULT_COUNTRY", "NL")]).await;
    let country = |world: &World| world.bodies(SET).pop().unwrap()["price"]["country"].clone();
    let bought = world.granted("u-1", "price_premium", "premium").await;
    assert_eq!(country(&world), "NL");
    let charge = world.simulator.stripe.charge_of(&bought.invoice).unwrap();
    world.simulator.stripe.edit(&charge, |charge| charge["payment_method_details"]["card"]["country"] = "FR".into());
    world.deliver_and_settle(&world.simulator.stripe.renew(&bought.subscription)).await;
    assert_eq!(country(&world), "FR");
    world
        .simulator
        .stripe
        .edit(&bought.customer, |customer| customer["address"] = serde_json::json!({ "country": "DE" }));
    world.deliver_and_settle(&world.simulator.stripe.renew(&bought.subscription)).await;
    assert_eq!(country(&world), "DE");
    finish_unrefused(world).await;
}

#[tokio::test]
async fn a_sale_is_reported_with_its_coupon_its_code_and_the_paywall_it_came_from() {
    let world = reporting().await;
    let stripe = &world.simulator.stripe;
    let paywall = [("customer_user_id", "u-1"), ("variation_id", "3d8a7c02-0000-4000-8000-0123456789ab")];
    let bought = world.subscribe(NewSubscription {
        prices: vec![("price_premium".to_owned(), 1)],
        metadata: metadata(&paywall),
        ..NewSubscription::default()
    });
    stripe.discount(&bought.invoice, "SUMMER", None, 500);
    world.deliver_and_settle(&bought.events).await;
    let reported = world.bodies(SET).pop().unwrap();
    let offer = serde_json::json!({ "category": "promotional", "type": "pay_as_you_go", "id": "SUMMER" });
    assert_eq!((&reported["offer"], &reported["variation_id"]), (&offer, &paywall[1].1.into()));
    assert_eq!(reported["price"]["value"], 4.99);
    let mut renewed = stripe.renew(&bought.subscription);
    let invoice = stripe.latest_invoice(&bought.subscription).unwrap();
    renewed.extend(stripe.discount(&invoice, "WELCOME", Some("promo_1"), 999));
    world.deliver_and_settle(&renewed).await;
    let reported = world.bodies(SET).pop().unwrap();
    assert_eq!(
        reported["offer"],
        serde_json::json!({ "category": "offer_code", "type": "free_trial", "id": "promo_1" })
    );
    world.deliver_and_settle(&stripe.renew(&bought.subscription)).await;
    let reported = world.bodies(SET).pop().unwrap();
    assert_eq!((reported.get("offer"), &reported["price"]["value"]), (None, &9.99.into()));
    assert_eq!(world.written(SET), 3);
    finish_unrefused(world).await;
}

#[tokio::test]
async fn metadata_that_can_be_no_paywall_is_not_reported() {
    let world = reporting().await;
    let bought = world.subscribe(NewSubscription {
        prices: vec![("price_premium".to_owned(), 1)],
        metadata: metadata(&[("customer_user_id", "u-1"), ("variation_id", "the one with the cat")]),
        ..NewSubscription::default()
    });
    world.deliver_and_settle(&bought.events).await;
    assert_eq!(world.bodies(SET).pop().unwrap().get("variation_id"), None);
    finish_unrefused(world).await;
}

#[tokio::test]
async fn a_key_that_may_not_read_coupons_reports_the_sale_without_its_offer() {
    let mut world = reporting().await;
    world.simulator.stripe.add_restricted_key("rk_test_few", &["coupons"]);
    world.daemon.restart(&[("STRIPE__SECRET_KEY", "rk_test_few")]).await;
    let bought = world.buys("u-1", "price_premium");
    world.simulator.stripe.discount(&bought.invoice, "SUMMER", None, 500);
    world.deliver_and_settle(&bought.events).await;
    let reported = world.bodies(SET).pop().unwrap();
    assert_eq!((reported.get("offer"), &reported["price"]["value"]), (None, &4.99.into()));
    assert!(world.holds("u-1", "premium"));
    finish_unrefused(world).await;
}
