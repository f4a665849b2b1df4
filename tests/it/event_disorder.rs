//! Many at once, in any order, more than once.

use simulator::stripe::event::Event;
use simulator::stripe::moves::{NewSubscription, metadata};
use tokio::task::JoinSet;

use crate::harness::final_checks::finish;
use crate::harness::random::{Chance, seed};
use crate::harness::world::{Api, Bought, SLACK, World};

const USERS: usize = 12;

fn user(number: usize) -> String {
    format!("u-{number}")
}

/// Delivers everything shuffled, and some of it twice; every answer is 200.
async fn deliver_shuffled(world: &World, events: &[Event], seed: u64) {
    let twice: Vec<Event> = events.iter().chain(events.iter().step_by(3)).cloned().collect();
    let answers = world.webhooks.deliver_shuffled(&twice, seed).await.unwrap();
    assert!(answers.iter().all(|status| status.as_u16() == 200), "{answers:?}");
    world.daemon.until_idle().await;
}

#[tokio::test]
async fn a_shuffled_storm_of_lives_ends_as_each_life_did() {
    let world = World::start().await;
    let stripe = &world.simulator.stripe;
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
        assert!(world.simulator.adapty.transactions(&user(number)).len() <= 2);
    }
    assert_eq!(world.revokes().len(), 0);
    assert!(world.grants().len() <= 2 * USERS, "{}", world.grants().len());
    finish(world).await;
}

/// Storms of [`every_class_of_disorder_ends_as_each_life_did`], or `GRANTSYNC_STORMS`; Adapty's second API
/// lives through a few of them.
const STORMS: u64 = match crate::API {
    Api::V1 => 20,
    Api::V2 => 4,
};

/// What happens to the events on their way.
#[derive(Clone, Copy, Debug)]
enum Disorder {
    Shuffled,
    /// Each two or three times.
    Repeated,
    /// Half of them, and of some lives all, never come; only the catch-up knows of them.
    HalfLost,
}

const DISORDERS: [Disorder; 3] = [Disorder::Shuffled, Disorder::Repeated, Disorder::HalfLost];

/// A life, and the end of it.
#[derive(Clone, Copy, Debug)]
enum Life {
    Renewed,
    CanceledAtOnce,
    Refunded,
    Stopping,
    StoppedAndNot,
    Upgraded,
    Recovered,
    Disputed,
}

const LIVES: [Life; 8] = [
    Life::Renewed,
    Life::CanceledAtOnce,
    Life::Refunded,
    Life::Stopping,
    Life::StoppedAndNot,
    Life::Upgraded,
    Life::Recovered,
    Life::Disputed,
];

impl Life {
    fn lived(self, world: &World, bought: &Bought) -> Vec<Event> {
        let (stripe, id) = (&world.simulator.stripe, &bought.subscription);
        match self {
            Self::Renewed => stripe.renew(id),
            Self::CanceledAtOnce => stripe.cancel_now(id),
            Self::Refunded => stripe.refund(&bought.invoice, None, "succeeded").events,
            Self::Stopping => stripe.cancel_at_period_end(id, true),
            Self::StoppedAndNot => {
                [stripe.cancel_at_period_end(id, true), stripe.cancel_at_period_end(id, false)].concat()
            }
            Self::Upgraded => stripe.change_price(id, &bought.item, "price_gold", true),
            Self::Recovered => [stripe.fail_renewal(id), stripe.recover(id)].concat(),
            Self::Disputed => stripe.dispute(&bought.invoice, "needs_response").events,
        }
    }

    /// Waits until Adapty shows what each life ended with.
    async fn until_shown(self, world: &World, user: &str, bought: &Bought) {
        let end = world.period_end(&bought.subscription);
        match self {
            Self::Renewed | Self::StoppedAndNot | Self::Recovered | Self::Disputed => {
                drop(world.until_held(user, "premium", end + SLACK).await);
            }
            Self::Stopping => drop(world.until_held(user, "premium", end).await),
            Self::Upgraded => {
                world.until_held(user, "gold", end + SLACK).await;
                world.until_gone(user, "premium").await;
            }
            Self::CanceledAtOnce | Self::Refunded => world.until_gone(user, "premium").await,
        }
    }
}

impl Disorder {
    fn of(self, events: &[Event], chance: &mut Chance) -> Vec<Event> {
        let mut delivered = Vec::new();
        for event in events {
            let times = match self {
                Self::Shuffled => 1,
                Self::Repeated => 2 + chance.below(2),
                Self::HalfLost => chance.below(2),
            };
            delivered.extend(std::iter::repeat_n(event.clone(), times));
        }
        chance.shuffle(&mut delivered);
        delivered
    }
}

/// The same event as if it had been sent again, under another id and years after it happened.
fn years_late(event: &Event, storm: u64) -> Event {
    let mut body: serde_json::Value = serde_json::from_str(&event.body).unwrap();
    let id = format!("{}_late{storm}", event.id);
    body["id"] = id.clone().into();
    body["created"] = (body["created"].as_i64().unwrap() - 3 * 365 * 86_400).into();
    Event { id, body: body.to_string(), ..event.clone() }
}

async fn storm(seed: u64) {
    let mut world = World::with(&[("CATCH_UP__EVERY", "1h"), ("POLICY__PROFILE_LAG", "0s")]).await;
    let mut chance = Chance::of(seed);
    let (mut lived, mut delivered, mut sent) = (Vec::new(), Vec::new(), Vec::new());
    for (number, life) in LIVES.into_iter().enumerate() {
        let user = format!("u-{number}");
        let bought = world.buys(&user, "price_premium");
        let events = [bought.events.clone(), life.lived(&world, &bought)].concat();
        delivered.extend(DISORDERS[chance.below(DISORDERS.len())].of(&events, &mut chance));
        sent.extend(events);
        lived.push((life, user, bought));
    }
    chance.shuffle(&mut delivered);
    world.deliver(&delivered).await;
    // a start catches up with what never came
    world.daemon.restart(&[]).await;
    for (life, user, bought) in &lived {
        life.until_shown(&world, user, bought).await;
    }
    world.daemon.until_idle().await;
    // an `updated` long after its `deleted`, a `paid` long after its refund: nothing changes
    let written = world.grants().len() + world.revokes().len();
    let late: Vec<Event> = sent.iter().map(|event| years_late(event, seed)).collect();
    world.deliver(&late).await;
    world.daemon.until_idle().await;
    assert_eq!(world.grants().len() + world.revokes().len(), written, "storm {seed}: old news changed something");
    for (life, user, bought) in &lived {
        life.until_shown(&world, user, bought).await;
    }
    assert_eq!(world.parked().await, []);
    finish(world).await;
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a switch of the tests, no setting of the program")]
async fn every_class_of_disorder_ends_as_each_life_did() {
    let storms = std::env::var("GRANTSYNC_STORMS").map_or(STORMS, |storms| storms.parse().unwrap());
    let first = seed();
    println!("GRANTSYNC_SEED={first}");
    let seeds: Vec<u64> = (first..first + storms).collect();
    for some in seeds.chunks(4) {
        some.iter().map(|&seed| storm(seed)).collect::<JoinSet<()>>().join_all().await;
    }
}
