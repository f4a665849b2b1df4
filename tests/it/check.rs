//! `grantsync check`: what it finds in a good set-up, and in each that is not.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::TimeDelta;
use sandbox::fault::{Fault, Match, What};
use sandbox::sandbox::Sandbox;
use sandbox::stripe::moves::{NewPrice, NewSubscription};
use serde_json::Value;
use stripe::events::TYPES;
use tempfile::TempDir;

use crate::harness::daemon::{Told, told};
use crate::harness::finish::finish;
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

/// A set-up to look at; no daemon runs in it.
struct Bench {
    sandbox: Sandbox,
    directory: TempDir,
    environment: BTreeMap<String, String>,
    /// The endpoint that leads to us.
    endpoint: String,
}

impl Bench {
    /// A set-up in which nothing is to mend.
    async fn good() -> Self {
        let mut bench = Self::without_endpoint().await;
        bench.endpoint = bench.sandbox.stripe.add_webhook_endpoint(OURS, &TYPES);
        bench
    }

    async fn without_endpoint() -> Self {
        let sandbox = Sandbox::start().await.unwrap();
        let month = TimeDelta::days(30);
        sandbox.stripe.add_price(NewPrice::recurring("price_premium", "prod_premium", 999, month));
        sandbox.stripe.add_price(NewPrice::recurring("price_gold", "prod_gold", 1999, month));
        let environment = [
            ("STRIPE__SECRET_KEY", "sk_test_sandbox".to_owned()),
            ("STRIPE__WEBHOOK_SECRETS", "whsec_hush".to_owned()),
            ("STRIPE__API_BASE", sandbox.stripe.url()),
            ("STRIPE__REQUESTS_PER_SECOND", "500".to_owned()),
            ("ADAPTY__SECRET_KEY", "secret_live_sandbox.key".to_owned()),
            ("ADAPTY__API_BASE", sandbox.adapty.url()),
            ("SERVER__ADMIN_TOKEN", "a-token-that-is-long".to_owned()),
        ];
        let environment = environment.map(|(key, value)| (format!("GRANTSYNC__{key}"), value)).into();
        let directory = tempfile::tempdir().unwrap();
        let bench = Self { sandbox, directory, environment, endpoint: String::new() };
        bench.catalog(CATALOG);
        bench
    }

    fn catalog(&self, text: &str) {
        std::fs::write(self.directory.path().join("grantsync.toml"), text).unwrap();
    }

    fn set(&mut self, key: &str, value: &str) {
        self.environment.insert(format!("GRANTSYNC__{key}"), value.to_owned());
    }

    /// Runs the command; whatever it finds, it tells no secret and writes nothing at the vendors.
    async fn check(&self, arguments: &[&str]) -> Told {
        let mut environment = self.environment.clone();
        if !arguments.is_empty() {
            // nor however much is logged
            environment.insert("GRANTSYNC_LOG".to_owned(), "debug".to_owned());
        }
        let told = told(self.directory.path(), &environment, &[&["check"], arguments].concat()).await;
        for secret in SECRETS {
            let silent = !told.stdout.contains(secret) && !told.stderr.contains(secret);
            assert!(silent, "{secret}\n{}\n{}", told.stdout, told.stderr);
        }
        assert_eq!(self.sandbox.journal.count(|request| request.method != "GET"), 0);
        told
    }

    /// The findings, and the exit status.
    async fn findings(&self) -> (Vec<Found>, Option<i32>) {
        let told = self.check(&["--json"]).await;
        let rows: Vec<Value> = serde_json::from_str(&told.stdout).unwrap();
        let text = |row: &Value, field: &str| row[field].as_str().unwrap_or_default().to_owned();
        let found = |row: &Value| Found {
            level: text(row, "level"),
            what: text(row, "what"),
            message: text(row, "message"),
            mend: text(row, "mend"),
        };
        (rows.iter().map(found).collect(), told.status.code())
    }

    /// The one finding that is not ok, and the exit status.
    async fn only(&self) -> (Found, Option<i32>) {
        let (findings, status) = self.findings().await;
        let mut wrong: Vec<Found> = findings.into_iter().filter(|found| found.level != "ok").collect();
        assert_eq!(wrong.len(), 1, "{wrong:#?}");
        (wrong.remove(0), status)
    }

    /// The same; it has to be of this level and area and to hold these pieces.
    async fn finds(&self, level: &str, what: &str, pieces: &[&str]) -> Found {
        let (found, status) = self.only().await;
        assert_eq!((found.level.as_str(), found.what.as_str()), (level, what), "{found:#?}");
        assert_eq!(status, Some(i32::from(level == "error")), "{found:#?}");
        for piece in pieces {
            assert!(found.message.contains(piece) || found.mend.contains(piece), "{piece}: {found:#?}");
        }
        found
    }

    /// The whole text, compared with that in `check/NAME.txt`.
    async fn reads_as(&self, name: &str, status: i32) {
        let told = self.check(&[]).await;
        let text = told.stdout.replace(&self.endpoint, "we_ours");
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/it/check").join(name).with_extension("txt");
        if std::env::var_os("UPDATE_CASES").is_some() {
            std::fs::write(&file, &text).unwrap();
        }
        assert_eq!(text, std::fs::read_to_string(file).unwrap(), "set UPDATE_CASES=1 when this is what you mean");
        assert_eq!((told.status.code(), told.stderr.as_str()), (Some(status), ""));
    }
}

#[derive(Debug)]
struct Found {
    level: String,
    what: String,
    message: String,
    mend: String,
}

#[tokio::test]
async fn where_all_is_well_it_says_what_it_looked_at_and_ends_with_0() {
    Bench::good().await.reads_as("good", 0).await;
}

#[tokio::test]
async fn where_much_is_wrong_each_thing_is_told_with_how_to_mend_it_and_it_ends_with_1() {
    let mut bench = Bench::without_endpoint().await;
    let stripe = &bench.sandbox.stripe;
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
async fn the_same_is_told_as_one_json_document() {
    let bench = Bench::good().await;
    let told = bench.check(&["--json"]).await;
    let rows: Vec<Value> = serde_json::from_str(&told.stdout).unwrap();
    for row in &rows {
        let fields: Vec<&String> = row.as_object().unwrap().keys().collect();
        assert_eq!(fields, ["level", "mend", "message", "what"], "{row}");
        assert!(row["message"].is_string() && row["mend"].is_null(), "{row}");
    }
    let mut areas: Vec<&str> = rows.iter().map(|row| row["what"].as_str().unwrap()).collect();
    areas.dedup();
    assert_eq!(areas, ["settings", "database", "stripe", "webhooks", "catalog", "adapty", "clock", "bridge"]);
    assert_eq!(told.status.code(), Some(0));
}

#[tokio::test]
async fn settings_that_cannot_be_read_end_with_2() {
    let mut bench = Bench::good().await;
    bench.set("STRIPE__TIMEOUT", "soon");
    let told = bench.check(&[]).await;
    assert_eq!((told.status.code(), told.stdout.as_str()), (Some(2), ""));
    assert!(told.stderr.contains("`stripe.timeout` is `soon`"), "{}", told.stderr);
}

#[tokio::test]
async fn keys_that_are_missing_are_told_and_the_rest_is_looked_at() {
    let mut bench = Bench::good().await;
    for key in ["STRIPE__SECRET_KEY", "STRIPE__WEBHOOK_SECRETS", "ADAPTY__SECRET_KEY", "SERVER__ADMIN_TOKEN"] {
        bench.environment.remove(&format!("GRANTSYNC__{key}"));
    }
    let (findings, status) = bench.findings().await;
    let of =
        |level: &str, what: &str| findings.iter().filter(|found| found.level == level && found.what == what).count();
    assert_eq!((of("error", "settings"), of("warning", "settings"), of("ok", "database")), (3, 1, 1), "{findings:#?}");
    for area in ["stripe", "webhooks", "catalog", "adapty", "clock", "bridge"] {
        assert_eq!((of("warning", area), of("ok", area)), (1, 0), "{area}: {findings:#?}");
    }
    assert!(findings[0].mend.contains("set `STRIPE_SECRET_KEY`"), "{findings:#?}");
    assert_eq!(status, Some(1));
}

#[tokio::test]
async fn a_catalog_that_opens_nothing_is_an_error() {
    let bench = Bench::good().await;
    bench.catalog(
        "[[catalog]]\nproduct = \"prod_premium\"\nignore = true\n[[catalog]]\nprice = \"price_gold\"\nignore = true",
    );
    bench.finds("error", "settings", &["opens an access level"]).await;
}

#[tokio::test]
async fn a_token_that_can_be_guessed_is_warned_of() {
    let mut bench = Bench::good().await;
    bench.set("SERVER__ADMIN_TOKEN", "hush");
    let found = bench.finds("warning", "settings", &["shorter than 16"]).await;
    assert!(!format!("{found:?}").contains("hush"));
}

#[tokio::test]
async fn what_is_parked_and_due_is_told_without_being_wrong() {
    let world = World::start().await;
    let prices = vec![("price_premium".to_owned(), 1)];
    let bought = world.subscribe(NewSubscription { prices, ..NewSubscription::default() });
    world.deliver_and_rest(&bought.events).await;
    let told = world.daemon.command(&["check"]).await;
    assert!(told.stdout.contains("ok       database  waiting for you: 1 unknown_customer\n"), "{}", told.stdout);
    assert!(told.stdout.contains("0 accounts are due"), "{}", told.stdout);
    assert!(world.daemon.ready().await.is_some_and(|(status, _)| status == 200), "the daemon goes on beside it");
    finish(world).await;
}

#[tokio::test]
async fn a_wrong_stripe_key_is_told_once_and_the_rest_is_looked_at() {
    let mut bench = Bench::good().await;
    bench.set("STRIPE__SECRET_KEY", "sk_test_wrong");
    let (findings, status) = bench.findings().await;
    let errors: Vec<&Found> = findings.iter().filter(|found| found.level == "error").collect();
    assert!(errors.len() == 1 && errors[0].what == "stripe", "{findings:#?}");
    assert!(errors[0].message.contains("refuses the key") && errors[0].message.contains("401"), "{findings:#?}");
    assert!(findings.iter().any(|found| found.what == "adapty" && found.level == "ok"), "{findings:#?}");
    assert!(findings.iter().any(|found| found.what == "webhooks" && found.message.contains("not checked")));
    assert_eq!(status, Some(1));
    assert_eq!(bench.sandbox.journal.count(|request| request.path.starts_with("/v1/")), 1, "asked once");
}

#[tokio::test]
async fn a_wrong_adapty_key_is_told_and_the_rest_is_looked_at() {
    let mut bench = Bench::good().await;
    bench.set("ADAPTY__SECRET_KEY", "secret_live_wrong");
    bench.finds("error", "adapty", &["refuses the key", "secret key again"]).await;
}

#[tokio::test]
async fn an_adapty_api_that_is_not_spoken_is_an_error() {
    let mut bench = Bench::good().await;
    bench.set("ADAPTY__API", "v2");
    bench.finds("error", "adapty", &["write `v1`"]).await;
}

#[tokio::test]
async fn vendors_that_do_not_answer_are_told() {
    let bench = Bench::good().await;
    bench.sandbox.stripe.faults.inject(Fault::always(Match::any(), What::Status(500, vec![], String::new())));
    bench.sandbox.adapty.faults.inject(Fault::always(Match::any(), What::Html502));
    let (findings, status) = bench.findings().await;
    for (what, answered) in [("stripe", "answered 500"), ("adapty", "answered 502")] {
        let told = findings.iter().any(|found| {
            let asked = found.message.contains("does not answer as it should") && found.message.contains(answered);
            found.what == what && found.level == "error" && asked
        });
        assert!(told, "{what}: {findings:#?}");
    }
    assert_eq!(status, Some(1));
}

#[tokio::test]
async fn each_permission_that_a_restricted_key_lacks_is_named_once() {
    let mut bench = Bench::good().await;
    let permissions = [
        (vec!["events"], "Events"),
        (vec!["customers"], "Customers"),
        (vec!["subscriptions"], "Subscriptions"),
        (vec!["invoices"], "Invoices"),
        (vec!["invoice_payments"], "Invoice payments"),
        (vec!["checkout/sessions"], "Checkout Sessions"),
        (vec!["payment_intents"], "Payment Intents"),
        (vec!["charges"], "Charges and refunds"),
        (vec!["charges", "refunds"], "Charges and refunds"),
        (vec!["disputes"], "Disputes"),
    ];
    bench.set("STRIPE__SECRET_KEY", "rk_test_closed");
    for (closed, name) in permissions {
        bench.sandbox.stripe.add_restricted_key("rk_test_closed", &closed);
        let message = format!("the key may not read {name}");
        let found = bench.finds("error", "stripe", &["read access to"]).await;
        assert_eq!(found.message, message);
    }
}

#[tokio::test]
async fn permissions_that_only_a_check_needs_are_warnings() {
    let mut bench = Bench::good().await;
    bench.set("STRIPE__SECRET_KEY", "rk_test_closed");
    bench.sandbox.stripe.add_restricted_key("rk_test_closed", &["prices"]);
    bench.finds("warning", "catalog", &["may not read Prices", "only this command"]).await;
    bench.sandbox.stripe.add_restricted_key("rk_test_closed", &["webhook_endpoints"]);
    let (findings, status) = bench.findings().await;
    let wrong: Vec<_> = findings.iter().filter(|found| found.level != "ok").collect();
    let told: Vec<_> = wrong.iter().map(|found| (found.level.as_str(), found.what.as_str())).collect();
    assert_eq!((told, status), (vec![("warning", "webhooks"), ("warning", "bridge")], Some(0)), "{wrong:#?}");
    bench.catalog(&format!("{CATALOG}[[catalog]]\nproduct = \"prod_old\"\naccess_level = \"old\""));
    bench.sandbox.stripe.add_restricted_key("rk_test_closed", &["products"]);
    bench.finds("warning", "catalog", &["may not read Products"]).await;
}

#[tokio::test]
async fn checkout_sessions_need_not_be_read_where_nothing_asks_for_them() {
    let mut bench = Bench::good().await;
    bench.set("STRIPE__SECRET_KEY", "rk_test_closed");
    bench.set("IDENTITY__USER_ID", "subscription.metadata.uid");
    bench.sandbox.stripe.add_restricted_key("rk_test_closed", &["checkout/sessions"]);
    let (findings, status) = bench.findings().await;
    assert_eq!(status, Some(0), "{findings:#?}");
}

#[tokio::test]
async fn what_is_of_the_other_mode_than_the_key_is_told() {
    let bench = Bench::good().await;
    bench.sandbox.stripe.set_livemode(true);
    bench.sandbox.stripe.add_customer(sandbox::stripe::moves::NewCustomer::default());
    bench.finds("error", "stripe", &["key is of test mode", "of live mode"]).await;
}

#[tokio::test]
async fn event_types_that_an_endpoint_does_not_send_are_named() {
    let mut bench = Bench::without_endpoint().await;
    let some: Vec<&str> = TYPES.into_iter().filter(|kind| !kind.contains("dispute")).collect();
    bench.endpoint = bench.sandbox.stripe.add_webhook_endpoint(OURS, &some);
    let missing = "does not send charge.dispute.created, charge.dispute.closed";
    bench.finds("error", "webhooks", &["pay.example.com", missing, "Developers → Webhooks"]).await;
    let rest = bench.sandbox.stripe.add_webhook_endpoint(OURS, &TYPES[18..]);
    assert_eq!(bench.findings().await.1, Some(0), "two endpoints may share the types between them");
    bench.sandbox.stripe.edit(&rest, |endpoint| endpoint["url"] = "https://b.example.com/webhooks/stripe".into());
    assert_eq!(bench.findings().await.1, Some(1), "but not two addresses");
    bench.sandbox.stripe.add_webhook_endpoint("https://c.example.com/webhooks/stripe?x=hush", &["*"]);
    let (findings, status) = bench.findings().await;
    let warned = findings.iter().filter(|found| found.what == "webhooks" && found.level == "warning").count();
    assert_eq!((warned, status), (2, Some(0)), "one address gets everything: {findings:#?}");
    assert!(!format!("{findings:?}").contains("hush"), "{findings:#?}");
}

#[tokio::test]
async fn a_disabled_endpoint_is_an_error_unless_another_one_works() {
    let bench = Bench::good().await;
    bench.sandbox.stripe.edit(&bench.endpoint, |endpoint| endpoint["status"] = "disabled".into());
    bench.finds("error", "webhooks", &[&bench.endpoint, "is disabled"]).await;
    bench.sandbox.stripe.add_webhook_endpoint(OURS, &["*"]);
    bench.finds("warning", "webhooks", &[&bench.endpoint, "is disabled"]).await;
}

#[tokio::test]
async fn an_endpoint_of_the_other_mode_is_an_error() {
    let bench = Bench::good().await;
    bench.sandbox.stripe.edit(&bench.endpoint, |endpoint| endpoint["livemode"] = true.into());
    bench.finds("error", "webhooks", &["is of live mode, and the key of test"]).await;
}

#[tokio::test]
async fn where_no_endpoint_leads_to_us_the_hosts_are_told() {
    let bench = Bench::without_endpoint().await;
    bench.finds("warning", "webhooks", &["there is no webhook endpoint", "/webhooks/stripe"]).await;
    bench.sandbox.stripe.add_webhook_endpoint("https://hooks.example.com/hush?hush", &["invoice.paid"]);
    bench.sandbox.stripe.add_webhook_endpoint("https://a.example.com:8443/", &["invoice.paid"]);
    let found = bench.finds("warning", "webhooks", &["there are some to a.example.com, hooks.example.com"]).await;
    assert!(!found.message.contains("hush"));
    bench.sandbox.stripe.add_webhook_endpoint("https://pay.example.com/stripe/webhooks", &["*"]);
    bench.finds("warning", "webhooks", &["pay.example.com", "but not to a path that ends in `/webhooks/stripe`"]).await;
}

#[tokio::test]
async fn an_active_price_that_opens_nothing_is_an_error_until_it_is_in_the_catalog() {
    let bench = Bench::good().await;
    let month = TimeDelta::days(30);
    bench.sandbox.stripe.add_price(NewPrice::recurring("price_seat", "prod_seat", 500, month));
    let pieces = ["price `price_seat` of product `prod_seat` sells and opens nothing", "parked", "ignore = true"];
    bench.finds("error", "catalog", &pieces).await;
    for entry in ["price = \"price_seat\"", "product = \"prod_seat\""] {
        bench.catalog(&format!("{CATALOG}[[catalog]]\n{entry}\nignore = true\n"));
        let (findings, status) = bench.findings().await;
        assert_eq!(status, Some(0), "{findings:#?}");
        assert!(findings.iter().any(|found| found.message.contains("3 active recurring prices in the catalog, 1 of")));
    }
    bench.catalog(CATALOG);
    bench.sandbox.stripe.edit("price_seat", |price| price["active"] = false.into());
    assert_eq!(bench.findings().await.1, Some(0), "nobody can buy it any more");
}

#[tokio::test]
async fn what_the_catalog_names_and_stripe_does_not_sell_is_a_warning() {
    let bench = Bench::good().await;
    let month = TimeDelta::days(30);
    bench.sandbox.stripe.add_price(NewPrice::recurring("price_old", "prod_old", 500, month));
    bench.sandbox.stripe.edit("price_old", |price| price["active"] = false.into());
    for (entry, says) in [
        ("price = \"price_none\"", "price `price_none`, which Stripe does not have"),
        ("product = \"prod_none\"", "product `prod_none`, which Stripe does not have"),
        ("price = \"price_old\"", "price `price_old`, which is archived"),
    ] {
        bench.catalog(&format!("{CATALOG}[[catalog]]\n{entry}\naccess_level = \"old\"\n"));
        bench.finds("warning", "catalog", &[says]).await;
    }
    bench.sandbox.stripe.edit("prod_old", |product| product["active"] = false.into());
    bench.catalog(&format!("{CATALOG}[[catalog]]\nproduct = \"prod_old\"\naccess_level = \"old\"\n"));
    bench.finds("warning", "catalog", &["product `prod_old`, which is archived"]).await;
}

#[tokio::test]
async fn a_duration_belongs_to_what_is_sold_once() {
    let bench = Bench::good().await;
    bench.sandbox.stripe.add_price(NewPrice::one_time("price_pass", "prod_pass", 500));
    assert_eq!(bench.findings().await.1, Some(0), "payments are not read where nothing is sold once");
    let pass = "[[catalog]]\nprice = \"price_pass\"\naccess_level = \"premium\"\n";
    bench.catalog(&format!("{CATALOG}{pass}"));
    bench.finds("error", "catalog", &["`price_pass` is sold once", "duration = "]).await;
    bench.catalog(&format!("{CATALOG}{pass}duration = \"30d\"\n"));
    assert_eq!(bench.findings().await.1, Some(0));
    bench.catalog(&format!("{CATALOG}duration = \"30d\"\n{pass}duration = \"30d\"\n"));
    bench.finds("warning", "catalog", &["price `price_gold` is a subscription"]).await;
    bench.catalog(&format!("{CATALOG}{pass}duration = \"30d\"\n"));
    bench.sandbox.stripe.add_price(NewPrice::one_time("price_life", "prod_premium", 500));
    bench.finds("error", "catalog", &["product `prod_premium` is sold once"]).await;
    bench.sandbox.stripe.edit("price_life", |price| price["product"] = "prod_life".into());
    bench
        .finds("warning", "catalog", &["price `price_life` of product `prod_life` is sold once and opens nothing"])
        .await;
}

#[tokio::test]
async fn clocks_that_are_a_minute_apart_are_warned_of_and_four_minutes_are_wrong() {
    for (seconds, level, says) in [
        (30, "ok", "agrees"),
        (120, "warning", "our clock is about 120 s behind Stripe's"),
        (-120, "warning", "our clock is about 120 s ahead of Stripe's"),
        (300, "error", "webhooks are refused"),
        (-300, "error", "webhooks are refused"),
    ] {
        let bench = Bench::good().await;
        bench.sandbox.stripe.faults.inject(Fault::always(Match::any(), What::DatedOff(seconds)));
        let (findings, status) = bench.findings().await;
        let clock = findings.iter().find(|found| found.what == "clock").unwrap();
        assert_eq!((clock.level.as_str(), clock.message.contains(says)), (level, true), "{seconds}: {clock:#?}");
        assert_eq!(status, Some(i32::from(level == "error")));
    }
}

#[tokio::test]
async fn another_bridge_on_the_same_account_is_warned_of() {
    let bench = Bench::good().await;
    let add = |url: &str| bench.sandbox.stripe.add_webhook_endpoint(url, &["*"]);
    let off = add("https://api.adapty.io/api/v1/sdk/webhooks/stripe/hush");
    bench.finds("warning", "bridge", &["api.adapty.io", "count revenue twice", "v2-access"]).await;
    bench.sandbox.stripe.edit(&off, |endpoint| endpoint["status"] = "disabled".into());
    assert_eq!(bench.findings().await.1, Some(0));
    let hosts = [
        ("api.revenuecat.com", "RevenueCat"),
        ("stripe.qonversion.io", "Qonversion"),
        ("hooks.superwall.me", "Superwall"),
        ("s2s.purchasely.io", "Purchasely"),
        ("webhooks.apphud.com", "Apphud"),
    ];
    for (host, name) in hosts {
        let id = add(&format!("https://{host}/hush"));
        let found = bench.finds("warning", "bridge", &[host, name]).await;
        assert!(!found.message.contains("hush"));
        bench.sandbox.stripe.edit(&id, |endpoint| endpoint["url"] = "https://adapty.example.com/".into());
    }
}

#[tokio::test]
async fn a_refund_beside_an_ignored_price_revokes_at_once_and_parks_nothing() {
    let mut world = World::start().await;
    world.catalog("price = \"price_unmapped\"\nignore = true");
    world.daemon.restart(&[]).await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let seat = world.subscribe(NewSubscription {
        customer: Some(bought.customer.clone()),
        prices: vec![("price_unmapped".to_owned(), 1)],
        metadata: sandbox::stripe::moves::metadata(&[("customer_user_id", "u-1")]),
        ..NewSubscription::default()
    });
    world.deliver_and_rest(&seat.events).await;
    assert!(world.holds("u-1", "premium"));
    world.deliver(&world.sandbox.stripe.refund(&bought.invoice, None, "succeeded").events).await;
    world.until_gone("u-1", "premium").await;
    world.daemon.calm().await;
    assert_eq!((world.parked().await, world.written("/revoke/")), (vec![], 1));
    finish(world).await;
}

#[tokio::test]
async fn what_was_parked_for_want_of_an_entry_is_released_when_it_is_ignored() {
    let mut world = World::start().await;
    world.deliver_and_rest(&world.buys("u-1", "price_unmapped").events).await;
    let prices = vec![("price_unmapped".to_owned(), 1)];
    let nobody = world.subscribe(NewSubscription { prices, ..NewSubscription::default() });
    let account = format!("stripe:{}", nobody.customer);
    world.deliver_and_rest(&nobody.events).await;
    let parked = world.parked().await;
    assert!(parked.iter().any(|(kind, _)| kind == "unmapped_price"), "{parked:?}");
    assert!(parked.contains(&("unknown_customer".to_owned(), account.clone())), "{parked:?}");
    world.catalog("price = \"price_unmapped\"\nignore = true");
    world.daemon.restart(&[]).await;
    world.daemon.calm().await;
    let told = world.daemon.command(&["resync", &account, "--wait"]).await;
    assert!(told.status.success(), "{}", told.stderr);
    assert_eq!(world.parked().await, [], "nobody need be known for what opens nothing");
    assert_eq!((world.written("/grant/"), world.written("/revoke/")), (0, 0));
    finish(world).await;
}
