//! What takes in the webhooks of one source.

use entitlement::model::clock::Timestamp;
use entitlement::model::event::{NoEvent, SourceEvent};
use entitlement::model::mode::Mode;
use stripe::webhook;

use crate::kind::SourceKind;

/// What is needed to take in webhooks; it requests nothing.
#[derive(Clone, Debug)]
pub enum Receiver {
    Stripe(webhook::Receiver),
}

impl Receiver {
    #[must_use]
    pub fn kind(&self) -> SourceKind {
        match self {
            Self::Stripe(_) => SourceKind::Stripe,
        }
    }

    /// The name of its source in what is stored, for example `stripe`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.kind().name()
    }

    /// The path of its route.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Stripe(_) => webhook::PATH,
        }
    }

    /// The setting to check when a signature is wrong.
    #[must_use]
    pub fn secrets_setting(&self) -> &'static str {
        match self {
            Self::Stripe(_) => "stripe.webhook_secrets",
        }
    }

    /// The mode whose events count; `None`: all count.
    #[must_use]
    pub fn mode(&self) -> Option<Mode> {
        match self {
            Self::Stripe(stripe) => stripe.mode(),
        }
    }

    /// Whether the head of a request lets its body be read: who did not sign, or not now, is refused without it.
    ///
    /// # Errors
    /// Says what is wrong with the head.
    pub fn accepts<'a>(&self, header: impl Fn(&str) -> Option<&'a str>, now: Timestamp) -> Result<(), String> {
        match self {
            Self::Stripe(stripe) => stripe.accepts(header(webhook::SIGNATURE).unwrap_or_default(), now),
        }
    }

    /// The event that a request brings. `header` gives the text of a header by its name in lower case.
    ///
    /// # Errors
    /// When the source did not sign it, or it holds no event.
    pub fn receive<'a>(
        &self,
        header: impl Fn(&str) -> Option<&'a str>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<SourceEvent, NoEvent> {
        match self {
            Self::Stripe(stripe) => stripe.receive(header(webhook::SIGNATURE).unwrap_or_default(), body, now),
        }
    }
}
