//! A vendor's API: its key, its limits, and the requests sent to it.
//!
//! A failed request is retried here only where a short delay helps ([`crate::retry_delays`]): a read after a broken
//! connection, 502, 503 or 504, anything that was never sent, and 429 with a `Retry-After` of two seconds at most.
//! Every longer wait belongs to the queue, which remembers it across a restart.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use entitlement::model::failure::{Class, Failure};
use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use tokio::time::{Instant, sleep, sleep_until};

use crate::call::{Answer, Call, Method};
use crate::client::{Client, SetupError};
use crate::exchange::{self, Fault};
use crate::gate::{self, Change, Closed, Ended, Gate, Key, Passed, Reason, SHORT};
use crate::limit::{self, Limit, LimitScope};
use crate::retry_delays::{ATTEMPTS, RetryDelays, TOTAL};
use crate::setup::{Forbidden, Setup};
use crate::shared_bucket::Refused;

/// A vendor's API behind the pool; clones share its limit and its gate.
#[derive(Clone)]
pub struct Upstream {
    inner: Arc<Inner>,
    /// The limit of a share of the rate.
    share: Option<Arc<Limit>>,
}

struct Inner {
    name: Arc<str>,
    http: reqwest::Client,
    /// Without a slash at its end.
    base: String,
    headers: HeaderMap,
    timeout: Duration,
    forbidden: Forbidden,
    limit_name: String,
    per_second: u32,
    limit_scope: LimitScope,
    limit: Limit,
    gate: Gate,
}

impl Upstream {
    /// An upstream whose requests go through `client`.
    ///
    /// # Errors
    /// When the base is no plain `http` or `https` address, or a header cannot be sent.
    pub fn new(client: &Client, setup: Setup) -> Result<Self, SetupError> {
        let Setup { name, base, headers, per_second, limit, timeout, forbidden } = setup;
        let base = usable(&base).ok_or(SetupError::Base { upstream: Arc::clone(&name) })?;
        let mut map = HeaderMap::new();
        for (header, value) in &headers {
            insert(&mut map, header, value).ok_or(SetupError::Header { upstream: Arc::clone(&name), header })?;
        }
        let limit_name = limit::name(&name, &headers);
        let inner = Inner {
            name,
            http: client.http().clone(),
            base,
            headers: map,
            timeout,
            forbidden,
            limit: Limit::new(limit.clone(), limit_name.clone(), per_second),
            limit_name,
            per_second,
            limit_scope: limit,
            gate: Gate::default(),
        };
        Ok(Self { inner: Arc::new(inner), share: None })
    }

    /// The same for bulk work, which may use `percent` of the rate and leaves the rest to fresh events.
    #[must_use]
    pub fn with_rate_share(&self, percent: u32) -> Self {
        let Inner { limit_name, limit_scope, per_second, .. } = &*self.inner;
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

    /// Another process reports that it was answered with a `Retry-After` of so many `seconds`. Never shortens a pause.
    pub fn pause(&self, seconds: i64) {
        self.inner.gate.close_until(Instant::now() + gate::heeded(seconds));
        self.inner.limit.pause(seconds);
    }

    /// Why and until when its gate is closed now.
    #[must_use]
    pub fn closed(&self) -> Option<Closed> {
        self.inner.gate.closed(Instant::now())
    }

    /// Reads; sent up to three times within five seconds.
    ///
    /// # Errors
    /// While the gate is closed, [`Class::Credentials`] or [`Class::Transient`] without a request.
    pub async fn get(&self, call: Call) -> Result<Answer, Failure> {
        self.request(reqwest::Method::GET, call, None).await
    }

    /// Changes something, with `body` as JSON; sent again only when it surely did not arrive, or on 429.
    ///
    /// # Errors
    /// Like [`Upstream::get`]. After a [`Class::Transient`] the change may have happened nevertheless.
    pub async fn send(&self, method: Method, call: Call, body: &serde_json::Value) -> Result<Answer, Failure> {
        let method = match method {
            Method::Post => reqwest::Method::POST,
            Method::Patch => reqwest::Method::PATCH,
            Method::Delete => reqwest::Method::DELETE,
        };
        self.request(method, call, Some(Bytes::from(body.to_string()))).await
    }

    async fn request(&self, method: reqwest::Method, call: Call, body: Option<Bytes>) -> Result<Answer, Failure> {
        let (url, headers) = self.address(&call, body.is_some())?;
        let mut delays = RetryDelays::new();
        let mut latest = None;
        let mut attempts = 0;
        loop {
            let probe = self.admit(&call.what).await?;
            let mut request = self.inner.http.request(method.clone(), url.clone()).headers(headers.clone());
            if let Some(body) = &body {
                request = request.body(body.clone());
            }
            let sent = Instant::now();
            let latest = *latest.get_or_insert(sent + TOTAL);
            let outcome = exchange::once(&self.inner.name, request, self.inner.timeout).await;
            self.learn(sent, &outcome);
            probe.answered();
            let fault = match outcome {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            attempts += 1;
            match fault.retry_delay(body.is_some(), delays.next_delay()) {
                Some(delay) if attempts < ATTEMPTS && Instant::now() + delay <= latest => sleep(delay).await,
                Some(_) | None => return Err(fault.failure(&call.what, &self.inner.name)),
            }
        }
    }

    /// Where the call goes, and with which headers.
    fn address(&self, call: &Call, body: bool) -> Result<(Url, HeaderMap), Failure> {
        let wrong =
            |part: &str| Failure::new(Class::Permanent, format!("{} at {}: {part}", call.what, self.inner.name));
        if !call.path.starts_with('/') {
            return Err(wrong("the path does not begin with `/`"));
        }
        let url =
            Url::parse(&format!("{}{}", self.inner.base, call.path)).map_err(|_| wrong("the path is not valid"))?;
        let mut headers = self.inner.headers.clone();
        for (header, value) in &call.headers {
            insert(&mut headers, header, value).ok_or_else(|| wrong(&format!("header `{header}` is not valid")))?;
        }
        if body && !headers.contains_key(CONTENT_TYPE) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Ok((url, headers))
    }

    /// Waits for the rate limit and for a short pause; fails at once where the gate stays closed for longer.
    async fn admit(&self, what: &str) -> Result<Probe<'_>, Failure> {
        loop {
            if let Some(closed) = self.closed() {
                self.wait_or_fail(closed, what).await?;
                continue;
            }
            match self.take_token().await {
                Ok(()) => {}
                Err(Refused::Paused(until)) => {
                    self.inner.gate.close_until(until);
                    continue;
                }
                Err(Refused::Unavailable) => return Err(self.no_token(what)),
            }
            // it may have closed in the meantime; then this token is lost
            match self.inner.gate.pass(Instant::now()) {
                Err(closed) => self.wait_or_fail(closed, what).await?,
                Ok(Passed::Open) => return Ok(Probe(None)),
                Ok(Passed::AsProbe) => return Ok(Probe(Some(&self.inner.gate))),
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

    async fn wait_or_fail(&self, closed: Closed, what: &str) -> Result<(), Failure> {
        let left = closed.until.saturating_duration_since(Instant::now());
        let text = |reason| format!("{what} at {}: not sent, since {reason}", self.inner.name);
        match closed.reason {
            Reason::KeyRefused => Err(Failure::new(Class::Credentials, text("it refused the key"))),
            Reason::RetryAfter if left <= SHORT => {
                sleep_until(closed.until).await;
                Ok(())
            }
            Reason::RetryAfter => Err(later(left, text("it asked to wait"))),
            Reason::Unresponsive => Err(later(left, text("it does not answer"))),
        }
    }

    /// Opens or closes the gate by what came back.
    fn learn(&self, sent: Instant, outcome: &Result<Answer, Fault>) {
        let now = Instant::now();
        let name = &*self.inner.name;
        if let Some(seconds) = outcome.as_ref().err().and_then(Fault::pause) {
            self.inner.gate.close_until(now + gate::heeded(seconds));
            self.inner.limit.report_pause(seconds);
        }
        let key = outcome.as_ref().map_or_else(|fault| fault.key(self.inner.forbidden), |_| Key::Accepted);
        match self.inner.gate.key_seen(sent, now, key) {
            Change::None => {}
            Change::HasClosed => {
                tracing::error!(upstream.name = name, "{name} refuses the key; work is kept and tried every minute");
            }
            Change::HasOpened => tracing::info!(upstream.name = name, "{name} accepts the key again"),
        }
        let ended = outcome.as_ref().map_or_else(Fault::ended, |_| Ended::Answered);
        match self.inner.gate.ended(sent, now, ended) {
            Change::None => {}
            Change::HasClosed => {
                tracing::error!(upstream.name = name, "{name} does not answer; it is probed until it does");
            }
            Change::HasOpened => tracing::info!(upstream.name = name, "{name} answers again"),
        }
    }
}

/// The gate that a request probes, if it does. Dropped before its answer, it lets another request probe.
struct Probe<'a>(Option<&'a Gate>);

impl Probe<'_> {
    fn answered(mut self) {
        self.0 = None;
    }
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        if let Some(gate) = self.0 {
            gate.cancel_probe(Instant::now());
        }
    }
}

/// A failure that is over in `left`.
fn later(left: Duration, what: String) -> Failure {
    let seconds = i64::try_from(left.as_secs()).unwrap_or(i64::MAX).saturating_add(1);
    Failure { retry_after: Some(seconds), ..Failure::new(Class::Transient, what) }
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

fn insert(headers: &mut HeaderMap, name: &str, value: &str) -> Option<()> {
    let name = HeaderName::try_from(name).ok()?;
    let mut value = HeaderValue::try_from(value).ok()?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Some(())
}

#[cfg(test)]
mod tests;
