//! Standard error as the log's output: what it does not take is lost, and nothing else happens.
//!
//! A reader that went away, a full disk and a reader that stands still stop no work. What was lost is counted.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How long a slow reader is waited for, once: after a lost line none is waited for until one was written again.
const PATIENCE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
const NONE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
/// What a pipe takes without blocking when it takes anything (`PIPE_BUF` of Linux).
const PIECE: usize = 4096;

/// Whether the last line was lost.
static STUCK: AtomicBool = AtomicBool::new(false);

/// Takes one line a write, and never fails.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogOutput;

impl Write for LogOutput {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let lost = write_line(line).is_err();
        STUCK.store(lost, Ordering::Relaxed);
        if lost {
            metrics::counter!("grantsync_log_lines_lost_total").increment(1);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes the line whole; an error where standard error takes no more of it.
fn write_line(line: &[u8]) -> io::Result<()> {
    let mut stderr = io::stderr().lock();
    for piece in line.chunks(PIECE) {
        wait_until_writable(&stderr)?;
        stderr.write_all(piece)?;
    }
    Ok(())
}

fn wait_until_writable(stderr: &io::StderrLock<'_>) -> io::Result<()> {
    let patience = if STUCK.load(Ordering::Relaxed) { NONE } else { PATIENCE };
    let ready = poll(&mut [PollFd::new(stderr, PollFlags::OUT)], Some(&patience))?;
    if ready == 0 { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
}
