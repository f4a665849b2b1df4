//! A token bucket that several processes share: tokens are borrowed in batches from the token server.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex as Lock, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex, Notify, oneshot};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::gate_state;
use crate::token_server::{Grant, MOST, Reply, Request, TokenServer};

#[cfg(test)]
mod tests;

/// A token whose slot is longer past is not used: others have long made up for it.
const STALE: Duration = Duration::from_millis(500);
/// How long the token server may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// The shortest wait before the token server is asked the same again.
const SHORTEST_WAIT: Duration = Duration::from_millis(10);
/// A pause that ends less than this later than the one that all processes know of is not reported.
const WORTH_REPORTING: Duration = Duration::from_secs(1);

/// Why there is no token for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The upstream answered some process with a `Retry-After` until then.
    Paused(Instant),
    /// The token server does not answer.
    Unavailable,
}

/// One process's part in a shared limit; it grants tokens first come, first served.
///
/// Tokens are borrowed in batches: as many as wait for one, a tenth of a second's worth at most. So a busy process asks
/// ten times a second when it has the limit to itself, and an idle one holds nothing. The first in the queue asks and
/// waits; if it is cancelled, the batch and even an answer still under way stay for the next.
#[derive(Debug)]
pub struct SharedBucket {
    server: TokenServer,
    limit: String,
    /// `None` when there is no limit, and only pauses are shared.
    per_second: Option<NonZeroU32>,
    /// How many wait for a token, the first included.
    waiting: AtomicU32,
    /// `tokio`'s lock queues fairly.
    first: Mutex<First>,
    state: Lock<State>,
    /// A pause has begun: the first need not wait for its slot.
    paused: Notify,
}

/// What the first in the queue alone uses.
#[derive(Debug, Default)]
struct First {
    /// The request under way.
    pending: Option<Pending>,
    /// When the token server wants to be asked again.
    not_before: Option<Instant>,
    /// When the token server last did not answer. Whoever waited then has had its answer, too.
    failed_at: Option<Instant>,
}

/// A request for tokens that is not answered yet.
#[derive(Debug)]
struct Pending {
    since: Instant,
    answer: oneshot::Receiver<(Instant, Grant)>,
}

#[derive(Debug, Default)]
struct State {
    /// When each token that was borrowed and not yet used may be used.
    slots: VecDeque<Instant>,
    /// The end of the pause that all processes know of.
    paused_until: Option<Instant>,
}

/// What the first in the queue is to do.
enum Next {
    UseNow,
    WaitUntil(Instant),
    Borrow,
}

impl SharedBucket {
    /// A part in the limit called `limit`; `None` is no limit.
    #[must_use]
    pub fn new(server: TokenServer, limit: String, per_second: Option<NonZeroU32>) -> Self {
        Self {
            server,
            limit,
            per_second,
            waiting: AtomicU32::new(0),
            first: Mutex::default(),
            state: Lock::default(),
            paused: Notify::new(),
        }
    }

    /// Takes a token, waiting for it where there is none. A cancelled waiter costs none.
    ///
    /// # Errors
    /// While the upstream is paused, and when the token server does not answer.
    pub async fn take(&self) -> Result<(), Refused> {
        let Some(per_second) = self.per_second else { return Ok(()) };
        let since = Instant::now();
        let _counted = Waiting::of(&self.waiting);
        let mut first = self.first.lock().await;
        if first.failed_at.is_some_and(|failed_at| failed_at > since) {
            return Err(Refused::Unavailable);
        }
        loop {
            self.check_pause()?;
            let next = self.state().next(Instant::now());
            match next {
                Next::UseNow => return Ok(()),
                Next::WaitUntil(slot) => self.sleep_until(slot).await,
                Next::Borrow => self.borrow(&mut first, per_second, since).await?,
            }
        }
    }

    /// Waits until then, or until a pause begins.
    async fn sleep_until(&self, until: Instant) {
        tokio::select! {
            () = sleep_until(until) => {}
            () = self.paused.notified() => {}
        }
    }

    /// Asks for tokens once and takes in the answer; `since` is when the caller began to wait.
    async fn borrow(&self, first: &mut First, per_second: NonZeroU32, since: Instant) -> Result<(), Refused> {
        if let Some(not_before) = first.not_before.filter(|not_before| *not_before > Instant::now()) {
            self.sleep_until(not_before).await;
            return Ok(());
        }
        let pending = match &mut first.pending {
            Some(pending) => pending,
            none => match self.request(per_second) {
                Some(pending) => none.insert(pending),
                None => return Err(first.fail()),
            },
        };
        let (at, grant) = match timeout_at(pending.since + ANSWER_TIMEOUT, &mut pending.answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => (pending.since, Grant::Unavailable),
            // the answer may still come, and bring tokens
            Err(_) => return Err(first.fail()),
        };
        first.pending = None;
        match grant {
            Grant::Slots(slots) if slots.is_empty() => first.not_before = Some(at + SHORTEST_WAIT),
            Grant::Slots(slots) => self.state().slots = slots.into_iter().map(|slot| after(at, slot)).collect(),
            Grant::Wait(wait) => first.not_before = Some(after(at, wait.max(SHORTEST_WAIT))),
            Grant::Paused(pause) => self.state().pause(after(at, pause.max(SHORTEST_WAIT))),
            // a cancelled waiter asked, and its answer is old
            Grant::Unavailable if at < since => {}
            Grant::Unavailable => return Err(first.fail()),
        }
        Ok(())
    }

    /// Asks the token server, if there is one.
    fn request(&self, per_second: NonZeroU32) -> Option<Pending> {
        let most = per_second.get().div_ceil(10).min(MOST);
        let wanted = self.waiting.load(Ordering::Relaxed).clamp(1, most);
        let (reply, answer) = Reply::new();
        let request = Request::Tokens { limit: self.limit.clone(), per_second, wanted, reply };
        self.server.try_send(request).ok()?;
        Some(Pending { since: Instant::now(), answer })
    }

    /// Fails during a pause that is known of.
    fn check_pause(&self) -> Result<(), Refused> {
        match self.state().paused_until {
            Some(until) if until > Instant::now() => Err(Refused::Paused(until)),
            Some(_) | None => Ok(()),
        }
    }

    /// The upstream answered this process with a `Retry-After`: forgets borrowed tokens, and reports it to the others
    /// unless they know.
    pub(crate) fn report_pause(&self, seconds: i64) {
        let pause = gate_state::heeded(seconds);
        let until = Instant::now() + pause;
        let mut state = self.state();
        state.slots.clear();
        if pause.is_zero() || state.paused_until.is_some_and(|known| until < known + WORTH_REPORTING) {
            return;
        }
        let seconds = i64::try_from(pause.as_secs()).unwrap_or(i64::MAX);
        match self.server.try_send(Request::Pause { limit: self.limit.clone(), seconds }) {
            Ok(()) => state.pause(until),
            Err(_) => tracing::warn!(
                limit = self.limit,
                seconds,
                "a `Retry-After` could not be reported to the other processes"
            ),
        }
        self.paused.notify_one();
    }

    /// It answered another process so, and all know: forgets borrowed tokens.
    pub(crate) fn pause(&self, seconds: i64) {
        let mut state = self.state();
        state.slots.clear();
        state.pause(Instant::now() + gate_state::heeded(seconds));
        self.paused.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl First {
    /// Notes that the token server does not answer.
    fn fail(&mut self) -> Refused {
        self.failed_at = Some(Instant::now());
        Refused::Unavailable
    }
}

impl State {
    /// Uses the next token, if it may be used by now.
    fn next(&mut self, now: Instant) -> Next {
        while self.slots.front().is_some_and(|slot| *slot + STALE < now) {
            self.slots.pop_front();
        }
        match self.slots.front() {
            Some(slot) if *slot > now => Next::WaitUntil(*slot),
            Some(_) => {
                self.slots.pop_front();
                Next::UseNow
            }
            None => Next::Borrow,
        }
    }

    /// Notes a pause that all processes know of; never shortens one.
    fn pause(&mut self, until: Instant) {
        self.paused_until = self.paused_until.max(Some(until));
    }
}

/// `span` after `at`; an answer beyond all measure counts as an hour.
fn after(at: Instant, span: Duration) -> Instant {
    at + span.min(gate_state::LONGEST)
}

/// One more in the queue, for as long as this lives.
struct Waiting<'a>(&'a AtomicU32);

impl<'a> Waiting<'a> {
    fn of(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
