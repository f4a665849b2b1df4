//! Fetches the events that no webhook brought: a net below the webhooks.
//!
//! They only ring bells, like any event, and each is kept once; so reading too many, or in any order, does no harm.

use chrono::Duration;
use entitlement::clock::{Clock, Timestamp};
use entitlement::failure::Failure;
use entitlement::names::Mode;
use store::error::StoreError;
use store::event::{Event, Recorded};
use store::open::Store;
use stripe::reader::Stripe;

use crate::event;

/// Where the moment of the last complete catch-up is kept.
const CURSOR: &str = "catch_up";
/// Where it is kept that a round over all accounts is wanted, since when: events were lost that cannot be fetched.
pub const ROUND_WANTED: &str = "round wanted";
/// Stripe lists no older events.
pub const HORIZON: Duration = Duration::days(30);
/// An event may come to light a little after it was made.
const OVERLAP: Duration = Duration::minutes(10);

/// What catching up needs.
#[derive(Clone, Debug)]
pub struct CatchUp {
    pub store: Store,
    pub stripe: Stripe,
    /// The mode of the configured key.
    pub mode: Option<Mode>,
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
    /// Events that Stripe listed.
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
        let begun = if self.cursor().await?.is_some() { Begun::Before } else { Begun::Now };
        if begun == Begun::Now {
            tracing::info!(
                "catching up on events begins now; accounts from before wait for their next event or a resync"
            );
            self.store.set_daemon_state(CURSOR, (self.clock)().to_rfc3339()).await?;
        }
        Ok(begun)
    }

    /// Whether the last time was `every` ago, or longer.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn is_due(&self, every: std::time::Duration) -> Result<bool, StoreError> {
        let since = self.cursor().await?.map(|cursor| (self.clock)() - cursor);
        Ok(since.is_none_or(|since| since.to_std().is_ok_and(|since| since >= every)))
    }

    /// Rings for all events since the last time that are not in the inbox. Answers how many those were.
    ///
    /// # Errors
    /// When Stripe or the database does not answer.
    pub async fn run(&self) -> Result<u64, CatchUpError> {
        let now = (self.clock)();
        let cursor = self.cursor().await?.unwrap_or(now);
        if now - cursor > HORIZON {
            tracing::warn!(
                "events of more than 30 days ago cannot be fetched any more: a round over all accounts begins by itself"
            );
            self.store.set_daemon_state(ROUND_WANTED, now.to_rfc3339()).await?;
        }
        let Caught { missed, .. } = self.back_to(cursor.max(now - HORIZON) - OVERLAP, |_| {}).await?;
        self.store.set_daemon_state(CURSOR, now.to_rfc3339()).await?;
        if missed > 0 {
            tracing::warn!(events = missed, "caught up on {missed} events that no webhook had brought");
        }
        Ok(missed)
    }

    /// Rings for all events made since then that are not in the inbox, whatever was caught up on before; `tell` hears how
    /// far it has come.
    ///
    /// # Errors
    /// When Stripe or the database does not answer.
    pub async fn back_to(&self, since: Timestamp, mut tell: impl FnMut(Caught)) -> Result<Caught, CatchUpError> {
        let (mut caught, mut after) = (Caught::default(), None);
        loop {
            let page = self.stripe.events(since, after).await?;
            for envelope in page.envelopes {
                caught.missed += self.record(event::of(envelope, self.mode, None)).await?;
                caught.read += 1;
            }
            tell(caught);
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(caught),
            }
        }
    }

    async fn cursor(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.store.daemon_state(CURSOR).await?.and_then(|text| text.parse().ok()))
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
}
