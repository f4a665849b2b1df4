//! Where PostgreSQL's programs are, and how they come there.

use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::ClusterError;

const NEEDED: [&str; 3] = ["initdb", "pg_ctl", "postgres"];

/// Where Debian keeps one directory a major version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The package alone: no server of Debian's own is made or started, and nothing is asked.
const INSTALL: &str = r#"
export DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1
settings=/etc/postgresql-common/createcluster.conf
[ -e "$settings" ] || { mkdir -p "${settings%/*}" && echo 'create_main_cluster = false' >"$settings"; } &&
apt-get update -qq &&
apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold postgresql
"#;

/// The directory of the programs. Where there is none, Debian's package is installed.
pub(crate) fn directory() -> Result<PathBuf, ClusterError> {
    if let Some(found) = found() {
        return Ok(found);
    }
    let missing = |why: String| ClusterError::Missing { why };
    // one process installs, the others wait here and then find what it installed
    let dpkg = File::open("/var/lib/dpkg").map_err(|_| missing("this is no Debian".into()))?;
    dpkg.lock().map_err(|error| missing(error.to_string()))?;
    if found().is_none() {
        install().map_err(missing)?;
    }
    found().ok_or_else(|| missing(format!("the package brought no programs to `{DEBIAN}`")))
}

fn found() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut on_path = env::split_paths(&path);
    on_path.find(|directory| is_complete(directory)).or_else(newest_of_debian)
}

fn newest_of_debian() -> Option<PathBuf> {
    let versions = fs::read_dir(DEBIAN).ok()?.flatten().filter_map(|entry| {
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        let programs = entry.path().join("bin");
        is_complete(&programs).then_some((version, programs))
    });
    versions.max().map(|(_, programs)| programs)
}

fn is_complete(directory: &Path) -> bool {
    NEEDED.iter().all(|program| directory.join(program).is_file())
}

fn install() -> Result<(), String> {
    print("PostgreSQL is not on this machine; installing Debian's package, which can take minutes");
    let mut command = Command::new("timeout");
    if !rustix::process::geteuid().is_root() {
        command = Command::new("sudo");
        command.args(["-n", "timeout"]);
    }
    let ended = command.args(["900", "sh", "-c", INSTALL]).stdin(Stdio::null()).output();
    let ended = ended.map_err(|error| format!("neither root nor `sudo`: {error}"))?;
    if ended.status.success() {
        print("PostgreSQL is installed");
        return Ok(());
    }
    let output = String::from_utf8_lossy(&ended.stderr);
    Err(output.lines().last().unwrap_or("`apt-get` failed without a message").to_owned())
}

/// Prints progress for the person who waits. Tests hide what is printed, but not this.
fn print(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
