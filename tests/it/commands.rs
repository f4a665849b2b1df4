//! The commands, as a person at a terminal meets them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sandbox::stripe::moves::NewSubscription;
use serde_json::Value;

use crate::harness::daemon::{Told, told};
use crate::harness::finish::finish;
use crate::harness::world::{Bought, SLACK, World};

/// What a command says when all is well.
async fn says(world: &World, arguments: &[&str]) -> String {
    let told = world.daemon.command(arguments).await;
    assert_eq!(told.status.code(), Some(0), "{arguments:?}: {}", told.stderr);
    told.stdout
}

/// The same, read as JSON.
async fn tells(world: &World, arguments: &[&str]) -> Value {
    serde_json::from_str(&says(world, arguments).await).unwrap()
}

/// The program without a daemon, a database or settings.
async fn alone(arguments: &[&str]) -> Told {
    let directory = tempfile::tempdir().unwrap();
    told(directory.path(), &BTreeMap::new(), arguments).await
}

fn account(bought: &Bought) -> String {
    format!("stripe:{}", bought.customer)
}

/// How many events rang for `account`: some name only an invoice, and lead to it later.
async fn bells(world: &World, account: &str) -> usize {
    let events = tells(world, &["events", "list", "--limit", "500", "--json"]).await;
    events.as_array().unwrap().iter().filter(|event| event["account"] == account).count()
}

/// A purchase that names nobody, parked.
async fn nameless(world: &World) -> String {
    let prices = vec![("price_premium".to_owned(), 1)];
    let bought = world.subscribe(NewSubscription { prices, ..NewSubscription::default() });
    world.deliver_and_rest(&bought.events).await;
    account(&bought)
}

/// The saved cases of the repository.
fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|ending| ending == "json")).collect()
}

#[tokio::test]
async fn explain_tells_what_is_owed_and_why_and_what_was_done() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let account = account(&bought);
    let bells = bells(&world, &account).await;
    for asked in [["explain", "--user", "u-1"].as_slice(), &["explain", &account]] {
        let text = says(&world, asked).await;
        let end = (world.period_end(&bought.subscription) + SLACK).format("%Y-%m-%dT%H:%M:%SZ");
        let because = format!("because `{}` is paid to", bought.subscription);
        let owed = format!("  premium until {end}");
        for piece in [account.as_str(), &owed, &because, "steps: none", "next look: "] {
            assert!(text.contains(piece), "{piece}: {text}");
        }
        let (_, done) = text.split_once("steps so far\n").unwrap();
        let (steps, events) = done.split_once("\nevents\n").unwrap();
        assert!(steps.lines().count() == 1 && steps.contains("grant `premium`  confirmed"), "{steps}");
        assert_eq!(events.lines().count(), bells, "{events}");
        assert!(events.contains("customer.subscription.created"), "{events}");
    }
    assert_eq!(world.written("/grant/"), 1, "explaining changes nothing");
    finish(world).await;
}

#[tokio::test]
async fn explain_tells_the_same_as_json() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let told = tells(&world, &["explain", "--user", "u-1", "--json"]).await;
    assert_eq!(told["user"], "u-1");
    assert_eq!(told["accounts"], serde_json::json!([account(&bought)]));
    assert_eq!(told["owed"][0]["level"], "premium");
    assert_eq!(told["shown"][0]["level"], "premium");
    assert_eq!(told["steps"], serde_json::json!([]));
    assert!(told["look_again"].is_string(), "{told}");
    assert_eq!(told["timeline"]["events"].as_array().unwrap().len(), bells(&world, &account(&bought)).await);
    assert_eq!(told["timeline"]["ledger"][0]["state"], "confirmed");
    assert_eq!((&told["withheld"], &told["unsure"]), (&serde_json::json!([]), &serde_json::json!([])));
    finish(world).await;
}

#[tokio::test]
async fn a_saved_case_names_nobody_and_is_decided_alike() {
    let world = World::start().await;
    let user = "ann.unmistakable";
    let bought = world.granted(user, "price_premium", "premium").await;
    world.deliver(&world.sandbox.stripe.cancel_now(&bought.subscription)).await;
    world.until_gone(user, "premium").await;
    world.daemon.calm().await;
    let explained = says(&world, &["explain", "--user", user, "--save", "case.json"]).await;
    let saved = fs::read_to_string(world.directory.path().join("case.json")).unwrap();
    assert!(!saved.contains(user), "{saved}");
    let decided = says(&world, &["decide", "case.json"]).await;
    let (_, verdict) = explained.split_once('\n').unwrap();
    assert!(verdict.starts_with(decided.trim_end()), "{decided}\n---\n{explained}");
    assert!(decided.contains("withheld:") && decided.contains("steps: none"), "{decided}");
    finish(world).await;
}

#[tokio::test]
async fn explain_ends_with_1_where_nobody_is_known_and_with_2_where_nothing_is_named() {
    let world = World::start().await;
    let account = nameless(&world).await;
    for (asked, code, says) in [
        (vec!["explain", "--user", "nobody"], 1, "parked list"),
        (vec!["explain", &account], 1, "parked list"),
        (vec!["explain", "cus_1"], 2, "stripe:cus_"),
        (vec!["explain", "--user", " "], 2, "user id"),
        (vec!["explain"], 2, "Usage"),
        (vec!["explain", &account, "--user", "u-1"], 2, "Usage"),
    ] {
        let told = world.daemon.command(&asked).await;
        assert_eq!(told.status.code(), Some(code), "{asked:?}: {}", told.stderr);
        assert!(told.stderr.contains(says) && told.stdout.is_empty(), "{asked:?}: {}", told.stderr);
    }
    finish(world).await;
}

#[tokio::test]
async fn decide_prints_the_plan_beside_each_saved_case() {
    let cases = cases();
    assert!(cases.len() > 10, "{cases:?}");
    for case in cases {
        let told = alone(&["decide", case.to_str().unwrap()]).await;
        assert_eq!(told.status.code(), Some(0), "{}", told.stderr);
        assert_eq!(told.stdout, fs::read_to_string(case.with_extension("plan")).unwrap(), "{}", case.display());
    }
}

#[tokio::test]
async fn decide_says_what_is_wrong_with_a_file() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("letter.json"), "{\"dear\": \"reader\"}").unwrap();
    for (file, says) in [("letter.json", "`letter.json` is not a case"), ("nowhere.json", "reading the case")] {
        let told = told(directory.path(), &BTreeMap::new(), &["decide", file]).await;
        assert_eq!((told.status.code(), told.stdout.as_str()), (Some(1), ""));
        assert!(told.stderr.contains(says), "{}", told.stderr);
    }
}

#[tokio::test]
async fn the_ledger_is_listed_as_a_table_and_as_json() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    world.granted("u-2", "price_gold", "gold").await;
    let all = tells(&world, &["ledger", "list", "--json"]).await;
    assert_eq!(all.as_array().unwrap().len(), 2);
    assert_eq!(all[0]["user"], "u-2", "the newest first");
    let of = tells(&world, &["ledger", "list", "--user", "u-1", "--json"]).await;
    let line = &of.as_array().unwrap()[..];
    assert_eq!(line.len(), 1);
    let expected = [("account", account(&bought)), ("subject", "premium".into()), ("state", "confirmed".into())];
    for (field, value) in expected {
        assert_eq!(line[0][field], value.as_str());
    }
    assert_eq!(line[0]["step"]["grant"]["transaction"]["id"], bought.subscription.as_str());
    assert!(line[0]["because"].as_str().unwrap().contains(&bought.subscription));
    let table = says(&world, &["ledger", "list", "--limit", "1"]).await;
    assert_eq!(table.lines().count(), 2, "{table}");
    assert!(table.starts_with("intended") && table.contains("gold"), "{table}");
    finish(world).await;
}

#[tokio::test]
async fn events_are_listed_by_account() {
    let world = World::start().await;
    let (one, two) = (world.buys("u-1", "price_premium"), world.buys("u-2", "price_gold"));
    world.deliver_and_rest(&one.events).await;
    world.deliver_and_rest(&two.events).await;
    let account = account(&one);
    let of = tells(&world, &["events", "list", "--account", &account, "--json"]).await;
    let of = of.as_array().unwrap();
    assert_eq!(of.len(), bells(&world, &account).await);
    assert!(of.iter().all(|event| event["account"] == account.as_str() && event["outcome"] == "rung"));
    assert!(of.iter().any(|event| event["type"] == "customer.subscription.created"));
    let table = says(&world, &["events", "list", "--limit", "3"]).await;
    assert_eq!(table.lines().count(), 4, "{table}");
    let wrong = world.daemon.command(&["events", "list", "--account", "cus_1"]).await;
    assert_eq!(wrong.status.code(), Some(2), "{}", wrong.stderr);
    finish(world).await;
}

#[tokio::test]
async fn resync_looks_again_and_waits_for_it() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let looks = || world.sandbox.journal.count(|request| request.path.ends_with("/v1/subscriptions"));
    let before = looks();
    let account = account(&bought);
    let said = says(&world, &["resync", &account, "--wait"]).await;
    assert!(said.contains("1 account is due") && said.contains(&format!("`{account}` was looked at")), "{said}");
    assert!(looks() > before);
    let said = says(&world, &["resync", "--user", "u-1"]).await;
    assert!(said.contains("1 account is due"), "{said}");
    finish(world).await;
}

#[tokio::test]
async fn resync_ends_with_1_for_an_unknown_user_and_with_2_for_what_is_no_account() {
    let world = World::start().await;
    let unknown = world.daemon.command(&["resync", "--user", "nobody"]).await;
    assert_eq!(unknown.status.code(), Some(1));
    assert!(unknown.stderr.contains("no account is linked"), "{}", unknown.stderr);
    for wrong in ["cus_1", "stripe:", ":cus_1", ""] {
        let told = world.daemon.command(&["resync", wrong]).await;
        assert_eq!(told.status.code(), Some(2), "{wrong}: {}", told.stderr);
        assert!(told.stderr.contains("stripe:cus_"), "{wrong}: {}", told.stderr);
    }
    finish(world).await;
}

#[tokio::test]
async fn parked_things_are_listed_for_people_released_and_dropped() {
    let world = World::start().await;
    assert_eq!(says(&world, &["parked", "list"]).await.trim(), "nothing is parked");
    let account = nameless(&world).await;
    let listed = says(&world, &["parked", "list"]).await;
    assert!(
        listed.contains("unknown_customer") && listed.contains(&account) && listed.contains("\n    -> "),
        "{listed}"
    );
    let id = world.daemon.listed(&["parked"]).await[0]["id"].to_string();
    assert_eq!(says(&world, &["parked", "release", &id]).await.trim(), "1 released");
    world.daemon.calm().await;
    assert_eq!(world.parked().await, [("unknown_customer".to_owned(), account.clone())]);
    assert_eq!(says(&world, &["parked", "drop", &id, "--reason", "a test"]).await.trim(), "1 dropped");
    assert_eq!(world.parked().await, []);
    says(&world, &["resync", &account, "--wait"]).await;
    assert_eq!(world.parked().await, [], "what was dropped stays dropped");
    finish(world).await;
}

#[tokio::test]
async fn choosing_nothing_that_is_parked_ends_with_1_and_a_wrong_choice_with_2() {
    let world = World::start().await;
    let nothing = [["drop", "--all"].as_slice(), &["drop", "4711"], &["release", "--kind", "unmapped_price"]];
    for chosen in nothing {
        let told = world.daemon.command(&[["parked"].as_slice(), chosen].concat()).await;
        assert_eq!(told.status.code(), Some(1), "{chosen:?}: {}", told.stderr);
        assert!(told.stderr.contains("nothing was"), "{}", told.stderr);
    }
    let wrong = [["drop", "--kind", "weather"].as_slice(), &["drop"], &["drop", "--all", "1"], &["release", "one"]];
    for chosen in wrong {
        let told = world.daemon.command(&[["parked"].as_slice(), chosen].concat()).await;
        assert_eq!(told.status.code(), Some(2), "{chosen:?}: {}", told.stderr);
    }
    let told = world.daemon.command(&["parked", "release", "--kind", "weather"]).await;
    assert!(told.stderr.contains("unmapped_price"), "it names the kinds: {}", told.stderr);
    finish(world).await;
}

#[tokio::test]
async fn every_command_has_help_and_some_an_example() {
    let commands: [(&[&str], &str); 16] = [
        (&[], "grantsync demo"),
        (&["serve"], "--only"),
        (&["demo"], "--keep"),
        (&["migrate"], "--config"),
        (&["resync"], "grantsync resync stripe:cus_9s6XKzkNRiz8i3 --wait"),
        (&["link"], "For example stripe:cus_9s6XKzkNRiz8i3"),
        (&["parked"], "release"),
        (&["parked", "list"], "--json"),
        (&["parked", "release"], "for example unmapped_price"),
        (&["parked", "drop"], "--reason"),
        (&["ledger"], "list"),
        (&["ledger", "list"], "--user"),
        (&["events"], "list"),
        (&["events", "list"], "--account"),
        (&["explain"], "grantsync explain --user u-42"),
        (&["decide"], "for example tests/cases/"),
    ];
    for (command, piece) in commands {
        let told = alone(&[command, &["--help"]].concat()).await;
        assert_eq!(told.status.code(), Some(0), "{command:?}: {}", told.stderr);
        assert!(told.stdout.contains("Usage: grantsync") && told.stdout.contains(piece), "{}", told.stdout);
    }
}

#[tokio::test]
async fn the_case_that_the_help_names_is_there() {
    let told = alone(&["decide", "--help"]).await;
    let words = || told.stdout.split_whitespace();
    let named = words().find_map(|word| word.trim_end_matches('.').strip_prefix("tests/cases/")).unwrap();
    assert!(cases().iter().any(|case| case.ends_with(named)), "{named}");
}

#[tokio::test]
async fn log_lines_are_json_where_that_is_asked_for() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let account = account(&bought);
    let told = world.daemon.command(&["--log", "json", "--log-filter", "debug", "explain", &account]).await;
    assert_eq!(told.status.code(), Some(0), "{}", told.stderr);
    assert!(told.stderr.lines().count() > 0, "something is logged");
    for line in told.stderr.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line["timestamp"].is_string() && line["level"].is_string() && line["message"].is_string(), "{line}");
    }
    finish(world).await;
}
