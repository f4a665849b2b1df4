//! Rate limits that hold over all processes: tokens are granted in batches, not one by one.
//!
//! One number a limit: `full_at`, when its bucket is full again if nothing is taken (the generic cell rate algorithm).
//! Granting `n` tokens moves it by `n` intervals. A bucket holds half a second's worth, which may be used at once;
//! further tokens come at their slots, which are granted first come, first served.

use std::time::Duration;

use entitlement::model::clock::Timestamp;

use crate::connection::Connection;
use crate::error::StoreError;
use crate::open::Store;
use crate::statement::sql;
use crate::tokens::{TokenGrant, TokenRequest, UpstreamPause};
use crate::write::Write;

/// How far ahead slots are granted, in microseconds; whoever would get a later one is to wait.
const HORIZON: i64 = 30_000_000;
/// A bucket that would be full later than this, in microseconds, was written by a clock that has been set back since.
const LATEST_FULL: i64 = 60_000_000;
/// The longest pause, in seconds.
const LONGEST_PAUSE: i64 = 3600;

impl Store {
    /// Grants tokens of a rate limit.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn request_tokens(&self, request: TokenRequest) -> Result<TokenGrant, StoreError> {
        self.write(Write::RequestTokens(request)).await?.try_into()
    }

    /// Keeps all processes from an upstream for a while; never shortens a pause.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn pause_upstream(&self, pause: UpstreamPause) -> Result<(), StoreError> {
        self.write(Write::PauseUpstream(pause.clone())).await?;
        self.notifier.send_pause(&pause);
        Ok(())
    }
}

/// A limit's row; times are microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bucket {
    full_at: i64,
    paused_until: i64,
}

pub(crate) async fn grant(
    connection: &mut Connection,
    request: &TokenRequest,
    now: Timestamp,
) -> Result<TokenGrant, StoreError> {
    let now = now.timestamp_micros();
    let bucket = lock_bucket(connection, &request.limit, now).await?;
    let (grant, full_at) = bucket.grant(request, now);
    if full_at != bucket.full_at {
        let query = sql("UPDATE rate_limits SET full_at = $2 WHERE name = $1").bind(&request.limit).bind(full_at);
        query.execute(connection).await.map_err(StoreError::on("granting tokens"))?;
    }
    Ok(grant)
}

/// The bucket of `limit`, locked; a new one where there is none.
async fn lock_bucket(connection: &mut Connection, limit: &str, now: i64) -> Result<Bucket, StoreError> {
    if let Some(bucket) = find_bucket(connection, limit).await? {
        return Ok(bucket);
    }
    let query = sql("INSERT INTO rate_limits (name, full_at) VALUES ($1, $2) ON CONFLICT DO NOTHING");
    let inserted = query.bind(limit).bind(now).execute(connection).await;
    inserted.map_err(StoreError::on("beginning a rate limit"))?;
    let found = find_bucket(connection, limit).await?;
    Ok(found.unwrap_or(Bucket { full_at: now, paused_until: 0 }))
}

async fn find_bucket(connection: &mut Connection, limit: &str) -> Result<Option<Bucket>, StoreError> {
    let query = sql("SELECT full_at, paused_until FROM rate_limits WHERE name = $1").bind(limit).locking();
    let row = query.fetch_first(connection).await.map_err(StoreError::on("reading a rate limit"))?;
    Ok(row.map(|row| Bucket { full_at: row.get("full_at"), paused_until: row.get("paused_until") }))
}

impl Bucket {
    /// What can be granted at `now`, and when the bucket is full after that.
    fn grant(self, request: &TokenRequest, now: i64) -> (TokenGrant, i64) {
        if self.paused_until > now {
            return (TokenGrant::Paused(micros(self.paused_until - now)), self.full_at);
        }
        let per_second = i64::from(request.per_second.max(1));
        let interval = (1_000_000 / per_second).max(1);
        // half a second's worth, less the token that is asked for
        let tolerance = ((per_second + 1) / 2 - 1) * interval;
        let base = if self.full_at - now > LATEST_FULL { now } else { self.full_at.max(now) };
        let first = base - tolerance;
        let left = now + HORIZON - first;
        if left < 0 {
            return (TokenGrant::Wait(micros(-left)), self.full_at);
        }
        let count = i64::from(request.wanted.max(1)).min(left / interval + 1);
        let slots = (0..count).map(|number| micros(first + number * interval - now)).collect();
        (TokenGrant::Slots(slots), base + count * interval)
    }
}

fn micros(micros: i64) -> Duration {
    Duration::from_micros(micros.max(0).unsigned_abs())
}

pub(crate) async fn pause(
    connection: &mut Connection,
    pause: &UpstreamPause,
    now: Timestamp,
) -> Result<(), StoreError> {
    let seconds = pause.seconds.clamp(0, LONGEST_PAUSE);
    let now = now.timestamp_micros();
    let query = sql("INSERT INTO rate_limits (name, full_at, paused_until) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET paused_until = CASE WHEN rate_limits.paused_until < excluded.paused_until
                                                         THEN excluded.paused_until ELSE rate_limits.paused_until END");
    let query = query.bind(&pause.limit).bind(now).bind(now + seconds * 1_000_000);
    query.queue(connection, "pausing an upstream").await
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000_000;

    fn request(per_second: u32, wanted: u32) -> TokenRequest {
        TokenRequest { limit: "stripe:0".into(), per_second, wanted }
    }

    /// Tokens that can be used within `seconds`, asked for ten at a time until there are no more before the end.
    fn used_within(seconds: u64, per_second: u32) -> usize {
        let mut bucket = Bucket { full_at: NOW, paused_until: 0 };
        let mut used = 0;
        loop {
            let (grant, full_at) = bucket.grant(&request(per_second, 10), NOW);
            bucket.full_at = full_at;
            let TokenGrant::Slots(slots) = grant else { panic!("{grant:?}") };
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
        let fresh = Bucket { full_at: NOW, paused_until: 0 };
        let (grant, _) = fresh.grant(&request(10, 7), NOW);
        let TokenGrant::Slots(slots) = grant else { panic!("{grant:?}") };
        let millis: Vec<u128> = slots.iter().map(Duration::as_millis).collect();
        assert_eq!(millis, [0, 0, 0, 0, 0, 100, 200]);
    }

    #[test]
    fn whoever_would_wait_for_half_a_minute_asks_again_then() {
        let full = Bucket { full_at: NOW + 40_000_000, paused_until: 0 };
        assert_eq!(full.grant(&request(1, 1), NOW).0, TokenGrant::Wait(Duration::from_secs(10)));
        let set_back = Bucket { full_at: NOW + 4_000_000_000, paused_until: 0 };
        assert_eq!(set_back.grant(&request(1, 1), NOW).0, TokenGrant::Slots(vec![Duration::ZERO]));
    }

    #[test]
    fn of_a_paused_upstream_nothing_is_granted() {
        let paused = Bucket { full_at: NOW, paused_until: NOW + 5_000_000 };
        assert_eq!(paused.grant(&request(10, 1), NOW).0, TokenGrant::Paused(Duration::from_secs(5)));
        assert!(matches!(paused.grant(&request(10, 1), NOW + 5_000_000).0, TokenGrant::Slots(_)));
    }
}
