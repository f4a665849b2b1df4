//! Reconciliation of all accounts: drift is found, reported and repaired.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde_json::Value;

use crate::harness::final_checks::finish;
use crate::harness::world::{Bought, SLACK, World};

/// A world that believes the profile at once.
async fn world() -> World {
    World::with(&[("POLICY__PROFILE_LAG", "0s"), ("CATCH_UP__EVERY", "1h")]).await
}

/// The report of a reconciliation.
async fn reconcile(world: &World, arguments: &[&str]) -> Value {
    let output = world.daemon.command(&[&["reconcile", "--json"], arguments].concat()).await;
    assert_eq!(output.status.code(), Some(0), "{}\n{}", output.stdout, output.stderr);
    serde_json::from_str(&output.stdout).unwrap()
}

/// Action by user and level.
fn differences(report: &Value) -> BTreeMap<String, String> {
    let text = |row: &Value, field: &str| row[field].as_str().unwrap_or("nothing").to_owned();
    let rows = report["differences"].as_array().unwrap().iter();
    rows.map(|row| (format!("{} {}", text(row, "user"), text(row, "level")), text(row, "action"))).collect()
}

/// Five users, four of whom have drifted, each in another way.
pub(crate) async fn drifted(world: &World) -> [Bought; 3] {
    let right = world.granted("u-right", "price_premium", "premium").await;
    let lost = world.granted("u-lost", "price_premium", "premium").await;
    let ended = world.granted("u-ended", "price_gold", "gold").await;
    let refunded = world.granted("u-refunded", "price_premium", "premium").await;
    // it was taken away at Adapty
    world.simulator.adapty.forget("u-lost", "premium");
    // and of these no event came
    world.simulator.stripe.cancel_now(&ended.subscription);
    world.simulator.stripe.refund(&refunded.invoice, None, "succeeded");
    world.buys("u-unheard", "price_premium");
    [right, lost, ended]
}

#[tokio::test]
async fn a_reconciliation_finds_drift_of_every_kind_and_repairs_it() {
    let world = world().await;
    let [right, lost, _] = drifted(&world).await;
    let report = reconcile(&world, &[]).await;
    // timers of the daemon's own may have found some of them first, all but the one whose events never came
    let found = differences(&report);
    assert!(found.values().all(|action| action == "repaired") && found.contains_key("u-unheard premium"), "{report:#}");
    let drifted = ["u-ended gold", "u-lost premium", "u-refunded premium", "u-unheard premium"];
    assert!(found.keys().all(|known| drifted.contains(&known.as_str())), "what is right was called wrong: {report:#}");
    assert_eq!((&report["failed"], &report["accounts"]), (&0.into(), &5.into()));
    let end = world.period_end(&lost.subscription) + SLACK;
    if let Some(action) = found.get("u-lost premium") {
        let row = report["differences"].as_array().unwrap().iter().find(|row| row["user"] == "u-lost").unwrap();
        let expected = end.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        assert_eq!((row["expected_until"].as_str(), row["actual_until"].as_str()), (Some(expected.as_str()), None));
        assert!(action == "repaired" && row["since"].is_string(), "{row}");
        assert_eq!(row["account"], format!("stripe:{}", lost.customer));
    }
    // what the daemon was syncing by itself is left to it
    world.until_held("u-lost", "premium", end).await;
    world.until_held("u-right", "premium", world.period_end(&right.subscription) + SLACK).await;
    world.until_held("u-unheard", "premium", world.any_period_end() + SLACK).await;
    world.daemon.until_idle().await;
    assert!(!world.holds("u-ended", "gold") && !world.holds("u-refunded", "premium"));
    assert_eq!(differences(&reconcile(&world, &[]).await), BTreeMap::new(), "nothing is left to repair");
    finish(world).await;
}

#[tokio::test]
async fn a_reconciliation_that_only_reports_writes_nothing() {
    let world = world().await;
    drifted(&world).await;
    let report = reconcile(&world, &["--report-only"]).await;
    assert!(differences(&report).values().all(|action| action == "reported"), "{report:#}");
    // timers of the daemon's own may have found some of them first
    assert!(differences(&report).contains_key("u-unheard premium"), "{report:#}");
    assert!(!world.holds("u-unheard", "premium"));
    let output = world.daemon.command(&["reconcile", "--report-only", "--fail-on-drift"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        output.stdout.contains(" differences, 0 repaired") && output.stdout.contains("u-unheard"),
        "{}",
        output.stdout
    );
    finish(world).await;
}

#[tokio::test]
async fn where_no_daemon_runs_the_command_repairs_by_itself() {
    let mut world = world().await;
    drifted(&world).await;
    world.daemon.kill().await;
    // a killed process counts as a worker for a few seconds yet
    let report = reconcile(&world, &[]).await;
    assert!(differences(&report).values().all(|action| action == "repaired"), "{report:#}");
    assert!(report["repaired"].as_u64() >= Some(1) && report["failed"] == 0, "{report:#}");
    assert!(world.holds("u-unheard", "premium") && !world.holds("u-ended", "gold"));
    world.daemon.restart(&[]).await;
    finish(world).await;
}

#[tokio::test]
async fn the_nightly_reconciliation_is_run_by_the_daemon_and_counted_in_its_metrics() {
    let mut world = world().await;
    drifted(&world).await;
    // the night that begins in this very minute has come when the daemon starts again
    let at = (simulator::clock::now() - TimeDelta::minutes(1)).format("%H:%M").to_string();
    let first = "INSERT INTO daemon_state (name, value) VALUES ('first_start', '2020-01-01T00:00:00Z')
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    world.tamper(first).await;
    world.daemon.restart(&[("RECONCILE__NIGHTLY_AT", &at)]).await;
    world.until_held("u-unheard", "premium", world.any_period_end() + SLACK).await;
    world.until_gone("u-ended", "gold").await;
    let made = async {
        while world.daemon.metric("grantsync_reconciliation_accounts").await.is_none_or(|accounts| accounts < 4.0) {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(crate::harness::daemon::PATIENCE, made).await.expect("the reconciliation ends");
    finish(world).await;
}

#[tokio::test]
async fn observing_finds_what_would_change_and_changes_nothing() {
    let world = World::with(&[("POLICY__MODE", "observe")]).await;
    let bought = world.buys("u-1", "price_premium");
    world.deliver_and_settle(&bought.events).await;
    let report = reconcile(&world, &["--report-only"]).await;
    assert_eq!(differences(&report), BTreeMap::from([("u-1 premium".to_owned(), "reported".to_owned())]));
    assert_eq!(world.simulator.adapty.profile_count(), 0);
    finish(world).await;
}
