//! Nobody reads what the program says: it works on, and ends when it is asked to.

use std::fs::{File, OpenOptions};
use std::process::Stdio;

use crate::harness::daemon::PATIENCE;
use crate::harness::world::{SLACK, World};

/// A disk without room.
fn full_disk() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

/// Buys, is granted, loses log lines on the way, and ends in order.
async fn works_and_ends(mut world: World) {
    let before = world.daemon.metric("grantsync_log_lines_lost_total").await.unwrap_or(0.0);
    for user in ["u-1", "u-2", "u-3"] {
        let bought = world.buys(user, "price_premium");
        world.deliver(&bought.events).await;
        world.until_held(user, "premium", world.period_end(&bought.subscription) + SLACK).await;
    }
    world.daemon.until_idle().await;
    let lost = world.daemon.metric("grantsync_log_lines_lost_total").await;
    assert!(lost.is_some_and(|lost| lost > before), "lost lines are counted: {lost:?}");
    let ended = tokio::time::timeout(PATIENCE / 4, world.daemon.terminate()).await.expect("SIGTERM ends it");
    assert_eq!(ended.code(), Some(0));
}

#[tokio::test]
async fn a_log_whose_reader_went_away_stops_no_work() {
    let mut world = World::start().await;
    world.daemon.restart_logging_to(Stdio::piped()).await;
    drop(world.daemon.take_stderr());
    works_and_ends(world).await;
}

#[tokio::test]
async fn a_log_on_a_full_disk_stops_no_work() {
    let mut world = World::start().await;
    world.daemon.restart_logging_to(full_disk()).await;
    works_and_ends(world).await;
}

#[tokio::test]
async fn a_log_whose_reader_stands_still_stops_no_work() {
    let mut world = World::start().await;
    world.daemon.restart_logging_to(Stdio::piped()).await;
    let unread = world.daemon.take_stderr();
    let bought = world.buys("u-0", "price_premium");
    let lost = async {
        while world.daemon.metric("grantsync_log_lines_lost_total").await.is_none() {
            world.deliver(&bought.events).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, lost).await.is_ok(), "the pipe never fills up");
    works_and_ends(world).await;
    drop(unread);
}

#[tokio::test]
async fn a_command_whose_readers_went_away_ends_as_it_would_have() {
    let world = World::start().await;
    let printing =
        |arguments: &'static [&'static str]| world.daemon.printing_to(arguments, Stdio::piped(), Stdio::piped());
    for arguments in [&["--help"] as &[&str], &["man"], &["parked", "list"], &["events", "list", "--json"]] {
        assert_eq!(printing(arguments).await.code(), Some(0), "{arguments:?}");
    }
    assert_eq!(printing(&["resync", "--user", "nobody"]).await.code(), Some(1));
    assert_eq!(printing(&["fly"]).await.code(), Some(2));
    let on_full_disk = world.daemon.printing_to(&["resync", "--user", "nobody"], Stdio::null(), full_disk()).await;
    assert_eq!(on_full_disk.code(), Some(1), "it is no panic");
}

#[tokio::test]
async fn output_that_a_full_disk_cut_off_is_a_failure() {
    let world = World::start().await;
    let errors = world.directory.path().join("errors");
    for arguments in [&["parked", "list", "--json"], &["ledger", "list", "--json"]] {
        let stderr = File::create(&errors).unwrap();
        let ended = world.daemon.printing_to(arguments, full_disk(), stderr.into()).await;
        let said = std::fs::read_to_string(&errors).unwrap();
        assert_eq!((ended.code(), said.contains("output is not whole")), (Some(1), true), "{arguments:?}: {said}");
    }
}
