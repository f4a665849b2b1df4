//! A vendor's API: its key, its limits, and the requests sent to it.
//!
//! A failed request is retried here only where a short delay helps ([`crate::retry_delays`]): a read after a broken
//! connection, 502, 503 or 504, anything that was never sent, and 429 with a `Retry-After` of two seconds at most.
//! Every longer wait belongs to the queue, which remembers it across a restart.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use entitlement::model::failure::{Class, Failure};
use reqwest::Url;
use reqwest::header::HeaderMap;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::call::{Answer, Call, Method};
use crate::channel::{Channel, Slowness, insert};
use crate::client::{Client, SetupError};
use crate::gate::{Admission, Gate};
use crate::gate_state::{self, Closed, Whose};
use crate::gate_watch::GateWatch;
use crate::limit::{self, Limit};
use crate::probe::ProbeDelays;
use crate::retry_delays::{ATTEMPTS, RetryDelays, TOTAL};
use crate::setup::Setup;
use crate::shared_bucket::Refused;

/// A vendor's API behind the pool; clones share its limit and its gate.
#[derive(Clone)]
pub struct Upstream {
    inner: Arc<Channel>,
    /// The limit of a share of the rate.
    share: Option<Arc<Limit>>,
}

impl Upstream {
    /// An upstream whose requests go through `client`.
    ///
    /// # Errors
    /// When the base is no plain `http` or `https` address, or a header cannot be sent.
    pub fn new(client: &Client, setup: Setup) -> Result<Self, SetupError> {
        let Setup { name, base, headers, per_second, limit, timeout, probe, key_codes } = setup;
        let base = usable(&base).ok_or(SetupError::Base { upstream: Arc::clone(&name) })?;
        let mut map = HeaderMap::new();
        for (header, value) in &headers {
            insert(&mut map, header, value).ok_or(SetupError::Header { upstream: Arc::clone(&name), header })?;
        }
        let limit_name = limit::name(&name, &headers);
        let inner = Channel {
            name,
            http: client.http().clone(),
            base,
            headers: map,
            timeout,
            key_codes,
            limit: Limit::new(limit.clone(), limit_name.clone(), per_second),
            limit_name,
            per_second,
            limit_scope: limit,
            gate: Arc::new(Gate::new(timeout)),
            probe,
            probe_delays: Arc::new(Mutex::new(ProbeDelays::new())),
        };
        Ok(Self { inner: Arc::new(inner), share: None })
    }

    /// The same for bulk work, which may use `percent` of the rate and leaves the rest to fresh events.
    #[must_use]
    pub fn with_rate_share(&self, percent: u32) -> Self {
        let Channel { limit_name, limit_scope, per_second, .. } = &*self.inner;
        // no limit stays none
        let rate = (per_second.saturating_mul(percent.min(100)) / 100).max(u32::from(*per_second > 0));
        let share = Limit::new(limit_scope.clone(), format!("{limit_name}:bulk"), rate);
        Self { inner: Arc::clone(&self.inner), share: Some(Arc::new(share)) }
    }

    /// The name it was set up with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The name of its rate limit: its own name and a hash of its key, the same in all processes.
    #[must_use]
    pub fn limit_name(&self) -> &str {
        &self.inner.limit_name
    }

    /// Another process reports that it was answered with a `Retry-After` of so many `seconds`. Never shortens a wait.
    pub fn pause(&self, seconds: i64) {
        self.inner.asked_to_wait(Instant::now() + gate_state::heeded(seconds));
        self.inner.limit.pause(seconds);
    }

    /// Why its gate is closed now.
    #[must_use]
    pub fn closed(&self) -> Option<Closed> {
        self.inner.gate.closed()
    }

    /// Sees its gate open and close.
    #[must_use]
    pub fn watch_gate(&self) -> GateWatch {
        GateWatch::new(self.inner.gate.watch())
    }

    /// Reads; sent up to three times within five seconds.
    ///
    /// # Errors
    /// While the gate is closed, [`Class::GateClosed`] without a request.
    pub async fn get(&self, call: Call) -> Result<Answer, Failure> {
        self.request(reqwest::Method::GET, call, None).await
    }

    /// Changes something, with `body` as JSON; sent again only when it surely did not arrive, or on 429.
    ///
    /// # Errors
    /// Like [`Upstream::get`]. After a [`Class::Transient`] or [`Class::GateClosed`] the change may have happened
    /// nevertheless.
    pub async fn send(&self, method: Method, call: Call, body: &serde_json::Value) -> Result<Answer, Failure> {
        let method = match method {
            Method::Post => reqwest::Method::POST,
            Method::Patch => reqwest::Method::PATCH,
            Method::Delete => reqwest::Method::DELETE,
        };
        self.request(method, call, Some(Bytes::from(body.to_string()))).await
    }

    async fn request(&self, method: reqwest::Method, call: Call, body: Option<Bytes>) -> Result<Answer, Failure> {
        let inner = &self.inner;
        let (url, headers) = inner.address(&call, body.is_some())?;
        let whose = call.about.as_deref().map_or(Whose::Nobody, Whose::Account);
        let mut delays = RetryDelays::new();
        let mut latest = None;
        let mut attempts = 0;
        loop {
            let admission = self.admit(&call.what).await?;
            let mut request = inner.http.request(method.clone(), url.clone()).headers(headers.clone());
            if let Some(body) = &body {
                request = request.body(body.clone());
            }
            let latest = *latest.get_or_insert(Instant::now() + TOTAL);
            // a read that hangs while others are served is sent once more
            let slowness = if body.is_none() && attempts == 0 { Slowness::SentAgain } else { Slowness::Borne };
            let outcome = inner.exchange(whose, request, slowness).await;
            drop(admission);
            let fault = match outcome {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            attempts += 1;
            match fault.retry_delay(body.is_some(), delays.next_delay()) {
                Some(delay) if attempts < ATTEMPTS && Instant::now() + delay <= latest && inner.opens_soon() => {
                    sleep(delay).await;
                }
                Some(_) | None => return Err(inner.failure(&fault, &call.what)),
            }
        }
    }

    /// Waits for the rate limit and for a short pause; fails at once where the gate stays closed for longer.
    async fn admit(&self, what: &str) -> Result<Admission<'_>, Failure> {
        let mut give_up_at = None;
        loop {
            let admission = match self.inner.gate.enter().await {
                Ok(admission) => admission,
                Err(closed) => {
                    self.inner.wait_or_fail(closed, &mut give_up_at, what).await?;
                    continue;
                }
            };
            let mut seen = self.inner.gate.watch();
            let token = tokio::select! {
                biased;
                // then the token is left to others
                _ = seen.wait_for(|seen| seen.closed.is_some()) => continue,
                token = self.take_token() => token,
            };
            match token {
                Ok(()) => return Ok(admission),
                Err(Refused::Paused(until)) => self.inner.asked_to_wait(until),
                Err(Refused::Unavailable) => return Err(self.no_token(what)),
            }
        }
    }

    /// Takes a token; with a share of the rate one of the share first.
    async fn take_token(&self) -> Result<(), Refused> {
        if let Some(share) = &self.share {
            share.take().await?;
        }
        self.inner.limit.take().await
    }

    fn no_token(&self, what: &str) -> Failure {
        let reason = "not sent, since the database that holds the shared rate limit does not answer";
        Failure::new(Class::Transient, format!("{what} at {}: {reason}", self.inner.name))
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Upstream").field(&self.inner.name).finish()
    }
}

/// The base without its last slash, if requests can go there.
fn usable(base: &str) -> Option<String> {
    let url = Url::parse(base).ok()?;
    let plain = url.username().is_empty() && url.password().is_none();
    let whole = url.query().is_none() && url.fragment().is_none();
    let web = matches!(url.scheme(), "http" | "https") && url.has_host();
    (plain && whole && web).then(|| url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests;
