//! The file of SQLite in trouble: locked, read-only, not a database.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use sandbox::stripe::event::Event;
use sandbox::webhook::sign;
use sqlx::{Connection, Executor, SqliteConnection};

use crate::harness::daemon::{PATIENCE, Told};
use crate::harness::finish::finish;
use crate::harness::world::{SECRET, SLACK, World};

/// How soon the daemon takes webhooks in again once the file is free.
const READY: Duration = Duration::from_secs(10);

fn file(world: &World) -> std::path::PathBuf {
    world.directory.path().join("grantsync.db")
}

/// Status and `Retry-After` of one delivery.
async fn delivered(world: &World, event: &Event) -> (u16, Option<String>) {
    let request = reqwest::Client::new().post(format!("{}/webhooks/stripe", world.daemon.front));
    let request = request.header("stripe-signature", sign(SECRET, sandbox::clock::now(), &event.body));
    let answer = request.body(event.body.clone()).send().await.unwrap();
    let again = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    (answer.status().as_u16(), again)
}

#[tokio::test]
async fn a_file_that_another_program_locks_is_waited_for_and_its_webhooks_come_again() {
    let world = World::start().await;
    world.granted("u-1", "price_premium", "premium").await;
    let mut other = SqliteConnection::connect(&file(&world).display().to_string()).await.unwrap();
    other.execute("BEGIN EXCLUSIVE").await.unwrap();
    let bought = world.buys("u-2", "price_premium");
    assert_eq!(delivered(&world, &bought.events[0]).await, (503, Some("5".to_owned())));
    assert_eq!(world.daemon.ready().await.unwrap().0, 503);
    other.execute("ROLLBACK").await.unwrap();
    let free = Instant::now();
    for event in &bought.events {
        while delivered(&world, event).await.0 != 200 {
            assert!(free.elapsed() < READY, "it is not taken in:\n{}", world.daemon.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    world.until_held("u-2", "premium", world.period_end(&bought.subscription) + SLACK).await;
    let log = world.daemon.log();
    assert_eq!(log.matches("the database does not take writes").count(), 1, "{log}");
    assert_eq!(log.matches("the database takes writes again").count(), 1, "{log}");
    finish(world).await;
}

/// It ends with 1 and one line that names the file, and the file is as it was.
fn is_refused(told: &Told, world: &World, before: &[u8]) {
    assert_eq!(told.status.code(), Some(1), "{}", told.stderr);
    let named = told.stderr.lines().filter(|line| line.contains("`grantsync.db`")).count();
    assert!(named == 1 && !told.stderr.contains("panicked"), "{}", told.stderr);
    assert_eq!(std::fs::read(file(world)).unwrap(), before, "the file was changed");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let mut world = World::start().await;
    world.granted("u-1", "price_premium", "premium").await;
    world.daemon.terminate().await;
    assert!(!file(&world).with_extension("db-wal").exists(), "its log was not folded into the file");
    let whole = std::fs::read(file(&world)).unwrap();
    // the head, and a page of the schema
    for (name, from, to) in [("head", 0, 100), ("schema", 100, 4096)] {
        let mut broken = whole.clone();
        broken[from..to].fill(0x5a);
        std::fs::write(file(&world), &broken).unwrap();
        for command in [&["serve"][..], &["ledger", "list"]] {
            let told = tokio::time::timeout(PATIENCE, world.daemon.command(command)).await;
            is_refused(&told.unwrap_or_else(|_| panic!("{command:?} runs on a broken {name}")), &world, &broken);
        }
    }
    std::fs::write(file(&world), &whole).unwrap();
    world.daemon.restart(&[]).await;
    assert_eq!(world.daemon.listed(&["ledger"]).await.len(), 1);
    finish(world).await;
}

#[tokio::test]
async fn a_folder_that_may_not_be_written_is_told_with_the_file() {
    let world = World::start().await;
    let folder = world.directory.path().join("locked");
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o555)).unwrap();
    // whoever may write everywhere is kept out by a file in the place of the folder
    let url = match std::fs::write(folder.join("probe"), "") {
        Err(_) => "sqlite:locked/grantsync.db",
        Ok(()) => "sqlite:grantsync.toml/grantsync.db",
    };
    let environment = world.daemon.environment(&[("DATABASE__URL", url)]);
    let told = crate::harness::daemon::told(world.directory.path(), &environment, &["serve"]).await;
    assert_eq!(told.status.code(), Some(1), "{}", told.stderr);
    assert!(told.stderr.contains(&url["sqlite:".len()..]), "{}", told.stderr);
    finish(world).await;
}
