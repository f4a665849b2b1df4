//! Failures of the SQLite file: locked, read-only, no database, on a disk that is full.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use simulator::stripe::event::Event;
use simulator::webhook::{Webhooks, sign};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, SqliteConnection};
use tokio::process::Command;

use crate::harness::daemon::{CommandOutput, PATIENCE, free_address, run};
use crate::harness::final_checks::finish;
use crate::harness::world::{Bought, SECRET, SLACK, World};

/// How soon the daemon takes webhooks in again once the file is free.
const READY: Duration = Duration::from_secs(10);

fn file(world: &World) -> std::path::PathBuf {
    world.directory.path().join("grantsync.db")
}

/// Status and `Retry-After` of one delivery.
async fn delivered(world: &World, event: &Event) -> (u16, Option<String>) {
    let request = reqwest::Client::new().post(format!("{}/webhooks/stripe", world.daemon.front));
    let request = request.header("stripe-signature", sign(SECRET, simulator::clock::now(), &event.body));
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
fn is_refused(output: &CommandOutput, world: &World, before: &[u8]) {
    assert_eq!(output.status.code(), Some(1), "{}", output.stderr);
    let named = output.stderr.lines().filter(|line| line.contains("`grantsync.db`")).count();
    assert!(named == 1 && !output.stderr.contains("panicked"), "{}", output.stderr);
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
            let output = tokio::time::timeout(PATIENCE, world.daemon.command(command)).await;
            is_refused(&output.unwrap_or_else(|_| panic!("{command:?} runs on a broken {name}")), &world, &broken);
        }
    }
    std::fs::write(file(&world), &whole).unwrap();
    world.daemon.restart(&[]).await;
    assert_eq!(world.daemon.listed(&["ledger"]).await.len(), 1);
    finish(world).await;
}

#[tokio::test]
async fn a_folder_that_may_not_be_written_is_named_with_the_file() {
    let world = World::start().await;
    let folder = world.directory.path().join("locked");
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o555)).unwrap();
    // root may write everywhere, so a file in the place of the folder keeps it out
    let url = match std::fs::write(folder.join("probe"), "") {
        Err(_) => "sqlite:locked/grantsync.db",
        Ok(()) => "sqlite:grantsync.toml/grantsync.db",
    };
    let environment = world.daemon.environment(&[("DATABASE__URL", url)]);
    let output = crate::harness::daemon::run(world.directory.path(), &environment, &["serve"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", output.stderr);
    assert!(output.stderr.contains(&url["sqlite:".len()..]), "{}", output.stderr);
    finish(world).await;
}

/// A disk of its own for one daemon, seen by no other process: a tmpfs in a mount namespace.
const ON_A_SMALL_DISK: &str = "mount -t tmpfs -o size=$1 tmpfs small && shift && exec \"$@\"";
/// Buyers, of whom some find the disk full.
const BUYERS: usize = 60;

/// The program in `directory`, whose folder `small` is a disk of `size`.
fn on_a_small_disk(world: &World, size: &str, environment: &BTreeMap<String, String>) -> Command {
    let directory = world.directory.path();
    std::fs::create_dir_all(directory.join("small")).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", ON_A_SMALL_DISK, "sh", size]);
    command.args([env!("CARGO_BIN_EXE_grantsync"), "serve"]).env_clear().envs(environment).current_dir(directory);
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Ends when the daemon at `front` is ready.
async fn until_ready(front: &str) {
    let client = reqwest::Client::new();
    let ready = async {
        let ask = async || Some(client.get(format!("{front}/health/ready")).send().await.ok()?.status().as_u16());
        while ask().await != Some(200) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ready).await.expect("it gets ready");
}

#[tokio::test]
async fn a_full_disk_refuses_what_it_cannot_keep_and_loses_nothing_it_took() {
    let world = World::start().await;
    let front = free_address();
    let changes = [("DATABASE__URL", "sqlite:small/grantsync.db"), ("SERVER__LISTEN", &front)];
    let environment = world.daemon.environment(&[changes[0], changes[1], ("SERVER__ADMIN_LISTEN", &free_address())]);
    let log = world.directory.path().join("small.log");
    let mut command = on_a_small_disk(&world, "16m", &environment);
    let daemon = command.stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap();
    let front = format!("http://{front}");
    until_ready(&front).await;

    let disk = format!("/proc/{}/root{}/small", daemon.id().unwrap(), world.directory.path().display());
    let mut ballast = std::fs::File::create(format!("{disk}/ballast")).unwrap();
    while ballast.write_all(&[0; 4096]).is_ok() {}
    let webhooks = Webhooks::new(format!("{front}/webhooks/stripe"), SECRET);
    let bought: Vec<Bought> = (0..BUYERS).map(|number| world.buys(&format!("u-{number}"), "price_premium")).collect();
    let (mut taken, mut refused) = (0, Vec::new());
    for event in bought.iter().flat_map(|bought| &bought.events) {
        match webhooks.deliver(event).await.unwrap().as_u16() {
            200 => taken += 1,
            503 => refused.push(event.clone()),
            other => panic!("{other}"),
        }
        if refused.len() == 20 {
            break;
        }
    }
    assert_eq!(refused.len(), 20, "the disk never was full");
    drop(ballast);
    std::fs::remove_file(format!("{disk}/ballast")).unwrap();
    until_ready(&front).await;
    // Stripe delivers again what was refused, and what it had not come to
    println!("{taken} events were taken before the disk was full");
    let others = bought.iter().flat_map(|bought| &bought.events).skip(taken + refused.len());
    for event in refused.iter().chain(others) {
        assert_eq!(webhooks.deliver(event).await.unwrap().as_u16(), 200);
    }
    for (number, bought) in bought.iter().enumerate() {
        let user = format!("u-{number}");
        world.until_held(&user, "premium", world.period_end(&bought.subscription) + SLACK).await;
        assert_eq!(world.transaction_ids(&user), [bought.subscription.as_str()]);
    }
    let output = std::fs::read_to_string(log).unwrap();
    assert!(output.contains("disk is full"), "{output}");
    assert!(output.contains("the database takes writes again"), "{output}");
    drop(daemon);
    finish(world).await;
}

#[tokio::test]
async fn a_disk_that_is_full_from_the_start_is_named_with_the_file() {
    let world = World::start().await;
    let environment = world.daemon.environment(&[("DATABASE__URL", "sqlite:small/grantsync.db")]);
    let output = on_a_small_disk(&world, "16k", &environment).output();
    let output = tokio::time::timeout(PATIENCE, output).await.expect("it ends").unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("`small/grantsync.db`") && stderr.contains("disk is full"), "{stderr}");
    finish(world).await;
}

#[tokio::test]
async fn migrations_of_another_program_in_the_same_file_do_not_stop_a_start() {
    let directory = tempfile::tempdir().unwrap();
    let file = SqliteConnectOptions::new().filename(directory.path().join("grantsync.db")).create_if_missing(true);
    let mut connection = file.connect().await.unwrap();
    let theirs = "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL,
                      installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL,
                      checksum BLOB NOT NULL, execution_time BIGINT NOT NULL);
                  INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                  VALUES (20240101000000, 'create users', 1, x'00', 7)";
    sqlx::raw_sql(theirs).execute(&mut connection).await.unwrap();
    for command in [&["migrate"] as &[&str], &["parked", "list"]] {
        let ended = run(directory.path(), &BTreeMap::new(), command).await;
        assert!(ended.status.success(), "{command:?}: {}", ended.stderr);
    }
    let left: i64 =
        sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations").fetch_one(&mut connection).await.unwrap();
    assert_eq!(left, 1);
}
