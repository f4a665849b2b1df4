//! What the demo runs on: two simulated vendors, a daemon, a scratch database.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use simulator::adapty::world::Level;
use simulator::simulator::Simulator;
use simulator::stripe::event::Event;
use simulator::webhook::Webhooks;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::command_error::CommandError;
use crate::{clock, output};

/// How long a month lasts here, in seconds.
pub(super) const MONTH: i64 = 6;
/// `policy.past_due_grace`, in seconds.
pub(super) const GRACE: i64 = 3;
/// `policy.renewal_slack`, in seconds.
pub(super) const SLACK: i64 = 2;

const SECRET: &str = "whsec_demo_0123456789";
const PATIENCE: Duration = Duration::from_secs(20);

/// Everything the story runs on.
pub(super) struct Environment {
    pub(super) simulator: Simulator,
    webhooks: Webhooks,
    /// Addresses of the daemon.
    front: String,
    back: String,
    daemon: Child,
    variables: BTreeMap<String, String>,
    /// The users in the story, in order of appearance.
    pub(super) users: Vec<&'static str>,
    scratch: TempDir,
}

impl Environment {
    /// Starts the vendors, and the daemon as a process of its own.
    pub(super) async fn start() -> Result<Self, CommandError> {
        let simulator =
            Simulator::start().await.map_err(|error| CommandError::because("starting the simulator", error))?;
        let scratch =
            tempfile::tempdir().map_err(|error| CommandError::because("making a scratch directory", error))?;
        let (listen, admin) = free_addresses()?;
        let file = scratch.path().join("grantsync.toml");
        std::fs::write(&file, CATALOG).map_err(|error| CommandError::because("writing the demo's settings", error))?;
        let database = format!("sqlite:{}", scratch.path().join("grantsync.db").display());
        let mut variables = variables(&simulator, &listen, &admin, &database);
        variables.insert("GRANTSYNC_CONFIG".into(), file.display().to_string());
        let front = format!("http://{listen}");
        let back = format!("http://{admin}");
        let daemon = start_daemon(&variables, &scratch)?;
        let webhooks = Webhooks::new(format!("{front}/webhooks/stripe"), SECRET);
        let users = Vec::new();
        let mut environment = Self { simulator, webhooks, front, back, daemon, variables, users, scratch };
        environment.until_ready().await?;
        Ok(environment)
    }

    async fn until_ready(&mut self) -> Result<(), CommandError> {
        let up = async {
            while self.get("/health/ready").await.is_none() {
                if let Ok(Some(status)) = self.daemon.try_wait() {
                    return Err(self.ended(status));
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Ok(())
        };
        tokio::time::timeout(PATIENCE, up)
            .await
            .map_err(|_| CommandError::Sentence("the daemon is not ready".into()))?
    }

    fn ended(&self, status: ExitStatus) -> CommandError {
        let log = std::fs::read_to_string(self.scratch.path().join(LOG)).unwrap_or_default();
        CommandError::Sentence(format!("the daemon ended with {status}:\n{log}"))
    }

    async fn get(&self, path: &str) -> Option<String> {
        // on this machine, whatever proxy the environment names
        let client = reqwest::Client::builder().no_proxy().build().ok()?;
        let answer = client.get(format!("{}{path}", self.back)).send().await.ok()?;
        if answer.status().is_success() { answer.text().await.ok() } else { None }
    }

    /// Runs a command of the program, as the operator would.
    pub(super) async fn operator(&self, arguments: &[&str]) -> Result<Output, CommandError> {
        let mut command = program(&self.variables)?;
        command.args(arguments).output().await.map_err(|error| CommandError::because("running a command", error))
    }

    /// Waits until nothing is due, by the daemon's own metrics.
    pub(super) async fn until_nothing_is_due(&self) -> Result<(), CommandError> {
        let settled = async {
            loop {
                let metrics = self.get("/metrics").await.unwrap_or_default();
                if metrics.lines().any(|line| line == "grantsync_due_accounts 0") {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let late = |_| CommandError::Sentence("accounts are still due after 20 s".into());
        tokio::time::timeout(PATIENCE, settled).await.map_err(late)
    }

    /// Delivers events in order, each until it is answered with 200.
    pub(super) async fn deliver(&self, events: &[Event]) -> Result<(), CommandError> {
        for event in events {
            let answer = self.webhooks.deliver(event).await;
            let status = answer.map_err(|error| CommandError::because("delivering a webhook", error.without_url()))?;
            if !status.is_success() {
                return Err(CommandError::Sentence(format!("the webhook `{}` was answered {status}", event.kind)));
            }
        }
        Ok(())
    }

    /// Waits until the level of `user` is as wanted. Answers whether it is.
    pub(super) async fn shows(&self, user: &str, wanted: impl FnMut(Option<&Level>) -> bool) -> bool {
        self.simulator.adapty.wait_for_level(user, "premium", PATIENCE, wanted).await.is_ok()
    }

    pub(super) fn welcome(&self) -> String {
        format!(
            "A simulated Stripe runs on {}, a simulated Adapty on {}; the daemon between them is the real one.\n\
             A month lasts {MONTH} s here, grace {GRACE} s, slack {SLACK} s.\n",
            self.simulator.stripe.url(),
            self.simulator.adapty.url()
        )
    }

    pub(super) fn still_running(&self) -> String {
        format!("Still running: webhooks on {}, metrics on {}/metrics. Ctrl-C stops it.", self.front, self.back)
    }

    /// What Adapty shows of each user at the end.
    pub(super) fn end_state(&self) -> Vec<String> {
        let rows: Vec<Vec<String>> = self.users.iter().map(|user| self.row(user)).collect();
        let mut lines = vec![String::new(), "In Adapty, at the end:".to_owned()];
        lines.extend(output::lines(&["user", "premium", "until", "transactions", "revenue"], &rows));
        lines
    }

    fn row(&self, user: &str) -> Vec<String> {
        let level = self.simulator.adapty.level(user, "premium");
        let runs = level.as_ref().is_some_and(|level| level.is_lifetime || level.expires_at > Some(clock::now()));
        let until = match &level {
            Some(level) if level.is_lifetime => "for life".to_owned(),
            Some(level) => level.expires_at.map_or_else(|| "-".to_owned(), |at| at.format("%H:%M:%S").to_string()),
            None => "never had it".to_owned(),
        };
        let transactions = self.simulator.adapty.transactions(user).len();
        let revenue = self.simulator.adapty.revenue(user);
        let revenue: Vec<String> = revenue.iter().map(|(code, sum)| format!("{sum:.2} {code}")).collect();
        let runs = if runs { "yes" } else { "no" };
        vec![user.to_owned(), runs.to_owned(), until, transactions.to_string(), revenue.join(", ")]
    }

    /// Stops the daemon as a service manager would.
    pub(super) async fn stop(mut self) -> Result<(), CommandError> {
        let pid = self.daemon.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let ended = pid.map(|pid| kill_process(pid, Signal::TERM));
        if !matches!(ended, Some(Ok(()))) {
            return Err(CommandError::Sentence("the daemon ended before the demo".into()));
        }
        let ended = tokio::time::timeout(PATIENCE, self.daemon.wait()).await;
        let ended = ended.map_err(|_| CommandError::Sentence("the daemon did not stop".into()))?;
        let status = ended.map_err(|error| CommandError::because("stopping the daemon", error))?;
        if status.success() { Ok(()) } else { Err(self.ended(status)) }
    }
}

/// Where the daemon logs, in the scratch directory.
const LOG: &str = "daemon.log";

fn start_daemon(variables: &BTreeMap<String, String>, scratch: &TempDir) -> Result<Child, CommandError> {
    let log =
        File::create(scratch.path().join(LOG)).map_err(|error| CommandError::because("making a log file", error))?;
    let mut command = program(variables)?;
    let started = command.arg("serve").stdin(Stdio::null()).stderr(log).kill_on_drop(true).spawn();
    started.map_err(|error| CommandError::because("starting the daemon", error))
}

/// This very program, with the demo's settings and nothing of the user's.
fn program(variables: &BTreeMap<String, String>) -> Result<Command, CommandError> {
    let own: PathBuf = std::env::current_exe().map_err(|error| CommandError::because("finding this program", error))?;
    let mut command = Command::new(own);
    command.env_clear().envs(variables);
    Ok(command)
}

/// Two free addresses of this machine, both held until both are found.
fn free_addresses() -> Result<(String, String), CommandError> {
    let bind = || TcpListener::bind("127.0.0.1:0").map_err(|error| CommandError::because("finding a free port", error));
    let address = |listener: &TcpListener| {
        let found = listener.local_addr().map_err(|error| CommandError::because("finding a free port", error));
        found.map(|address| address.to_string())
    };
    let one = bind()?;
    let other = bind()?;
    Ok((address(&one)?, address(&other)?))
}

const CATALOG: &str = "[[catalog]]\nproduct = \"prod_premium\"\naccess_level = \"premium\"\n";

fn variables(simulator: &Simulator, listen: &str, admin: &str, database: &str) -> BTreeMap<String, String> {
    let set = |name: &str, value: &str| (format!("GRANTSYNC__{name}"), value.to_owned());
    BTreeMap::from([
        set("SERVER__LISTEN", listen),
        set("SERVER__ADMIN_LISTEN", admin),
        set("DATABASE__URL", database),
        set("STRIPE__SECRET_KEY", "sk_test_sandbox"),
        set("STRIPE__WEBHOOK_SECRETS", SECRET),
        set("STRIPE__API_BASE", &simulator.stripe.url()),
        set("STRIPE__REQUESTS_PER_SECOND", "500"),
        set("ADAPTY__SECRET_KEY", "secret_live_sandbox.key"),
        set("ADAPTY__API_BASE", &simulator.adapty.url()),
        set("ADAPTY__REQUESTS_PER_SECOND", "500"),
        set("POLICY__PAST_DUE_GRACE", &format!("{GRACE}s")),
        set("POLICY__RENEWAL_SLACK", &format!("{SLACK}s")),
        set("POLICY__PROFILE_LAG", "1s"),
    ])
}
