//! Stripe's side of many webhooks: whatever is not answered with 200 is delivered again until it is.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use simulator::stripe::event::Event;
use simulator::webhook::Webhooks;
use tokio::task::JoinSet;

use crate::harness::daemon::Daemon;
use crate::harness::random::Chance;
use crate::harness::world::SECRET;

/// How long an answer is waited for.
const LONGEST: Duration = Duration::from_secs(20);

/// Events on their way to whichever ingester chance sends them to.
pub(crate) struct Post {
    endpoints: Vec<Webhooks>,
    waiting: Mutex<VecDeque<Event>>,
    chance: Mutex<Chance>,
    again_after: Duration,
    total: usize,
    delivered: AtomicUsize,
    refused: Mutex<BTreeMap<String, usize>>,
}

impl Post {
    /// Events for `ingesters`; a refused one is delivered again after `again_after`.
    pub(crate) fn new(ingesters: &[Daemon], events: Vec<Event>, chance: Chance, again_after: Duration) -> Arc<Self> {
        let endpoint = |daemon: &Daemon| Webhooks::new(format!("{}/webhooks/stripe", daemon.front), SECRET);
        Arc::new(Self {
            endpoints: ingesters.iter().map(endpoint).collect(),
            total: events.len(),
            waiting: Mutex::new(events.into()),
            chance: Mutex::new(chance),
            again_after,
            delivered: AtomicUsize::default(),
            refused: Mutex::default(),
        })
    }

    /// Delivers all, `hands` at a time.
    pub(crate) async fn deliver(self: &Arc<Self>, hands: usize) {
        let mut running = JoinSet::new();
        for _ in 0..hands {
            let post = Arc::clone(self);
            running.spawn(async move {
                while let Some(event) = post.next() {
                    post.until_delivered(&event).await;
                }
            });
        }
        while let Some(ended) = running.join_next().await {
            ended.unwrap();
        }
    }

    /// The part that is delivered, from 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "a few thousand events")]
    pub(crate) fn progress(&self) -> f64 {
        self.delivered.load(Ordering::Relaxed) as f64 / self.total as f64
    }

    /// What was answered instead of 200, and how often.
    pub(crate) fn refused(&self) -> BTreeMap<String, usize> {
        self.refused.lock().unwrap().clone()
    }

    fn next(&self) -> Option<Event> {
        self.waiting.lock().unwrap().pop_front()
    }

    async fn until_delivered(&self, event: &Event) {
        while let Err(why) = self.knock(event).await {
            *self.refused.lock().unwrap().entry(why).or_default() += 1;
            tokio::time::sleep(self.again_after).await;
        }
        self.delivered.fetch_add(1, Ordering::Relaxed);
    }

    /// One delivery at a random endpoint.
    async fn knock(&self, event: &Event) -> Result<(), String> {
        let endpoint = self.chance.lock().unwrap().below(self.endpoints.len());
        match tokio::time::timeout(LONGEST, self.endpoints[endpoint].deliver(event)).await {
            Ok(Ok(status)) if status.as_u16() == 200 => Ok(()),
            Ok(Ok(status)) => Err(status.as_u16().to_string()),
            Ok(Err(_)) => Err("broken connection".to_owned()),
            Err(_) => Err("no answer".to_owned()),
        }
    }
}
