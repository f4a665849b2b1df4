//! Many at once, in any order, more than once.

use sandbox::stripe::event::Event;
use sandbox::stripe::moves::{NewSubscription, metadata};

use crate::harness::finish::finish;
use crate::harness::world::{Bought, SLACK, World};

const USERS: usize = 12;

fn user(number: usize) -> String {
    format!("u-{number}")
}

/// Delivers everything shuffled, and some of it twice; every answer is 200.
async fn deliver_shuffled(world: &World, events: &[Event], seed: u64) {
    let twice: Vec<Event> = events.iter().chain(events.iter().step_by(3)).cloned().collect();
    let answers = world.webhooks.deliver_shuffled(&twice, seed).await.unwrap();
    assert!(answers.iter().all(|status| status.as_u16() == 200), "{answers:?}");
    world.daemon.calm().await;
}

#[tokio::test]
async fn a_shuffled_storm_of_lives_ends_as_each_life_did() {
    let world = World::start().await;
    let stripe = &world.sandbox.stripe;
    let mut events = Vec::new();
    let mut lives: Vec<Bought> = Vec::new();
    for number in 0..USERS {
        let bought = world.buys(&user(number), "price_premium");
        let id = &bought.subscription;
        events.extend(bought.events.clone());
        events.extend(match number % 4 {
            0 => stripe.renew(id),
            1 => stripe.cancel_now(id),
            2 => stripe.refund(&bought.invoice, None, "succeeded").events,
            _ => stripe.cancel_at_period_end(id, true),
        });
        lives.push(bought);
    }
    deliver_shuffled(&world, &events, 7).await;
    for (number, bought) in lives.iter().enumerate() {
        let (user, end) = (user(number), world.period_end(&bought.subscription));
        match number % 4 {
            0 => drop(world.until_held(&user, "premium", end + SLACK).await),
            3 => drop(world.until_held(&user, "premium", end).await),
            _ => assert!(!world.holds(&user, "premium"), "{user}"),
        }
    }
    assert_eq!(world.parked().await, []);
    finish(world).await;
}

#[tokio::test]
async fn users_with_two_accounts_each_are_decided_by_one_at_a_time() {
    let world = World::start().await;
    let mut events = Vec::new();
    let mut longest = Vec::new();
    for number in 0..USERS {
        let of = |price: &str| NewSubscription {
            prices: vec![(price.to_owned(), 1)],
            metadata: metadata(&[("customer_user_id", &user(number))]),
            ..NewSubscription::default()
        };
        let (monthly, yearly) = (world.subscribe(of("price_premium")), world.subscribe(of("price_yearly")));
        events.extend(monthly.events);
        events.extend(yearly.events.clone());
        longest.push(yearly);
    }
    deliver_shuffled(&world, &events, 11).await;
    for (number, yearly) in longest.iter().enumerate() {
        world.until_held(&user(number), "premium", world.period_end(&yearly.subscription) + SLACK).await;
        assert!(world.sandbox.adapty.transactions(&user(number)).len() <= 2);
    }
    assert_eq!(world.written("/revoke/"), 0);
    assert!(world.written("/grant/") <= 2 * USERS, "{}", world.written("/grant/"));
    finish(world).await;
}
