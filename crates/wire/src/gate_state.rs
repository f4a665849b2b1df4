//! What is known of an upstream: whether it serves, and whose requests it failed since.
//!
//! ```mermaid
//! stateDiagram-v2
//!     Open --> Closed: the key was refused, a wait was asked for
//!     Open --> Closed: requests of several accounts failed, and nobody was served between
//!     Open --> Closed: several accounts were forbidden, and a probe was too
//!     Closed --> Open: a probe was served
//! ```
//!
//! A state without clock, chance or requests: moments are handed in.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

/// So many different accounts are several. A probe counts as one more each time.
const SEVERAL: usize = 3;
/// Requests that may be under way while none of them has been answered: what an outage swallows at the most.
const UNANSWERED: usize = 8;
/// How long an answer may take at least before a request counts as failed, though it is still waited for. Where requests
/// may take long, it is three tenths of that.
const PATIENCE: Duration = Duration::from_secs(3);
/// A gate that closes again so soon was not really open.
pub(crate) const TOO_SOON: Duration = Duration::from_secs(10);
/// The longest `Retry-After` that is heeded.
pub(crate) const LONGEST: Duration = Duration::from_secs(3600);

/// A gate is closed: nothing but probes is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    pub reason: Reason,
    pub since: Instant,
    /// No probe is sent before.
    pub until: Instant,
    /// It had just opened: this is no news.
    pub is_again: bool,
}

/// Why a gate is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The upstream answered 401, or several accounts 403.
    KeyRefused,
    /// It answered this process or another 429 or 503 with a `Retry-After`.
    RetryAfter,
    /// Requests of several accounts broke, ran out of time, or were answered 5xx.
    Failing,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeyRefused => "it refuses the key",
            Self::RetryAfter => "it asked to wait",
            Self::Failing => "it does not answer as it should",
        })
    }
}

/// How long `seconds` of a `Retry-After` are heeded.
pub(crate) fn heeded(seconds: i64) -> Duration {
    Duration::from_secs(seconds.max(0).unsigned_abs()).min(LONGEST)
}

/// Whose request it was.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose<'a> {
    Account(&'a str),
    /// Of nobody in particular: a list.
    Nobody,
    Probe,
}

/// What the end of a request says about the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was answered as it should be, be it with a refusal of this request.
    Served,
    KeyRefused,
    Forbidden,
    AskedToWait(Duration),
    Failed,
}

/// What a request changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    None,
    Closed(Closed),
    Opened,
    /// Nobody doubts any more that it serves.
    Cleared,
}

/// Whether a request may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// It is one of this round.
    Admitted(u64),
    /// Too many wait for their answer.
    Crowded,
    Closed(Closed),
}

/// When the next probe is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// The upstream serves, as far as is known.
    NotWanted,
    Now,
    /// After the next delay, and not before that moment.
    Later(Option<Closed>),
}

/// The state of one upstream's gate.
#[derive(Debug)]
pub(crate) struct GateState {
    closed: Option<Closed>,
    doubts: Doubts,
    /// When anybody was last served.
    served_at: Option<Instant>,
    /// When it last opened.
    opened_at: Option<Instant>,
    least_patience: Duration,
    /// How long an answer may take: longer where a probe took long.
    patience: Duration,
    /// Requests under way that were sent since anybody was last served; the round ends when somebody is.
    under_way: usize,
    round: u64,
}

/// Whose requests failed since anybody was served.
#[derive(Default)]
struct Doubts {
    failed: BTreeSet<Box<str>>,
    failed_probes: usize,
    forbidden: BTreeSet<Box<str>>,
    /// A probe is to say at once whether everybody is forbidden.
    wants_probe: bool,
}

impl GateState {
    /// The open gate of an upstream whose requests may take as long as `timeout`.
    pub(crate) fn new(timeout: Duration) -> Self {
        let least = PATIENCE.max(timeout * 3 / 10);
        Self {
            closed: None,
            doubts: Doubts::default(),
            served_at: None,
            opened_at: None,
            least_patience: least,
            patience: least,
            under_way: 0,
            round: 0,
        }
    }

    /// Why it is closed.
    pub(crate) fn closed(&self) -> Option<Closed> {
        self.closed
    }

    /// How long an answer may take before the request counts as failed.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// One more request wants to be sent.
    pub(crate) fn enter(&mut self) -> Entry {
        if let Some(closed) = self.closed {
            return Entry::Closed(closed);
        }
        if self.under_way >= UNANSWERED {
            return Entry::Crowded;
        }
        self.under_way += 1;
        Entry::Admitted(self.round)
    }

    /// A request that was admitted in `round` is not under way any more.
    pub(crate) fn leave(&mut self, round: u64) {
        if round == self.round {
            self.under_way = self.under_way.saturating_sub(1);
        }
    }

    /// When the next probe is wanted.
    pub(crate) fn next_probe(&self) -> Probe {
        match self.closed {
            Some(closed) => Probe::Later(Some(closed)),
            None if self.doubts.wants_probe => Probe::Now,
            None if self.doubts.is_any() => Probe::Later(None),
            None => Probe::NotWanted,
        }
    }

    /// A probe is sent.
    pub(crate) fn probe_sent(&mut self) {
        self.doubts.wants_probe = false;
    }

    /// Takes in how a request that was sent at `sent` ended at `now`.
    ///
    /// What was sent before somebody was served, or before it closed, says nothing of now when it fails, or is served.
    pub(crate) fn ended(&mut self, whose: Whose<'_>, sent: Instant, now: Instant, ended: Ended) -> Change {
        let is_old = self.served_at.is_some_and(|served_at| sent < served_at);
        match ended {
            Ended::Served => self.served(whose, sent, now),
            Ended::AskedToWait(wait) => self.asked_to_wait(now, now + wait),
            Ended::KeyRefused | Ended::Forbidden | Ended::Failed if is_old => Change::None,
            Ended::KeyRefused => self.close(Reason::KeyRefused, now),
            Ended::Forbidden => self.forbidden(whose, sent, now),
            Ended::Failed => self.failed(whose, now),
        }
    }

    /// Closes it until then at least; never opens it sooner than it would have opened.
    pub(crate) fn asked_to_wait(&mut self, now: Instant, until: Instant) -> Change {
        match &mut self.closed {
            Some(closed) => {
                closed.until = closed.until.max(until);
                Change::None
            }
            None => {
                let change = self.close(Reason::RetryAfter, now);
                self.closed = self.closed.map(|closed| Closed { until, ..closed });
                self.closed.map_or(change, Change::Closed)
            }
        }
    }

    fn served(&mut self, whose: Whose<'_>, sent: Instant, now: Instant) -> Change {
        match self.closed {
            Some(closed) if sent < closed.since => return Change::None,
            Some(_) | None => {}
        }
        let was_doubted = self.doubts.is_any();
        self.doubts = Doubts::default();
        self.served_at = Some(now);
        self.under_way = 0;
        self.round += 1;
        if whose == Whose::Probe {
            self.patience = self.least_patience.max(2 * now.saturating_duration_since(sent));
        }
        match self.closed.take() {
            Some(_) => {
                self.opened_at = Some(now);
                Change::Opened
            }
            None if was_doubted => Change::Cleared,
            None => Change::None,
        }
    }

    fn forbidden(&mut self, whose: Whose<'_>, sent: Instant, now: Instant) -> Change {
        match (whose, self.closed) {
            (Whose::Account(account), None) => {
                self.doubts.forbid(account);
                Change::None
            }
            // whoever forbids answers: only a refused key is not mended by that
            (Whose::Probe, Some(closed)) if closed.reason != Reason::KeyRefused => self.served(whose, sent, now),
            (Whose::Probe, None) if self.doubts.forbidden.len() >= SEVERAL => self.close(Reason::KeyRefused, now),
            (Whose::Account(_) | Whose::Probe | Whose::Nobody, _) => Change::None,
        }
    }

    fn failed(&mut self, whose: Whose<'_>, now: Instant) -> Change {
        let new = match whose {
            Whose::Account(account) => self.doubts.failed.insert(account.into()),
            Whose::Nobody => self.doubts.failed.insert("".into()),
            Whose::Probe => {
                self.doubts.failed_probes += 1;
                true
            }
        };
        let are_several = self.doubts.failed.len() + self.doubts.failed_probes >= SEVERAL;
        if self.closed.is_none() && new && are_several { self.close(Reason::Failing, now) } else { Change::None }
    }

    fn close(&mut self, reason: Reason, now: Instant) -> Change {
        match &mut self.closed {
            Some(closed) => {
                closed.reason = reason;
                Change::None
            }
            None => {
                let is_again = self.opened_at.is_some_and(|opened_at| now - opened_at < TOO_SOON);
                let closed = Closed { reason, since: now, until: now, is_again };
                self.closed = Some(closed);
                Change::Closed(closed)
            }
        }
    }
}

impl Doubts {
    fn forbid(&mut self, account: &str) {
        if self.forbidden.len() < SEVERAL && self.forbidden.insert(account.into()) {
            self.wants_probe = self.forbidden.len() == SEVERAL;
        }
    }

    fn is_any(&self) -> bool {
        self.failed_probes > 0 || !self.failed.is_empty() || !self.forbidden.is_empty()
    }
}

/// Without names: an account may be an e-mail address.
impl fmt::Debug for Doubts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { failed, failed_probes, forbidden, wants_probe } = self;
        f.debug_struct("Doubts")
            .field("failed", &failed.len())
            .field("failed_probes", failed_probes)
            .field("forbidden", &forbidden.len())
            .field("wants_probe", wants_probe)
            .finish()
    }
}

#[cfg(test)]
mod tests;
