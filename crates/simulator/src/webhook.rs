//! Signed webhook deliveries, as Stripe makes them.

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::StatusCode;
use sha2::Sha256;

use crate::clock;
use crate::stripe::event::Event;

/// The value of `Stripe-Signature` for a body sent at a time.
#[must_use]
pub fn sign(secret: &str, timestamp: DateTime<Utc>, body: &str) -> String {
    let seconds = timestamp.timestamp();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(format!("{seconds}.{body}").as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    format!("t={seconds},v1={signature}")
}

/// An endpoint that events are delivered to.
#[derive(Debug, Clone)]
pub struct Webhooks {
    url: String,
    secret: String,
    client: reqwest::Client,
}

impl Webhooks {
    /// An endpoint at this address that checks with this `whsec_…`.
    #[must_use]
    pub fn new(url: impl Into<String>, secret: impl Into<String>) -> Webhooks {
        // An error says that the program has a provider already, and any will do for loopback.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // an endpoint on this machine, whatever proxy the environment names
        let client = reqwest::Client::builder().no_proxy().build().unwrap_or_default();
        Webhooks { url: url.into(), secret: secret.into(), client }
    }

    /// Delivers an event once, signed now.
    pub async fn deliver(&self, event: &Event) -> reqwest::Result<StatusCode> {
        self.deliver_signed(&event.body, &sign(&self.secret, clock::now(), &event.body)).await
    }

    /// Delivers any body under any signature header, for what must be refused.
    pub async fn deliver_signed(&self, body: &str, signature: &str) -> reqwest::Result<StatusCode> {
        let request = self.client.post(&self.url);
        let request = request.header("content-type", "application/json; charset=utf-8");
        let request = request.header("stripe-signature", signature);
        Ok(request.body(body.to_owned()).send().await?.status())
    }

    /// Delivers the same event several times, one after the other.
    pub async fn deliver_times(&self, event: &Event, times: usize) -> reqwest::Result<Vec<StatusCode>> {
        let mut answers = Vec::with_capacity(times);
        for _ in 0..times {
            answers.push(self.deliver(event).await?);
        }
        Ok(answers)
    }

    /// Delivers all events in order.
    pub async fn deliver_all(&self, events: &[Event]) -> reqwest::Result<Vec<StatusCode>> {
        let mut answers = Vec::with_capacity(events.len());
        for event in events {
            answers.push(self.deliver(event).await?);
        }
        Ok(answers)
    }

    /// Delivers all events in an order that the seed decides.
    pub async fn deliver_shuffled(&self, events: &[Event], seed: u64) -> reqwest::Result<Vec<StatusCode>> {
        let mut events = events.to_vec();
        shuffle(&mut events, seed);
        self.deliver_all(&events).await
    }
}

/// Fisher and Yates, drawn from splitmix64: the same seed gives the same order everywhere.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for last in (1..items.len()).rev() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut drawn = state;
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        drawn ^= drawn >> 31;
        let span = last as u64 + 1;
        items.swap(last, usize::try_from(drawn % span).expect("below a length"));
    }
}
