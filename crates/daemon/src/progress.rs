//! Progress of long work: one line that is overwritten on a terminal, a new line every few seconds elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often it is shown on a terminal, and elsewhere.
const ON_TERMINAL: Duration = Duration::from_millis(100);
const IN_A_FILE: Duration = Duration::from_secs(5);
/// How wide the bar is.
const WIDTH: u64 = 30;

/// Shows how far something is, on standard error.
#[derive(Debug)]
pub(crate) struct Progress {
    what: &'static str,
    terminal: bool,
    shown: Option<Instant>,
}

impl Progress {
    pub(crate) fn new(what: &'static str) -> Self {
        Self { what, terminal: std::io::stderr().is_terminal(), shown: None }
    }

    /// `done`, of `all` if that is known.
    pub(crate) fn show(&mut self, done: u64, all: Option<u64>) {
        let every = if self.terminal { ON_TERMINAL } else { IN_A_FILE };
        if self.shown.is_some_and(|shown| shown.elapsed() < every) {
            return;
        }
        self.shown = Some(Instant::now());
        let line = line(self.what, done, all);
        let mut out = std::io::stderr().lock();
        // the reader may have closed the pipe
        drop(if self.terminal { write!(out, "\r{line}\x1b[K") } else { writeln!(out, "{line}") });
    }

    /// Leaves the line.
    pub(crate) fn end(&self) {
        if self.terminal && self.shown.is_some() {
            drop(writeln!(std::io::stderr()));
        }
    }
}

fn line(what: &str, done: u64, all: Option<u64>) -> String {
    match all.filter(|all| *all > 0) {
        Some(all) => {
            let full = done.min(all) * WIDTH / all;
            let bar: String = (0..WIDTH).map(|place| if place < full { '#' } else { '.' }).collect();
            format!("[{bar}] {done} of {all} {what}")
        }
        None => format!("{done} {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_bar_fills_up_as_far_as_the_whole_is_known() {
        assert_eq!(line("accounts", 7, None), "7 accounts");
        assert_eq!(line("accounts", 5, Some(10)), "[###############...............] 5 of 10 accounts");
        assert_eq!(line("accounts", 11, Some(10)), "[##############################] 11 of 10 accounts");
    }
}
