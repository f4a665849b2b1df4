//! Commands that were started in the wrong place, or with variables that set nothing.

use std::collections::BTreeMap;

use crate::harness::daemon::{PATIENCE, run};
use crate::harness::final_checks::finish;
use crate::harness::world::World;

#[tokio::test]
async fn a_command_from_another_directory_finds_no_database_and_makes_none() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let elsewhere = tempfile::tempdir().unwrap();
    let environment = world.daemon.environment(&[]);
    let account = format!("stripe:{}", bought.customer);
    let commands: [&[&str]; 14] = [
        &["parked", "list"],
        &["parked", "list", "--json"],
        &["ledger", "list"],
        &["events", "list"],
        &["events", "replay", "stripe:evt_1"],
        &["audit"],
        &["blocks"],
        &["status", "u-1"],
        &["explain", "--user", "u-1"],
        &["resync", &account],
        &["resync", "--all"],
        &["reconcile", "--report-only"],
        &["link", &account, "u-1"],
        &["grant", "u-1", "gold", "--days", "7"],
    ];
    for command in commands {
        let ended = run(elsewhere.path(), &environment, command).await;
        assert_eq!(ended.status.code(), Some(1), "{command:?}: {}{}", ended.stdout, ended.stderr);
        let whole = elsewhere.path().join("grantsync.db");
        assert!(ended.stderr.contains(&format!("no database at `{}`", whole.display())), "{}", ended.stderr);
        assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0, "{command:?} makes nothing");
    }
    finish(world).await;
}

#[tokio::test]
async fn a_command_that_names_the_settings_works_from_anywhere() {
    let world = World::start().await;
    world.granted("u-1", "price_premium", "premium").await;
    let elsewhere = tempfile::tempdir().unwrap();
    let file = world.directory.path().join("grantsync.toml");
    let mut environment = world.daemon.environment(&[]);
    let named = run(elsewhere.path(), &environment, &["status", "u-1", "--config", file.to_str().unwrap()]).await;
    assert!(named.status.success() && named.stdout.contains("premium"), "{}", named.stderr);
    environment.insert("GRANTSYNC_CONFIG".into(), file.display().to_string());
    let by_variable = run(elsewhere.path(), &environment, &["ledger", "list"]).await;
    assert!(by_variable.status.success() && by_variable.stdout.contains("confirmed"), "{}", by_variable.stderr);
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    finish(world).await;
}

#[tokio::test]
async fn a_variable_that_sets_nothing_and_was_meant_to_ends_with_2() {
    let directory = tempfile::tempdir().unwrap();
    for (name, right) in [
        ("GRANTSYNC_POLICY__MODE", "GRANTSYNC__POLICY__MODE"),
        ("GRANTSYNC__POLICY_MODE", "GRANTSYNC__POLICY__MODE"),
        ("GRANTSYNC_POLICY_MODE", "GRANTSYNC__POLICY__MODE"),
        ("grantsync__policy__mode", "GRANTSYNC__POLICY__MODE"),
        ("GRANTSYNC_DATABASE_URL", "GRANTSYNC__DATABASE__URL"),
        ("GRANTSYNC__LOG", "GRANTSYNC_LOG"),
    ] {
        let environment = BTreeMap::from([(name.to_owned(), "observe".to_owned())]);
        for command in [&["serve"] as &[&str], &["parked", "list"], &["check"]] {
            let ended = tokio::time::timeout(PATIENCE, run(directory.path(), &environment, command)).await.unwrap();
            assert_eq!(ended.status.code(), Some(2), "{name}: {}", ended.stderr);
            let expected = format!("unknown variable `{name}`: write `{right}`");
            assert_eq!(ended.stderr.trim_end(), expected, "{name}");
        }
    }
}
