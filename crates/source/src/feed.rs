//! The past events of a source, where it lists them.

use chrono::Duration;
use entitlement::model::clock::Timestamp;
use entitlement::model::event::EventPage;
use entitlement::model::failure::Failure;
use stripe::client::Stripe;
use stripe::events;

/// A source that lists its past events.
#[derive(Clone, Copy, Debug)]
pub enum Feed<'a> {
    Stripe(&'a Stripe),
}

impl Feed<'_> {
    /// How old the oldest event is that can still be listed.
    #[must_use]
    pub fn reaches_back(self) -> Duration {
        match self {
            Self::Stripe(_) => events::REACHES_BACK,
        }
    }

    /// Events made at or after `since`, the newest first; `after` is where the page before said that this one begins.
    ///
    /// # Errors
    /// The failed request.
    pub async fn page(self, since: Timestamp, after: Option<String>) -> Result<EventPage, Failure> {
        match self {
            Self::Stripe(stripe) => stripe.events(since, after).await,
        }
    }
}
