//! How many requests a second an upstream may be sent.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// A token bucket that holds one second's worth, and hands out in the order of asking.
///
/// Whoever is first holds the lock until its token is there; `tokio`'s lock queues the others fairly. A waiter that
/// gives up leaves the queue and costs no token.
#[derive(Debug)]
pub struct Bucket {
    /// Time between two tokens; `None` when there is no limit.
    interval: Option<Duration>,
    /// When the bucket is full again, were nothing taken from now on.
    full_at: Mutex<Instant>,
}

impl Bucket {
    /// A full bucket of `per_second` tokens; 0 is no limit.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        let interval = (per_second > 0).then(|| Duration::from_secs(1) / per_second);
        Self { interval, full_at: Mutex::new(Instant::now()) }
    }

    /// Takes a token, waiting for it where there is none.
    pub async fn take(&self) {
        let Some(interval) = self.interval else { return };
        let mut full_at = self.full_at.lock().await;
        let spare = Duration::from_secs(1).saturating_sub(interval);
        let now = Instant::now();
        let ahead = full_at.saturating_duration_since(now);
        if ahead > spare {
            sleep_until(now + (ahead - spare)).await;
        }
        *full_at = (*full_at).max(now) + interval;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    async fn taken_within(bucket: &Arc<Bucket>, span: Duration) -> usize {
        let mut count = 0;
        let end = Instant::now() + span;
        while tokio::time::timeout_at(end, bucket.take()).await.is_ok() {
            count += 1;
        }
        count
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_holds_the_burst_and_the_rate_no_more() {
        let bucket = Arc::new(Bucket::new(10));
        assert_eq!(taken_within(&bucket, Duration::from_millis(5)).await, 10);
        let further = taken_within(&bucket, Duration::from_millis(2_000)).await;
        assert!((19..=21).contains(&further), "{further}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_rest_fills_the_bucket_and_never_overfills_it() {
        let bucket = Arc::new(Bucket::new(10));
        taken_within(&bucket, Duration::from_millis(5)).await;
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(taken_within(&bucket, Duration::from_millis(5)).await, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn who_asked_first_is_served_first() {
        let bucket = Arc::new(Bucket::new(1));
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        for number in 0..5 {
            let (bucket, tell) = (Arc::clone(&bucket), tell.clone());
            tokio::spawn(async move {
                bucket.take().await;
                tell.send(number).unwrap();
            });
        }
        for number in 0..5 {
            assert_eq!(told.recv().await, Some(number));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_takes_no_token() {
        let bucket = Bucket::new(1);
        bucket.take().await;
        for _ in 0..100 {
            assert!(tokio::time::timeout(Duration::from_millis(1), bucket.take()).await.is_err());
        }
        assert!(tokio::time::timeout(Duration::from_secs(1), bucket.take()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn zero_is_no_limit() {
        let bucket = Bucket::new(0);
        let start = Instant::now();
        for _ in 0..10_000 {
            bucket.take().await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
