//! What is asked of whoever keeps a rate limit for all processes, and what may be answered.
//!
//! The asking half is here ([`crate::shared_bucket`]); the answering half is another room's, over the database. It
//! answers in time from now rather than in times of day, since the clocks of machines differ.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

#[cfg(test)]
pub(crate) mod fake;

/// The channel to the token server; clones lead to the same one.
///
/// When it is full, the token server counts as not answering. An upstream has one request for tokens under way at a
/// time and reports a pause once, so that a capacity of 64 is plenty.
pub type TokenServer = mpsc::Sender<Request>;

/// The most tokens that are requested at once.
pub const MOST: u32 = 100;
/// How far ahead the first slot of a grant may lie; whoever would get a later one waits and asks again.
///
/// Slots are granted first come, first served; at the end of a wait the quickest comes first. So it lies where only a
/// crowd gets: of more than 30 processes at a rate of one a second.
pub const HORIZON: Duration = Duration::from_secs(30);

/// What the token server is asked.
#[derive(Debug)]
pub enum Request {
    /// Tokens, to be used soon.
    Tokens {
        /// The name of the limit ([`crate::upstream::Upstream::limit_name`]).
        limit: String,
        per_second: NonZeroU32,
        /// From 1 to [`MOST`].
        wanted: u32,
        reply: Reply,
    },
    /// The upstream answered with a `Retry-After` of so many seconds, 1 to 3600: all processes are to wait.
    ///
    /// Until then requests for tokens are answered with [`Grant::Paused`]; a pause is never shortened. The other
    /// processes are to call [`crate::upstream::Upstream::pause`]; it does no harm if this one does, too.
    Pause { limit: String, seconds: i64 },
}

/// The answer to [`Request::Tokens`]; times count from [`Reply::send`].
///
/// What is stored of a limit is `full_at` and `paused_until`, both by the database's clock. In one transaction, with
/// [`Rate`](crate::rate::Rate) of the rate that was asked for, and `now` of the same clock:
///
/// ```text
/// paused_until > now            answer Paused(paused_until - now)
/// ahead = max(full_at - now, 0), but 0 if that is over 60 s: the clock was set back
/// ahead - tolerance > HORIZON   answer Wait(ahead - tolerance - HORIZON)
/// full_at = now + ahead + wanted * interval
///                               answer Slots(max(ahead + i * interval - tolerance, 0) for i in 0..wanted)
/// ```
///
/// Fewer than were wanted may be granted, but not none. Tokens that are granted and not used are lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Each is the time from now at which one token may be used, in ascending order; zero is at once.
    Slots(Vec<Duration>),
    /// None is free before that; ask again then.
    Wait(Duration),
    /// The upstream answered some process with a `Retry-After` of that length.
    Paused(Duration),
    /// The database does not answer.
    Unavailable,
}

/// Where the answer goes. Dropping it answers [`Grant::Unavailable`].
#[derive(Debug)]
pub struct Reply(oneshot::Sender<(Instant, Grant)>);

impl Reply {
    pub(crate) fn new() -> (Self, oneshot::Receiver<(Instant, Grant)>) {
        let (reply, answer) = oneshot::channel();
        (Self(reply), answer)
    }

    /// Answers; times in `grant` count from now, so nothing is to be waited for before.
    pub fn send(self, grant: Grant) {
        // whoever asked may have been cancelled
        let _ = self.0.send((Instant::now(), grant));
    }
}
