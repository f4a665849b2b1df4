//! When an upstream is left alone: it refused the key, asked to wait, or does not answer.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long an upstream that refused the key is left alone.
const REFUSED: Duration = Duration::from_secs(60);
/// So many requests in a row without an answer, and the upstream is left alone: each holds whoever waits for it.
const PATIENCE: u32 = 5;
/// How long an upstream that does not answer is left alone.
const SILENT: Duration = Duration::from_secs(5);
/// How long the others stay out while one call finds out whether it answers again.
const FINDING_OUT: Duration = Duration::from_secs(30);
/// The longest pause that a `Retry-After` brings about; after it one call finds out.
pub(crate) const LONGEST: Duration = Duration::from_secs(3600);
/// A pause this short is waited for in place; the queue owns longer ones.
pub(crate) const SHORT: Duration = Duration::from_secs(2);

/// A time in which an upstream is sent nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    pub until: Instant,
    pub why: Why,
}

/// Why an upstream is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It answered 401 or 403.
    Credentials,
    /// It answered 429 or 503 with a `Retry-After`, to this process or another.
    Asked,
    /// It let several requests in a row run into their time limit.
    Silent,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Credentials => "it refuses the key",
            Self::Asked => "it asked to be left alone for a while",
            Self::Silent => "it does not answer",
        })
    }
}

/// How long `seconds` of a `Retry-After` are heeded.
pub(crate) fn span(seconds: i64) -> Duration {
    Duration::from_secs(seconds.max(0).unsigned_abs()).min(LONGEST)
}

/// What an answer says about the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    Bad,
    /// Nothing: the network, an overloaded upstream.
    Open,
}

/// What a verdict changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    None,
    BecamePaused,
    Recovered,
}

/// What a request says of whether the upstream answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Answered,
    OutOfTime,
    /// It broke at once: that is no answer, and held nobody.
    Broken,
}

/// Who goes ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entered {
    AsAlways,
    /// To find out whether a pause is over; the others stay out meanwhile.
    AsProbe,
}

/// The pauses of one upstream, shared by its clones.
#[derive(Debug, Default)]
pub(crate) struct Pauses(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    refused: Option<Refused>,
    /// End of the wait that was asked for.
    asked: Option<Instant>,
    silence: Silence,
}

/// Requests that ended out of time since the last that did not.
#[derive(Clone, Copy, Debug, Default)]
struct Silence {
    in_a_row: u32,
    /// When the last request was answered.
    heard: Option<Instant>,
    /// When one call may find out.
    until: Option<Instant>,
}

/// The key was refused, and has not been accepted since.
#[derive(Clone, Copy, Debug)]
struct Refused {
    since: Instant,
    /// When one call may find out.
    until: Instant,
}

impl Pauses {
    /// The pause that stands at `now`.
    pub(crate) fn at(&self, now: Instant) -> Option<Pause> {
        self.lock().at(now)
    }

    /// Like [`Pauses::at`], and when none stands, the caller goes ahead.
    ///
    /// After a refusal or a silence that makes it the probe: the others stay out for a while, or until it has its answer.
    ///
    /// # Errors
    /// The pause that stands.
    pub(crate) fn enter(&self, now: Instant) -> Result<Entered, Pause> {
        let mut state = self.lock();
        if let Some(pause) = state.at(now) {
            return Err(pause);
        }
        if let Some(refused) = &mut state.refused {
            refused.until = now + REFUSED;
        }
        if let Some(until) = &mut state.silence.until {
            *until = now + FINDING_OUT;
        }
        let finds_out = state.refused.is_some() || state.silence.until.is_some();
        Ok(if finds_out { Entered::AsProbe } else { Entered::AsAlways })
    }

    /// The probe was given up before it found out: another may.
    pub(crate) fn give_up(&self, now: Instant) {
        let mut state = self.lock();
        if let Some(refused) = &mut state.refused {
            refused.until = now;
        }
        if let Some(until) = &mut state.silence.until {
            *until = now;
        }
    }

    /// Leaves the upstream alone until then; never shortens a pause.
    pub(crate) fn hold(&self, until: Instant) {
        let mut state = self.lock();
        state.asked = state.asked.max(Some(until));
    }

    /// Takes in what the answer to a request sent at `sent` says about the key.
    ///
    /// A good answer to a request that was under way before the refusal proves nothing.
    pub(crate) fn settle(&self, sent: Instant, now: Instant, verdict: Verdict) -> Change {
        let mut state = self.lock();
        match (verdict, state.refused) {
            (Verdict::Bad, None) => {
                state.refused = Some(Refused { since: now, until: now + REFUSED });
                Change::BecamePaused
            }
            (Verdict::Bad, Some(refused)) => {
                state.refused = Some(Refused { until: now + REFUSED, ..refused });
                Change::None
            }
            (Verdict::Good, Some(refused)) if sent >= refused.since => {
                state.refused = None;
                Change::Recovered
            }
            (Verdict::Open, Some(refused)) if sent >= refused.since => {
                state.refused = Some(Refused { until: now, ..refused });
                Change::None
            }
            (Verdict::Good | Verdict::Open, _) => Change::None,
        }
    }

    /// Takes in how a request sent at `sent` ended.
    ///
    /// Whoever was asked before the last answer came says nothing of what is now.
    pub(crate) fn ended(&self, sent: Instant, now: Instant, ended: Ended) -> Change {
        let mut state = self.lock();
        let silence = &mut state.silence;
        match ended {
            Ended::Answered => {
                let was_silent = silence.until.is_some();
                *silence = Silence { heard: Some(now), ..Silence::default() };
                if was_silent { Change::Recovered } else { Change::None }
            }
            Ended::Broken => {
                // the probe, if it was one, found nothing better
                let probed = silence.until.filter(|_| silence.in_a_row >= PATIENCE);
                silence.until = probed.map(|_| now + SILENT);
                Change::None
            }
            Ended::OutOfTime if silence.heard.is_some_and(|heard| sent < heard) => Change::None,
            Ended::OutOfTime => {
                silence.in_a_row = silence.in_a_row.saturating_add(1);
                if silence.in_a_row < PATIENCE {
                    return Change::None;
                }
                let is_news = silence.until.replace(now + SILENT).is_none();
                if is_news { Change::BecamePaused } else { Change::None }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn at(&self, now: Instant) -> Option<Pause> {
        let refused = self.refused.map(|refused| Pause { until: refused.until, why: Why::Credentials });
        let asked = self.asked.map(|until| Pause { until, why: Why::Asked });
        let silent = self.silence.until.map(|until| Pause { until, why: Why::Silent });
        [refused, asked, silent].into_iter().flatten().find(|pause| pause.until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn several_time_outs_in_a_row_keep_all_but_one_out_until_there_is_an_answer() {
        let (pauses, start) = (Pauses::default(), Instant::now());
        let late = |at: Instant| pauses.ended(start, at, Ended::OutOfTime);
        for _ in 1..PATIENCE {
            assert_eq!((late(start + SECOND), pauses.at(start + SECOND)), (Change::None, None));
        }
        assert_eq!(late(start + SECOND), Change::BecamePaused);
        assert_eq!(pauses.at(start + 2 * SECOND).map(|pause| pause.why), Some(Why::Silent));
        let later = start + SECOND + SILENT;
        assert_eq!(pauses.enter(later), Ok(Entered::AsProbe), "one finds out");
        assert!(pauses.enter(later).is_err(), "the others do not");
        assert_eq!(pauses.ended(later, later + SECOND, Ended::OutOfTime), Change::None);
        assert_eq!(pauses.enter(later + SECOND + SILENT), Ok(Entered::AsProbe));
        assert_eq!(pauses.ended(later, later + 2 * SECOND, Ended::Answered), Change::Recovered);
        assert_eq!(pauses.enter(later + 2 * SECOND), Ok(Entered::AsAlways));
        assert_eq!(pauses.enter(later + 2 * SECOND), Ok(Entered::AsAlways));
    }

    #[test]
    fn what_breaks_at_once_is_no_answer_and_a_probe_that_is_given_up_lets_another_find_out() {
        let (pauses, start) = (Pauses::default(), Instant::now());
        for _ in 0..PATIENCE {
            pauses.ended(start, start + SECOND, Ended::OutOfTime);
        }
        let later = start + SECOND + SILENT;
        assert_eq!(pauses.enter(later), Ok(Entered::AsProbe));
        assert_eq!(pauses.ended(later, later, Ended::Broken), Change::None, "it does not answer again");
        assert_eq!(pauses.at(later).map(|pause| pause.until), Some(later + SILENT));
        let last = later + SILENT;
        assert_eq!(pauses.enter(last), Ok(Entered::AsProbe));
        assert!(pauses.enter(last).is_err());
        pauses.give_up(last);
        assert_eq!(pauses.enter(last), Ok(Entered::AsProbe));
        // without a silence it holds nobody
        let calm = Pauses::default();
        for _ in 0..2 * PATIENCE {
            calm.ended(start, start, Ended::Broken);
        }
        assert_eq!(calm.enter(start), Ok(Entered::AsAlways));
    }

    #[test]
    fn a_time_out_of_a_request_from_before_the_last_answer_proves_nothing() {
        let (pauses, start) = (Pauses::default(), Instant::now());
        pauses.ended(start, start + SECOND, Ended::Answered);
        for _ in 0..2 * PATIENCE {
            assert_eq!(pauses.ended(start, start + 2 * SECOND, Ended::OutOfTime), Change::None);
        }
        assert_eq!(pauses.at(start + 2 * SECOND), None);
    }

    #[test]
    fn after_a_minute_one_call_finds_out_whether_the_key_works() {
        let (pauses, start) = (Pauses::default(), Instant::now());
        assert_eq!(pauses.settle(start, start, Verdict::Bad), Change::BecamePaused);
        assert_eq!(pauses.enter(start + 59 * SECOND).map_err(|pause| pause.why), Err(Why::Credentials));
        let later = start + 60 * SECOND;
        assert_eq!(pauses.enter(later), Ok(Entered::AsProbe));
        assert!(pauses.enter(later).is_err());
        assert_eq!(pauses.settle(later, later, Verdict::Bad), Change::None);
        assert_eq!(pauses.settle(later + 60 * SECOND, later + 61 * SECOND, Verdict::Good), Change::Recovered);
        assert_eq!(pauses.enter(later + 61 * SECOND), Ok(Entered::AsAlways));
    }

    #[test]
    fn a_probe_without_an_answer_lets_the_next_one_try() {
        let (pauses, start) = (Pauses::default(), Instant::now());
        pauses.settle(start, start, Verdict::Bad);
        let later = start + 60 * SECOND;
        assert_eq!(pauses.enter(later), Ok(Entered::AsProbe));
        pauses.settle(later, later + SECOND, Verdict::Open);
        assert_eq!(pauses.enter(later + SECOND), Ok(Entered::AsProbe));
    }

    #[test]
    fn an_answer_from_before_the_refusal_proves_nothing() {
        let (pauses, start) = (Pauses::default(), Instant::now());
        pauses.settle(start, start + SECOND, Verdict::Bad);
        assert_eq!(pauses.settle(start, start + 2 * SECOND, Verdict::Good), Change::None);
        assert!(pauses.at(start + 2 * SECOND).is_some());
    }

    #[test]
    fn a_wait_that_was_asked_for_is_never_shortened_and_has_a_limit() {
        let (pauses, start) = (Pauses::default(), Instant::now());
        pauses.hold(start + span(30));
        pauses.hold(start + span(1));
        assert_eq!(pauses.at(start), Some(Pause { until: start + 30 * SECOND, why: Why::Asked }));
        pauses.hold(start + span(i64::MAX));
        assert_eq!(pauses.at(start).map(|pause| pause.until), Some(start + LONGEST));
    }
}
