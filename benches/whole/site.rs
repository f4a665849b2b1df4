//! A place to measure in: a directory on the disk, an empty database, and daemons on both.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use cluster::database::Database;
use rustix::process::{Pid, Signal, kill_process};
use sqlx::{Connection, PgConnection, SqliteConnection, query_scalar};
use tempfile::TempDir;

use crate::Bench;
use crate::figures::{memory, parent_of_postgres};
use crate::upstreams::Upstreams;

pub(crate) const SECRET: &str = "whsec_whole_0123456789";
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_grantsync");

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// Everything of one configuration; nothing is shared with others but the server of PostgreSQL.
pub(crate) struct Site {
    directory: TempDir,
    url: String,
    /// PostgreSQL's first process, when it is on this machine.
    pub(crate) postmaster: Option<u32>,
    database: Option<Database>,
}

impl Site {
    /// An empty database: on `server`, or else on that of `DATABASE_URL` or one that is started for all sites.
    pub(crate) async fn prepare(bench: &Bench) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let database = match (bench.options.database, &bench.server) {
            (Kind::Sqlite, _) => None,
            (Kind::Postgres, Some(server)) => Some(server.database().await.unwrap()),
            (Kind::Postgres, None) => Some(Database::fresh().await.unwrap()),
        };
        let file = || format!("sqlite:{}", directory.path().join("grantsync.db").display());
        let url = database.as_ref().map_or_else(file, |database| database.url().to_owned());
        let mut postmaster = None;
        if database.is_some() {
            let mut connection = PgConnection::connect(&url).await.unwrap();
            let backend: i32 = query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await.unwrap();
            postmaster = parent_of_postgres(backend);
        }
        Self { directory, url, postmaster, database }
    }

    pub(crate) async fn in_words(&self, durable: bool) -> String {
        if self.database.is_none() {
            return "SQLite, in the directory for temporary files".to_owned();
        }
        let whose = match durable {
            true => "started for this run on the disk",
            false if std::env::var_os("DATABASE_URL").is_some() => "of DATABASE_URL",
            false => "started for this run, in memory if there is room",
        };
        let names =
            "SELECT name || ' ' || setting FROM pg_settings WHERE name ~ '^(server_version|fsync|synchronous_commit)$'";
        format!("PostgreSQL {whose}: {}", self.texts(names).await.join(", "))
    }

    pub(crate) async fn texts(&self, query: &'static str) -> Vec<String> {
        let found = if self.database.is_some() {
            query_scalar(query).fetch_all(&mut PgConnection::connect(&self.url).await.unwrap()).await
        } else {
            query_scalar(query).fetch_all(&mut SqliteConnection::connect(&self.url).await.unwrap()).await
        };
        found.unwrap()
    }

    /// Runs a command beside a daemon, to its end; returns its peak memory in MB.
    pub(crate) fn run(&self, daemon: &Daemon, arguments: &[&str]) -> f64 {
        let config = daemon.log.with_extension("toml");
        let mut command = Command::new(PROGRAM);
        command.arg("--config").arg(config).args(arguments).env_clear().stdin(Stdio::null());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut most = 0.0_f64;
        while child.try_wait().unwrap().is_none() {
            most = most.max(memory(child.id()).map_or(0.0, |[_, peak]| peak));
            sleep(Duration::from_millis(10));
        }
        assert!(child.wait().unwrap().success(), "`grantsync {}` fails", arguments.join(" "));
        most
    }

    /// Starts the server that only checks signatures.
    pub(crate) fn bare(&self) -> Daemon {
        let front = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let log = self.directory.path().join("bare.log");
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["bare", "--listen", &front.to_string()]).stderr(File::create(&log).unwrap());
        let started = Instant::now();
        Daemon { child: command.spawn().unwrap(), front, log, started }
    }

    /// Starts `grantsync serve` with `arguments`; `server` are further lines of its section.
    pub(crate) fn serve(&self, arguments: &[&str], vendors: Option<&Upstreams>, server: &str) -> Daemon {
        let [front, back] = [(), ()].map(|()| TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
        // nobody listens on port 9
        let vendors = vendors.map_or(SocketAddr::from(([127, 0, 0, 1], 9)), |vendors| vendors.address);
        let settings = format!(
            "[server]\nlisten = '{front}'\nadmin_listen = '{back}'\n{server}\n[database]\nurl = '{}'\n\
             [stripe]\nsecret_key = 'sk_test_whole'\nwebhook_secrets = ['{SECRET}']\napi_base = 'http://{vendors}'\n\
             requests_per_second = 100000\n[adapty]\nsecret_key = 'secret_live_whole'\napi_base = 'http://{vendors}'\n\
             requests_per_second = 100000\n[reconcile]\nnightly_at = 'off'\n\
             [[catalog]]\nproduct = 'prod_premium'\naccess_level = 'premium'\n",
            self.url
        );
        let file = |end: &str| self.directory.path().join(format!("{}.{end}", front.port()));
        fs::write(file("toml"), settings).unwrap();
        let mut command = Command::new(PROGRAM);
        command.arg("--config").arg(file("toml")).arg("serve").args(arguments).env_clear();
        command.current_dir(self.directory.path()).stdin(Stdio::null()).stderr(File::create(file("log")).unwrap());
        let started = Instant::now();
        Daemon { child: command.spawn().unwrap(), front, log: file("log"), started }
    }
}

/// A running `grantsync serve`, which ends when this is dropped.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) front: SocketAddr,
    log: PathBuf,
    started: Instant,
}

impl Daemon {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it says that it is ready; returns how long that took from its start.
    pub(crate) fn ready(&mut self) -> Duration {
        loop {
            if let Ok(mut stream) = TcpStream::connect(self.front) {
                let mut answer = String::new();
                stream.write_all(b"GET /health/ready HTTP/1.1\r\nHost: whole\r\nConnection: close\r\n\r\n").unwrap();
                if stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200") {
                    return self.started.elapsed();
                }
            }
            self.check();
            sleep(Duration::from_micros(200));
        }
    }

    /// Ends the benchmark if the daemon has ended.
    pub(crate) fn check(&mut self) {
        let ended = self.child.try_wait().unwrap();
        assert!(ended.is_none(), "the daemon ended: {}", fs::read_to_string(&self.log).unwrap());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // it may have ended
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}
