//! Commits whose answer, or which themselves, were lost on the way.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::postgres_proxy::{On, Proxy, Then, Trap};
use super::{BOTH, created, in_time, insist, proxied};
use crate::harness::final_checks::{finish, settled};
use crate::harness::world::{SLACK, World};

/// A lease whose owner does not know of it runs out, and the sweep finds the account.
const GRANTED: Duration = Duration::from_secs(12);

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_not_assumed() {
    let (_database, proxy, world) = proxied(&BOTH).await;
    world.granted("u-0", "price_premium", "premium").await;
    for nth in 1..=12 {
        let trap = Trap { on: On::Commit, nth, then: Then::CutAnswered };
        comes_true_once(&world, &proxy, trap, &format!("u-{nth}")).await;
    }
    finish(world).await;
}

#[tokio::test]
async fn a_write_of_a_purchase_whose_answer_was_lost_is_not_assumed() {
    each_write_is_hit(Then::CutAnswered).await;
}

#[tokio::test]
async fn a_write_of_a_purchase_that_was_lost_is_written_again() {
    each_write_is_hit(Then::Cut).await;
}

/// The event, the link, the intention, the outcome.
async fn each_write_is_hit(then: Then) {
    let (_database, proxy, world) = proxied(&BOTH).await;
    world.granted("u-0", "price_premium", "premium").await;
    for nth in 1..=4 {
        let trap = Trap { on: On::DurableCommit, nth, then };
        let refused = comes_true_once(&world, &proxy, trap, &format!("u-{nth}")).await;
        assert_eq!(refused, u32::from(nth == 1), "only the first write is the webhook's");
    }
    finish(world).await;
}

/// `user` buys while the trap is set. Answers how often the webhook was refused.
async fn comes_true_once(world: &World, proxy: &Proxy, trap: Trap, user: &str) -> u32 {
    let began = Instant::now();
    let bought = world.buys(user, "price_premium");
    proxy.set(trap);
    let refused = insist(&world.daemon, created(&bought.events)).await;
    world.until_held(user, "premium", world.period_end(&bought.subscription) + SLACK).await;
    in_time(&format!("{user}, refused {refused} times, to the grant"), began.elapsed(), GRANTED);
    // commands are not to be hit
    proxy.until_sprung().await;
    settled(world).await;
    world.daemon.until_idle().await;
    assert_eq!(world.transaction_ids(user), [bought.subscription.as_str()]);
    let ledger = world.daemon.listed(&["ledger"]).await;
    let of_user: Vec<&Value> = ledger.iter().filter(|line| line["user"] == user).collect();
    let states: Vec<&Value> = of_user.iter().map(|line| &line["state"]).collect();
    assert_eq!(states, ["confirmed"], "{}", world.daemon.log());
    refused
}
