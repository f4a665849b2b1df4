//! The program as a child process: started, asked, signalled, restarted.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::{Child, ChildStderr, Command};

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// How often a daemon is asked about its state.
const ASK_EVERY: Duration = Duration::from_millis(5);

/// A running `grantsync serve`.
pub(crate) struct Daemon {
    child: Child,
    directory: PathBuf,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
    client: reqwest::Client,
    pub(crate) front: String,
    pub(crate) back: String,
}

/// The answer of a command of the program.
pub(crate) struct CommandOutput {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Daemon {
    /// Starts one more beside this one, on the same database and ports of its own: `&["serve", "--only", "work"]`.
    pub(crate) async fn beside(&self, arguments: &[&str]) -> Self {
        Self::start_as(arguments, &self.directory, self.environment.clone()).await
    }

    /// Starts the program in `directory` on free ports and waits until it is ready.
    pub(crate) async fn start_as(
        arguments: &[&str],
        directory: &Path,
        mut environment: BTreeMap<String, String>,
    ) -> Self {
        let (front, back) = (free_address(), free_address());
        environment.insert("GRANTSYNC__SERVER__LISTEN".into(), front.clone());
        environment.insert("GRANTSYNC__SERVER__ADMIN_LISTEN".into(), back.clone());
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let child = spawn(directory, &environment, &arguments);
        // reqwest asks for a TLS provider even for loopback; another test of this binary may have installed it
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = reqwest::Client::new();
        let (front, back) = (format!("http://{front}"), format!("http://{back}"));
        let mut daemon = Self { child, directory: directory.to_owned(), arguments, environment, client, front, back };
        daemon.until_ready().await;
        daemon
    }

    async fn until_ready(&mut self) {
        let ready = async {
            while self.ready().await.is_none_or(|(status, _)| status != 200) {
                if let Ok(Some(status)) = self.child.try_wait() {
                    panic!("the daemon ended with {status}:\n{}", self.log());
                }
                tokio::time::sleep(ASK_EVERY).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, ready).await.is_ok(), "the daemon is not ready:\n{}", self.log());
    }

    /// Status and text of a path on the admin side; `None` without an answer.
    pub(crate) async fn get(&self, path: &str) -> Option<(u16, String)> {
        self.ask(format!("{}{path}", self.back), None).await
    }

    /// The same with a bearer token.
    pub(crate) async fn get_with(&self, path: &str, token: &str) -> Option<(u16, String)> {
        self.ask(format!("{}{path}", self.back), Some(token)).await
    }

    /// Status and text of readiness, on the side of the webhooks.
    pub(crate) async fn ready(&self) -> Option<(u16, String)> {
        self.ask(format!("{}/health/ready", self.front), None).await
    }

    async fn ask(&self, address: String, token: Option<&str>) -> Option<(u16, String)> {
        let request = self.client.get(address);
        let request = token.into_iter().fold(request, |request, token| request.bearer_auth(token));
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        Some((status, answer.text().await.ok()?))
    }

    /// The value of a metric without labels, or with exactly `labels`.
    pub(crate) async fn metric(&self, name: &str) -> Option<f64> {
        let (_, text) = self.get("/metrics").await?;
        let line = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')))?;
        line.rsplit_once(' ')?.1.parse().ok()
    }

    /// Ends when nothing is due any more.
    pub(crate) async fn until_idle(&self) {
        let idle = async {
            while self.metric("grantsync_due_accounts").await != Some(0.0) {
                tokio::time::sleep(ASK_EVERY).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, idle).await.is_ok(), "the daemon is not idle:\n{}", self.log());
    }

    /// What a list command of the program prints as JSON.
    pub(crate) async fn listed(&self, what: &[&str]) -> Vec<Value> {
        let output = self.command(&[what, &["list", "--json"]].concat()).await;
        assert!(output.status.success(), "{what:?}: {}", output.stderr);
        serde_json::from_str(&output.stdout).unwrap()
    }

    /// Everything it logged so far, over all starts.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("daemon.log")).unwrap_or_default()
    }

    /// Runs a command of the program with the same settings.
    pub(crate) async fn command(&self, arguments: &[&str]) -> CommandOutput {
        run(&self.directory, &self.environment, arguments).await
    }

    /// Runs a command whose standard output is not read.
    pub(crate) async fn unread(&self, arguments: &[&str]) -> CommandOutput {
        let mut command = program(&self.directory, &self.environment);
        let command = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().await.unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        CommandOutput { status: output.status, stdout: String::new(), stderr }
    }

    /// Runs a command whose output goes to `stdout` and whose errors go to `stderr`.
    #[allow(dead_code, reason = "only what nobody reads asks for it")]
    pub(crate) async fn printing_to(&self, arguments: &[&str], stdout: Stdio, stderr: Stdio) -> ExitStatus {
        let mut command = program(&self.directory, &self.environment);
        let mut child = command.args(arguments).stdin(Stdio::null()).stdout(stdout).stderr(stderr).spawn().unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        child.wait().await.unwrap()
    }

    /// SIGKILL: as a power cut would.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// The settings it was started with, and `changes` to them, for one more that is like it.
    pub(crate) fn environment(&self, changes: &[(&str, &str)]) -> BTreeMap<String, String> {
        let changes = changes.iter().map(|(key, value)| (format!("GRANTSYNC__{key}"), (*value).to_owned()));
        self.environment.clone().into_iter().chain(changes).collect()
    }

    /// The number of its process.
    #[allow(dead_code, reason = "only many machines ask for it")]
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("it was not waited for")
    }

    /// Sends a signal: `Signal::STOP` puts it to sleep, `Signal::CONT` wakes it.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id().unwrap()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// SIGTERM, and how it ended.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends in time").unwrap()
    }

    /// Starts it again where it was, with its log going elsewhere.
    #[allow(dead_code, reason = "only what nobody reads asks for it")]
    pub(crate) async fn restart_logging_to(&mut self, log: Stdio) {
        drop(self.child.kill().await);
        self.child = program(&self.directory, &self.environment)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.until_ready().await;
    }

    /// What it was started with for its standard error, where that is a pipe.
    #[allow(dead_code, reason = "only what nobody reads asks for it")]
    pub(crate) fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// Starts it again where it was, with further variables of the environment.
    #[allow(dead_code, reason = "only a company's network asks for it")]
    pub(crate) async fn restart_among(&mut self, variables: &[(&str, &str)]) {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.environment.extend(variables);
        self.restart(&[]).await;
    }

    /// Starts it again where it was, with changed settings.
    pub(crate) async fn restart(&mut self, changes: &[(&str, &str)]) {
        drop(self.child.kill().await);
        for (key, value) in changes {
            self.environment.insert(format!("GRANTSYNC__{key}"), (*value).to_owned());
        }
        self.child = spawn(&self.directory, &self.environment, &self.arguments);
        self.until_ready().await;
    }
}

fn spawn(directory: &Path, environment: &BTreeMap<String, String>, arguments: &[String]) -> Child {
    let log = OpenOptions::new().create(true).append(true).open(directory.join("daemon.log")).unwrap();
    let mut command = program(directory, environment);
    command.args(arguments).stdin(Stdio::null()).stderr(log).kill_on_drop(true).spawn().unwrap()
}

fn program(directory: &Path, environment: &BTreeMap<String, String>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_grantsync"));
    command.env_clear().envs(environment).current_dir(directory).kill_on_drop(true);
    command
}

/// Runs the program once.
pub(crate) async fn run(directory: &Path, environment: &BTreeMap<String, String>, arguments: &[&str]) -> CommandOutput {
    let output = program(directory, environment).args(arguments).stdin(Stdio::null()).output().await.unwrap();
    CommandOutput {
        status: output.status,
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// An address that nobody listens on. Its port lies below those that the system gives to clients, and no other test of
/// this process is given it, so it is still free when the daemon takes it, also after a restart.
pub(crate) fn free_address() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id() * 64;
    loop {
        let port = 10_000 + (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        let address = format!("127.0.0.1:{port}");
        if TcpListener::bind(&address).is_ok() {
            return address;
        }
    }
}
