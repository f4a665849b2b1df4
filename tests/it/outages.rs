//! An upstream's outage is one gate: nothing is lost, little is asked and said, and all are served soon after it.

use std::time::{Duration, Instant};

use simulator::fault::{Fault, Match, What};
use simulator::journal::Server;

use crate::harness::daemon::PATIENCE;
use crate::harness::final_checks::finish;
use crate::harness::world::{Bought, SLACK, World};

/// Users who buy while the upstream is away.
const BUYERS: usize = 20;
/// How soon all of them hold what they bought, once it serves again.
const SERVED_WITHIN: Duration = Duration::from_secs(10);
const SERVED_WITHIN_OF_KEY: Duration = Duration::from_secs(60);
/// Requests a second that an upstream gets while it is away.
const ASKED: usize = 2;
/// Lines that are logged of it.
const LINES: usize = 10;

/// What is wrong with an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "slow-tests"), expect(dead_code, reason = "only the slow tests make every kind"))]
enum Outage {
    Answers500,
    Resets,
    Hangs,
    AsksToWait,
    RefusesKey,
}

/// What came of an outage.
#[derive(Debug)]
struct Seen {
    requests: usize,
    lines: usize,
    served_after: Duration,
}

const KEYS: [(Server, &str); 2] = [(Server::Stripe, "sk_test_sandbox"), (Server::Adapty, "secret_live_sandbox.key")];

impl Outage {
    fn begin(self, world: &World, at: Server) {
        let what = match self {
            Self::Answers500 => What::Status(500, Vec::new(), String::new()),
            Self::Resets => What::ResetBefore,
            Self::Hangs => What::HangForever,
            Self::AsksToWait => What::RetryAfter(4),
            Self::RefusesKey => {
                return match at {
                    Server::Stripe => world.simulator.stripe.remove_key(KEYS[0].1),
                    Server::Adapty => world.simulator.adapty.remove_key(KEYS[1].1),
                    Server::Iaphub => unreachable!("no outage of it is played here"),
                };
            }
        };
        let faults = match at {
            Server::Stripe => &world.simulator.stripe.faults,
            Server::Adapty => &world.simulator.adapty.faults,
            Server::Iaphub => &world.simulator.iaphub.faults,
        };
        faults.inject(Fault::always(Match::any(), what));
    }

    fn end(world: &World) {
        world.simulator.stripe.faults.clear();
        world.simulator.adapty.faults.clear();
        world.simulator.stripe.add_key(KEYS[0].1);
        world.simulator.adapty.add_key(KEYS[1].1);
    }

    fn served_within(self) -> Duration {
        match self {
            Self::RefusesKey => SERVED_WITHIN_OF_KEY,
            Self::Answers500 | Self::Resets | Self::Hangs | Self::AsksToWait => SERVED_WITHIN,
        }
    }
}

/// What an operator sees of the log.
fn lines(world: &World) -> usize {
    world.daemon.log().lines().filter(|line| !line.contains("DEBUG")).count()
}

async fn until_held(world: &World, bought: &[Bought]) {
    for (number, bought) in bought.iter().enumerate() {
        world.until_held(&format!("u-{number}"), "premium", world.period_end(&bought.subscription) + SLACK).await;
    }
}

/// `buyers` buy while an upstream is away for so long.
#[expect(clippy::print_stdout, reason = "the figures are worth reading")]
async fn outage(at: Server, kind: Outage, buyers: usize, length: Duration) -> Seen {
    let world = World::start().await;
    world.daemon.until_idle().await;
    let (began, lines_before) = (Instant::now(), lines(&world));
    kind.begin(&world, at);
    let bought: Vec<Bought> = (0..buyers).map(|number| world.buys(&format!("u-{number}"), "price_premium")).collect();
    for bought in &bought {
        world.deliver(&bought.events).await;
    }
    tokio::time::sleep_until((began + length).into()).await;
    let lines = lines(&world) - lines_before;
    let ended = Instant::now();
    Outage::end(&world);
    until_held(&world, &bought).await;
    let served_after = ended.elapsed();
    let is_of_outage = |at_time: Instant| (began..ended).contains(&at_time);
    let requests = world.simulator.journal.count(|request| request.server == at && is_of_outage(request.at));
    for (number, bought) in bought.iter().enumerate() {
        assert_eq!(world.transaction_ids(&format!("u-{number}")), [bought.subscription.as_str()]);
    }
    assert_eq!(world.parked().await, []);
    println!("{at:?} {kind:?} {length:?}: {requests} requests, {lines} lines, served after {served_after:.1?}");
    finish(world).await;
    Seen { requests, lines, served_after }
}

async fn holds(at: Server, kind: Outage, length: Duration) {
    let Seen { requests, lines, served_after } = outage(at, kind, BUYERS, length).await;
    let most = ASKED * usize::try_from(length.as_secs()).unwrap();
    assert!(requests <= most, "{at:?} {kind:?}: {requests} requests in {length:?}");
    assert!(lines <= LINES, "{at:?} {kind:?}: {lines} lines");
    assert!(served_after <= kind.served_within(), "{at:?} {kind:?}: served after {served_after:?}");
}

#[tokio::test]
async fn after_an_outage_of_adapty_all_are_granted_within_ten_seconds() {
    holds(Server::Adapty, Outage::Answers500, Duration::from_secs(10)).await;
}

#[tokio::test]
async fn after_stripe_asked_to_wait_all_are_granted_within_ten_seconds() {
    holds(Server::Stripe, Outage::AsksToWait, Duration::from_secs(10)).await;
}

/// Nobody else is there whose requests would show whose failure it is.
#[tokio::test]
async fn after_an_outage_that_one_purchase_alone_met_it_is_granted_within_ten_seconds() {
    for length in [4, 14] {
        let seen = outage(Server::Adapty, Outage::Answers500, 1, Duration::from_secs(length)).await;
        assert!(seen.served_after <= SERVED_WITHIN, "{seen:?}");
    }
}

#[cfg(feature = "slow-tests")]
async fn holds_after_every_kind(at: Server) {
    use Outage::{Answers500, AsksToWait, Hangs, RefusesKey, Resets};
    for kind in [Answers500, Resets, Hangs, AsksToWait, RefusesKey] {
        holds(at, kind, Duration::from_secs(20)).await;
    }
}

#[cfg(feature = "slow-tests")]
#[tokio::test]
async fn after_every_kind_of_outage_of_stripe_all_are_served_in_time() {
    holds_after_every_kind(Server::Stripe).await;
}

#[cfg(feature = "slow-tests")]
#[tokio::test]
async fn after_every_kind_of_outage_of_adapty_all_are_served_in_time() {
    holds_after_every_kind(Server::Adapty).await;
}

/// Buyers who are served beside one who is not, before the minute is over for which one refusal could hold up everybody.
const OTHERS: usize = 50;
const A_MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn one_user_whom_adapty_forbids_holds_up_no_other() {
    let world = World::start().await;
    let forbidden = What::Status(403, Vec::new(), r#"{"error_code":"forbidden"}"#.to_owned());
    for method in ["GET", "POST", "PATCH"] {
        world.simulator.adapty.faults.inject(Fault::always(Match::on(method, "/u-bad/"), forbidden.clone()));
    }
    world.deliver(&world.buys("u-bad", "price_premium").events).await;
    let began = Instant::now();
    let bought: Vec<Bought> = (0..OTHERS).map(|number| world.buys(&format!("u-{number}"), "price_premium")).collect();
    for bought in &bought {
        world.deliver(&bought.events).await;
    }
    until_held(&world, &bought).await;
    assert!(began.elapsed() < A_MINUTE, "{:?}", began.elapsed());
    assert!(!world.daemon.log().contains("refuses the key"), "{}", world.daemon.log());
    assert!(!world.holds("u-bad", "premium"));
    world.simulator.adapty.faults.clear();
    assert!(world.daemon.command(&["resync", "--user", "u-bad", "--wait"]).await.status.success());
    assert!(world.holds("u-bad", "premium"));
    finish(world).await;
}

#[tokio::test]
async fn an_account_that_stripe_forbids_is_a_gap_and_the_users_other_purchases_are_granted() {
    let world = World::start().await;
    let first = world.granted("u-1", "price_premium", "premium").await;
    let held = world.period_end(&first.subscription) + SLACK;
    let of_first = Match { path_contains: Some(first.customer.clone()), ..Match::any() };
    let body = r#"{"error":{"type":"invalid_request_error"}}"#.to_owned();
    world.simulator.stripe.faults.inject(Fault::always(of_first, What::Status(403, Vec::new(), body)));
    let second = world.buys("u-1", "price_gold");
    assert_ne!(first.customer, second.customer);
    world.deliver(&second.events).await;
    world.until_held("u-1", "gold", world.period_end(&second.subscription) + SLACK).await;
    // what the forbidden account gave is held
    world.until_held("u-1", "premium", held).await;
    world.daemon.until_idle().await;
    assert!(!world.parked().await.is_empty(), "somebody should know");
    let (_, health) = world.daemon.ready().await.unwrap();
    assert!(!health.contains("paused"), "{health}");
    finish(world).await;
}

#[tokio::test]
async fn health_and_metrics_show_a_closed_gate_and_who_waits_for_it() {
    let world = World::start().await;
    world.simulator.adapty.remove_key(KEYS[1].1);
    let bought = world.buys("u-0", "price_premium");
    world.deliver(&bought.events).await;
    let waits = async {
        while world.daemon.metric(r#"grantsync_gate_waiting_accounts{upstream="adapty"}"#).await != Some(1.0) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waits).await.is_ok(), "{}", world.daemon.log());
    let closed = |name: &'static str| format!(r#"grantsync_gate_closed{{upstream="{name}"}}"#);
    assert_eq!(world.daemon.metric(&closed("adapty")).await, Some(1.0));
    assert_eq!(world.daemon.metric(&closed("stripe")).await, Some(0.0));
    let (_, health) = world.daemon.ready().await.unwrap();
    assert!(health.contains("it refuses the key"), "{health}");
    let parked = world.daemon.command(&["parked", "list"]).await.stdout;
    assert!(parked.contains("accounts that wait until `adapty` serves again: 1"), "{parked}");
    let account = format!("stripe:{}", bought.customer);
    let explained = world.daemon.command(&["explain", &account]).await.stdout;
    assert!(explained.contains("waits until `adapty` serves again"), "{explained}");
    world.simulator.adapty.add_key(KEYS[1].1);
    until_held(&world, &[bought]).await;
    assert_eq!(world.daemon.log().matches("adapty answers again").count(), 1, "{}", world.daemon.log());
    finish(world).await;
}
