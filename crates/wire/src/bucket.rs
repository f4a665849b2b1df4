//! A token bucket: how many requests a second this process may send.

use std::num::NonZeroU32;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::rate::Rate;

/// A token bucket that holds half a second's worth ([`Rate`]) and grants tokens first come, first served.
///
/// The first waiter holds the lock until its token is there; `tokio`'s lock queues the others fairly. A waiter that is
/// cancelled leaves the queue and costs no token.
#[derive(Debug)]
pub struct Bucket {
    rate: Rate,
    /// When the bucket is full again if nothing is taken.
    full_at: Mutex<Instant>,
}

impl Bucket {
    /// A full bucket for `per_second` requests a second.
    #[must_use]
    pub fn new(per_second: NonZeroU32) -> Self {
        Self { rate: Rate::of(per_second), full_at: Mutex::new(Instant::now()) }
    }

    /// Takes a token, waiting for it where there is none.
    pub async fn take(&self) {
        let mut full_at = self.full_at.lock().await;
        let now = Instant::now();
        let ahead = full_at.saturating_duration_since(now);
        if ahead > self.rate.tolerance {
            sleep_until(now + (ahead - self.rate.tolerance)).await;
        }
        *full_at = (*full_at).max(now) + self.rate.interval;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    fn bucket(per_second: u32) -> Arc<Bucket> {
        Arc::new(Bucket::new(NonZeroU32::new(per_second).unwrap()))
    }

    async fn taken_within(bucket: &Arc<Bucket>, span: Duration) -> usize {
        let mut count = 0;
        let end = Instant::now() + span;
        while tokio::time::timeout_at(end, bucket.take()).await.is_ok() {
            count += 1;
        }
        count
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_seconds_worth_is_there_at_once_and_the_rate_after_it() {
        let bucket = bucket(10);
        assert_eq!(taken_within(&bucket, Duration::from_millis(5)).await, 5);
        let further = taken_within(&bucket, Duration::from_millis(2_000)).await;
        assert!((19..=21).contains(&further), "{further}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_time_fills_the_bucket_and_never_overfills_it() {
        let bucket = bucket(10);
        taken_within(&bucket, Duration::from_millis(5)).await;
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(taken_within(&bucket, Duration::from_millis(5)).await, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_are_granted_first_come_first_served() {
        let bucket = bucket(1);
        let (sender, mut served) = tokio::sync::mpsc::unbounded_channel();
        for number in 0..5 {
            let (bucket, sender) = (Arc::clone(&bucket), sender.clone());
            tokio::spawn(async move {
                bucket.take().await;
                sender.send(number).unwrap();
            });
        }
        for number in 0..5 {
            assert_eq!(served.recv().await, Some(number));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_waiter_takes_no_token() {
        let bucket = bucket(1);
        bucket.take().await;
        for _ in 0..100 {
            assert!(tokio::time::timeout(Duration::from_millis(1), bucket.take()).await.is_err());
        }
        assert!(tokio::time::timeout(Duration::from_secs(1), bucket.take()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn ten_saturated_seconds_stay_within_five_percent() {
        for per_second in [2, 20, 100] {
            let taken = taken_within(&bucket(per_second), Duration::from_secs(10)).await as f64;
            let rate = taken / f64::from(10 * per_second);
            assert!((1.0..=1.051).contains(&rate), "{per_second} a second: {rate}");
        }
    }
}
