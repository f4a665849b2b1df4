//! An empty database for one test.

use std::env;
use std::io::{self, Write};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tokio::runtime;
use tokio::time::timeout;

use crate::error::ClusterError;
use crate::home::Purpose;
use crate::server::{Server, aside, random};

/// How long a server may take to make or drop a database.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The server of this test process. It holds nothing of a runtime, since every test has one of its own.
static SHARED: LazyLock<Result<Server, Arc<ClusterError>>> =
    LazyLock::new(|| Server::boot(Purpose::Test).map_err(Arc::new));

/// A database that is dropped with this, whoever is still connected to it.
#[derive(Debug)]
pub struct Database {
    name: String,
    url: String,
    admin: PgConnectOptions,
    /// Whether the server goes with the test process.
    is_ours: bool,
}

impl Database {
    /// An empty database on the server of `DATABASE_URL`, or else on the one that the tests of this process share.
    ///
    /// # Errors
    /// When no server can be started, or the one of `DATABASE_URL` does not answer or does not let us.
    pub async fn fresh() -> Result<Self, ClusterError> {
        if let Some(url) = given() {
            let admin: PgConnectOptions = url.parse().map_err(ClusterError::Url)?;
            let named = |name: &str| admin.clone().database(name).to_url_lossy().into();
            return Self::make(admin.clone(), false, named).await;
        }
        let shared = aside(|| SHARED.as_ref().map_err(|error| ClusterError::Shared(Arc::clone(error)))).await?;
        shared.database().await
    }

    /// The address: `postgres://…`, over TCP on 127.0.0.1 unless `DATABASE_URL` names another server.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its name on the server.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    async fn make(
        admin: PgConnectOptions,
        is_ours: bool,
        url_of: impl FnOnce(&str) -> String,
    ) -> Result<Self, ClusterError> {
        let name = format!("test_{}", random());
        // copying files is the faster way where nothing is synced to a disk
        let strategy = if is_ours { "FILE_COPY" } else { "WAL_LOG" };
        // no session is ever connected to template0, so any number of tests can copy it at once
        let create = |version| match version {
            Some(150_000..) => format!("CREATE DATABASE {name} TEMPLATE template0 STRATEGY {strategy}"),
            _ => format!("CREATE DATABASE {name} TEMPLATE template0"),
        };
        let server = || format!("{}:{}", admin.get_host(), admin.get_port());
        let made = execute(&admin, create).await;
        made.map_err(|source| ClusterError::Create { server: server(), source })?;
        Ok(Self { url: url_of(&name), name, admin, is_ours })
    }
}

impl Server {
    /// An empty database on this server.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn database(&self) -> Result<Database, ClusterError> {
        Database::make(self.admin(), true, |name| self.url_of(name)).await
    }
}

impl Drop for Database {
    /// In a thread with a runtime of its own, since the runtime of the test cannot be waited for here.
    fn drop(&mut self) {
        let admin = self.admin.clone();
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let dropping = thread::Builder::new().spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
            let dropped = runtime.block_on(execute(&admin, |_| statement));
            runtime.shutdown_background();
            dropped
        });
        let dropped = dropping.map(thread::JoinHandle::join);
        // a server that the test has stopped takes its databases with it; on a lasting one somebody has to clean up
        if !self.is_ours && !matches!(dropped, Ok(Ok(Ok(())))) {
            let _ = writeln!(io::stderr(), "the database `{}` could not be dropped; drop it by hand", self.name);
        }
    }
}

/// The server that the environment names, if it is a PostgreSQL.
#[expect(clippy::disallowed_methods, reason = "a switch of the tests, no setting of the program")]
fn given() -> Option<String> {
    let url = env::var("DATABASE_URL").ok()?;
    (url.starts_with("postgres://") || url.starts_with("postgresql://")).then_some(url)
}

/// One statement over a connection of its own. It may depend on the server's version, as 150003 for 15.3.
async fn execute(admin: &PgConnectOptions, statement: impl FnOnce(Option<u32>) -> String) -> Result<(), sqlx::Error> {
    let executed = timeout(TIMEOUT, async {
        let mut connection = admin.connect().await?;
        let statement = statement(connection.server_version_num());
        sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await?;
        connection.close().await
    });
    executed.await.unwrap_or_else(|_| Err(sqlx::Error::Io(io::ErrorKind::TimedOut.into())))
}
