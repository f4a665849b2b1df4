//! Events of the past: what a webhook may have failed to bring.
//!
//! Stripe lists them for 30 days (<https://docs.stripe.com/api/events>), rendered in the version of their time; only their
//! envelopes are read.

use chrono::Duration;
use entitlement::model::clock::Timestamp;
use entitlement::model::event::EventPage;
use entitlement::model::failure::Failure;
use stripe_client_core::StripeRequest;
use stripe_core::event::ListEvent;
use stripe_types::RangeQueryTs;

use crate::api::Api;
use crate::client::Stripe;
use crate::envelope::{self, Envelope};
use crate::shape::{List, id_of};

/// Stripe lists no older events (<https://docs.stripe.com/api/events>).
pub const REACHES_BACK: Duration = Duration::days(30);

/// The types that are asked for: those that can change somebody's access; a request takes at most twenty
/// (<https://docs.stripe.com/api/events/list>, `types`).
pub const TYPES: [&str; 20] = [
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "customer.subscription.pending_update_applied",
    "customer.updated",
    "customer.deleted",
    "invoice.paid",
    "invoice.payment_failed",
    "invoice.voided",
    "invoice.marked_uncollectible",
    "charge.refunded",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.closed",
];

impl Stripe {
    /// Events made at or after `since`, beginning after the event `after`.
    ///
    /// # Errors
    /// The failed request.
    pub async fn events(&self, since: Timestamp, after: Option<String>) -> Result<EventPage, Failure> {
        let mut request = ListEvent::new().created(RangeQueryTs::gte(since.timestamp())).limit(100);
        request = request.types(TYPES.map(str::to_owned));
        if let Some(after) = after {
            request = request.starting_after(after);
        }
        let list: List = Api::new(&self.upstream, None).get("events of the past", request.build()).await?;
        let last = list.data.last().and_then(id_of);
        let envelopes = list.data.iter().filter_map(|event| envelope::read(event.text().as_bytes()).ok());
        let events = envelopes.map(Envelope::into_event).collect();
        Ok(EventPage { events, next: last.filter(|_| list.has_more) })
    }
}
