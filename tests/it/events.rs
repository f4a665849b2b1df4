//! The inbox, as an operator lists and replays it.

use serde_json::Value;
use simulator::fault::{Fault, Match, What};

use crate::commands::{account, json_of, says};
use crate::harness::final_checks::finish;
use crate::harness::world::{SLACK, World};

/// The ids that a list with these filters json_of.
async fn ids(world: &World, filters: &[&str]) -> Vec<String> {
    let listed = json_of(world, &[&["events", "list", "--limit", "500", "--json"], filters].concat()).await;
    listed.as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

async fn generation(world: &World, event: &str) -> i64 {
    json_of(world, &["events", "show", event, "--json"]).await["worklist"]["generation"].as_i64().unwrap()
}

#[tokio::test]
async fn events_are_listed_by_account() {
    let world = World::start().await;
    let (one, two) = (world.buys("u-1", "price_premium"), world.buys("u-2", "price_gold"));
    world.deliver_and_settle(&one.events).await;
    world.deliver_and_settle(&two.events).await;
    let account = account(&one);
    let of = json_of(&world, &["events", "list", "--account", &account, "--json"]).await;
    let of = of.as_array().unwrap();
    assert!(
        of.len() > 1 && of.iter().all(|event| event["account"] == account.as_str() && event["outcome"] == "enqueued")
    );
    assert!(of.iter().any(|event| event["type"] == "customer.subscription.created"));
    let table = says(&world, &["events", "list", "--limit", "3"]).await;
    assert_eq!(table.lines().count(), 4, "{table}");
    finish(world).await;
}

#[tokio::test]
async fn events_are_listed_by_type_outcome_and_time() {
    let world = World::start().await;
    let bought = world.buys("u-1", "price_premium");
    world.deliver_and_settle(&bought.events).await;
    let mut all = Vec::new();
    for event in &bought.events {
        all.push((format!("stripe:{}", event.id), event.kind.as_str()));
    }
    let of = |wanted: &dyn Fn(&str) -> bool| {
        let of = all.iter().filter(|(_, kind)| wanted(kind)).map(|(id, _)| id.clone());
        of.rev().collect::<Vec<_>>()
    };
    assert_eq!(ids(&world, &["--type", "invoice.paid"]).await, of(&|kind| kind == "invoice.paid"));
    assert_eq!(ids(&world, &["--type", "invoice.*"]).await, of(&|kind| kind.starts_with("invoice.")));
    assert_eq!(ids(&world, &["--type", "invoice"]).await, [""; 0]);
    assert_eq!(ids(&world, &["--type", "*", "--since", "1h"]).await, of(&|_| true));
    assert_eq!(ids(&world, &["--since", "2100-01-01T00:00:00Z"]).await, [""; 0]);
    let (enqueued, of_no_account) =
        (ids(&world, &["--outcome", "enqueued"]).await, ids(&world, &["--outcome", "no_account"]).await);
    assert_eq!(enqueued.len() + of_no_account.len(), all.len(), "{enqueued:?} {of_no_account:?}");
    assert_eq!(ids(&world, &["--outcome", "unreadable"]).await, [""; 0]);
    let wrong = [["--account", "cus_1"], ["--type", "*.paid"], ["--outcome", "lost"], ["--since", "-1h"]];
    for wrong in wrong {
        let output = world.daemon.command(&[["events", "list"].as_slice(), &wrong].concat()).await;
        assert_eq!((output.status.code(), output.stdout.as_str()), (Some(2), ""), "{wrong:?}: {}", output.stderr);
    }
    finish(world).await;
}

#[tokio::test]
async fn an_event_of_the_other_mode_is_listed_with_the_reason_in_words() {
    let world = World::start().await;
    world.simulator.stripe.set_livemode(true);
    let event = world.buys("u-1", "price_premium").events.remove(0);
    world.deliver_and_settle(std::slice::from_ref(&event)).await;
    let table = says(&world, &["events", "list", "--outcome", "other_mode"]).await;
    assert!(table.contains(&event.id) && table.contains("ignored: it is a test event"), "{table}");
    let listed = json_of(&world, &["events", "list", "--json"]).await;
    assert!(listed[0]["why"].as_str().unwrap().contains("it is a test event"), "{listed}");
    let text = says(&world, &["events", "show", &event.id]).await;
    assert!(text.contains("other_mode: ignored") && text.contains("\nled to nothing\n"), "{text}");
    let replayed = world.daemon.command(&["events", "replay", &event.id]).await;
    assert_eq!((replayed.status.code(), replayed.stdout.as_str()), (Some(1), ""));
    assert!(replayed.stderr.contains("triggers no account: ignored"), "{}", replayed.stderr);
    finish(world).await;
}

#[tokio::test]
async fn one_event_is_shown_with_what_it_led_to() {
    let world = World::with(&[("INBOX__KEEP_BODIES", "true")]).await;
    let bought = world.buys("u-1", "price_premium");
    let created = bought.events.iter().find(|event| event.kind == "customer.subscription.created").unwrap();
    world.deliver(std::slice::from_ref(created)).await;
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    world.daemon.until_idle().await;
    let account = account(&bought);
    for id in [created.id.clone(), format!("stripe:{}", created.id)] {
        let text = says(&world, &["events", "show", &id]).await;
        for piece in [
            format!("event     stripe:{}\n", created.id),
            "type      customer.subscription.created\n".into(),
            format!("object    {}\n", bought.subscription),
            "outcome   enqueued\n".into(),
            format!("\nled to\n  `{account}` is synced again at 20"),
            "grant `premium` until 20".into(),
            format!("`{}` is paid to", bought.subscription),
            "(confirmed)\n".into(),
            "\nbody\n{\n".into(),
        ] {
            assert!(text.contains(&piece), "{piece}: {text}");
        }
    }
    let output = json_of(&world, &["events", "show", &created.id, "--json"]).await;
    assert_eq!(output["body"].as_str().unwrap(), created.body, "as it came");
    assert_eq!((&output["steps"][0]["state"], &output["parked"]), (&"confirmed".into(), &serde_json::json!([])));
    assert_eq!(output["worklist"]["account"], account.as_str());
    let unknown = world.daemon.command(&["events", "show", "evt_nowhere"]).await;
    assert_eq!((unknown.status.code(), unknown.stdout.as_str()), (Some(1), ""));
    assert!(unknown.stderr.contains("`evt_nowhere`"), "{}", unknown.stderr);
    finish(world).await;
}

#[tokio::test]
async fn that_no_body_is_kept_is_said_and_what_is_parked_is_shown() {
    let world = World::start().await;
    let prices = vec![("price_premium".to_owned(), 1)];
    let nameless = simulator::stripe::moves::NewSubscription { prices, ..Default::default() };
    let bought = world.subscribe(nameless);
    world.deliver_and_settle(&bought.events).await;
    let id = &ids(&world, &["--account", &account(&bought)]).await[0];
    let text = says(&world, &["events", "show", id]).await;
    for piece in ["body      not kept; `inbox.keep_bodies`", "unknown_customer: none of", "\n    -> set the metadata"] {
        assert!(text.contains(piece), "{piece}: {text}");
    }
    finish(world).await;
}

#[tokio::test]
async fn missed_events_are_caught_up_on_beside_a_running_daemon_each_once() {
    let world = World::start().await;
    let bought = world.buys("u-1", "price_premium");
    let said = says(&world, &["events", "catch-up", "--since", "2h"]).await;
    let end = said.lines().last().unwrap();
    let missed: usize = end.split_once(" event").unwrap().0.parse().unwrap();
    assert!(said.starts_with("fetching events since 20") && missed > 1, "{said}");
    assert!(end.contains("events were missed of"), "{said}");
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    assert_eq!(ids(&world, &[]).await.len(), missed);
    let again = says(&world, &["events", "catch-up", "--since", "1d"]).await;
    assert!(again.ends_with(&format!("0 events were missed of {missed} read\n")), "{again}");
    finish(world).await;
}

#[tokio::test]
async fn missed_events_are_caught_up_on_without_a_daemon_and_worked_off_later() {
    let mut world = World::start().await;
    world.daemon.kill().await;
    let bought = world.buys("u-1", "price_premium");
    let said = says(&world, &["events", "catch-up", "--since", "1h"]).await;
    assert!(said.contains("events were missed"), "{said}");
    let enqueued = ids(&world, &["--outcome", "enqueued"]).await;
    assert!(!enqueued.is_empty() && !world.holds("u-1", "premium"));
    world.daemon.restart(&[]).await;
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    finish(world).await;
}

#[tokio::test]
async fn catching_up_goes_back_thirty_days_at_most_and_says_what_is_wrong() {
    let world = World::start().await;
    let said = says(&world, &["events", "catch-up", "--since", "90d"]).await;
    assert!(said.contains("of the last 30 days") && said.contains("0 events were missed of 0 read"), "{said}");
    let (_, since) = said.split_once("since ").unwrap();
    let day = (simulator::clock::now() - chrono::TimeDelta::days(30)).format("%Y-%m-%d").to_string();
    assert!(since.starts_with(&day), "{said}");
    for wrong in ["2100-01-01T00:00:00Z", "lately"] {
        let output = world.daemon.command(&["events", "catch-up", "--since", wrong]).await;
        assert_eq!((output.status.code(), output.stdout.as_str()), (Some(2), ""), "{wrong}: {}", output.stderr);
    }
    let down = What::Status(500, vec![], "{}".to_owned());
    world.simulator.stripe.faults.inject(Fault::always(Match::on("GET", "/v1/events"), down));
    let failed = world.daemon.command(&["events", "catch-up", "--since", "1h"]).await;
    assert_eq!(failed.status.code(), Some(1));
    assert!(failed.stderr.contains("listing the events failed"), "{}", failed.stderr);
    world.simulator.stripe.faults.clear();
    finish(world).await;
}

#[tokio::test]
async fn a_replayed_event_triggers_like_a_new_one() {
    let world = World::start().await;
    let one = world.granted("u-1", "price_premium", "premium").await;
    let two = world.granted("u-2", "price_gold", "gold").await;
    let (first, second) =
        (ids(&world, &["--account", &account(&one)]).await, ids(&world, &["--account", &account(&two)]).await);
    let syncs = || world.simulator.journal.count(|request| request.path == "/v1/subscriptions");
    let (before, synced_before) = (generation(&world, &first[0]).await, syncs());
    let short = first[1].trim_start_matches("stripe:");
    let said = says(&world, &["events", "replay", &first[0], short, &second[0]]).await;
    assert!(said.contains("2 accounts are due"), "{said}");
    assert_eq!(generation(&world, &first[0]).await, before + 1);
    world.daemon.until_idle().await;
    assert!(syncs() >= synced_before + 2, "each was synced again");
    finish(world).await;
}

#[tokio::test]
async fn a_replay_of_an_unknown_event_names_it_and_triggers_nothing() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let known = ids(&world, &["--account", &account(&bought)]).await.remove(0);
    let before = generation(&world, &known).await;
    let output = world.daemon.command(&["events", "replay", &known, "evt_nowhere"]).await;
    assert_eq!((output.status.code(), output.stdout.as_str()), (Some(1), ""));
    assert!(output.stderr.contains("`evt_nowhere`"), "{}", output.stderr);
    assert_eq!(generation(&world, &known).await, before);
    let nothing = world.daemon.command(&["events", "replay"]).await;
    assert_eq!(nothing.status.code(), Some(2), "{}", nothing.stderr);
    finish(world).await;
}

#[tokio::test]
async fn a_list_may_be_read_no_further_than_wanted() {
    let world = World::start().await;
    world.granted("u-1", "price_premium", "premium").await;
    let listed: Vec<Value> = world.daemon.listed(&["events"]).await;
    assert!(!listed.is_empty());
    let output = world.daemon.unread(&["events", "list", "--json"]).await;
    assert_eq!((output.status.code(), output.stderr.contains("panicked")), (Some(0), false), "{}", output.stderr);
    finish(world).await;
}
