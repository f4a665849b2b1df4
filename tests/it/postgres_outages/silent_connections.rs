//! One connection that falls silent without a word: a firewall forgot it, or a machine is gone.

use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgListener};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

use super::postgres_proxy::{On, Proxy, Then, Trap};
use super::{BOTH, INGEST, WORK, beside, created, in_time, insist, post, proxied, shared};
use crate::harness::final_checks::finish;
use crate::harness::world::SLACK;

/// How long one silent connection may hold anything up.
const HELD_UP: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_read_that_is_never_answered_holds_a_purchase_up_for_seconds_only() {
    let (_database, proxy, world) = proxied(&BOTH).await;
    world.granted("u-1", "price_premium", "premium").await;
    proxy.set(Trap { on: On::Read("u-2"), nth: 1, then: Then::Lose });
    let bought = world.buys("u-2", "price_premium");
    world.deliver(&bought.events).await;
    proxy.until_sprung().await;
    let lost = Instant::now();
    world.until_held("u-2", "premium", world.period_end(&bought.subscription) + SLACK).await;
    in_time("from the lost read to the grant", lost.elapsed(), HELD_UP);
    finish(world).await;
}

#[tokio::test]
async fn a_roll_back_that_is_never_answered_is_given_up() {
    let (database, proxy, world) = proxied(&BOTH).await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let mut other = database.url().parse::<PgConnectOptions>().unwrap().connect().await.unwrap();
    let mut held = other.begin().await.unwrap();
    let row = format!("SELECT 1 FROM worklist WHERE account = 'stripe:{}' FOR UPDATE", bought.customer);
    held.execute(AssertSqlSafe(row)).await.unwrap();
    proxy.set(Trap { on: On::RollBack, nth: 1, then: Then::Lose });
    let renewal = world.simulator.stripe.renew(&bought.subscription);
    let answer = async {
        proxy.until_sprung().await;
        let began = Instant::now();
        held.rollback().await.unwrap();
        began
    };
    let patient = tokio::time::timeout(HELD_UP * 2, post(&world.daemon, &renewal[0]));
    let (answered, lost) = tokio::join!(patient, answer);
    answered.expect("the webhook is answered");
    in_time("from the lost roll-back to the answer", lost.elapsed(), HELD_UP);
    for event in &renewal {
        insist(&world.daemon, event).await;
    }
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    finish(world).await;
}

#[tokio::test]
async fn after_a_trigger_that_notified_nobody_others_are_notified_again() {
    let (database, proxy, world) = proxied(&INGEST).await;
    let mut listener = PgListener::connect(database.url()).await.unwrap();
    listener.listen("grantsync").await.unwrap();
    proxy.set(Trap { on: On::Read(" triggered"), nth: 1, then: Then::Lose });
    let first = world.buys("u-1", "price_premium");
    world.deliver(&first.events[..1]).await;
    proxy.until_sprung().await;
    let lost = Instant::now();
    let output = async {
        for number in 2.. {
            let bought = world.buys(&format!("u-{number}"), "price_premium");
            world.deliver(&bought.events[..1]).await;
            let notified = tokio::time::timeout(Duration::from_secs(1), listener.recv()).await;
            if notified.is_ok_and(|notified| notified.unwrap().payload().ends_with(" triggered")) {
                return;
            }
        }
    };
    assert!(tokio::time::timeout(HELD_UP, output).await.is_ok(), "others are notified no more");
    in_time("from the lost notification to the next", lost.elapsed(), HELD_UP);
}

#[tokio::test]
async fn a_machine_that_vanished_in_a_transaction_holds_nobody_up() {
    let (database, world) = shared(&BOTH, &[]).await;
    let proxy = Proxy::before(database.url()).await;
    let mut vanishing = beside(&world, &INGEST, &[("DATABASE__URL", proxy.url())]).await;
    proxy.set(Trap { on: On::DurableCommit, nth: 1, then: Then::Freeze });
    let (bought, another) = (world.buys("u-1", "price_premium"), world.buys("u-2", "price_premium"));
    let event = created(&bought.events);
    tokio::select! {
        _ = post(&vanishing, event) => panic!("what is not on the disk is answered"),
        () = proxy.until_sprung() => {}
    }
    vanishing.kill().await;
    for (whose, event) in [("the same", event), ("another's", created(&another.events))] {
        let vanished = Instant::now();
        insist(&world.daemon, event).await;
        in_time(&format!("{whose} webhook elsewhere"), vanished.elapsed(), HELD_UP);
    }
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    world.until_held("u-2", "premium", world.period_end(&another.subscription) + SLACK).await;
    finish(world).await;
}

#[tokio::test]
async fn a_worker_that_vanished_while_it_was_lent_tokens_holds_nobody_up() {
    let (database, world) = shared(&INGEST, &[]).await;
    let proxy = Proxy::before(database.url()).await;
    let mut vanishing = beside(&world, &WORK, &[("DATABASE__URL", proxy.url())]).await;
    // the row of the limit is locked by then
    proxy.set(Trap { on: On::Says("UPDATE rate_limits SET full_at"), nth: 1, then: Then::Freeze });
    let bought = world.buys("u-1", "price_premium");
    insist(&world.daemon, created(&bought.events)).await;
    proxy.until_sprung().await;
    vanishing.kill().await;
    let vanished = Instant::now();
    let _other = world.daemon.beside(&WORK).await;
    let another = world.buys("u-2", "price_premium");
    insist(&world.daemon, created(&another.events)).await;
    for (user, bought) in [("u-2", &another), ("u-1", &bought)] {
        world.until_held(user, "premium", world.period_end(&bought.subscription) + SLACK).await;
        in_time(&format!("from its end to the grant of {user}"), vanished.elapsed(), HELD_UP);
    }
    finish(world).await;
}
