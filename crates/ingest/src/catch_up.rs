//! Fetches the events that no webhook brought: a net below the webhooks.
//!
//! They only make accounts due, like any event, and each is kept once; so reading too many, or in any order, does no harm.
//! A source that lists no past events is not caught up on here.

use chrono::Duration;
use entitlement::model::clock::{Clock, Timestamp};
use entitlement::model::failure::Failure;
use source::feed::Feed;
use source::source::Source;
use source::sources::Sources;
use store::error::StoreError;
use store::event::{Event, Recorded};
use store::open::Store;

use crate::inbox;

/// The note that a reconciliation of all accounts is wanted, since when: events were lost that cannot be fetched.
pub const RECONCILIATION_WANTED: &str = "reconciliation_requested";
/// An event may come to light a little after it was made.
const OVERLAP: Duration = Duration::minutes(10);

/// What catching up needs.
#[derive(Clone, Debug)]
pub struct CatchUp {
    pub store: Store,
    pub sources: Sources,
    pub clock: Clock,
}

/// Since when events are caught up on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// Since an earlier run of the program: there may be something to catch up on.
    Before,
    Now,
}

/// How far catching up has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caught {
    /// Events that the sources listed.
    pub read: u64,
    /// Those of them that were not in the inbox.
    pub missed: u64,
}

/// Catching up did not come to its end; the next time begins where this one did.
#[derive(Debug, thiserror::Error)]
pub enum CatchUpError {
    #[error(transparent)]
    Upstream(#[from] Failure),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CatchUp {
    /// Makes a beginning where there is none: now. To be called before events are taken in.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn begin(&self) -> Result<Begun, StoreError> {
        let mut begun = Begun::Now;
        for (source, _) in self.feeds() {
            if self.cursor(source).await?.is_some() {
                begun = Begun::Before;
                continue;
            }
            tracing::info!(
                "catching up on events begins now; accounts from before wait for their next event or a resync"
            );
            self.keep_cursor(source, (self.clock)()).await?;
        }
        Ok(begun)
    }

    /// Whether the last time was `every` ago, or longer, for any source.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn is_due(&self, every: std::time::Duration) -> Result<bool, StoreError> {
        for (source, _) in self.feeds() {
            let since = self.cursor(source).await?.map(|cursor| (self.clock)() - cursor);
            if since.is_none_or(|since| since.to_std().is_ok_and(|since| since >= every)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Records all events since the last time that are not in the inbox. Answers how many those were.
    ///
    /// # Errors
    /// When a source or the database does not answer; the other sources are caught up on all the same.
    pub async fn run(&self) -> Result<u64, CatchUpError> {
        let mut missed = 0;
        let mut failed = None;
        for (source, feed) in self.feeds() {
            match self.run_one(source, feed).await {
                Ok(of_source) => missed += of_source,
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        if missed > 0 {
            tracing::warn!(events = missed, "caught up on {missed} events that no webhook had brought");
        }
        failed.map_or(Ok(missed), Err)
    }

    async fn run_one(&self, source: &Source, feed: Feed<'_>) -> Result<u64, CatchUpError> {
        let now = (self.clock)();
        let cursor = self.cursor(source).await?.unwrap_or(now);
        let oldest = now - feed.reaches_back();
        if cursor < oldest {
            tracing::warn!(
                "events of more than {} days ago cannot be fetched any more: a reconciliation of all accounts begins by \
                 itself",
                feed.reaches_back().num_days()
            );
            self.store.set_daemon_state(RECONCILIATION_WANTED, now.to_rfc3339()).await?;
        }
        let mut caught = Caught::default();
        self.fetch(source, feed, cursor.max(oldest) - OVERLAP, &mut caught, &mut |_| {}).await?;
        self.keep_cursor(source, now).await?;
        Ok(caught.missed)
    }

    /// How far back the source lists its events that lists them longest; `None` where none does.
    #[must_use]
    pub fn longest_reach(&self) -> Option<Duration> {
        self.feeds().map(|(_, feed)| feed.reaches_back()).max()
    }

    /// Records all events made since then that are not in the inbox, whatever was caught up on before; `progress` hears how
    /// far it has come.
    ///
    /// # Errors
    /// When a source or the database does not answer.
    pub async fn back_to(&self, since: Timestamp, mut progress: impl FnMut(Caught)) -> Result<Caught, CatchUpError> {
        let mut caught = Caught::default();
        for (source, feed) in self.feeds() {
            let since = since.max((self.clock)() - feed.reaches_back());
            self.fetch(source, feed, since, &mut caught, &mut progress).await?;
        }
        Ok(caught)
    }

    async fn fetch(
        &self,
        source: &Source,
        feed: Feed<'_>,
        since: Timestamp,
        caught: &mut Caught,
        progress: &mut impl FnMut(Caught),
    ) -> Result<(), CatchUpError> {
        let mut after = None;
        loop {
            let page = feed.page(since, after).await?;
            for event in page.events {
                caught.missed += self.record(inbox::event(event, source.mode(), None)).await?;
                caught.read += 1;
            }
            progress(*caught);
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn record(&self, event: Event) -> Result<u64, StoreError> {
        let kind = event.kind.clone();
        match self.store.slot_when_free().await?.record(event).await? {
            Recorded::Duplicate => Ok(0),
            Recorded::New => {
                metrics::counter!("grantsync_events_total", "type" => kind, "outcome" => "caught_up").increment(1);
                Ok(1)
            }
        }
    }

    fn feeds(&self) -> impl Iterator<Item = (&Source, Feed<'_>)> {
        self.sources.iter().filter_map(|source| Some((source, source.feed()?)))
    }

    async fn cursor(&self, source: &Source) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.store.daemon_state(source.kind().catch_up_note()).await?.and_then(|text| text.parse().ok()))
    }

    async fn keep_cursor(&self, source: &Source, at: Timestamp) -> Result<(), StoreError> {
        self.store.set_daemon_state(source.kind().catch_up_note(), at.to_rfc3339()).await
    }
}
