//! A rate limit that several processes keep together, by tokens that are lent to each.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex as Lock, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex, Notify, oneshot};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::lender::{Ask, Lender, Lent, MOST, Reply};
use crate::limit::Refusal;
use crate::pause;

#[cfg(test)]
mod tests;

/// A token whose slot is longer past is not used: others have long made up for it.
const STALE: Duration = Duration::from_millis(500);
/// How long the lender may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long is waited at least before the lender is asked the same again.
const PAUSE: Duration = Duration::from_millis(10);
/// A pause that ends less than this later than the one all know of is not told.
const WORTH_TELLING: Duration = Duration::from_secs(1);

/// One process's part in a shared limit; it hands out in the order of asking.
///
/// Tokens come in leases: as many as wait for one, a tenth of a second's worth at most. So a busy process asks ten
/// times a second when it has the limit to itself, and an idle one holds nothing. Whoever is first in the queue asks
/// and waits; if it gives up, the lease and even an answer still under way stay for the next.
#[derive(Debug)]
pub struct Shared {
    lender: Lender,
    limit: String,
    /// `None` when there is no limit, and only pauses are shared.
    per_second: Option<NonZeroU32>,
    /// How many wait for a token, the first included.
    waiting: AtomicU32,
    /// `tokio`'s lock queues fairly.
    first: Mutex<First>,
    book: Lock<Book>,
    /// A pause has begun: whoever is first need not wait for its slot.
    paused: Notify,
}

/// What is for the first in the queue alone.
#[derive(Debug, Default)]
struct First {
    /// The question under way.
    asked: Option<Asked>,
    /// When the lender wants to be asked again.
    not_before: Option<Instant>,
    /// When the lender last did not answer. Who waited then has had its answer, too.
    failed_at: Option<Instant>,
}

#[derive(Debug)]
struct Asked {
    at: Instant,
    answer: oneshot::Receiver<(Instant, Lent)>,
}

#[derive(Debug, Default)]
struct Book {
    /// When each token that was lent and not yet used may be used.
    slots: VecDeque<Instant>,
    /// The end of the pause that all processes know of.
    paused_until: Option<Instant>,
}

/// What the lease says to the first in the queue.
enum Turn {
    Now,
    At(Instant),
    Ask,
}

impl Shared {
    /// A part in the limit called `limit`; `None` is no limit.
    #[must_use]
    pub fn new(lender: Lender, limit: String, per_second: Option<NonZeroU32>) -> Self {
        let (waiting, first, book, paused) = (AtomicU32::new(0), Mutex::default(), Lock::default(), Notify::new());
        Self { lender, limit, per_second, waiting, first, book, paused }
    }

    /// Takes a token, waiting for it where there is none. Who gives up costs none.
    ///
    /// # Errors
    /// While the upstream is paused, and when the lender does not answer.
    pub async fn take(&self) -> Result<(), Refusal> {
        let Some(per_second) = self.per_second else { return Ok(()) };
        let since = Instant::now();
        let _counted = Waiting::of(&self.waiting);
        let mut first = self.first.lock().await;
        if first.failed_at.is_some_and(|failed_at| failed_at > since) {
            return Err(Refusal::Unavailable);
        }
        loop {
            self.check_pause()?;
            let turn = self.book().turn(Instant::now());
            match turn {
                Turn::Now => return Ok(()),
                Turn::At(slot) => self.rest(slot).await,
                Turn::Ask => self.borrow(&mut first, per_second, since).await?,
            }
        }
    }

    /// Waits until then, or until a pause begins.
    async fn rest(&self, until: Instant) {
        tokio::select! {
            () = sleep_until(until) => {}
            () = self.paused.notified() => {}
        }
    }

    /// Asks for tokens once and takes in the answer; `since` is when the caller began to wait.
    async fn borrow(&self, first: &mut First, per_second: NonZeroU32, since: Instant) -> Result<(), Refusal> {
        if let Some(not_before) = first.not_before.filter(|not_before| *not_before > Instant::now()) {
            self.rest(not_before).await;
            return Ok(());
        }
        let asked = match &mut first.asked {
            Some(asked) => asked,
            none => match self.ask(per_second) {
                Some(asked) => none.insert(asked),
                None => return Err(first.fail()),
            },
        };
        let (at, lent) = match timeout_at(asked.at + PATIENCE, &mut asked.answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => (asked.at, Lent::Unavailable),
            // The answer may still come, and hold tokens.
            Err(_) => return Err(first.fail()),
        };
        first.asked = None;
        match lent {
            Lent::Slots(slots) if slots.is_empty() => first.not_before = Some(at + PAUSE),
            Lent::Slots(slots) => self.book().slots = slots.into_iter().map(|slot| after(at, slot)).collect(),
            Lent::Wait(span) => first.not_before = Some(after(at, span.max(PAUSE))),
            Lent::Paused(span) => self.book().pause(after(at, span.max(PAUSE))),
            // Another asked, gave up, and left old news behind.
            Lent::Unavailable if at < since => {}
            Lent::Unavailable => return Err(first.fail()),
        }
        Ok(())
    }

    /// Puts the question to the lender, if there is one.
    fn ask(&self, per_second: NonZeroU32) -> Option<Asked> {
        let most = per_second.get().div_ceil(10).min(MOST);
        let wanted = self.waiting.load(Ordering::Relaxed).clamp(1, most);
        let (reply, answer) = Reply::new();
        let ask = Ask::Tokens { limit: self.limit.clone(), per_second, wanted, reply };
        self.lender.try_send(ask).ok()?;
        Some(Asked { at: Instant::now(), answer })
    }

    /// Fails while a pause stands that is known of.
    fn check_pause(&self) -> Result<(), Refusal> {
        match self.book().paused_until {
            Some(until) if until > Instant::now() => Err(Refusal::Paused(until)),
            Some(_) | None => Ok(()),
        }
    }

    /// The upstream asked this process for a pause: drops what is lent, and tells the others if they do not know.
    pub(crate) fn hold(&self, seconds: i64) {
        let span = pause::span(seconds);
        let until = Instant::now() + span;
        let mut book = self.book();
        book.slots.clear();
        if span.is_zero() || book.paused_until.is_some_and(|known| until < known + WORTH_TELLING) {
            return;
        }
        let seconds = i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
        match self.lender.try_send(Ask::Hold { limit: self.limit.clone(), seconds }) {
            Ok(()) => book.pause(until),
            Err(_) => tracing::warn!(limit = self.limit, seconds, "a pause cannot be told to the other processes"),
        }
        self.paused.notify_one();
    }

    /// It asked another process, and all know: drops what is lent.
    pub(crate) fn heard(&self, seconds: i64) {
        let mut book = self.book();
        book.slots.clear();
        book.pause(Instant::now() + pause::span(seconds));
        self.paused.notify_one();
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl First {
    /// Notes that the lender does not answer.
    fn fail(&mut self) -> Refusal {
        self.failed_at = Some(Instant::now());
        Refusal::Unavailable
    }
}

impl Book {
    /// Uses the next token, if it may be used by now.
    fn turn(&mut self, now: Instant) -> Turn {
        while self.slots.front().is_some_and(|slot| *slot + STALE < now) {
            self.slots.pop_front();
        }
        match self.slots.front() {
            Some(slot) if *slot > now => Turn::At(*slot),
            Some(_) => {
                self.slots.pop_front();
                Turn::Now
            }
            None => Turn::Ask,
        }
    }

    /// Notes a pause that all processes know of.
    fn pause(&mut self, until: Instant) {
        self.paused_until = self.paused_until.max(Some(until));
    }
}

/// `span` after `at`; an answer beyond all measure counts as an hour.
fn after(at: Instant, span: Duration) -> Instant {
    at + span.min(pause::LONGEST)
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
