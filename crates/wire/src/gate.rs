//! An upstream's gate: open, closed for a reason until a time, or probed by one request.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long the gate stays closed after the upstream refused the key.
const KEY_REFUSED: Duration = Duration::from_secs(60);
/// So many time-outs in a row close the gate, since each holds a worker for its whole length.
const TIMEOUTS: u32 = 5;
/// How long the gate stays closed after them.
const UNRESPONSIVE: Duration = Duration::from_secs(5);
/// How long the others wait while one request probes.
const PROBE: Duration = Duration::from_secs(30);
/// The longest `Retry-After` that is heeded.
pub(crate) const LONGEST: Duration = Duration::from_secs(3600);
/// A `Retry-After` this short is waited for in place; the queue owns longer ones.
pub(crate) const SHORT: Duration = Duration::from_secs(2);

/// A gate is closed: nothing is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    pub until: Instant,
    pub reason: Reason,
}

/// Why a gate is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The upstream answered 401 or 403.
    KeyRefused,
    /// It answered this process or another 429 or 503 with a `Retry-After`.
    RetryAfter,
    /// Several requests in a row ran into their time limit.
    Unresponsive,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeyRefused => "it refuses the key",
            Self::RetryAfter => "it asked to wait",
            Self::Unresponsive => "it does not answer",
        })
    }
}

/// How long `seconds` of a `Retry-After` are heeded.
pub(crate) fn heeded(seconds: i64) -> Duration {
    Duration::from_secs(seconds.max(0).unsigned_abs()).min(LONGEST)
}

/// What an answer says about the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Accepted,
    Refused,
    /// Nothing: the network broke, or the upstream is overloaded.
    Unknown,
}

/// How a request ended, as far as it says whether the upstream answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Answered,
    TimedOut,
    /// It broke at once: no answer, and no worker was held.
    Broken,
}

/// What a request changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    None,
    HasClosed,
    HasOpened,
}

/// How a request may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    Open,
    /// As the probe; the others wait for its answer.
    AsProbe,
}

/// The gate of one upstream, shared by its clones.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    refusal: Option<Refusal>,
    /// The end of a `Retry-After`.
    retry_after: Option<Instant>,
    timeouts: Timeouts,
}

/// The key was refused, and has not been accepted since.
#[derive(Clone, Copy, Debug)]
struct Refusal {
    since: Instant,
    /// When one request may probe.
    probe_at: Instant,
}

/// Requests that timed out since the last that did not.
#[derive(Clone, Copy, Debug, Default)]
struct Timeouts {
    in_a_row: u32,
    /// When the last request was answered.
    answered_at: Option<Instant>,
    /// When one request may probe, while the gate is closed for them.
    probe_at: Option<Instant>,
}

impl Gate {
    /// Why and until when it is closed at `now`.
    pub(crate) fn closed(&self, now: Instant) -> Option<Closed> {
        self.lock().closed(now)
    }

    /// Passes the gate, or says why it is closed. Whoever passes after a refused key or time-outs is the probe: the
    /// others wait until it has its answer, for a while at most.
    pub(crate) fn pass(&self, now: Instant) -> Result<Passed, Closed> {
        let mut state = self.lock();
        if let Some(closed) = state.closed(now) {
            return Err(closed);
        }
        if let Some(refusal) = &mut state.refusal {
            refusal.probe_at = now + KEY_REFUSED;
        }
        if let Some(probe_at) = &mut state.timeouts.probe_at {
            *probe_at = now + PROBE;
        }
        let is_probe = state.refusal.is_some() || state.timeouts.probe_at.is_some();
        Ok(if is_probe { Passed::AsProbe } else { Passed::Open })
    }

    /// The probe was cancelled before its answer came: another request may probe.
    pub(crate) fn cancel_probe(&self, now: Instant) {
        let mut state = self.lock();
        if let Some(refusal) = &mut state.refusal {
            refusal.probe_at = now;
        }
        if let Some(probe_at) = &mut state.timeouts.probe_at {
            *probe_at = now;
        }
    }

    /// Closes it for a `Retry-After` until then; never opens it sooner than it would have opened.
    pub(crate) fn close_until(&self, until: Instant) {
        let mut state = self.lock();
        state.retry_after = state.retry_after.max(Some(until));
    }

    /// Takes in what the answer to a request that was sent at `sent` says about the key.
    ///
    /// A key that was accepted by a request from before the refusal proves nothing.
    pub(crate) fn key_seen(&self, sent: Instant, now: Instant, key: Key) -> Change {
        let mut state = self.lock();
        match (key, state.refusal) {
            (Key::Refused, None) => {
                state.refusal = Some(Refusal { since: now, probe_at: now + KEY_REFUSED });
                Change::HasClosed
            }
            (Key::Refused, Some(refusal)) => {
                state.refusal = Some(Refusal { probe_at: now + KEY_REFUSED, ..refusal });
                Change::None
            }
            (Key::Accepted, Some(refusal)) if sent >= refusal.since => {
                state.refusal = None;
                Change::HasOpened
            }
            (Key::Unknown, Some(refusal)) if sent >= refusal.since => {
                state.refusal = Some(Refusal { probe_at: now, ..refusal });
                Change::None
            }
            (Key::Accepted | Key::Unknown, _) => Change::None,
        }
    }

    /// Takes in how a request that was sent at `sent` ended.
    pub(crate) fn ended(&self, sent: Instant, now: Instant, ended: Ended) -> Change {
        let mut state = self.lock();
        let timeouts = &mut state.timeouts;
        match ended {
            Ended::Answered => {
                let was_closed = timeouts.probe_at.is_some();
                *timeouts = Timeouts { answered_at: Some(now), ..Timeouts::default() };
                if was_closed { Change::HasOpened } else { Change::None }
            }
            Ended::Broken => {
                // the probe, if it was one, found it no better
                let is_closed = timeouts.probe_at.is_some() && timeouts.in_a_row >= TIMEOUTS;
                timeouts.probe_at = is_closed.then(|| now + UNRESPONSIVE);
                Change::None
            }
            // a request from before the last answer says nothing of now
            Ended::TimedOut if timeouts.answered_at.is_some_and(|answered_at| sent < answered_at) => Change::None,
            Ended::TimedOut => {
                timeouts.in_a_row = timeouts.in_a_row.saturating_add(1);
                if timeouts.in_a_row < TIMEOUTS {
                    return Change::None;
                }
                let was_open = timeouts.probe_at.replace(now + UNRESPONSIVE).is_none();
                if was_open { Change::HasClosed } else { Change::None }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn closed(&self, now: Instant) -> Option<Closed> {
        let ends = [
            (self.refusal.map(|refusal| refusal.probe_at), Reason::KeyRefused),
            (self.retry_after, Reason::RetryAfter),
            (self.timeouts.probe_at, Reason::Unresponsive),
        ];
        ends.into_iter().find_map(|(until, reason)| {
            let until = until.filter(|until| *until > now)?;
            Some(Closed { until, reason })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn several_time_outs_in_a_row_close_it_for_all_but_a_probe_until_there_is_an_answer() {
        let (gate, start) = (Gate::default(), Instant::now());
        let time_out = |at: Instant| gate.ended(start, at, Ended::TimedOut);
        for _ in 1..TIMEOUTS {
            assert_eq!((time_out(start + SECOND), gate.closed(start + SECOND)), (Change::None, None));
        }
        assert_eq!(time_out(start + SECOND), Change::HasClosed);
        assert_eq!(gate.closed(start + 2 * SECOND).map(|closed| closed.reason), Some(Reason::Unresponsive));
        let later = start + SECOND + UNRESPONSIVE;
        assert_eq!(gate.pass(later), Ok(Passed::AsProbe), "one probes");
        assert!(gate.pass(later).is_err(), "the others wait");
        assert_eq!(gate.ended(later, later + SECOND, Ended::TimedOut), Change::None);
        assert_eq!(gate.pass(later + SECOND + UNRESPONSIVE), Ok(Passed::AsProbe));
        assert_eq!(gate.ended(later, later + 2 * SECOND, Ended::Answered), Change::HasOpened);
        assert_eq!(gate.pass(later + 2 * SECOND), Ok(Passed::Open));
        assert_eq!(gate.pass(later + 2 * SECOND), Ok(Passed::Open));
    }

    #[test]
    fn what_breaks_at_once_is_no_answer_and_a_cancelled_probe_lets_another_request_probe() {
        let (gate, start) = (Gate::default(), Instant::now());
        for _ in 0..TIMEOUTS {
            gate.ended(start, start + SECOND, Ended::TimedOut);
        }
        let later = start + SECOND + UNRESPONSIVE;
        assert_eq!(gate.pass(later), Ok(Passed::AsProbe));
        assert_eq!(gate.ended(later, later, Ended::Broken), Change::None, "it does not answer again");
        assert_eq!(gate.closed(later).map(|closed| closed.until), Some(later + UNRESPONSIVE));
        let last = later + UNRESPONSIVE;
        assert_eq!(gate.pass(last), Ok(Passed::AsProbe));
        assert!(gate.pass(last).is_err());
        gate.cancel_probe(last);
        assert_eq!(gate.pass(last), Ok(Passed::AsProbe));
        // without time-outs it closes nothing
        let open = Gate::default();
        for _ in 0..2 * TIMEOUTS {
            open.ended(start, start, Ended::Broken);
        }
        assert_eq!(open.pass(start), Ok(Passed::Open));
    }

    #[test]
    fn a_time_out_of_a_request_from_before_the_last_answer_proves_nothing() {
        let (gate, start) = (Gate::default(), Instant::now());
        gate.ended(start, start + SECOND, Ended::Answered);
        for _ in 0..2 * TIMEOUTS {
            assert_eq!(gate.ended(start, start + 2 * SECOND, Ended::TimedOut), Change::None);
        }
        assert_eq!(gate.closed(start + 2 * SECOND), None);
    }

    #[test]
    fn after_a_minute_one_request_probes_whether_the_key_works() {
        let (gate, start) = (Gate::default(), Instant::now());
        assert_eq!(gate.key_seen(start, start, Key::Refused), Change::HasClosed);
        assert_eq!(gate.pass(start + 59 * SECOND).map_err(|closed| closed.reason), Err(Reason::KeyRefused));
        let later = start + 60 * SECOND;
        assert_eq!(gate.pass(later), Ok(Passed::AsProbe));
        assert!(gate.pass(later).is_err());
        assert_eq!(gate.key_seen(later, later, Key::Refused), Change::None);
        assert_eq!(gate.key_seen(later + 60 * SECOND, later + 61 * SECOND, Key::Accepted), Change::HasOpened);
        assert_eq!(gate.pass(later + 61 * SECOND), Ok(Passed::Open));
    }

    #[test]
    fn a_probe_without_an_answer_lets_the_next_request_probe() {
        let (gate, start) = (Gate::default(), Instant::now());
        gate.key_seen(start, start, Key::Refused);
        let later = start + 60 * SECOND;
        assert_eq!(gate.pass(later), Ok(Passed::AsProbe));
        gate.key_seen(later, later + SECOND, Key::Unknown);
        assert_eq!(gate.pass(later + SECOND), Ok(Passed::AsProbe));
    }

    #[test]
    fn an_answer_from_before_the_refusal_proves_nothing() {
        let (gate, start) = (Gate::default(), Instant::now());
        gate.key_seen(start, start + SECOND, Key::Refused);
        assert_eq!(gate.key_seen(start, start + 2 * SECOND, Key::Accepted), Change::None);
        assert!(gate.closed(start + 2 * SECOND).is_some());
    }

    #[test]
    fn a_retry_after_is_never_shortened_and_has_a_limit() {
        let (gate, start) = (Gate::default(), Instant::now());
        gate.close_until(start + heeded(30));
        gate.close_until(start + heeded(1));
        assert_eq!(gate.closed(start), Some(Closed { until: start + 30 * SECOND, reason: Reason::RetryAfter }));
        gate.close_until(start + heeded(i64::MAX));
        assert_eq!(gate.closed(start).map(|closed| closed.until), Some(start + LONGEST));
    }
}
