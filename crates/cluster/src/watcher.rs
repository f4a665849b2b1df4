//! The process that stops a server and removes its directory, however the test process ends.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::ClusterError;
use crate::home::Home;

/// Waits for the end of its input, which the test process alone holds open and which no child of it inherits. An
/// `initdb` or a start that runs then keeps its lock on the log until it ends.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
cat >/dev/null
flock -w 60 "$2/log" true
"$1" -D "$2/data" -w -t 10 -m immediate stop
rm -rf "$2"
"#;

/// How long the end of a server is waited for.
const TIMEOUT: Duration = Duration::from_secs(80);

/// A process beside the test process. Dropping this ends the server.
#[derive(Debug)]
pub(crate) struct Watcher(Child);

impl Watcher {
    pub(crate) fn start(home: &Home) -> Result<Self, ClusterError> {
        let mut command = home.command(Path::new("/bin/sh"));
        command.args(["-c", SCRIPT, "watcher"]).arg(home.program("pg_ctl")).arg(home.path());
        // it does not die with the test at Ctrl-C, and whoever reads what the tests print does not wait for it
        command.process_group(0).current_dir("/");
        let started = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        started.map(Self).map_err(|source| ClusterError::Run { line: "/bin/sh".into(), source })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let started = Instant::now();
        while matches!(self.0.try_wait(), Ok(None)) && started.elapsed() < TIMEOUT {
            sleep(Duration::from_millis(5));
        }
    }
}
