//! What `grantsync check` says of PostgreSQL.

use cluster::database::Database;
use serde_json::Value;
use sqlx::{Connection, PgConnection, query_scalar};

use crate::harness::final_checks::finish;
use crate::harness::world::World;

#[tokio::test]
async fn a_server_that_a_power_cut_may_rob_is_found_out() {
    let database = Database::fresh().await.unwrap();
    let world = World::beginning_with(database.url(), &["serve"], &[]).await;
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    let fsync: String = query_scalar("SELECT current_setting('fsync')").fetch_one(&mut connection).await.unwrap();
    let output = world.daemon.command(&["check", "--json"]).await;
    let findings: Value = serde_json::from_str(&output.stdout).unwrap();
    let of_database = findings.as_array().unwrap().iter().filter(|finding| finding["area"] == "database");
    let found: Vec<(&str, &str)> =
        of_database.map(|finding| (finding["level"].as_str().unwrap(), finding["message"].as_str().unwrap())).collect();
    assert!(found[0].0 == "ok" && found[0].1.starts_with("PostgreSQL opens and takes writes"), "{found:?}");
    assert_eq!(found.iter().any(|(level, text)| *level == "warning" && text.contains("fsync = off")), fsync == "off");
    finish(world).await;
}
