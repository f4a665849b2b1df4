//! A vendor's API: its key, its limits, and what is asked of it.
//!
//! A failed request is tried again here only where a moment's wait cures it ([`crate::schedule`]): a read after a
//! broken connection, 502, 503 or 504, anything that was never sent, and 429 with a `Retry-After` of two seconds at
//! most. Every longer wait belongs to the queue, which remembers it across a restart.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use entitlement::clock::Timestamp;
use entitlement::failure::{Class, Failure};
use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, sleep_until};

use crate::client::{Client, SetupError};
use crate::exchange::{self, Fault};
use crate::limit::{self, Limit, LimitBy, Refusal};
use crate::pause::{self, Change, Ended, Entered, Pause, Pauses, SHORT, Verdict, Why};
use crate::schedule::{Schedule, TOTAL, TRIES};

/// What there is to know about an upstream.
pub struct Setup {
    /// For errors, logs and metrics: `adapty`.
    pub name: Arc<str>,
    /// Where its paths begin: `https://api.adapty.io`.
    pub base: String,
    /// Headers of every request, the key among them. The values are secrets.
    pub headers: Vec<(&'static str, String)>,
    /// Requests a second, with a burst of half a second's worth; 0 is no limit.
    pub per_second: u32,
    /// Whether this process may send that many, or all that use the same key together.
    pub limit: LimitBy,
    /// Longest time from sending a request to the last byte of its answer.
    pub timeout: Duration,
    pub forbidden: Forbidden,
}

/// What the upstream means by 403.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forbidden {
    /// The key is worth nothing: everything waits, as after a 401.
    Key,
    /// The key may not do this one thing; a bad key would be answered 401.
    Call,
}

impl Setup {
    /// The same with another keeper of the limit.
    #[must_use]
    pub fn limited_by(self, limit: LimitBy) -> Self {
        Self { limit, ..self }
    }
}

impl fmt::Debug for Setup {
    /// The headers hold the key, and a base may hold one by mistake.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A vendor's API behind the pool; clones share limits and pauses.
#[derive(Clone)]
pub struct Upstream(Arc<Inner>, Option<Arc<Limit>>);

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
    limit_by: LimitBy,
    limit: Limit,
    pauses: Pauses,
}

/// One request, without its body.
pub struct Call {
    /// What is being done, for errors: `reading the profile`. Never names a customer.
    pub what: String,
    /// Path and query, encoded, beginning with `/`.
    pub path: String,
    /// Headers besides the upstream's own; they replace those of the same name.
    pub headers: Vec<(&'static str, String)>,
}

/// The method of a request that changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Post,
    Patch,
    Delete,
}

/// A successful (2xx) answer, whole.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub body: Bytes,
    /// `Request-Id` or `X-Request-Id`, as the upstream's support wants to hear it.
    pub request_id: Option<String>,
    /// The upstream's clock, to a second.
    pub date: Option<Timestamp>,
}

impl Upstream {
    /// An upstream behind `client`.
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
        let limit_by = limit;
        let limit = Limit::new(limit_by.clone(), limit_name.clone(), per_second);
        let (http, headers, pauses) = (client.http().clone(), map, Pauses::default());
        let inner =
            Inner { name, http, base, headers, timeout, forbidden, limit_name, per_second, limit_by, limit, pauses };
        Ok(Self(Arc::new(inner), None))
    }

    /// The same for work in bulk, which may use `percent` of the rate, so that what is fresh finds room.
    #[must_use]
    pub fn with_rate_share(&self, percent: u32) -> Self {
        let Inner { limit_name, limit_by, per_second, .. } = &*self.0;
        // no limit stays none
        let rate = (per_second.saturating_mul(percent.min(100)) / 100).max(u32::from(*per_second > 0));
        let pace = Limit::new(limit_by.clone(), format!("{limit_name}:bulk"), rate);
        Self(Arc::clone(&self.0), Some(Arc::new(pace)))
    }

    /// The name it was set up with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What its rate limit is called: its name and a hash of its key, the same in all processes.
    #[must_use]
    pub fn limit_name(&self) -> &str {
        &self.0.limit_name
    }

    /// Leaves it alone for `seconds`, since another process says that it asked for that; never shortens a pause.
    ///
    /// Like a `Retry-After` that this process was answered, except that nobody is told.
    pub fn hold(&self, seconds: i64) {
        self.0.pauses.hold(Instant::now() + pause::span(seconds));
        self.0.limit.heard(seconds);
    }

    /// The pause that stands, for reports; a call finds out by itself.
    #[must_use]
    pub fn paused(&self) -> Option<Pause> {
        self.0.pauses.at(Instant::now())
    }

    /// Reads; tried up to three times within five seconds.
    ///
    /// # Errors
    /// [`Failure`], classified; [`Class::Credentials`] or [`Class::Transient`] without a request while paused.
    pub async fn get(&self, call: Call) -> Result<Answer, Failure> {
        self.ask(reqwest::Method::GET, call, None).await
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
        self.ask(method, call, Some(Bytes::from(body.to_string()))).await
    }

    async fn ask(&self, method: reqwest::Method, call: Call, body: Option<Bytes>) -> Result<Answer, Failure> {
        let (url, headers) = self.address(&call, body.is_some())?;
        let mut schedule = Schedule::new();
        let mut latest = None;
        let mut tries = 0;
        loop {
            let probe = self.admit(&call.what).await?;
            let mut request = self.0.http.request(method.clone(), url.clone()).headers(headers.clone());
            if let Some(body) = &body {
                request = request.body(body.clone());
            }
            let sent = Instant::now();
            let latest = *latest.get_or_insert(sent + TOTAL);
            let outcome = exchange::once(&self.0.name, request, self.0.timeout).await;
            self.settle(sent, &outcome);
            probe.found_out();
            let fault = match outcome {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            tries += 1;
            match fault.again(body.is_some(), schedule.wait()) {
                Some(wait) if tries < TRIES && Instant::now() + wait <= latest => sleep(wait).await,
                Some(_) | None => return Err(fault.failure(&call.what, &self.0.name)),
            }
        }
    }

    /// Where the call goes, and with which headers.
    fn address(&self, call: &Call, body: bool) -> Result<(Url, HeaderMap), Failure> {
        let wrong = |part: &str| Failure::new(Class::Permanent, format!("{} at {}: {part}", call.what, self.0.name));
        if !call.path.starts_with('/') {
            return Err(wrong("the path does not begin with `/`"));
        }
        let url = Url::parse(&format!("{}{}", self.0.base, call.path)).map_err(|_| wrong("the path is not valid"))?;
        let mut headers = self.0.headers.clone();
        for (header, value) in &call.headers {
            insert(&mut headers, header, value).ok_or_else(|| wrong(&format!("header `{header}` is not valid")))?;
        }
        if body && !headers.contains_key(CONTENT_TYPE) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Ok((url, headers))
    }

    /// Waits for the rate limit and for a short pause; fails at once in a long one.
    async fn admit(&self, what: &str) -> Result<Probe<'_>, Failure> {
        loop {
            if let Some(pause) = self.paused() {
                self.outlast(pause, what).await?;
                continue;
            }
            match self.take().await {
                Ok(()) => {}
                Err(Refusal::Paused(until)) => {
                    self.0.pauses.hold(until);
                    continue;
                }
                Err(Refusal::Unavailable) => return Err(self.unlent(what)),
            }
            // A pause may have begun in the meantime; then this token is forgone.
            match self.0.pauses.enter(Instant::now()) {
                Err(pause) => self.outlast(pause, what).await?,
                Ok(entered) => return Ok(Probe(Some(&self.0.pauses).filter(|_| entered == Entered::AsProbe))),
            }
        }
    }

    /// A token; work in bulk takes one of its own part first.
    async fn take(&self) -> Result<(), Refusal> {
        if let Some(pace) = &self.1 {
            pace.take().await?;
        }
        self.0.limit.take().await
    }

    fn unlent(&self, what: &str) -> Failure {
        let words = "the shared rate limit cannot be asked, since the database does not answer";
        Failure::new(Class::Transient, format!("{what} at {}: {words}", self.0.name))
    }

    async fn outlast(&self, pause: Pause, what: &str) -> Result<(), Failure> {
        let left = pause.until.saturating_duration_since(Instant::now());
        let words = |words| format!("{what} at {}: {words}", self.0.name);
        match pause.why {
            Why::Credentials => Err(Failure::new(Class::Credentials, words("not asked, since it refused the key"))),
            Why::Asked if left <= SHORT => {
                sleep_until(pause.until).await;
                Ok(())
            }
            Why::Asked => Err(later(left, words("not asked, since it wants to be left alone for now"))),
            Why::Silent => Err(later(left, words("not asked, since it does not answer"))),
        }
    }

    /// Draws the conclusions for everyone from what came back.
    fn settle(&self, sent: Instant, outcome: &Result<Answer, Fault>) {
        let (now, name) = (Instant::now(), &*self.0.name);
        let (verdict, hold) = match outcome {
            Ok(_) => (Verdict::Good, None),
            Err(fault) => (fault.verdict(self.0.forbidden), fault.hold()),
        };
        if let Some(seconds) = hold {
            self.0.pauses.hold(now + pause::span(seconds));
            self.0.limit.hold(seconds);
        }
        match self.0.pauses.settle(sent, now, verdict) {
            Change::None => {}
            Change::BecamePaused => {
                tracing::error!(upstream.name = name, "{name} refuses the key; work is kept and tried every minute");
            }
            Change::Recovered => tracing::info!(upstream.name = name, "{name} accepts the key again"),
        }
        let ended = outcome.as_ref().map_or_else(Fault::ended, |_| Ended::Answered);
        match self.0.pauses.ended(sent, now, ended) {
            Change::None => {}
            Change::BecamePaused => {
                tracing::error!(upstream.name = name, "{name} does not answer; it is asked now and then until it does");
            }
            Change::Recovered => tracing::info!(upstream.name = name, "{name} answers again"),
        }
    }
}

/// A request that finds out whether a pause is over, if it is one. Dropped on its way, it lets another find out.
struct Probe<'a>(Option<&'a Pauses>);

impl Probe<'_> {
    fn found_out(mut self) {
        self.0 = None;
    }
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        if let Some(pauses) = self.0 {
            pauses.give_up(Instant::now());
        }
    }
}

/// A failure that is over in `left`.
fn later(left: Duration, what: String) -> Failure {
    let seconds = i64::try_from(left.as_secs()).unwrap_or(i64::MAX).saturating_add(1);
    Failure { retry_after: Some(seconds), ..Failure::new(Class::Transient, what) }
}

impl Answer {
    /// Reads the body as JSON; `what` is what was being done.
    ///
    /// # Errors
    /// [`Class::Transient`] when it cannot be read, with the place of the fault, never with content.
    pub fn json<T: DeserializeOwned>(&self, what: &str) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|fault| {
            let (line, column) = (fault.line(), fault.column());
            let words = format!("{what}: the answer cannot be read (line {line}, column {column})");
            Failure { status: Some(self.status), ..Failure::new(Class::Transient, words) }
        })
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Upstream").field(&self.0.name).finish()
    }
}

impl fmt::Debug for Call {
    /// Paths and headers name customers and keys, so neither is printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("what", &self.what).finish_non_exhaustive()
    }
}

impl fmt::Debug for Answer {
    /// Bodies hold personal data, so only the size is printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (status, bytes) = (self.status, self.body.len());
        f.debug_struct("Answer").field("status", &status).field("bytes", &bytes).finish_non_exhaustive()
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
