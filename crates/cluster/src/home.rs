//! The directory of one server, and the programs that run in it.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::binaries;
use crate::error::ClusterError;

/// How long one program may take on a machine that is busy.
const TIMEOUT: Duration = Duration::from_secs(120);

/// How often a server is started on a port that another process has taken meanwhile.
const ATTEMPTS: usize = 5;

/// Memory as files, on Linux. Making the three hundred files of a database takes it a tenth of what some disks need.
const MEMORY: &str = "/dev/shm";

/// What must be free there; containers often have 64 MB.
const MIN_FREE: u64 = 2 << 30;

/// What the programs and the server log.
const LOG: &str = "log";

/// What `initdb` reads the password from.
const PASSWORD: &str = "password";

const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 300
";

/// A server that is killed loses nothing without fsync, since the kernel has its writes: only a power cut takes them.
/// That makes tests fast, and measures of a commit worthless. The log is kept short, since it may be in memory.
const SPEED: &str = "
fsync = off
full_page_writes = off
max_wal_size = 256MB
";

/// What a server is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Tests: fast, in memory if there is room.
    Test,
    /// Measures: on the disk, as durable as it is by default.
    Measure,
}

/// Where one server lives. Clones are the same place.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    binaries: PathBuf,
    directory: PathBuf,
    /// Whom the programs run as, when not as ourselves.
    owner: Option<(u32, u32)>,
    purpose: Purpose,
}

impl Home {
    /// An empty directory. It is the caller's to remove.
    pub(crate) fn prepare(purpose: Purpose) -> Result<(Self, TempDir), ClusterError> {
        let binaries = binaries::directory()?;
        let owner = owner().map_err(ClusterError::Directory)?;
        let directory = directory(owner, purpose).map_err(ClusterError::Directory)?;
        Ok((Self { binaries, directory: directory.path().to_path_buf(), owner, purpose }, directory))
    }

    /// The directory itself.
    pub(crate) fn path(&self) -> &Path {
        &self.directory
    }

    /// Where a program of PostgreSQL is.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.binaries.join(name)
    }

    /// A command that PostgreSQL allows: it refuses root.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        // a message that is searched for in the log is in English there
        command.env("LC_ALL", "C").stdin(Stdio::null());
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }

    /// Makes the files of a server whose superuser is `postgres`.
    ///
    /// The password is checked by md5: one that lives for minutes needs no better, and in a debug build SCRAM's
    /// thousands of rounds would cost every connection 60 ms.
    pub(crate) fn furnish(&self, password: &str) -> Result<(), ClusterError> {
        fs::write(self.directory.join(PASSWORD), password).map_err(ClusterError::Directory)?;
        self.run("initdb -D data -U postgres -A md5 --pwfile password -E UTF8 --no-locale --no-sync")?;
        let file = OpenOptions::new().append(true).open(self.directory.join("data/postgresql.conf"));
        let speed = if self.purpose == Purpose::Test { SPEED } else { "" };
        file.and_then(|mut file| write!(file, "{SETTINGS}{speed}")).map_err(ClusterError::Directory)
    }

    /// Starts the server on the first of `ports` that is free, and waits until it answers.
    pub(crate) fn open(&self, mut ports: impl FnMut() -> io::Result<u16>) -> Result<u16, ClusterError> {
        let mut left = ATTEMPTS;
        loop {
            left -= 1;
            let port = ports().map_err(ClusterError::Directory)?;
            match self.run(&format!("pg_ctl -D data -w -t 60 -l log -o -p{port} start")) {
                Err(ClusterError::Failed { log, .. }) if left > 0 && log.contains("could not bind") => {
                    sleep(Duration::from_millis(100));
                }
                ended => return ended.map(|()| port),
            }
        }
    }

    /// Stops the server as if it had crashed: it writes nothing more and recovers when it is started again.
    pub(crate) fn close(&self) -> Result<(), ClusterError> {
        self.run("pg_ctl -D data -w -t 60 -m immediate stop")
    }

    /// Runs a program in the directory to its end. It inherits a lock on the log, which the watcher waits for.
    fn run(&self, line: &str) -> Result<(), ClusterError> {
        let running = |source| ClusterError::Run { line: line.to_owned(), source };
        let (program, arguments) = line.split_once(' ').unwrap_or((line, ""));
        let log = OpenOptions::new().append(true).open(self.directory.join(LOG)).map_err(running)?;
        log.lock_shared().map_err(running)?;
        let mut command = self.command(&self.program(program));
        let command = command.args(arguments.split(' ')).current_dir(&self.directory);
        let mut child = command.stdout(log.try_clone().map_err(running)?).stderr(log).spawn().map_err(running)?;
        let started = Instant::now();
        while started.elapsed() < TIMEOUT {
            match child.try_wait().map_err(running)? {
                Some(ended) if ended.success() => return Ok(()),
                Some(_) => return Err(ClusterError::Failed { line: line.to_owned(), log: self.end_of_log() }),
                None => sleep(Duration::from_millis(5)),
            }
        }
        let _ = child.kill();
        let _ = child.wait();
        Err(running(io::ErrorKind::TimedOut.into()))
    }

    fn end_of_log(&self) -> String {
        let log = fs::read(self.directory.join(LOG)).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

/// A free port of the loopback interface.
pub(crate) fn free_port() -> io::Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr().map(|address| address.port())
}

/// For root, the user and group of `postgres`, or of `nobody` where that is missing.
fn owner() -> io::Result<Option<(u32, u32)>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let found = find_user(&users, "postgres").or_else(|| find_user(&users, "nobody"));
    found.map(Some).ok_or_else(|| io::Error::other("root needs a user `postgres` or `nobody` to run PostgreSQL as"))
}

/// The user and group of `name` in the text of `/etc/passwd`.
fn find_user(users: &str, name: &str) -> Option<(u32, u32)> {
    users.lines().find_map(|line| match line.split(':').collect::<Vec<_>>()[..] {
        [found, _, user, group, ..] if found == name => Some((user.parse().ok()?, group.parse().ok()?)),
        _ => None,
    })
}

/// A directory for its owner alone, with the files in it that we write.
fn directory(owner: Option<(u32, u32)>, purpose: Purpose) -> io::Result<TempDir> {
    let directory = tempfile::Builder::new().prefix("cluster-").tempdir_in(base(owner.is_some(), purpose))?;
    let files = [LOG, PASSWORD].map(|name| directory.path().join(name));
    files.iter().try_for_each(|file| File::create(file).map(drop))?;
    if let Some((user, group)) = owner {
        let mut paths = files.iter().map(PathBuf::as_path).chain([directory.path()]);
        paths.try_for_each(|path| chown(path, Some(user), Some(group)))?;
    }
    Ok(directory)
}

/// For tests in memory if there is room, else among temporary files, where another user must be able to get to.
fn base(is_for_another: bool, purpose: Purpose) -> PathBuf {
    let is_open = |path: &Path| path.metadata().is_ok_and(|data| data.mode() & 0o001 != 0);
    let usual = env::temp_dir();
    match rustix::fs::statvfs(MEMORY) {
        Ok(memory) if purpose == Purpose::Test && memory.f_bavail * memory.f_frsize >= MIN_FREE => MEMORY.into(),
        _ if is_for_another && !usual.ancestors().all(is_open) => "/tmp".into(),
        _ => usual,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_port_is_taken_where_the_first_is_not_free() {
        let (home, directory) = Home::prepare(Purpose::Test).unwrap();
        let _watcher = crate::watcher::Watcher::start(&home).unwrap();
        let _ = directory.keep();
        home.furnish("secret").unwrap();
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut first = Some(taken.local_addr().unwrap().port());
        let port = home.open(|| first.take().map_or_else(free_port, Ok)).unwrap();
        assert_ne!(port, taken.local_addr().unwrap().port());
    }
}
