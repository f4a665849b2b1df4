//! The first start of many processes.

use std::time::Duration;

use cluster::database::Database;
use sqlx::Row;
use tokio::task::JoinSet;

use super::killed_processes::without_catching_up;
use super::webhook_delivery::Post;
use super::{AT_FULL_SPEED, INGEST, WORK, alone, rows};
use crate::harness::daemon::Daemon;
use crate::harness::final_checks::finish;
use crate::harness::random::Chance;
use crate::harness::world::{SLACK, World};

/// Processes that start at once; one of them takes in.
const PROCESSES: usize = 10;
/// How often they do so, each time on an empty database.
const REPETITIONS: usize = 3;

/// Ten processes on the database at `url`, otherwise set as the world's own; the first takes in.
async fn start_at_once(world: &World, url: &str) -> Vec<Daemon> {
    let environment = world.daemon.environment(&[("DATABASE__URL", url)]);
    let mut starting = JoinSet::new();
    for number in 0..PROCESSES {
        let (environment, directory) = (environment.clone(), world.directory.path().to_owned());
        let arguments = if number == 0 { INGEST } else { WORK };
        starting.spawn(async move { (number, Daemon::start_as(&arguments, &directory, environment).await) });
    }
    let mut started = starting.join_all().await;
    started.sort_by_key(|(number, _)| *number);
    started.into_iter().map(|(_, daemon)| daemon).collect()
}

/// The tables of a database, and the migrations that made them.
async fn furniture(url: &str) -> (Vec<String>, Vec<i64>) {
    let tables = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1";
    let migrations = "SELECT version FROM grantsync_migrations WHERE success ORDER BY 1";
    let (tables, migrations) = (rows(url, tables).await, rows(url, migrations).await);
    (tables.iter().map(|row| row.get(0)).collect(), migrations.iter().map(|row| row.get(0)).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_processes_start_at_once_on_an_empty_database() {
    let _alone = alone().await;
    let made_by_one = Database::fresh().await.unwrap();
    let mut world = World::beginning_with(made_by_one.url(), &WORK, &AT_FULL_SPEED).await;
    // the purchases of one repetition are unknown to the databases of the next
    without_catching_up(&world);
    let wanted = furniture(made_by_one.url()).await;
    world.daemon.terminate().await;
    for repetition in 0..REPETITIONS {
        let database = Database::fresh().await.unwrap();
        let started = start_at_once(&world, database.url()).await;
        assert_eq!(furniture(database.url()).await, wanted);
        let user = format!("u-{repetition}");
        let bought = world.buys(&user, "price_premium");
        let post = Post::new(&started[..1], bought.events.clone(), Chance::of(0), Duration::from_secs(1));
        post.deliver(4).await;
        world.until_held(&user, "premium", world.period_end(&bought.subscription) + SLACK).await;
        assert_eq!(world.transaction_ids(&user), [bought.subscription.as_str()]);
        assert_eq!(world.written("/grant/"), repetition + 1);
    }
    let log = world.daemon.log();
    assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
    world.daemon.restart(&[]).await;
    finish(world).await;
}
