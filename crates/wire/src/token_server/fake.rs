//! A token server in memory: the arithmetic that [`Grant`] describes, after a round trip.

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::time::sleep;

use super::*;
use crate::rate::Rate;

#[derive(Clone)]
pub(crate) struct FakeTokenServer {
    pub(crate) channel: TokenServer,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
pub(crate) struct State {
    full_at: Option<Instant>,
    paused_until: Option<Instant>,
    pub(crate) requests: usize,
    pub(crate) waits: usize,
    pub(crate) granted: usize,
    /// The pauses that were reported, in seconds.
    pub(crate) pauses: Vec<i64>,
}

impl FakeTokenServer {
    /// Answers every request; the round trip takes between a half and one and a half of `trip`.
    pub(crate) fn start(trip: Duration) -> Self {
        let (channel, mut requests) = mpsc::channel(64);
        let server = Self { channel, state: Arc::default() };
        let state = Arc::clone(&server.state);
        tokio::spawn(async move {
            let mut jitter = 0;
            while let Some(request) = requests.recv().await {
                jitter = (jitter + 3) % 8;
                match request {
                    Request::Tokens { per_second, wanted, reply, .. } => {
                        let trip = trip * (4 + jitter) / 8;
                        tokio::spawn(answer(Arc::clone(&state), Rate::of(per_second), wanted, reply, trip));
                    }
                    Request::Pause { seconds, .. } => state.lock().unwrap().pause(seconds, Instant::now()),
                }
            }
        });
        server
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

async fn answer(state: Arc<Mutex<State>>, rate: Rate, wanted: u32, reply: Reply, trip: Duration) {
    sleep(trip / 2).await;
    let grant = state.lock().unwrap().grant(rate, wanted, Instant::now());
    sleep(trip / 2).await;
    reply.send(grant);
}

impl State {
    fn grant(&mut self, rate: Rate, wanted: u32, now: Instant) -> Grant {
        self.requests += 1;
        if let Some(until) = self.paused_until.filter(|until| *until > now) {
            return Grant::Paused(until - now);
        }
        let ahead = self.full_at.map_or(Duration::ZERO, |full_at| full_at.saturating_duration_since(now));
        if let Some(wait) = ahead.checked_sub(rate.tolerance + HORIZON).filter(|wait| !wait.is_zero()) {
            self.waits += 1;
            return Grant::Wait(wait);
        }
        self.granted += wanted as usize;
        self.full_at = Some(now + ahead + rate.interval * wanted);
        Grant::Slots((0..wanted).map(|i| (ahead + rate.interval * i).saturating_sub(rate.tolerance)).collect())
    }

    fn pause(&mut self, seconds: i64, now: Instant) {
        self.pauses.push(seconds);
        self.paused_until = self.paused_until.max(Some(now + Duration::from_secs(seconds.unsigned_abs())));
    }
}
