//! Takes in a webhook: who signed it, and what it says.

use entitlement::model::clock::Timestamp;
use entitlement::model::event::{NoEvent, SourceEvent};
use entitlement::model::mode::Mode;

use crate::envelope;
use crate::signature::Verifier;

/// Where Stripe's webhooks are taken in.
pub const PATH: &str = "/webhooks/stripe";

/// The header that holds the signature (<https://docs.stripe.com/webhooks#verify-manually>).
pub const SIGNATURE: &str = "stripe-signature";

/// What is needed to take in webhooks: no key, since nothing is requested.
#[derive(Clone, Debug)]
pub struct Receiver {
    verifier: Verifier,
    mode: Option<Mode>,
}

impl Receiver {
    /// From the endpoint's `secrets` (`whsec_…`), all equally good; `mode` is that of the key, where it is known.
    #[must_use]
    pub fn new(secrets: &[&str], mode: Option<Mode>) -> Self {
        Self { verifier: Verifier::new(secrets), mode }
    }

    /// The mode whose events count; `None`: all count.
    #[must_use]
    pub fn mode(&self) -> Option<Mode> {
        self.mode
    }

    /// Whether `signature` is well formed and of about `now`; of which body is not known yet.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn accepts(&self, signature: &str, now: Timestamp) -> Result<(), String> {
        self.verifier.accepts(signature, now).map_err(|bad| bad.to_string())
    }

    /// The event in `body`, if `signature` (the text of [`SIGNATURE`], empty when there is none) signs it at about `now`.
    ///
    /// # Errors
    /// When it does not, or the body holds no event.
    pub fn receive(&self, signature: &str, body: &[u8], now: Timestamp) -> Result<SourceEvent, NoEvent> {
        let verified = self.verifier.verify(signature, body, now);
        verified.map_err(|bad| NoEvent::BadSignature(bad.to_string()))?;
        envelope::read(body).map(envelope::Envelope::into_event)
    }
}
