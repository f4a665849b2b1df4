//! The commands, as a person at a terminal meets them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use simulator::stripe::moves::NewSubscription;

use crate::harness::daemon::{CommandOutput, run};
use crate::harness::final_checks::finish;
use crate::harness::world::{Bought, World};

/// What a command says when all is well.
pub(crate) async fn says(world: &World, arguments: &[&str]) -> String {
    let output = world.daemon.command(arguments).await;
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", output.stderr);
    output.stdout
}

/// The same, read as JSON.
pub(crate) async fn json_of(world: &World, arguments: &[&str]) -> Value {
    serde_json::from_str(&says(world, arguments).await).unwrap()
}

/// The program without a daemon, a database or settings.
pub(crate) async fn alone(arguments: &[&str]) -> CommandOutput {
    let directory = tempfile::tempdir().unwrap();
    run(directory.path(), &BTreeMap::new(), arguments).await
}

pub(crate) fn account(bought: &Bought) -> String {
    format!("stripe:{}", bought.customer)
}

/// A purchase without a user id, parked.
pub(crate) async fn nameless(world: &World) -> String {
    let prices = vec![("price_premium".to_owned(), 1)];
    let bought = world.subscribe(NewSubscription { prices, ..NewSubscription::default() });
    world.deliver_and_settle(&bought.events).await;
    account(&bought)
}

/// The saved cases of the repository.
fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|ending| ending == "json")).collect()
}

#[tokio::test]
async fn decide_prints_the_plan_beside_each_saved_case() {
    let cases = cases();
    assert!(cases.len() > 10, "{cases:?}");
    for case in cases {
        let output = alone(&["decide", case.to_str().unwrap()]).await;
        assert_eq!(output.status.code(), Some(0), "{}", output.stderr);
        assert_eq!(output.stdout, fs::read_to_string(case.with_extension("plan")).unwrap(), "{}", case.display());
    }
}

#[tokio::test]
async fn decide_says_what_is_wrong_with_a_file() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("letter.json"), "{\"dear\": \"reader\"}").unwrap();
    for (file, says) in [("letter.json", "`letter.json` is not a case"), ("nowhere.json", "reading the case")] {
        let output = run(directory.path(), &BTreeMap::new(), &["decide", file]).await;
        assert_eq!((output.status.code(), output.stdout.as_str()), (Some(1), ""));
        assert!(output.stderr.contains(says), "{}", output.stderr);
    }
}

#[tokio::test]
async fn the_ledger_is_listed_as_a_table_and_as_json() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    world.granted("u-2", "price_gold", "gold").await;
    let all = json_of(&world, &["ledger", "list", "--json"]).await;
    assert_eq!(all.as_array().unwrap().len(), 2);
    assert_eq!(all[0]["user"], "u-2", "the newest first");
    let of = json_of(&world, &["ledger", "list", "--user", "u-1", "--json"]).await;
    let line = &of.as_array().unwrap()[..];
    assert_eq!(line.len(), 1);
    let expected = [("account", account(&bought)), ("subject", "premium".into()), ("state", "confirmed".into())];
    for (field, value) in expected {
        assert_eq!(line[0][field], value.as_str());
    }
    assert_eq!(line[0]["step"]["grant_access"]["sale"]["id"], bought.subscription.as_str());
    assert!(line[0]["because"].as_str().unwrap().contains(&bought.subscription));
    let table = says(&world, &["ledger", "list", "--limit", "1"]).await;
    assert_eq!(table.lines().count(), 2, "{table}");
    assert!(table.starts_with("intended") && table.contains("gold"), "{table}");
    finish(world).await;
}

#[tokio::test]
async fn the_ledger_is_listed_by_account_state_and_time() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    world.granted("u-2", "price_gold", "gold").await;
    let account = account(&bought);
    for (filter, count) in [
        (["--account", account.as_str()], 1),
        (["--account", "stripe:cus_nobody"], 0),
        (["--state", "confirmed"], 2),
        (["--state", "refused"], 0),
        (["--since", "1h"], 2),
        (["--since", "2100-01-01T00:00:00Z"], 0),
    ] {
        let lines = json_of(&world, &[["ledger", "list", "--json"].as_slice(), &filter].concat()).await;
        assert_eq!(lines.as_array().unwrap().len(), count, "{filter:?}: {lines}");
    }
    for wrong in [["--state", "lost"], ["--since", "yesterday"], ["--account", "cus_1"]] {
        let output = world.daemon.command(&[["ledger", "list"].as_slice(), &wrong].concat()).await;
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {}", output.stderr);
    }
    finish(world).await;
}

#[tokio::test]
async fn one_step_is_shown_by_the_beginning_of_its_key_with_its_chain() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    world.deliver(&world.simulator.stripe.cancel_now(&bought.subscription)).await;
    world.until_gone("u-1", "premium").await;
    world.daemon.until_idle().await;
    let lines = json_of(&world, &["ledger", "list", "--json"]).await;
    let (revoke, grant) = (lines[0]["key"].as_str().unwrap(), lines[1]["key"].as_str().unwrap());
    let text = says(&world, &["ledger", "show", &grant[..8].to_uppercase()]).await;
    for piece in [
        format!("key          {grant}\n"),
        "step         grant `premium` until 20".into(),
        format!("transaction  {}\n", bought.subscription),
        "state        confirmed, sent 1 time\n".into(),
        "settled      20".into(),
        "previous     none: the first for this user and level\n".into(),
        format!("next         {revoke} (revoke `premium`, confirmed)\n"),
    ] {
        assert!(text.contains(&piece), "{piece}: {text}");
    }
    let output = json_of(&world, &["ledger", "show", revoke, "--json"]).await;
    assert_eq!((&output["previous"], &output["next"]), (&grant.into(), &serde_json::json!([])));
    assert_eq!((&output["state"], &output["due_at"]), (&"confirmed".into(), &Value::Null));
    let next = json_of(&world, &["ledger", "show", grant, "--json"]).await["next"].clone();
    assert_eq!(next, serde_json::json!([revoke]));
    for (key, code, says) in [("000000", 1, "begins with `000000`"), ("abc", 2, "first six"), ("not hex", 2, "0-9")] {
        let output = world.daemon.command(&["ledger", "show", key]).await;
        assert_eq!((output.status.code(), output.stdout.as_str()), (Some(code), ""), "{key}: {}", output.stderr);
        assert!(output.stderr.contains(says), "{key}: {}", output.stderr);
    }
    finish(world).await;
}

#[tokio::test]
async fn resync_syncs_again_and_waits_for_it() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let syncs = || world.simulator.journal.count(|request| request.path.ends_with("/v1/subscriptions"));
    let before = syncs();
    let account = account(&bought);
    let said = says(&world, &["resync", &account, "--wait"]).await;
    assert!(said.contains("1 account is due") && said.contains(&format!("`{account}` is synced")), "{said}");
    assert!(syncs() > before);
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
        let output = world.daemon.command(&["resync", wrong]).await;
        assert_eq!(output.status.code(), Some(2), "{wrong}: {}", output.stderr);
        assert!(output.stderr.contains("stripe:cus_"), "{wrong}: {}", output.stderr);
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
    world.daemon.until_idle().await;
    assert_eq!(world.parked().await, [("unknown_customer".to_owned(), account.clone())]);
    assert_eq!(says(&world, &["parked", "drop", &id, "--reason", "a test"]).await.trim(), "1 dropped");
    assert_eq!(world.parked().await, []);
    says(&world, &["resync", &account, "--wait"]).await;
    assert_eq!(world.parked().await, [], "what was dropped stays dropped");
    finish(world).await;
}

#[tokio::test]
async fn parked_things_are_listed_with_their_age_by_kind_and_account_and_shown_one_by_one() {
    let world = World::start().await;
    let account = nameless(&world).await;
    world.granted("u-1", "price_premium", "premium").await;
    let listed = says(&world, &["parked", "list"]).await;
    let (_, age) = listed.lines().next().unwrap().split_once("since ").unwrap();
    assert!(age.contains("Z, ") && (age.ends_with("s ago") || age.ends_with("now")), "{listed}");
    for (filter, count) in [
        (["--kind", "unknown_customer"], 1),
        (["--kind", "refused_step"], 0),
        (["--account", account.as_str()], 1),
        (["--account", "stripe:cus_other"], 0),
    ] {
        let found = json_of(&world, &[["parked", "list", "--json"].as_slice(), &filter].concat()).await;
        assert_eq!(found.as_array().unwrap().len(), count, "{filter:?}: {found}");
    }
    let row = &json_of(&world, &["parked", "list", "--json"]).await[0];
    for key in ["id", "kind", "account", "user", "reason", "hint", "since"] {
        assert!(row.get(key).is_some(), "{key}: {row}");
    }
    let id = row["id"].to_string();
    let text = says(&world, &["parked", "show", &id]).await;
    let (about, rests) = (format!("account   {account}\n"), format!("`{account}` is synced again with its next event"));
    for piece in [&about, "to do     set the metadata at Stripe", &rests] {
        assert!(text.contains(piece), "{piece}: {text}");
    }
    let output = json_of(&world, &["parked", "show", &id, "--json"]).await;
    assert_eq!((&output["reason"], &output["worklist"]["due_at"]), (&row["reason"], &Value::Null));
    says(&world, &["parked", "drop", &id, "--reason", "an old shop"]).await;
    assert!(says(&world, &["parked", "show", &id]).await.contains("dropped   an old shop\n"));
    let unknown = world.daemon.command(&["parked", "show", "4711"]).await;
    assert_eq!(unknown.status.code(), Some(1));
    assert!(unknown.stderr.contains("4711"), "{}", unknown.stderr);
    finish(world).await;
}

#[tokio::test]
async fn choosing_nothing_that_is_parked_ends_with_1_and_a_wrong_choice_with_2() {
    let world = World::start().await;
    let nothing = [["drop", "--all"].as_slice(), &["drop", "4711"], &["release", "--kind", "unmapped_price"]];
    for chosen in nothing {
        let output = world.daemon.command(&[["parked"].as_slice(), chosen].concat()).await;
        assert_eq!(output.status.code(), Some(1), "{chosen:?}: {}", output.stderr);
        assert!(output.stderr.contains("nothing was"), "{}", output.stderr);
    }
    let wrong = [["drop", "--kind", "weather"].as_slice(), &["drop"], &["drop", "--all", "1"], &["release", "one"]];
    for chosen in wrong {
        let output = world.daemon.command(&[["parked"].as_slice(), chosen].concat()).await;
        assert_eq!(output.status.code(), Some(2), "{chosen:?}: {}", output.stderr);
    }
    let output = world.daemon.command(&["parked", "release", "--kind", "weather"]).await;
    assert!(output.stderr.contains("unmapped_price"), "it names the kinds: {}", output.stderr);
    finish(world).await;
}

#[tokio::test]
async fn every_command_has_help_and_some_an_example() {
    let commands: [(&[&str], &str); 19] = [
        (&[], "grantsync demo"),
        (&["serve"], "--only"),
        (&["demo"], "--keep"),
        (&["migrate"], "--config"),
        (&["resync"], "grantsync resync stripe:cus_9s6XKzkNRiz8i3 --wait"),
        (&["link"], "for example stripe:cus_9s6XKzkNRiz8i3"),
        (&["parked"], "release"),
        (&["parked", "list"], "--json"),
        (&["parked", "release"], "- unmapped_price:"),
        (&["parked", "drop"], "--reason"),
        (&["ledger"], "list"),
        (&["ledger", "list"], "--user"),
        (&["events"], "list"),
        (&["events", "list"], "--account"),
        (&["explain"], "grantsync explain --user u-42"),
        (&["decide"], "for example tests/cases/"),
        (&["events", "catch-up"], "grantsync events catch-up --since 2h"),
        (&["completions"], "bash_completion.d"),
        (&["man"], "man -l -"),
    ];
    for (command, piece) in commands {
        let output = alone(&[command, &["--help"]].concat()).await;
        assert_eq!(output.status.code(), Some(0), "{command:?}: {}", output.stderr);
        assert!(output.stdout.contains("Usage: grantsync") && output.stdout.contains(piece), "{}", output.stdout);
    }
}

#[tokio::test]
async fn completions_and_the_man_page_need_no_settings() {
    for (shell, piece) in [("bash", "complete -F _grantsync"), ("zsh", "#compdef grantsync"), ("fish", "complete -c")] {
        let output = alone(&["completions", shell]).await;
        assert_eq!(output.status.code(), Some(0), "{}", output.stderr);
        assert!(output.stdout.contains(piece) && output.stdout.contains("catch-up"), "{shell}: {}", output.stdout);
    }
    for (page, piece) in [([].as_slice(), ".TH grantsync 1"), (&["parked", "list"], ".TH grantsync-parked-list 1")] {
        let output = alone(&[&["man"], page].concat()).await;
        assert_eq!(output.status.code(), Some(0), "{}", output.stderr);
        assert!(output.stdout.contains(piece) && output.stdout.contains("EXTRA"), "{page:?}: {}", output.stdout);
    }
    for wrong in [["completions", "tcsh"], ["man", "weather"]] {
        let output = alone(&wrong).await;
        assert_eq!((output.status.code(), output.stdout.as_str()), (Some(2), ""), "{wrong:?}: {}", output.stderr);
    }
}

#[tokio::test]
async fn the_case_that_the_help_names_is_there() {
    let output = alone(&["decide", "--help"]).await;
    let words = || output.stdout.split_whitespace();
    let named = words().find_map(|word| word.trim_end_matches('.').strip_prefix("tests/cases/")).unwrap();
    assert!(cases().iter().any(|case| case.ends_with(named)), "{named}");
}

#[tokio::test]
async fn log_lines_are_json_where_that_is_asked_for() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let account = account(&bought);
    let output = world.daemon.command(&["--log", "json", "--log-filter", "debug", "explain", &account]).await;
    assert_eq!(output.status.code(), Some(0), "{}", output.stderr);
    assert!(output.stderr.lines().count() > 0, "something is logged");
    for line in output.stderr.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line["timestamp"].is_string() && line["level"].is_string() && line["message"].is_string(), "{line}");
    }
    finish(world).await;
}
