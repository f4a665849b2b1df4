//! What is asked of whoever keeps a rate limit for all processes, and what may be answered.
//!
//! The asking half is here ([`crate::shared`]); the answering half is another room's, over the database. It answers in
//! seconds from now rather than in times of day, since the clocks of machines differ.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

#[cfg(test)]
pub(crate) mod played;

/// The way to whoever lends; clones lead to the same.
///
/// Nobody waits for room in it: when it is full, the lender counts as not answering. An upstream has one question for
/// tokens under way at a time, and tells of a pause once, so that room for 64 is plenty.
pub type Lender = mpsc::Sender<Ask>;

/// The most tokens that are asked for at once.
pub const MOST: u32 = 100;
/// How far ahead the first slot of a lease may lie; whoever asks when it would lie further is to wait.
///
/// Slots are given in the order of asking, waits end for whoever is quickest. So it lies where only a crowd gets: of
/// more than 30 processes at a rate of one a second.
pub const HORIZON: Duration = Duration::from_secs(30);

/// What a lender is asked.
#[derive(Debug)]
pub enum Ask {
    /// Tokens, to be used soon.
    Tokens {
        /// The name of the limit ([`crate::upstream::Upstream::limit_name`]).
        limit: String,
        per_second: NonZeroU32,
        /// From 1 to [`MOST`].
        wanted: u32,
        reply: Reply,
    },
    /// To tell all processes that the upstream wants to be left alone for so many seconds from now, 1 to 3600.
    ///
    /// Until then tokens are answered with [`Lent::Paused`]; a pause is never shortened. The other processes are to
    /// call [`crate::upstream::Upstream::hold`]; it does no harm if this one does, too.
    Hold { limit: String, seconds: i64 },
}

/// The answer to [`Ask::Tokens`]; spans count from the moment of [`Reply::send`].
///
/// What is kept of a limit is `full_at` and `held_until`, both times of the database's clock. In one transaction, with
/// [`Pace`](crate::pace::Pace) of the rate that was asked for, and `now` of the same clock:
///
/// ```text
/// held_until > now            answer Paused(held_until - now)
/// ahead = max(full_at - now, 0), but 0 if that is over 60 s: the clock was set back
/// ahead - spare > HORIZON     answer Wait(ahead - spare - HORIZON)
/// full_at = now + ahead + wanted * interval
///                             answer Slots(max(ahead + i * interval - spare, 0) for i in 0..wanted)
/// ```
///
/// Fewer than were wanted may be lent, but not none. Tokens that are lent and not used are lost, never given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lent {
    /// Each is the time from now at which one token may be used, in ascending order; zero is at once.
    Slots(Vec<Duration>),
    /// None are to be had before that; ask again then.
    Wait(Duration),
    /// The upstream asked, through whichever process, to be left alone for so long.
    Paused(Duration),
    /// The database does not answer.
    Unavailable,
}

/// Where the answer goes. Dropping it says [`Lent::Unavailable`].
#[derive(Debug)]
pub struct Reply(oneshot::Sender<(Instant, Lent)>);

impl Reply {
    pub(crate) fn new() -> (Self, oneshot::Receiver<(Instant, Lent)>) {
        let (reply, answer) = oneshot::channel();
        (Self(reply), answer)
    }

    /// Answers; spans in `lent` count from this moment, so nothing is to be waited for before.
    pub fn send(self, lent: Lent) {
        // Whoever asked may have given up, and nobody may ask any more.
        let _ = self.0.send((Instant::now(), lent));
    }
}
