//! Several apps: each with a key, an API, a store and a catalog of its own; one that fails holds up no other.

use serde_json::Value;
use simulator::adapty::world::Level;
use simulator::fault::{Fault, Match, What};
use simulator::simulator::Simulator;

use crate::harness::daemon::PATIENCE;
use crate::harness::final_checks::finish;
use crate::harness::world::{SLACK, World};

const CATALOG: &str = r#"
[[catalog]]
product = "prod_premium"
access_level = "premium"
app = "phone"

[[catalog]]
product = "prod_premium"
access_level = "channels"
vendor_product_id = "tv_channels"
app = "tv"

[[catalog]]
price = "price_gold"
access_level = "gold"
app = "tv"
"#;

/// Two apps at Adapty, and a daemon that keeps both in step.
struct Apps {
    world: World,
    phone: Simulator,
    tv: Simulator,
}

impl Apps {
    async fn start() -> Self {
        Self::with(&[]).await
    }

    async fn with(settings: &[(&str, &str)]) -> Self {
        Self::patient("1s", settings).await
    }

    /// The same, where the app for the TV is waited for so long.
    async fn patient(timeout: &str, settings: &[(&str, &str)]) -> Self {
        let (phone, tv) = (Simulator::start().await.unwrap(), Simulator::start().await.unwrap());
        let app = |name: &str, of: &Simulator, more: &str| {
            let (key, base) = ("secret_live_sandbox.key", of.adapty.url());
            format!(
                r#"{{ name = "{name}", secret_key = "{key}", api_base = "{base}", requests_per_second = 500{more} }}"#
            )
        };
        tv.adapty.set_levels(&["channels", "gold"]);
        let tv_alone = format!(r#", api = "v2-access", timeout = "{timeout}""#);
        let apps = format!("[{}, {}]", app("phone", &phone, ""), app("tv", &tv, &tv_alone));
        let settings = [&[("ADAPTY", apps.as_str())], settings].concat();
        Self { world: World::selling(CATALOG, &settings).await, phone, tv }
    }

    /// Waits until `user` holds `level` in the app.
    async fn until_held(&self, of: &Simulator, user: &str, level: &str) {
        let runs = |level: Option<&Level>| level.is_some_and(|level| level.is_active(simulator::clock::now()));
        let waited = of.adapty.wait_for_level(user, level, PATIENCE, runs).await;
        assert!(waited.is_ok(), "wanted {level}\n{}", self.world.daemon.log());
    }
}

#[tokio::test]
async fn one_price_gives_a_level_in_each_app_and_another_in_one_alone() {
    let apps = Apps::start().await;
    let world = &apps.world;
    let both = world.buys("u-1", "price_premium");
    let one = world.buys("u-2", "price_gold");
    world.deliver(&both.events).await;
    world.deliver_and_settle(&one.events).await;
    let held = |of: &Simulator, user: &str| ["premium", "channels", "gold"].map(|level| of.adapty.has(user, level));
    assert_eq!(held(&apps.phone, "u-1"), [true, false, false]);
    assert_eq!(held(&apps.tv, "u-1"), [false, true, false]);
    assert_eq!(held(&apps.phone, "u-2"), [false, false, false]);
    assert_eq!(held(&apps.tv, "u-2"), [false, false, true]);
    assert_eq!(apps.phone.adapty.profile_count(), 1, "no profile is made in an app that gives nothing");
    assert_eq!(apps.phone.adapty.transactions("u-1").len(), 1);
    assert_eq!(apps.tv.adapty.transactions("u-1").len(), 0, "levels alone are reported there");
    assert_eq!(world.parked().await, [], "what is sold for another app is no riddle");
    world.deliver_and_settle(&world.simulator.stripe.cancel_now(&both.subscription)).await;
    assert_eq!((held(&apps.phone, "u-1"), held(&apps.tv, "u-1")), ([false; 3], [false; 3]));
    finish(apps.world).await;
}

#[tokio::test]
async fn an_app_that_fails_or_hangs_holds_up_no_other_and_is_served_when_it_answers_again() {
    for silent in [What::HangForever, What::Status(500, Vec::new(), String::new())] {
        let apps = Apps::start().await;
        let world = &apps.world;
        apps.tv.adapty.faults.inject(Fault::always(Match::any(), silent));
        let bought = world.buys("u-1", "price_premium");
        world.deliver(&bought.events).await;
        apps.until_held(&apps.phone, "u-1", "premium").await;
        assert!(!apps.tv.adapty.has("u-1", "channels"));
        apps.tv.adapty.faults.clear();
        apps.until_held(&apps.tv, "u-1", "channels").await;
        world.daemon.until_idle().await;
        assert_eq!(apps.phone.adapty.transactions("u-1").len(), 1);
        let grants = |request: &simulator::journal::Request| request.path.contains("/grant");
        assert_eq!(
            (apps.phone.journal.count(grants), apps.tv.journal.count(|r| r.method == "POST" && grants(r))),
            (1, 1)
        );
        finish(apps.world).await;
    }
}

#[tokio::test]
async fn an_app_that_hangs_keeps_another_waiting_for_no_user_who_is_known() {
    let apps = Apps::patient("60s", &[("POLICY__PROFILE_LAG", "0s")]).await;
    let world = &apps.world;
    let bought = world.buys("u-1", "price_premium");
    world.deliver_and_settle(&bought.events).await;
    assert!(apps.tv.adapty.has("u-1", "channels"));
    apps.tv.adapty.faults.latency(std::time::Duration::from_secs(10));
    let asked = |of: &Simulator| of.journal.count(|request| request.method == "GET");
    let (before, revokes) = (asked(&apps.tv), |request: &simulator::journal::Request| request.path.contains("/revoke"));
    world.deliver(&world.simulator.stripe.cancel_now(&bought.subscription)).await;
    let began = std::time::Instant::now();
    while apps.phone.journal.count(revokes) == 0 {
        assert!(began.elapsed() < PATIENCE, "{}", world.daemon.log());
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(began.elapsed().as_secs() < 10 && apps.tv.adapty.has("u-1", "channels"), "the other is still being read");
    apps.tv.adapty.faults.clear();
    world.daemon.until_idle().await;
    assert!(asked(&apps.tv) > before && !apps.tv.adapty.has("u-1", "channels"));
    finish(apps.world).await;
}

#[tokio::test]
async fn an_app_that_hangs_is_soon_left_alone_and_holds_no_worker() {
    let apps = Apps::start().await;
    let world = &apps.world;
    apps.tv.adapty.faults.inject(Fault::always(Match::any(), What::HangForever));
    let users: Vec<String> = (0..30).map(|number| format!("u-{number}")).collect();
    let (first, others) = users.split_at(10);
    for user in first {
        world.deliver(&world.buys(user, "price_premium").events).await;
    }
    let began = std::time::Instant::now();
    while !world.daemon.log().contains("tv does not answer") {
        assert!(began.elapsed() < PATIENCE, "{}", world.daemon.log());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let before = apps.tv.journal.count(|_| true);
    for user in others {
        world.deliver(&world.buys(user, "price_premium").events).await;
        apps.until_held(&apps.phone, user, "premium").await;
    }
    let asked = apps.tv.journal.count(|_| true) - before;
    assert!(asked < others.len() / 2, "{asked} requests to an app that hangs\n{}", world.daemon.log());
    apps.tv.adapty.faults.clear();
    for user in &users {
        apps.until_held(&apps.tv, user, "channels").await;
    }
    assert_eq!(world.daemon.log().matches("tv answers again").count(), 1);
    finish(apps.world).await;
}

#[tokio::test]
async fn an_app_whose_key_is_refused_waits_alone() {
    let apps = Apps::start().await;
    let world = &apps.world;
    apps.tv.adapty.remove_key("secret_live_sandbox.key");
    let bought = world.buys("u-1", "price_premium");
    world.deliver(&bought.events).await;
    apps.until_held(&apps.phone, "u-1", "premium").await;
    let health: Value =
        reqwest::get(format!("{}/health/ready", world.daemon.front)).await.unwrap().json().await.unwrap();
    assert_eq!(health["upstreams"]["phone"], "ok");
    assert!(health["upstreams"]["tv"].as_str().is_some_and(|state| state.starts_with("paused")), "{health}");
    finish(apps.world).await;
}

#[tokio::test]
async fn a_level_that_one_app_refuses_is_parked_and_the_other_is_granted() {
    let apps = Apps::start().await;
    let world = &apps.world;
    apps.tv.adapty.set_levels(&["gold"]);
    let bought = world.buys("u-1", "price_premium");
    world.deliver_and_settle(&bought.events).await;
    assert!(apps.phone.adapty.has("u-1", "premium"));
    assert_eq!(world.parked().await, [("refused_step".to_owned(), format!("stripe:{}", bought.customer))]);
    apps.tv.adapty.set_levels(&["gold", "channels"]);
    assert!(world.daemon.command(&["parked", "release", "--all"]).await.status.success());
    apps.until_held(&apps.tv, "u-1", "channels").await;
    world.daemon.until_idle().await;
    assert_eq!(world.parked().await, []);
    finish(apps.world).await;
}

#[tokio::test]
async fn status_explain_ledger_and_reconciliations_say_which_app() {
    let apps = Apps::with(&[("POLICY__PROFILE_LAG", "0s")]).await;
    let world = &apps.world;
    let bought = world.buys("u-1", "price_premium");
    world.deliver_and_settle(&bought.events).await;
    for wanted in [&["status", "u-1", "--json"][..], &["status", "u-1", "--fresh", "--json"]] {
        let status: Value = serde_json::from_str(&world.daemon.command(wanted).await.stdout).unwrap();
        let levels = status["levels"].as_array().unwrap();
        let output: Vec<_> =
            levels.iter().map(|of| (of["app"].as_str().unwrap(), of["level"].as_str().unwrap())).collect();
        assert_eq!(output, [("phone", "premium"), ("tv", "channels")]);
        assert_eq!((&status["paywall"], &levels[1]["active"]), (&Value::Bool(false), &Value::Bool(true)));
    }
    let all = world.daemon.command(&["explain", "--user", "u-1", "--json"]).await.stdout;
    let all: Vec<Value> = serde_json::from_str(&all).unwrap();
    assert_eq!(
        (all.len(), &all[1]["app"], &all[1]["expected"]["entitlements"][0]["level"]),
        (2, &"tv".into(), &"channels".into())
    );
    let one = world.daemon.command(&["explain", "--user", "u-1", "--app", "tv", "--json"]).await.stdout;
    assert_eq!(serde_json::from_str::<Value>(&one).unwrap()["app"], "tv");
    let odd = world.daemon.command(&["explain", "--user", "u-1", "--app", "web"]).await;
    assert_eq!(odd.status.code(), Some(2));
    assert!(odd.stderr.contains("there is no app `web`: write `phone` or `tv`"), "{}", odd.stderr);
    let lines = world.daemon.listed(&["ledger"]).await;
    let mut destinations: Vec<_> = lines.iter().map(|line| line["destination"].as_str().unwrap()).collect();
    destinations.sort_unstable();
    assert_eq!(destinations, ["phone", "tv"]);
    apps.tv.adapty.forget("u-1", "channels");
    let report = world.daemon.command(&["reconcile", "--report-only", "--json"]).await.stdout;
    let report: Value = serde_json::from_str(&report).unwrap();
    let found = report["differences"].as_array().unwrap();
    assert_eq!((found.len(), &found[0]["app"], &found[0]["level"]), (1, &"tv".into(), &"channels".into()), "{report}");
    finish(apps.world).await;
}

#[tokio::test]
async fn a_user_whom_one_app_can_never_serve_is_parked_for_it_alone() {
    let apps = Apps::with(&[("POLICY__PROFILE_LAG", "0s")]).await;
    let world = &apps.world;
    // the app for the TV speaks v2, which names users in a header
    let bought = world.buys("josé", "price_premium");
    apps.phone.adapty.faults.inject(Fault { when: Match::on("POST", "/grant"), what: What::Html502, times: 2 });
    world.deliver_and_settle(&bought.events).await;
    apps.until_held(&apps.phone, "josé", "premium").await;
    world.daemon.until_idle().await;
    assert_eq!(apps.tv.adapty.profile_count(), 0);
    let parked = world.daemon.listed(&["parked"]).await;
    assert_eq!(parked.len(), 1, "{parked:?}");
    assert_eq!(parked[0]["kind"], "look_failed");
    assert!(parked[0]["reason"].as_str().unwrap().starts_with("app `tv` could not be synced: "), "{parked:?}");
    let output = world.daemon.command(&["status", "josé", "--json"]).await.stdout;
    assert_eq!(serde_json::from_str::<Value>(&output).unwrap()["paywall"], false);
    world.deliver_and_settle(&world.simulator.stripe.cancel_now(&bought.subscription)).await;
    assert!(!apps.phone.adapty.has("josé", "premium"), "the other goes on");
    finish(apps.world).await;
}

#[tokio::test]
async fn who_gets_an_account_is_served_though_its_former_user_cannot_be() {
    let world = World::with(&[("ADAPTY__API", "v2"), ("POLICY__PROFILE_LAG", "0s")]).await;
    let bought = world.buys("josé", "price_premium");
    world.deliver_and_settle(&bought.events).await;
    let account = format!("stripe:{}", bought.customer);
    assert!(world.daemon.command(&["link", &account, "u-42"]).await.status.success());
    world.until_held("u-42", "premium", world.period_end(&bought.subscription) + SLACK).await;
    world.daemon.until_idle().await;
    let parked = world.daemon.listed(&["parked"]).await;
    assert!(parked.iter().any(|row| row["subject"] == "a former user"), "{parked:?}");
    finish(world).await;
}

#[tokio::test]
async fn a_user_whose_account_is_handed_over_loses_what_they_had_in_every_app() {
    let apps = Apps::start().await;
    let world = &apps.world;
    let bought = world.buys("u-1", "price_premium");
    world.deliver_and_settle(&bought.events).await;
    let account = format!("stripe:{}", bought.customer);
    assert!(world.daemon.command(&["link", &account, "u-2"]).await.status.success());
    apps.until_held(&apps.tv, "u-2", "channels").await;
    apps.until_held(&apps.phone, "u-2", "premium").await;
    world.daemon.until_idle().await;
    assert!(!apps.phone.adapty.has("u-1", "premium") && !apps.tv.adapty.has("u-1", "channels"));
    finish(apps.world).await;
}

#[tokio::test]
async fn an_app_that_is_not_named_any_more_is_warned_of() {
    let apps = Apps::start().await;
    let one = format!(
        r#"[{{ name = "mobile", secret_key = "secret_live_sandbox.key", api_base = "{}" }}]"#,
        apps.phone.adapty.url()
    );
    let mut world = apps.world;
    world.catalog("price = \"price_1\"\naccess_level = \"a\"");
    world.daemon.restart(&[("ADAPTY", &one)]).await;
    let log = world.daemon.log();
    for name in ["phone", "tv"] {
        assert!(log.contains(&format!("the ledger knows the app `{name}`")), "{log}");
    }
    finish(world).await;
}
