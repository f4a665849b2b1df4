//! `explain`, for who is asked "I paid and the app is locked".

use std::fs;

use serde_json::{Value, json};
use simulator::fault::{Fault, Match, What};
use simulator::stripe::moves::{NewCustomer, NewSubscription, metadata};

use crate::commands::{account, json_of, nameless, says};
use crate::harness::final_checks::finish;
use crate::harness::world::{SLACK, World};

fn down() -> Fault {
    Fault::always(Match::any(), What::Status(500, vec![], "{}".to_owned()))
}

/// The lines of the timeline.
fn timeline(text: &str) -> Vec<&str> {
    let (_, rest) = text.split_once("\ntimeline\n").unwrap();
    let (lines, _) = rest.split_once("\n\n").unwrap();
    lines.lines().map(str::trim).collect()
}

#[tokio::test]
async fn it_says_who_what_is_expected_and_actual_what_happened_and_what_happens_next() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let account = account(&bought);
    let subscription = format!("stripe:{}", bought.subscription);
    for asked in [["explain", "--user", "u-1"].as_slice(), &["explain", &account], &["explain", &subscription]] {
        let text = says(&world, asked).await;
        let end = world.period_end(&bought.subscription) + SLACK;
        let pieces = [
            "user u-1, with a profile at Adapty\n".to_owned(),
            format!("account {account}, linked by `subscription.metadata.customer_user_id`\n"),
            format!("  premium until {}\n", end.format("%Y-%m-%dT%H:%M:%SZ")),
            format!("because `{}` is paid to", bought.subscription),
            "steps: nothing to send".to_owned(),
            "next sync: ".to_owned(),
            format!("actual:\n  premium until {}, from stripe, transaction ", end.format("%Y-%m-%d %H:%M:%SZ")),
            format!("\nwhat happens next\n  `{account}` is synced again at 20"),
        ];
        let mut rest = text.as_str();
        for piece in pieces {
            let (_, after) = rest.split_once(&piece).unwrap_or_else(|| panic!("{piece}: {text}"));
            rest = after;
        }
        let lines = timeline(&text);
        for piece in ["customer.subscription.created `sub_", "intended   grant `premium` until 20"] {
            assert!(lines.iter().any(|line| line.contains(piece)), "{piece}: {lines:?}");
        }
        assert!(lines.is_sorted_by_key(|line| &line[..20]), "{lines:?}");
    }
    assert_eq!(world.written("/grant/"), 1, "explaining changes nothing");
    finish(world).await;
}

#[tokio::test]
async fn it_says_the_same_as_json() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let output = json_of(&world, &["explain", "--user", "u-1", "--json"]).await;
    let account = account(&bought);
    assert_eq!((&output["user"], &output["accounts"]), (&json!("u-1"), &json!([account])));
    assert_eq!(
        (&output["expected"]["entitlements"][0]["level"], &output["actual"][0]["level"]),
        (&json!("premium"), &json!("premium"))
    );
    assert_eq!(
        (&output["steps"], &output["expected"]["withheld"], &output["expected"]["unknown"]),
        (&json!([]), &json!([]), &json!([]))
    );
    assert!(output["sync_again_at"].is_string(), "{output}");
    let line = output["timeline"].as_array().unwrap();
    for happening in line {
        let fields: Vec<&String> = happening.as_object().unwrap().keys().collect();
        assert_eq!(fields.len(), 4, "{happening}");
        assert!(["at", "kind", "what", "id"].iter().all(|field| happening[field].is_string()), "{happening}");
    }
    let at = |happening: &Value| happening["at"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    assert!(line.is_sorted_by_key(at), "{output}");
    let of = |kind: &str| line.iter().filter(|of| of["kind"] == kind).collect::<Vec<_>>();
    let key = &world.daemon.listed(&["ledger"]).await[0]["key"];
    assert_eq!((of("intended").len(), &of("intended")[0]["id"]), (1, key));
    assert_eq!((of("confirmed").len(), &of("confirmed")[0]["id"]), (1, key));
    assert!(of("event").len() > 1, "{output}");
    finish(world).await;
}

#[tokio::test]
async fn events_that_named_only_what_was_billed_stand_in_the_timeline_too() {
    let world = World::start().await;
    let bought = world.buys("u-1", "price_premium");
    let thin: Vec<_> = bought.events.iter().map(|event| world.simulator.stripe.thin(event)).collect();
    world.deliver_and_settle(&thin).await;
    let text = says(&world, &["explain", "--user", "u-1"]).await;
    let lines = timeline(&text);
    assert!(lines.iter().any(|line| line.contains("v1.invoice.paid `in_")), "{lines:?}");
    finish(world).await;
}

#[tokio::test]
async fn a_long_timeline_is_cut_to_its_end_unless_all_is_asked_for() {
    let world = World::start().await;
    let customer = world.granted("u-1", "price_premium", "premium").await.customer;
    let count = async || {
        let output = json_of(&world, &["explain", "--user", "u-1", "--json"]).await;
        output["timeline"].as_array().unwrap().len()
    };
    while count().await <= 20 {
        let again = world.subscribe(NewSubscription {
            customer: Some(customer.clone()),
            prices: vec![("price_gold".to_owned(), 1)],
            metadata: metadata(&[("customer_user_id", "u-1")]),
            ..NewSubscription::default()
        });
        world.deliver_and_settle(&again.events).await;
    }
    let whole = count().await;
    let text = says(&world, &["explain", "--user", "u-1"]).await;
    let cut = timeline(&text);
    assert_eq!(cut[0], format!("({} earlier lines; `--all` shows them)", whole - 20));
    assert_eq!(cut.len(), 21);
    let text = says(&world, &["explain", "--user", "u-1", "--all"]).await;
    let all = timeline(&text);
    assert_eq!((all.len(), &all[whole - 20..]), (whole, &cut[1..]));
    finish(world).await;
}

#[tokio::test]
async fn while_stripe_is_away_it_says_what_is_remembered() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let account = account(&bought);
    world.simulator.stripe.faults.inject(down());
    for asked in [["explain", "--user", "u-1"].as_slice(), &["explain", &account]] {
        let text = says(&world, asked).await;
        for piece in [
            "user u-1, with a profile at Adapty\n",
            "\n`stripe` could not be read: ",
            "access as the last sync saw it, 20",
            "\n  premium until 20",
            "is paid to",
            "\nactual:\n  premium until 20",
            "confirmed  grant `premium`",
            "is synced again at",
        ] {
            assert!(text.contains(piece), "{piece}: {text}");
        }
    }
    let output = json_of(&world, &["explain", "--user", "u-1", "--json"]).await;
    assert_eq!((&output["expected"], &output["steps"]), (&Value::Null, &Value::Null));
    assert_eq!(
        (&output["actual"][0]["level"], &output["remembered"]["levels"][0]["level"]),
        (&json!("premium"), &json!("premium"))
    );
    assert!(
        output["sync_again_at"].is_string() && output["unread"][0].as_str().unwrap().contains("`stripe`"),
        "{output}"
    );
    let saved = world.daemon.command(&["explain", "--user", "u-1", "--save", "case.json"]).await;
    assert_eq!(saved.status.code(), Some(1));
    assert!(saved.stderr.contains("the case was not saved, since `stripe`"), "{}", saved.stderr);
    let unknown = world.daemon.command(&["explain", "stripe:cus_unheard"]).await;
    assert_eq!((unknown.status.code(), unknown.stdout.as_str()), (Some(1), ""));
    assert!(unknown.stderr.contains("nothing is known of `stripe:cus_unheard`"), "{}", unknown.stderr);
    world.simulator.stripe.faults.clear();
    finish(world).await;
}

#[tokio::test]
async fn while_adapty_is_away_it_says_what_is_expected() {
    let world = World::start().await;
    world.granted("u-1", "price_premium", "premium").await;
    world.simulator.adapty.faults.inject(down());
    let text = says(&world, &["explain", "--user", "u-1"]).await;
    for piece in
        ["user u-1\n", "\nthe profile in `adapty` could not be read: ", "\nexpected:\n  premium until", "\ntimeline\n"]
    {
        assert!(text.contains(piece), "{piece}: {text}");
    }
    assert!(!text.contains("steps: nothing to send") && !text.contains("actual:"), "it is unknown: {text}");
    let output = json_of(&world, &["explain", "--user", "u-1", "--json"]).await;
    assert_eq!((&output["expected"]["entitlements"][0]["level"], &output["actual"]), (&json!("premium"), &Value::Null));
    world.simulator.adapty.faults.clear();
    finish(world).await;
}

#[tokio::test]
async fn a_sync_that_failed_is_shown_with_its_error() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    world.simulator.stripe.faults.inject(down());
    world.deliver(&[world.simulator.stripe.event("customer.subscription.updated", &bought.subscription)]).await;
    let failed = async {
        while json_of(&world, &["explain", "--user", "u-1", "--json"]).await["worklist"][0]["last_error"].is_null() {}
    };
    tokio::time::timeout(crate::harness::daemon::PATIENCE, failed).await.unwrap();
    let text = says(&world, &["explain", "--user", "u-1"]).await;
    assert!(text.contains(&format!("the last sync of `{}` failed: ", account(&bought))), "{text}");
    world.simulator.stripe.faults.clear();
    says(&world, &["resync", "--user", "u-1", "--wait"]).await;
    finish(world).await;
}

#[tokio::test]
async fn a_refund_beside_a_running_subscription_is_no_cause_and_what_takes_the_level_is_one_with_its_remedy() {
    let world = World::start().await;
    let refunded = world.granted("u-1", "price_premium", "premium").await;
    let running = world.granted("u-1", "price_premium", "premium").await;
    world.deliver_and_settle(&world.simulator.stripe.refund(&refunded.invoice, None, "succeeded").events).await;
    let output = json_of(&world, &["explain", "--user", "u-1", "--json"]).await;
    assert_eq!(output["expected"]["withheld"][0]["because"]["reason"], "refunded", "{output}");
    assert_eq!((&output["cause"], &output["remedy"]), (&Value::Null, &Value::Null));
    world.deliver(&world.simulator.stripe.set_status(&running.subscription, "unpaid")).await;
    world.until_gone("u-1", "premium").await;
    world.daemon.until_idle().await;
    let text = says(&world, &["explain", "--user", "u-1"]).await;
    let cause = format!(
        "cause: `premium` is withheld: the source gave up charging for `{}`\n  -> the customer must pay or update the card",
        running.subscription
    );
    assert!(text.starts_with(&cause), "{text}");
    finish(world).await;
}

#[tokio::test]
async fn an_account_whose_user_is_unknown_is_explained_and_ends_with_1() {
    let world = World::start().await;
    let account = nameless(&world).await;
    let output = world.daemon.command(&["explain", &account]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stderr.contains(&format!("no app user is known for `{account}`")), "{}", output.stderr);
    assert!(output.stderr.contains("parked list"), "{}", output.stderr);
    let hint = format!("-> set the metadata at Stripe, or run `grantsync link {account} USER`");
    let pieces =
        ["user unknown: none of `identity.user_id`", "expected:\n  premium until", "parked     unknown_", &hint];
    for piece in pieces {
        assert!(output.stdout.contains(piece), "{piece}: {}", output.stdout);
    }
    let asked = ["explain", &account, "--json"];
    let json: Value = serde_json::from_str(&world.daemon.command(&asked).await.stdout).unwrap();
    assert_eq!((&json["user"], &json["accounts"][0]), (&Value::Null, &json!(account)));
    says(&world, &["link", &account, "u-9"]).await;
    world.daemon.until_idle().await;
    let text = says(&world, &["explain", &account]).await;
    assert!(
        text.contains(&format!("user u-9, with a profile at Adapty\naccount {account}, linked by an operator\n")),
        "{text}"
    );
    finish(world).await;
}

#[tokio::test]
async fn a_former_user_is_explained_by_what_they_had() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    says(&world, &["link", &account(&bought), "u-2"]).await;
    world.until_gone("u-1", "premium").await;
    world.daemon.until_idle().await;
    let text = says(&world, &["explain", "--user", "u-1"]).await;
    for piece in ["no account is linked any more", "expected: nothing", "which is over", "confirmed  revoke `premium`"]
    {
        assert!(text.contains(piece), "{piece}: {text}");
    }
    finish(world).await;
}

#[tokio::test]
async fn while_it_only_observes_it_says_so() {
    let world = World::with(&[("POLICY__MODE", "observe")]).await;
    let bought = world.buys("u-1", "price_premium");
    world.deliver_and_settle(&bought.events).await;
    let text = says(&world, &["explain", "--user", "u-1"]).await;
    for piece in ["who has no profile at Adapty yet", "\nsteps:\n", "actual: nothing", "`observe`: nothing is written"]
    {
        assert!(text.contains(piece), "{piece}: {text}");
    }
    finish(world).await;
}

#[tokio::test]
async fn it_ends_with_1_where_nothing_is_known_and_with_2_where_nothing_is_named() {
    let world = World::start().await;
    for (asked, code, says) in [
        (vec!["explain", "--user", "nobody"], 1, "parked list"),
        (vec!["explain", "stripe:cus_unheard"], 1, "`stripe:cus_unheard`"),
        (vec!["explain", "stripe:sub_unheard"], 1, "`stripe:sub_unheard`"),
        (vec!["explain", "cus_1"], 2, "stripe:cus_"),
        (vec!["explain", "--user", " "], 2, "user id"),
        (vec!["explain"], 2, "Usage"),
        (vec!["explain", "stripe:cus_1", "--user", "u-1"], 2, "Usage"),
    ] {
        let output = world.daemon.command(&asked).await;
        assert_eq!(output.status.code(), Some(code), "{asked:?}: {}", output.stderr);
        assert!(output.stderr.contains(says) && output.stdout.is_empty(), "{asked:?}: {}", output.stderr);
    }
    finish(world).await;
}

#[tokio::test]
async fn a_saved_case_names_no_user_and_is_decided_alike() {
    let world = World::with(&[("IDENTITY__USER_ID", "customer.email")]).await;
    let user = "ann.unmistakable@example.org";
    let customer =
        world.simulator.stripe.add_customer(NewCustomer { email: Some(user.into()), ..NewCustomer::default() }).id;
    world.simulator.stripe.edit(&customer, |customer| customer["name"] = "Ann Unmistakable".into());
    let bought = world.subscribe(NewSubscription {
        customer: Some(customer),
        prices: vec![("price_premium".to_owned(), 1)],
        ..NewSubscription::default()
    });
    world.deliver(&bought.events).await;
    world.until_held(user, "premium", world.period_end(&bought.subscription) + SLACK).await;
    world.daemon.until_idle().await;
    world.deliver(&world.simulator.stripe.cancel_now(&bought.subscription)).await;
    world.until_gone(user, "premium").await;
    world.daemon.until_idle().await;
    let explained = says(&world, &["explain", "--user", user, "--save", "case.json"]).await;
    let saved = fs::read_to_string(world.directory.path().join("case.json")).unwrap();
    assert!(!saved.to_lowercase().contains("unmistakable") && !saved.contains('@'), "{saved}");
    let decided = says(&world, &["decide", "case.json"]).await;
    assert!(explained.contains(decided.trim_end()), "{decided}\n---\n{explained}");
    assert!(decided.contains("withheld:") && decided.contains("steps: nothing to send"), "{decided}");
    finish(world).await;
}
