//! Rate limits that hold over all processes: tokens are lent in batches, not asked for one by one.
//!
//! One number a limit: `full_at`, the moment its bucket would be full again, were nothing taken (the generic cell rate
//! algorithm). Lending `n` tokens moves it by `n` intervals. A bucket holds half a second's worth, which may be used at
//! once; further tokens come at their slots, which are given in the order of asking.

use std::time::Duration;

use entitlement::clock::Timestamp;

use crate::connection::Connection;
use crate::error::StoreError;
use crate::open::Store;
use crate::statement::sql;
use crate::tokens::{TokenGrant, TokenRequest, UpstreamPause};
use crate::writer::Op;

/// How far ahead slots are lent, in microseconds; beyond it whoever asks is to wait.
const AHEAD: i64 = 30_000_000;
/// A bucket that would take longer to be full than this was filled under a clock that has been set back since.
const BELIEVED: i64 = 60_000_000;
/// The longest pause that is kept for the others.
const LONGEST_HOLD: i64 = 3600;

impl Store {
    /// Lends tokens of a rate limit.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn request_tokens(&self, ask: TokenRequest) -> Result<TokenGrant, StoreError> {
        self.write(Op::Lend(ask)).await?.try_into()
    }

    /// Keeps all processes from an upstream for a while; never shortens a pause.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn pause_upstream(&self, held: UpstreamPause) -> Result<(), StoreError> {
        self.write(Op::Hold(held.clone())).await?;
        self.bell.tell_held(&held);
        Ok(())
    }
}

/// Where a limit stands, in microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    full_at: i64,
    held_until: i64,
}

pub(crate) async fn lend(
    connection: &mut Connection,
    ask: &TokenRequest,
    now: Timestamp,
) -> Result<TokenGrant, StoreError> {
    let now = now.timestamp_micros();
    let standing = standing(connection, &ask.limit, now).await?;
    let (lent, full_at) = lent(standing, ask, now);
    if full_at != standing.full_at {
        let query = sql("UPDATE limits SET full_at = $2 WHERE name = $1").bind(&ask.limit).bind(full_at);
        query.execute(connection).await.map_err(StoreError::on("lending tokens"))?;
    }
    Ok(lent)
}

async fn standing(connection: &mut Connection, limit: &str, now: i64) -> Result<Standing, StoreError> {
    let find = || sql("SELECT full_at, held_until FROM limits WHERE name = $1").bind(limit).locking();
    let failed = StoreError::on;
    let mut found = find().fetch_first(connection).await.map_err(failed("reading a rate limit"))?;
    if found.is_none() {
        let begin = sql("INSERT INTO limits (name, full_at) VALUES ($1, $2) ON CONFLICT DO NOTHING");
        begin.bind(limit).bind(now).execute(connection).await.map_err(failed("beginning a rate limit"))?;
        found = find().fetch_first(connection).await.map_err(failed("reading a rate limit"))?;
    }
    let fresh = Standing { full_at: now, held_until: 0 };
    Ok(found.map_or(fresh, |row| Standing { full_at: row.get("full_at"), held_until: row.get("held_until") }))
}

/// What can be lent at `now`, and when the bucket is full after that.
fn lent(standing: Standing, ask: &TokenRequest, now: i64) -> (TokenGrant, i64) {
    let micros = |micros: i64| Duration::from_micros(micros.max(0).unsigned_abs());
    if standing.held_until > now {
        return (TokenGrant::Paused(micros(standing.held_until - now)), standing.full_at);
    }
    let per_second = i64::from(ask.per_second.max(1));
    let interval = (1_000_000 / per_second).max(1);
    // half a second's worth, less the token that is asked for
    let burst = ((per_second + 1) / 2 - 1) * interval;
    let base = if standing.full_at - now > BELIEVED { now } else { standing.full_at.max(now) };
    let slot = |number: i64| base + number * interval - burst;
    let room = now + AHEAD - slot(0);
    if room < 0 {
        return (TokenGrant::Wait(micros(-room)), standing.full_at);
    }
    let count = i64::from(ask.wanted.max(1)).min(room / interval + 1);
    let slots = (0..count).map(|number| micros(slot(number) - now)).collect();
    (TokenGrant::Slots(slots), base + count * interval)
}

pub(crate) async fn hold(connection: &mut Connection, held: &UpstreamPause, now: Timestamp) -> Result<(), StoreError> {
    let seconds = held.seconds.clamp(0, LONGEST_HOLD);
    let query = sql("INSERT INTO limits (name, full_at, held_until) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET held_until = CASE WHEN limits.held_until < excluded.held_until
                                                       THEN excluded.held_until ELSE limits.held_until END");
    let (now, name) = (now.timestamp_micros(), held.limit.as_str());
    let query = query.bind(name).bind(now).bind(now + seconds * 1_000_000);
    query.later(connection, "pausing an upstream").await
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000_000;

    fn ask(per_second: u32, wanted: u32) -> TokenRequest {
        TokenRequest { limit: "stripe:0".into(), per_second, wanted }
    }

    /// Tokens that can be used within `seconds`, asked for ten at a time until there are no more before the end.
    fn used_within(seconds: u64, per_second: u32) -> usize {
        let (mut standing, mut used) = (Standing { full_at: NOW, held_until: 0 }, 0);
        loop {
            let (lent, full_at) = lent(standing, &ask(per_second, 10), NOW);
            standing.full_at = full_at;
            let TokenGrant::Slots(slots) = lent else { panic!("{lent:?}") };
            let before = slots.iter().filter(|slot| **slot < Duration::from_secs(seconds)).count();
            used += before;
            if before < slots.len() {
                return used;
            }
        }
    }

    #[test]
    fn a_saturated_limit_stays_within_five_per_cent_over_ten_seconds() {
        for per_second in [1, 5, 20, 33, 100, 1000] {
            let (used, fair) = (used_within(10, per_second), 10 * per_second as usize);
            assert!(used >= fair && used <= fair + fair.div_ceil(20), "{used} of {fair}");
        }
    }

    #[test]
    fn half_a_seconds_worth_can_be_used_at_once_and_the_next_one_an_interval_later() {
        let fresh = Standing { full_at: NOW, held_until: 0 };
        let (lent, _) = lent(fresh, &ask(10, 7), NOW);
        let TokenGrant::Slots(slots) = lent else { panic!("{lent:?}") };
        let millis: Vec<u128> = slots.iter().map(Duration::as_millis).collect();
        assert_eq!(millis, [0, 0, 0, 0, 0, 100, 200]);
    }

    #[test]
    fn whoever_would_have_to_wait_for_half_a_minute_asks_again_then() {
        let full = Standing { full_at: NOW + 40_000_000, held_until: 0 };
        assert_eq!(lent(full, &ask(1, 1), NOW).0, TokenGrant::Wait(Duration::from_secs(10)));
        let set_back = Standing { full_at: NOW + 4_000_000_000, held_until: 0 };
        assert_eq!(lent(set_back, &ask(1, 1), NOW).0, TokenGrant::Slots(vec![Duration::ZERO]));
    }

    #[test]
    fn an_upstream_that_is_held_lends_nothing() {
        let held = Standing { full_at: NOW, held_until: NOW + 5_000_000 };
        assert_eq!(lent(held, &ask(10, 1), NOW).0, TokenGrant::Paused(Duration::from_secs(5)));
        assert!(matches!(lent(held, &ask(10, 1), NOW + 5_000_000).0, TokenGrant::Slots(_)));
    }
}
