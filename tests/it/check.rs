//! `grantsync check`: what it finds in a good set-up, and in each that is not.

mod catalog;
mod endpoints;
mod keys;

use std::collections::BTreeMap;
use std::path::Path;

use chrono::TimeDelta;
use serde_json::Value;
use simulator::simulator::Simulator;
use simulator::stripe::moves::{NewPrice, NewSubscription};
use stripe::events::TYPES;
use tempfile::TempDir;

use crate::harness::daemon::{CommandOutput, run};
use crate::harness::final_checks::finish;
use crate::harness::world::World;

const OURS: &str = "https://pay.example.com/webhooks/stripe";
const CATALOG: &str = "[[catalog]]\nproduct = \"prod_premium\"\naccess_level = \"premium\"\n\
                       [[catalog]]\nprice = \"price_gold\"\naccess_level = \"gold\"\n";
/// What no output may hold.
const SECRETS: [&str; 7] = [
    "sk_test_sandbox",
    "rk_test_closed",
    "sk_test_wrong",
    "whsec_hush",
    "secret_live_sandbox.key",
    "secret_live_wrong",
    "a-token-that-is-long",
];

/// A set-up to check; no daemon runs in it.
struct Bench {
    simulator: Simulator,
    directory: TempDir,
    environment: BTreeMap<String, String>,
    /// The endpoint that leads to us.
    endpoint: String,
}

impl Bench {
    /// A set-up in which everything is right.
    async fn good() -> Self {
        let mut bench = Self::without_endpoint().await;
        bench.endpoint = bench.simulator.stripe.add_webhook_endpoint(OURS, &TYPES);
        bench
    }

    async fn without_endpoint() -> Self {
        let simulator = Simulator::start().await.unwrap();
        let month = TimeDelta::days(30);
        simulator.stripe.add_price(NewPrice::recurring("price_premium", "prod_premium", 999, month));
        simulator.stripe.add_price(NewPrice::recurring("price_gold", "prod_gold", 1999, month));
        let environment = [
            ("STRIPE__SECRET_KEY", "sk_test_sandbox".to_owned()),
            ("STRIPE__WEBHOOK_SECRETS", "whsec_hush".to_owned()),
            ("STRIPE__API_BASE", simulator.stripe.url()),
            ("STRIPE__REQUESTS_PER_SECOND", "500".to_owned()),
            ("ADAPTY__SECRET_KEY", "secret_live_sandbox.key".to_owned()),
            ("ADAPTY__API_BASE", simulator.adapty.url()),
            ("SERVER__ADMIN_TOKEN", "a-token-that-is-long".to_owned()),
        ];
        let environment = environment.map(|(key, value)| (format!("GRANTSYNC__{key}"), value)).into();
        let directory = tempfile::tempdir().unwrap();
        let bench = Self { simulator, directory, environment, endpoint: String::new() };
        bench.catalog(CATALOG);
        let made = run(bench.directory.path(), &bench.environment, &["migrate"]).await;
        assert!(made.status.success(), "{}", made.stderr);
        bench
    }

    fn catalog(&self, text: &str) {
        std::fs::write(self.directory.path().join("grantsync.toml"), text).unwrap();
    }

    fn set(&mut self, key: &str, value: &str) {
        self.environment.insert(format!("GRANTSYNC__{key}"), value.to_owned());
    }

    /// Runs the command; whatever it finds, it prints no secret and writes nothing at the vendors.
    async fn check(&self, arguments: &[&str]) -> CommandOutput {
        let mut environment = self.environment.clone();
        if !arguments.is_empty() {
            // nor however much is logged
            environment.insert("GRANTSYNC_LOG".to_owned(), "debug".to_owned());
        }
        let output = run(self.directory.path(), &environment, &[&["check"], arguments].concat()).await;
        for secret in SECRETS {
            let silent = !output.stdout.contains(secret) && !output.stderr.contains(secret);
            assert!(silent, "{secret}\n{}\n{}", output.stdout, output.stderr);
        }
        assert_eq!(self.simulator.journal.count(|request| request.method != "GET"), 0);
        output
    }

    /// The findings, and the exit status.
    async fn findings(&self) -> (Vec<Found>, Option<i32>) {
        let output = self.check(&["--json"]).await;
        let rows: Vec<Value> = serde_json::from_str(&output.stdout).unwrap();
        let text = |row: &Value, field: &str| row[field].as_str().unwrap_or_default().to_owned();
        let found = |row: &Value| Found {
            level: text(row, "level"),
            area: text(row, "area"),
            message: text(row, "message"),
            remedy: text(row, "remedy"),
        };
        (rows.iter().map(found).collect(), output.status.code())
    }

    /// The one finding that is not ok, and the exit status.
    async fn only(&self) -> (Found, Option<i32>) {
        let (findings, status) = self.findings().await;
        let mut wrong: Vec<Found> = findings.into_iter().filter(|found| found.level != "ok").collect();
        assert_eq!(wrong.len(), 1, "{wrong:#?}");
        (wrong.remove(0), status)
    }

    /// The same; it has to be of this level and area and to hold these pieces.
    async fn finds(&self, level: &str, area: &str, pieces: &[&str]) -> Found {
        let (found, status) = self.only().await;
        assert_eq!((found.level.as_str(), found.area.as_str()), (level, area), "{found:#?}");
        assert_eq!(status, Some(i32::from(level == "error")), "{found:#?}");
        for piece in pieces {
            assert!(found.message.contains(piece) || found.remedy.contains(piece), "{piece}: {found:#?}");
        }
        found
    }

    /// The whole text, compared with that in `check/NAME.txt`.
    async fn reads_as(&self, name: &str, status: i32) {
        let output = self.check(&[]).await;
        let text = output.stdout.replace(&self.endpoint, "we_ours");
        // said only by a version that speaks it
        let text = text.replace(", or set `adapty.api` to `v2-access`", "");
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/it/check").join(name).with_extension("txt");
        if std::env::var_os("UPDATE_CASES").is_some() {
            std::fs::write(&file, &text).unwrap();
        }
        assert_eq!(text, std::fs::read_to_string(file).unwrap(), "set UPDATE_CASES=1 when this is what you mean");
        assert_eq!((output.status.code(), output.stderr.as_str()), (Some(status), ""));
    }
}

#[derive(Debug)]
struct Found {
    level: String,
    area: String,
    message: String,
    remedy: String,
}

#[tokio::test]
async fn where_all_is_well_it_says_what_it_checked_and_ends_with_0() {
    Bench::good().await.reads_as("good", 0).await;
}

#[tokio::test]
async fn where_much_is_wrong_each_finding_has_its_remedy_and_it_ends_with_1() {
    let mut bench = Bench::without_endpoint().await;
    let stripe = &bench.simulator.stripe;
    stripe.add_restricted_key("rk_test_closed", &["disputes", "charges", "refunds"]);
    stripe.add_price(NewPrice::recurring("price_new", "prod_new", 500, TimeDelta::days(30)));
    let endpoint = stripe.add_webhook_endpoint(OURS, &TYPES[..17]);
    stripe.add_webhook_endpoint("https://api.adapty.io/hush/stripe", &["*"]);
    bench.endpoint = endpoint;
    let old = "[[catalog]]\nproduct = \"prod_gone\"\naccess_level = \"old\"\n\
               [[catalog]]\nprice = \"price_seat\"\nignore = true\n";
    bench.catalog(&format!("{CATALOG}{old}"));
    for (key, value) in [
        ("STRIPE__SECRET_KEY", "rk_test_closed"),
        ("STRIPE__WEBHOOK_SECRETS", "hush"),
        ("ADAPTY__SECRET_KEY", "secret_live_wrong"),
        ("SERVER__ADMIN_TOKEN", "short"),
        ("DATABASE__URL", "sqlite:no/such/folder.db"),
    ] {
        bench.set(key, value);
    }
    bench.reads_as("bad", 1).await;
}

#[tokio::test]
async fn the_same_is_printed_as_one_json_document() {
    let bench = Bench::good().await;
    let output = bench.check(&["--json"]).await;
    let rows: Vec<Value> = serde_json::from_str(&output.stdout).unwrap();
    for row in &rows {
        let fields: Vec<&String> = row.as_object().unwrap().keys().collect();
        assert_eq!(fields, ["area", "level", "message", "remedy"], "{row}");
        assert!(row["message"].is_string() && row["remedy"].is_null(), "{row}");
    }
    let mut areas: Vec<&str> = rows.iter().map(|row| row["area"].as_str().unwrap()).collect();
    areas.dedup();
    assert_eq!(areas, ["settings", "database", "stripe", "webhooks", "catalog", "adapty", "clock", "bridge"]);
    assert_eq!(output.status.code(), Some(0));
}

#[tokio::test]
async fn settings_that_cannot_be_read_end_with_2() {
    let mut bench = Bench::good().await;
    bench.set("STRIPE__TIMEOUT", "soon");
    let output = bench.check(&[]).await;
    assert_eq!((output.status.code(), output.stdout.as_str()), (Some(2), ""));
    assert!(output.stderr.contains("`stripe.timeout` is `soon`"), "{}", output.stderr);
}

#[tokio::test]
async fn keys_that_are_missing_are_named_and_the_rest_is_checked() {
    let mut bench = Bench::good().await;
    for key in ["STRIPE__SECRET_KEY", "STRIPE__WEBHOOK_SECRETS", "ADAPTY__SECRET_KEY", "SERVER__ADMIN_TOKEN"] {
        bench.environment.remove(&format!("GRANTSYNC__{key}"));
    }
    let (findings, status) = bench.findings().await;
    let of =
        |level: &str, what: &str| findings.iter().filter(|found| found.level == level && found.area == what).count();
    assert_eq!((of("error", "settings"), of("warning", "settings"), of("ok", "database")), (3, 1, 1), "{findings:#?}");
    for area in ["stripe", "webhooks", "catalog", "adapty", "clock", "bridge"] {
        assert_eq!((of("warning", area), of("ok", area)), (1, 0), "{area}: {findings:#?}");
    }
    assert!(findings[0].remedy.contains("set `STRIPE_SECRET_KEY`"), "{findings:#?}");
    assert_eq!(status, Some(1));
}

#[tokio::test]
async fn a_token_that_can_be_guessed_is_warned_of() {
    let mut bench = Bench::good().await;
    bench.set("SERVER__ADMIN_TOKEN", "hush");
    let found = bench.finds("warning", "settings", &["shorter than 16"]).await;
    assert!(!format!("{found:?}").contains("hush"));
}

#[tokio::test]
async fn what_is_parked_and_due_is_printed_and_is_no_error() {
    let world = World::start().await;
    let prices = vec![("price_premium".to_owned(), 1)];
    let bought = world.subscribe(NewSubscription { prices, ..NewSubscription::default() });
    world.deliver_and_settle(&bought.events).await;
    let output = world.daemon.command(&["check"]).await;
    assert!(output.stdout.contains("ok       database  parked: 1 unknown_customer\n"), "{}", output.stdout);
    assert!(output.stdout.contains("0 accounts are due"), "{}", output.stdout);
    assert!(world.daemon.ready().await.is_some_and(|(status, _)| status == 200), "the daemon goes on beside it");
    finish(world).await;
}
