//! Whose access it is, and what happens when that changes.

use chrono::{DateTime, Utc};
use simulator::fault::{Fault, Match, What};
use simulator::journal::Server;
use simulator::stripe::moves::{NewCustomer, NewSession, NewSubscription, metadata};

use crate::harness::final_checks::finish;
use crate::harness::world::{Bought, SLACK, World};

fn end_of(world: &World, bought: &Bought) -> DateTime<Utc> {
    world.period_end(&bought.subscription) + SLACK
}

/// A purchase in Checkout of which every place names another user.
fn named_everywhere(world: &World) -> NewSubscription {
    let named = |user: &str| metadata(&[("customer_user_id", user)]);
    let customer = NewCustomer { metadata: named("of-customer"), email: Some("of-email@example.com".to_owned()) };
    NewSubscription {
        customer: Some(world.simulator.stripe.add_customer(customer).id),
        prices: vec![("price_premium".to_owned(), 1)],
        metadata: named("of-subscription"),
        session: Some(NewSession {
            client_reference_id: Some("of-reference".to_owned()),
            metadata: named("of-session"),
        }),
        ..NewSubscription::default()
    }
}

/// Exactly `user` holds premium for the purchase.
async fn belongs(world: &World, bought: &Bought, user: &str) {
    world.until_held(user, "premium", end_of(world, bought)).await;
    world.daemon.until_idle().await;
    assert_eq!(world.simulator.adapty.profile_count(), 1, "only {user} is known");
}

#[tokio::test]
async fn the_places_of_the_user_id_are_asked_in_the_default_order() {
    type Take = fn(&mut NewSubscription);
    let takes: [(&str, Take); 4] = [
        ("of-subscription", |_| {}),
        ("of-reference", |new| new.metadata.clear()),
        ("of-session", |new| new.session.as_mut().unwrap().client_reference_id = None),
        ("of-customer", |new| new.session = None),
    ];
    for taken in 1..=takes.len() {
        let world = World::start().await;
        let mut new = named_everywhere(&world);
        takes[..taken].iter().for_each(|(_, take)| take(&mut new));
        let bought = world.subscribe(new);
        world.deliver(&bought.events).await;
        belongs(&world, &bought, takes[taken - 1].0).await;
        finish(world).await;
    }
}

#[tokio::test]
async fn the_order_of_the_places_is_a_setting() {
    type User = fn(&Bought) -> String;
    let customer_id = |bought: &Bought| bought.customer.clone();
    let places: [(&str, User); 4] = [
        (r#"["customer.email", "customer.id"]"#, |_| "of-email@example.com".to_owned()),
        (r#"["customer.metadata.nothing", "customer.id"]"#, customer_id),
        (r#"["customer.metadata.customer_user_id", "customer.email"]"#, |_| "of-customer".to_owned()),
        (r#"["checkout_session.metadata.customer_user_id", "customer.id"]"#, |_| "of-session".to_owned()),
    ];
    for (setting, user) in places {
        let world = World::with(&[("IDENTITY__USER_ID", setting)]).await;
        let bought = world.subscribe(named_everywhere(&world));
        world.deliver(&bought.events).await;
        belongs(&world, &bought, &user(&bought)).await;
        finish(world).await;
    }
}

#[tokio::test]
async fn a_user_id_with_reserved_characters_is_encoded_and_flagged() {
    let world = World::start().await;
    let user = "a+b/c@d.e";
    let bought = world.granted(user, "price_premium", "premium").await;
    world.deliver(&world.simulator.stripe.cancel_now(&bought.subscription)).await;
    world.until_gone(user, "premium").await;
    world.daemon.until_idle().await;
    // Base64URL as another implementation writes it
    let segment = "/profiles/YStiL2NAZC5l/";
    let requests = world.simulator.journal.requests();
    let named =
        requests.iter().filter(|request| request.server == Server::Adapty && !request.path.ends_with("/profiles/"));
    for request in named {
        assert!(request.path.contains(segment), "{}", request.path);
        assert_eq!(request.query, "is_user_id_base64url_encoded=1");
    }
    assert_eq!((world.written("/grant/"), world.written("/revoke/")), (1, 1));
    finish(world).await;
}

#[tokio::test]
async fn access_moves_when_the_subscription_names_another_user() {
    let world = World::start().await;
    let bought = world.granted("u-a", "price_premium", "premium").await;
    let named = metadata(&[("customer_user_id", "u-b")]);
    world.deliver(&world.simulator.stripe.set_subscription_metadata(&bought.subscription, &named)).await;
    world.until_gone("u-a", "premium").await;
    world.until_held("u-b", "premium", end_of(&world, &bought)).await;
    world.daemon.until_idle().await;
    assert_eq!((world.written("/grant/"), world.written("/revoke/")), (2, 1));
    world.deliver(&world.simulator.stripe.renew(&bought.subscription)).await;
    world.until_held("u-b", "premium", end_of(&world, &bought)).await;
    world.daemon.until_idle().await;
    assert!(!world.holds("u-a", "premium"));
    finish(world).await;
}

#[tokio::test]
async fn access_moves_also_when_revoking_it_fails_at_first() {
    for what in [What::Html502, What::ResetAfter, What::ResetBefore] {
        let world = World::start().await;
        let bought = world.granted("u-a", "price_premium", "premium").await;
        world.simulator.adapty.faults.inject(Fault::once(Match::on("POST", "/revoke/"), what));
        let named = metadata(&[("customer_user_id", "u-b")]);
        world.deliver(&world.simulator.stripe.set_subscription_metadata(&bought.subscription, &named)).await;
        world.until_gone("u-a", "premium").await;
        world.until_held("u-b", "premium", end_of(&world, &bought)).await;
        world.daemon.until_idle().await;
        assert_eq!(world.written("/grant/"), 2);
        finish(world).await;
    }
}

#[tokio::test]
async fn a_user_id_that_is_taken_away_leaves_the_link_as_it_was() {
    let world = World::start().await;
    let bought = world.granted("u-a", "price_premium", "premium").await;
    let events = world.simulator.stripe.set_subscription_metadata(&bought.subscription, &metadata(&[]));
    world.deliver_and_settle(&events).await;
    assert!(world.holds("u-a", "premium"));
    assert_eq!(world.written("/revoke/"), 0);
    assert_eq!(world.parked().await, []);
    finish(world).await;
}

#[tokio::test]
async fn the_operators_link_wins_over_what_stripe_says() {
    let world = World::start().await;
    let prices = vec![("price_premium".to_owned(), 1)];
    let bought = world.subscribe(NewSubscription { prices, ..NewSubscription::default() });
    let account = format!("stripe:{}", bought.customer);
    assert!(world.daemon.command(&["link", &account, "u-operator"]).await.status.success());
    world.until_held("u-operator", "premium", end_of(&world, &bought)).await;
    let named = metadata(&[("customer_user_id", "u-stripe")]);
    world.deliver_and_settle(&world.simulator.stripe.set_subscription_metadata(&bought.subscription, &named)).await;
    world.deliver(&world.simulator.stripe.renew(&bought.subscription)).await;
    world.until_held("u-operator", "premium", end_of(&world, &bought)).await;
    assert!(world.simulator.adapty.profile("u-stripe").is_none());
    finish(world).await;
}

#[tokio::test]
async fn linking_by_hand_moves_access_from_one_user_to_the_other() {
    let world = World::start().await;
    let bought = world.granted("u-a", "price_premium", "premium").await;
    let account = format!("stripe:{}", bought.customer);
    for (former, next) in [("u-a", "u-b"), ("u-b", "u-c")] {
        assert!(world.daemon.command(&["link", &account, next]).await.status.success());
        world.until_held(next, "premium", end_of(&world, &bought)).await;
        world.until_gone(former, "premium").await;
        world.daemon.until_idle().await;
    }
    finish(world).await;
}

#[tokio::test]
async fn of_two_accounts_of_one_user_the_longest_right_wins() {
    let world = World::start().await;
    let monthly = world.granted("u-1", "price_premium", "premium").await;
    let yearly = world.granted("u-1", "price_yearly", "premium").await;
    assert_ne!(monthly.customer, yearly.customer);
    let user = ["resync", "--wait", "--user", "u-1"];
    let output = world.daemon.command(&user).await;
    assert!(output.status.success(), "{}", output.stderr);
    assert!(output.stdout.contains("2 accounts"), "{}", output.stdout);
    world.until_held("u-1", "premium", end_of(&world, &yearly)).await;

    world.deliver(&world.simulator.stripe.cancel_now(&yearly.subscription)).await;
    world.until_held("u-1", "premium", end_of(&world, &monthly)).await;
    world.daemon.until_idle().await;
    assert_eq!(world.written("/revoke/"), 0);
    world.deliver(&world.simulator.stripe.cancel_now(&monthly.subscription)).await;
    world.until_gone("u-1", "premium").await;
    finish(world).await;
}
