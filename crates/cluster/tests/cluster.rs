//! What the tests of the other crates rely on.

#![expect(clippy::unwrap_used, reason = "what the tests share is test code as well")]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, io};

use cluster::database::Database;
use cluster::server::Server;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_fresh_database_answers_and_is_empty() {
    let database = Database::fresh().await.unwrap();
    assert_eq!(number(database.url(), "SELECT count(*) FROM pg_stat_user_tables").await.unwrap(), 0);
}

#[tokio::test]
async fn two_databases_are_apart() {
    let (one, other) = tokio::join!(Database::fresh(), Database::fresh());
    let (one, other) = (one.unwrap(), other.unwrap());
    run(one.url(), "CREATE TABLE thing (id int)").await;
    assert_eq!(number(one.url(), "SELECT count(*) FROM thing").await.unwrap(), 0);
    number(other.url(), "SELECT count(*) FROM thing").await.unwrap_err();
}

#[tokio::test]
async fn a_dropped_database_is_gone_although_somebody_is_connected() {
    let (gone, witness) = (Database::fresh().await.unwrap(), Database::fresh().await.unwrap());
    let mut connected = PgConnection::connect(gone.url()).await.unwrap();
    let name = gone.name().to_owned();
    assert_eq!(databases(witness.url(), &name).await, 1);
    drop(gone);
    assert_eq!(databases(witness.url(), &name).await, 0);
    connected.ping().await.unwrap_err();
}

#[tokio::test]
async fn a_server_stops_and_starts_again_with_what_it_held() {
    let server = Server::start().await.unwrap();
    let database = server.database().await.unwrap();
    run(database.url(), "CREATE TABLE thing AS SELECT 7::bigint AS id").await;
    server.stop().await.unwrap();
    PgConnection::connect(database.url()).await.unwrap_err();
    server.start_again().await.unwrap();
    assert_eq!(number(database.url(), "SELECT id FROM thing").await.unwrap(), 7);
}

#[tokio::test]
async fn a_database_outlives_its_server_in_peace() {
    let server = Server::start().await.unwrap();
    let database = server.database().await.unwrap();
    server.stop().await.unwrap();
    drop(server);
    drop(database);
}

#[tokio::test]
async fn nothing_is_left_of_a_process_that_was_killed() {
    let (mut process, url) = another(Command::new(env::current_exe().unwrap()).env_remove("DATABASE_URL")).unwrap();
    let directory = text(&url, "SHOW data_directory").await.unwrap();
    let home = Path::new(&directory).parent().unwrap();
    assert!(home.exists());
    process.kill().unwrap();
    process.wait().unwrap();
    let ended = timeout(PATIENCE, async {
        while home.exists() || PgConnection::connect(&url).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    ended.await.unwrap();
}

#[tokio::test]
async fn databases_are_made_on_the_server_of_database_url() {
    let server = Server::start().await.unwrap();
    let root = server.url_of("postgres");
    let (mut process, url) = another(Command::new(env::current_exe().unwrap()).env("DATABASE_URL", &root)).unwrap();
    let name: String = url.rsplit('/').next().unwrap().chars().take_while(|letter| *letter != '?').collect();
    assert!(url.contains(&format!("127.0.0.1:{}/test_", server.port())));
    assert_eq!(databases(&root, &name).await, 1);
    drop(process.stdin.take());
    assert!(process.wait().unwrap().success());
    assert_eq!(databases(&root, &name).await, 0);
}

#[tokio::test]
async fn a_user_who_may_not_make_databases_gets_an_error_that_says_so() {
    let server = Server::start().await.unwrap();
    run(&server.url_of("postgres"), "CREATE ROLE poor LOGIN PASSWORD 'secret'").await;
    let url = format!("postgres://poor:secret@127.0.0.1:{}/postgres", server.port());
    let said = another(Command::new(env::current_exe().unwrap()).env("DATABASE_URL", url)).unwrap_err().to_string();
    assert!(said.contains("must give its user `CREATEDB`"), "{said}");
}

/// The other process of these tests. It ends when its input does.
#[tokio::test]
#[ignore = "it is run by the tests above"]
async fn holds_a_database() {
    match Database::fresh().await {
        Ok(database) => {
            println!("\n{}", database.url());
            io::stdin().read_to_end(&mut Vec::new()).unwrap();
        }
        Err(error) => println!("\nerror: {error}"),
    }
}

/// This program again as a process that holds a database, and the address of that.
fn another(command: &mut Command) -> io::Result<(Child, String)> {
    command.args(["holds_a_database", "--exact", "--ignored", "--nocapture"]);
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut said = BufReader::new(process.stdout.take().unwrap());
    let is_answer = |line: &String| line.starts_with("postgres://") || line.starts_with("error:");
    let line = said.by_ref().lines().map_while(Result::ok).find(is_answer);
    // it goes on talking at its end, and somebody has to listen
    process.stdout = Some(said.into_inner());
    match line {
        Some(url) if url.starts_with("postgres://") => Ok((process, url)),
        other => process.wait().and_then(|_| Err(io::Error::other(other.unwrap_or_default()))),
    }
}

async fn run(url: &str, statement: &'static str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query(statement).execute(&mut connection).await.unwrap();
}

async fn number(url: &str, query: &str) -> Result<i64, sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut connection).await
}

async fn text(url: &str, query: &str) -> Result<String, sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut connection).await
}

async fn databases(url: &str, name: &str) -> i64 {
    number(url, &format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'")).await.unwrap()
}
