//! A lender that plays the database: the arithmetic that [`Lent`] describes, with a way there and back.

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::time::sleep;

use super::*;
use crate::pace::Pace;

#[derive(Clone)]
pub(crate) struct Played {
    pub(crate) lender: Lender,
    book: Arc<Mutex<Book>>,
}

#[derive(Default)]
pub(crate) struct Book {
    full_at: Option<Instant>,
    held_until: Option<Instant>,
    pub(crate) asks: usize,
    pub(crate) waits: usize,
    pub(crate) lent: usize,
    /// The pauses that were told, in seconds.
    pub(crate) held: Vec<i64>,
}

impl Played {
    /// Answers whatever is asked; the way takes between a half and one and a half of `trip`.
    pub(crate) fn start(trip: Duration) -> Self {
        let (lender, mut asked) = mpsc::channel(64);
        let played = Self { lender, book: Arc::default() };
        let book = Arc::clone(&played.book);
        tokio::spawn(async move {
            let mut turn = 0;
            while let Some(ask) = asked.recv().await {
                turn = (turn + 3) % 8;
                match ask {
                    Ask::Tokens { per_second, wanted, reply, .. } => {
                        let (book, pace) = (Arc::clone(&book), Pace::of(per_second));
                        tokio::spawn(answer(book, pace, wanted, reply, trip * (4 + turn) / 8));
                    }
                    Ask::Hold { seconds, .. } => book.lock().unwrap().hold(seconds, Instant::now()),
                }
            }
        });
        played
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }
}

async fn answer(book: Arc<Mutex<Book>>, pace: Pace, wanted: u32, reply: Reply, trip: Duration) {
    sleep(trip / 2).await;
    let lent = book.lock().unwrap().lend(pace, wanted, Instant::now());
    sleep(trip / 2).await;
    reply.send(lent);
}

impl Book {
    fn lend(&mut self, pace: Pace, wanted: u32, now: Instant) -> Lent {
        self.asks += 1;
        if let Some(until) = self.held_until.filter(|until| *until > now) {
            return Lent::Paused(until - now);
        }
        let ahead = self.full_at.map_or(Duration::ZERO, |full_at| full_at.saturating_duration_since(now));
        if let Some(wait) = ahead.checked_sub(pace.spare + HORIZON).filter(|wait| !wait.is_zero()) {
            self.waits += 1;
            return Lent::Wait(wait);
        }
        self.lent += wanted as usize;
        self.full_at = Some(now + ahead + pace.interval * wanted);
        Lent::Slots((0..wanted).map(|i| (ahead + pace.interval * i).saturating_sub(pace.spare)).collect())
    }

    fn hold(&mut self, seconds: i64, now: Instant) {
        self.held.push(seconds);
        self.held_until = self.held_until.max(Some(now + Duration::from_secs(seconds.unsigned_abs())));
    }
}
