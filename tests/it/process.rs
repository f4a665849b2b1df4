//! The program itself: stopped, killed, misconfigured, watched.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use simulator::fault::{Fault, Match, What};
use simulator::journal::Request;
use simulator::webhook::Webhooks;

use crate::harness::daemon::{PATIENCE, run};
use crate::harness::final_checks::finish;
use crate::harness::world::{Bought, SECRET, SLACK, World};

/// How soon a killed daemon must have caught up after its restart.
const RECOVERY: Duration = Duration::from_secs(15);

/// A purchase whose grant is hit by `what` and has reached Adapty, but was not answered.
async fn grant_under_way(world: &World, what: What) -> Bought {
    world.simulator.adapty.faults.inject(Fault::once(Match::on("POST", "/grant/"), what));
    let bought = world.buys("u-1", "price_premium");
    world.deliver(&bought.events).await;
    let arrived = |requests: &[Request]| requests.iter().any(|request| request.path.ends_with("/grant/"));
    world.simulator.journal.wait_for(PATIENCE, arrived).await.unwrap();
    bought
}

/// Restarts, and waits until the purchase is granted as it should be, in time.
async fn catches_up(world: &mut World, bought: &Bought) {
    let began = Instant::now();
    world.daemon.restart(&[]).await;
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    let half_done = async {
        while world.daemon.listed(&["ledger"]).await.iter().any(|line| line["state"] != "confirmed") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, half_done).await.is_ok(), "{}", world.daemon.log());
    assert!(began.elapsed() < RECOVERY, "{:?}", began.elapsed());
    assert_eq!(world.transaction_ids("u-1"), [bought.subscription.as_str()]);
}

#[tokio::test]
async fn sigterm_finishes_what_is_under_way() {
    let mut world = World::start().await;
    let bought = grant_under_way(&world, What::Delay(Duration::from_secs(2))).await;
    let began = Instant::now();
    assert_eq!(world.daemon.terminate().await.code(), Some(0), "{}", world.daemon.log());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(world.holds("u-1", "premium"));
    let ledger = world.daemon.listed(&["ledger"]).await;
    let states: Vec<_> = ledger.iter().map(|line| line["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["confirmed"]);
    catches_up(&mut world, &bought).await;
    assert_eq!(world.written("/grant/"), 1);
    finish(world).await;
}

#[tokio::test]
async fn sigterm_does_not_wait_for_an_adapty_that_hangs() {
    let mut world = World::with(&[("ADAPTY__TIMEOUT", "60s")]).await;
    let bought = grant_under_way(&world, What::HangForever).await;
    let began = Instant::now();
    assert_eq!(world.daemon.terminate().await.code(), Some(0), "{}", world.daemon.log());
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    catches_up(&mut world, &bought).await;
    finish(world).await;
}

#[tokio::test]
async fn a_kill_after_adapty_granted_makes_no_second_grant() {
    let mut world = World::start().await;
    let bought = grant_under_way(&world, What::AnswerLate(Duration::from_secs(600))).await;
    assert!(world.daemon.listed(&["ledger"]).await.iter().any(|line| line["state"] == "intended"));
    world.daemon.kill().await;
    catches_up(&mut world, &bought).await;
    assert_eq!(world.written("/grant/"), 1, "what the profile shows is not sent again");
    finish(world).await;
}

#[tokio::test]
async fn a_kill_before_adapty_granted_is_made_up_for() {
    let mut world = World::start().await;
    let bought = grant_under_way(&world, What::HangForever).await;
    world.daemon.kill().await;
    catches_up(&mut world, &bought).await;
    assert_eq!(world.written("/grant/"), 2);
    finish(world).await;
}

#[tokio::test]
async fn a_kill_right_after_the_last_200_loses_nothing() {
    let mut world = World::start().await;
    let bought = world.buys("u-1", "price_premium");
    world.deliver(&bought.events).await;
    world.daemon.kill().await;
    catches_up(&mut world, &bought).await;
    let events = world.daemon.listed(&["events"]).await;
    assert_eq!(events.len(), bought.events.len());
    finish(world).await;
}

#[tokio::test]
async fn the_two_halves_work_in_two_processes() {
    let mut world = World::start().await;
    assert_eq!(world.daemon.terminate().await.code(), Some(0));
    let ingest = world.daemon.beside(&["serve", "--only", "ingest"]).await;
    let webhooks = Webhooks::new(format!("{}/webhooks/stripe", ingest.front), SECRET);
    let bought = world.buys("u-1", "price_premium");
    for event in &bought.events {
        assert_eq!(webhooks.deliver(event).await.unwrap().as_u16(), 200);
    }
    assert_eq!(world.simulator.journal.requests().len(), 0, "one half takes in and nothing else");
    world.daemon = world.daemon.beside(&["serve", "--only", "work"]).await;
    let elsewhere = Webhooks::new(format!("{}/webhooks/stripe", world.daemon.front), SECRET);
    assert_eq!(elsewhere.deliver(&bought.events[0]).await.unwrap().as_u16(), 404);
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    for event in world.simulator.stripe.renew(&bought.subscription) {
        assert_eq!(webhooks.deliver(&event).await.unwrap().as_u16(), 200);
    }
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    finish(world).await;
}

#[tokio::test]
async fn an_observing_daemon_writes_nothing_until_it_may() {
    let mut world = World::with(&[("POLICY__MODE", "observe")]).await;
    let bought = world.buys("u-1", "price_premium");
    world.deliver_and_settle(&bought.events).await;
    assert_eq!(world.simulator.journal.count(|request| request.method != "GET"), 0);
    assert!(world.simulator.adapty.profile("u-1").is_none());
    assert!(world.daemon.listed(&["ledger"]).await.is_empty());
    assert!(world.daemon.log().contains("observing: would grant `premium`"));
    world.daemon.restart(&[("POLICY__MODE", "enforce")]).await;
    let account = format!("stripe:{}", bought.customer);
    assert!(world.daemon.command(&["resync", &account]).await.status.success());
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    finish(world).await;
}

#[tokio::test]
async fn the_metrics_count_what_happened() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let parked = world.buys("", "price_premium");
    world.deliver_and_settle(&parked.events).await;
    world.webhooks.deliver_signed("{}", "t=1,v1=00").await.unwrap();
    let expected = [
        (r#"grantsync_events_total{type="invoice.paid",outcome="enqueued"}"#, 2.0),
        (r#"grantsync_webhooks_refused_total{reason="bad_signature"}"#, 1.0),
        (r#"grantsync_steps_total{kind="grant",outcome="confirmed"}"#, 1.0),
        (r#"grantsync_parked{kind="unknown_customer"}"#, 1.0),
        (r#"grantsync_parked{kind="refused_step"}"#, 0.0),
        ("grantsync_due_accounts", 0.0),
        ("grantsync_oldest_due_seconds", 0.0),
        ("grantsync_event_to_grant_seconds_count", 1.0),
    ];
    for (name, value) in expected {
        assert_eq!(world.daemon.metric(name).await, Some(value), "{name}");
    }
    let (_, text) = world.daemon.get("/metrics").await.unwrap();
    for name in ["syncs_total", "sync_seconds", "upstream_requests_total", "upstream_seconds"] {
        assert!(text.contains(&format!("# TYPE grantsync_{name} ")), "{name}");
    }
    assert!(!text.contains(&bought.customer) && !text.contains("u-1"), "no label names a person");
    finish(world).await;
}

#[tokio::test]
async fn without_a_token_only_loopback_health_and_metrics_are_served() {
    let mut world = World::start().await;
    for path in ["/metrics", "/health/live", "/health/ready"] {
        assert_eq!(world.daemon.get(path).await.unwrap().0, 200, "{path}");
    }
    for path in ["/v1/openapi.json", "/v1/users/u-1/status", "/", "/metrics/"] {
        let (status, text) = world.daemon.get(path).await.unwrap();
        assert_eq!((status, text.contains("server.admin_token")), (403, true), "{path}: {text}");
    }
    let port = world.daemon.back.rsplit_once(':').unwrap().1.to_owned();
    world.daemon.restart(&[("SERVER__ADMIN_LISTEN", &format!("0.0.0.0:{port}"))]).await;
    for path in ["/metrics", "/health/live", "/v1/openapi.json"] {
        assert_eq!(world.daemon.get(path).await.unwrap().0, 403, "{path}");
    }
    world.daemon.restart(&[("SERVER__ADMIN_LISTEN", &format!("127.0.0.1:{port}"))]).await;
    finish(world).await;
}

#[tokio::test]
async fn with_a_token_the_admin_side_asks_for_it() {
    const TOKEN: &str = "open-sesame-0123456789";
    let mut world = World::with(&[("SERVER__ADMIN_TOKEN", TOKEN)]).await;
    assert_eq!(world.daemon.get("/metrics").await.unwrap().0, 200);
    let api = "/v1/nothing-here";
    assert_eq!(world.daemon.get(api).await.unwrap().0, 401);
    assert_eq!(world.daemon.get_with(api, "open-sesame-012345678").await.unwrap().0, 401);
    assert_eq!(world.daemon.get_with(api, TOKEN).await.unwrap().0, 404);
    let port = world.daemon.back.rsplit_once(':').unwrap().1.to_owned();
    world.daemon.restart(&[("SERVER__ADMIN_LISTEN", &format!("0.0.0.0:{port}"))]).await;
    for path in ["/metrics", "/health/live", "/health/ready"] {
        assert_eq!(world.daemon.get(path).await.unwrap().0, 401, "{path}");
        assert_eq!(world.daemon.get_with(path, TOKEN).await.unwrap().0, 200, "{path}");
    }
    assert!(!world.daemon.log().contains(TOKEN));
    world.daemon.restart(&[("SERVER__ADMIN_LISTEN", &format!("127.0.0.1:{port}"))]).await;
    finish(world).await;
}

#[tokio::test]
async fn a_fault_in_the_settings_ends_with_2_and_names_the_key() {
    let sound = [
        ("GRANTSYNC__STRIPE__SECRET_KEY", "sk_test_1"),
        ("GRANTSYNC__STRIPE__WEBHOOK_SECRETS", "whsec_1"),
        ("GRANTSYNC__ADAPTY__SECRET_KEY", "secret_live_1"),
        ("GRANTSYNC__SERVER__LISTEN", "127.0.0.1:0"),
        ("GRANTSYNC__SERVER__ADMIN_LISTEN", "127.0.0.1:0"),
    ];
    let faults = [
        (("GRANTSYNC__POLICY__MODE", "watch"), "`policy.mode`"),
        (("GRANTSYNC__POLICY__PAST_DUE_GRACE", "soon"), "`policy.past_due_grace`"),
        (("GRANTSYNC__POLICY__PAST_DUE_GRASE", "3d"), "`GRANTSYNC__POLICY__PAST_DUE_GRASE`"),
        (("GRANTSYNC__ADAPTY__API", "v3"), "`adapty.api`"),
        (("GRANTSYNC__STRIPE__SECRET_KEY", ""), "`stripe.secret_key`"),
        (("GRANTSYNC__ADAPTY__SECRET_KEY", "env:NOWHERE"), "`adapty.secret_key`"),
        (("GRANTSYNC__STRIPE__WEBHOOK_SECRETS", "file:/no/such/file"), "`stripe.webhook_secrets`"),
        (("GRANTSYNC__IDENTITY__USER_ID", "[\"customer.name\"]"), "`identity.user_id"),
        (("GRANTSYNC__CATALOG", "[{ price = \"price_1\" }]"), "`catalog[0]`"),
        (("GRANTSYNC__DATABASE__URL", "mysql://somewhere"), "`database.url`"),
        (("GRANTSYNC__STRIPE__API_BASE", "not an address"), "`stripe.api_base`"),
    ];
    for (wrong, key) in faults {
        let directory = tempfile::tempdir().unwrap();
        let set = sound.into_iter().chain([wrong]);
        let environment: BTreeMap<String, String> =
            set.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let ended = run(directory.path(), &environment, &["serve"]).await;
        assert_eq!(ended.status.code(), Some(2), "{key}: {}", ended.stderr);
        let lines: Vec<&str> = ended.stderr.lines().collect();
        assert!(lines.len() == 1 && lines[0].contains(key), "{key}: {lines:?}");
        let secrets = ["sk_test_1", "whsec_1", "secret_live_1"];
        assert!(!secrets.iter().any(|secret| ended.stderr.contains(secret)), "{lines:?}");
    }
}

#[tokio::test]
async fn a_database_password_that_is_not_encoded_is_one_line_without_any_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let addresses = [
        "postgres://app:98/hush@127.0.0.1/grantsync",
        "postgresql://app:98?hush@127.0.0.1/grantsync",
        "postgres://app:98#hush@127.0.0.1/grantsync",
        "postgres://app:p@98/hush@127.0.0.1:1/grantsync",
        "postgres://app:98%2Fhush@127.0.0.1:1/grantsync?passwd=hush",
        "postgres://app:hush",
    ];
    for address in addresses {
        let variables = [("GRANTSYNC__DATABASE__URL", address), ("GRANTSYNC_LOG", "trace")];
        let environment: BTreeMap<_, _> = variables.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let ended = run(directory.path(), &environment, &["parked", "list"]).await;
        assert!(matches!(ended.status.code(), Some(1 | 2)), "{address}: {}", ended.stderr);
        let said = ended.stderr.lines().filter(|line| !line.contains(" WARN "));
        assert_eq!(said.count(), 1, "{address}: {}", ended.stderr);
        for piece in ["hush", "98", "app:"] {
            assert!(!ended.stderr.contains(piece), "{address}: {}", ended.stderr);
        }
    }
}

#[tokio::test]
async fn a_mistake_in_the_settings_file_is_named_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("grantsync.toml"), "[server]\nlisten = \"nowhere\"\n").unwrap();
    let ended = run(directory.path(), &BTreeMap::new(), &["parked", "list"]).await;
    assert_eq!(ended.status.code(), Some(2));
    assert!(ended.stderr.contains("`server.listen`") && ended.stderr.contains("line 2"), "{}", ended.stderr);
    let missing = run(directory.path(), &BTreeMap::new(), &["--config", "other.toml", "parked", "list"]).await;
    assert_eq!(missing.status.code(), Some(2), "{}", missing.stderr);
}

#[tokio::test]
async fn wrong_usage_ends_with_2_and_an_unknown_user_with_1() {
    let world = World::start().await;
    for arguments in [vec!["parked", "release"], vec!["resync"], vec!["link", "nonsense", "u-1"], vec!["fly"]] {
        let ended = world.daemon.command(&arguments).await;
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}: {}", ended.stderr);
    }
    for arguments in [vec!["resync", "--user", "nobody"], vec!["decide", "no-such-case.json"]] {
        let ended = world.daemon.command(&arguments).await;
        assert_eq!(ended.status.code(), Some(1), "{arguments:?}: {}", ended.stderr);
    }
    finish(world).await;
}

#[tokio::test]
async fn every_line_of_the_demo_is_right() {
    let directory = tempfile::tempdir().unwrap();
    let ended = run(directory.path(), &BTreeMap::new(), &["demo"]).await;
    assert_eq!(ended.status.code(), Some(0), "{}\n{}", ended.stdout, ended.stderr);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is left behind");
}
