//! A server of our own, which lives no longer than the test process.

use std::hash::{BuildHasher, RandomState};

use sqlx::postgres::PgConnectOptions;
use tokio::task::spawn_blocking;

use crate::error::ClusterError;
use crate::home::{Home, Purpose, free_port};
use crate::watcher::Watcher;

/// A PostgreSQL on a port of the loopback interface. Dropping it stops it and removes its files.
#[derive(Debug)]
pub struct Server {
    home: Home,
    port: u16,
    password: String,
    _watcher: Watcher,
}

impl Server {
    /// Starts a server that nobody else uses, whatever `DATABASE_URL` says.
    ///
    /// # Errors
    /// When PostgreSQL is missing and cannot be installed, or does not start.
    pub async fn start() -> Result<Self, ClusterError> {
        aside(|| Self::boot(Purpose::Test)).await
    }

    /// The same on the disk, with what PostgreSQL does by default so that a power cut takes nothing: for measures.
    ///
    /// # Errors
    /// As for [`Server::start`].
    pub async fn durable() -> Result<Self, ClusterError> {
        aside(|| Self::boot(Purpose::Measure)).await
    }

    /// Starts a server and blocks until it answers.
    pub(crate) fn boot(purpose: Purpose) -> Result<Self, ClusterError> {
        let (home, directory) = Home::prepare(purpose)?;
        let watcher = Watcher::start(&home)?;
        // from here on it is the watcher who removes it
        let _ = directory.keep();
        let password = random();
        home.furnish(&password)?;
        let port = home.open(free_port)?;
        Ok(Self { home, port, password, _watcher: watcher })
    }

    /// How its superuser connects.
    pub(crate) fn admin(&self) -> PgConnectOptions {
        let admin = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(self.port);
        admin.username("postgres").password(&self.password).database("postgres")
    }

    /// The address of a database on this server, made or not. `postgres` is always there.
    #[must_use]
    pub fn url_of(&self, name: &str) -> String {
        format!("postgres://postgres:{}@127.0.0.1:{}/{name}", self.password, self.port)
    }

    /// The port it listens on, also after a stop.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops it as if it had crashed: connections break, and what was not committed is lost.
    ///
    /// # Errors
    /// When it was not running.
    pub async fn stop(&self) -> Result<(), ClusterError> {
        let home = self.home.clone();
        aside(move || home.close()).await
    }

    /// Starts it after a stop, on the same port and with what it held.
    ///
    /// # Errors
    /// When it does not start, since it runs or since its port was taken meanwhile.
    pub async fn start_again(&self) -> Result<(), ClusterError> {
        let (home, port) = (self.home.clone(), self.port);
        aside(move || home.open(|| Ok(port))).await.map(drop)
    }
}

/// Runs what blocks where it keeps no other task waiting.
pub(crate) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ClusterError> + Send + 'static,
) -> Result<T, ClusterError> {
    let ended = spawn_blocking(work).await;
    ended.map_err(|error| ClusterError::Run { line: "a thread".into(), source: error.into() })?
}

/// Letters and digits that no other process comes upon: the hasher's keys are the system's random numbers.
pub(crate) fn random() -> String {
    format!("{:016x}{:016x}", RandomState::new().hash_one(0), RandomState::new().hash_one(1))
}
