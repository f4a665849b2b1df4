//! The channel to one upstream: requests pass its gate, and say how they ended.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use entitlement::model::failure::{Class, Failure};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{RequestBuilder, Url};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout, timeout_at};

use crate::call::{Answer, Call};
use crate::exchange::{self, Fault, SHORT};
use crate::gate::Gate;
use crate::gate_state::{Change, Closed, Ended, Reason, Whose};
use crate::limit::{Limit, LimitScope};
use crate::probe::{self, ProbeDelays};

/// How long the probe after a short wait may take before whoever waits in place waits elsewhere.
const PROBED_WITHIN: Duration = Duration::from_secs(1);

/// What all clones of an upstream share.
pub(crate) struct Channel {
    pub(crate) name: Arc<str>,
    pub(crate) http: reqwest::Client,
    /// Without a slash at its end.
    pub(crate) base: String,
    pub(crate) headers: HeaderMap,
    pub(crate) timeout: Duration,
    pub(crate) key_codes: &'static [&'static str],
    pub(crate) limit_name: String,
    pub(crate) per_second: u32,
    pub(crate) limit_scope: LimitScope,
    pub(crate) limit: Limit,
    pub(crate) gate: Arc<Gate>,
    pub(crate) probe: Call,
    pub(crate) probe_delays: Arc<Mutex<ProbeDelays>>,
}

/// What becomes of a request that is slow while others are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slowness {
    Borne,
    SentAgain,
}

impl Channel {
    /// Where the call goes, and with which headers.
    pub(crate) fn address(&self, call: &Call, body: bool) -> Result<(Url, HeaderMap), Failure> {
        let wrong = |part: &str| Failure::new(Class::Permanent, format!("{} at {}: {part}", call.what, self.name));
        if !call.path.starts_with('/') {
            return Err(wrong("the path does not begin with `/`"));
        }
        let url = Url::parse(&format!("{}{}", self.base, call.path)).map_err(|_| wrong("the path is not valid"))?;
        let mut headers = self.headers.clone();
        for (header, value) in &call.headers {
            insert(&mut headers, header, value).ok_or_else(|| wrong(&format!("header `{header}` is not valid")))?;
        }
        if body && !headers.contains_key(CONTENT_TYPE) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Ok((url, headers))
    }

    /// Sends `request` once, and takes in how it ended. One that waits for too long counts as failed before it ends.
    pub(crate) async fn exchange(
        self: &Arc<Self>,
        whose: Whose<'_>,
        request: RequestBuilder,
        slowness: Slowness,
    ) -> Result<Answer, Fault> {
        let sent = Instant::now();
        let mut exchange = pin!(exchange::once(&self.name, request, self.timeout));
        let outcome = match timeout(self.gate.patience(), &mut exchange).await {
            Ok(outcome) => outcome,
            Err(_) => {
                self.note(whose, sent, Ended::Failed);
                tokio::select! {
                    biased;
                    outcome = &mut exchange => outcome,
                    fault = self.hopeless(slowness) => Err(fault),
                }
            }
        };
        let ended = outcome.as_ref().map_or_else(|fault| fault.ended(self.key_codes), |_| Ended::Served);
        if let Some(seconds) = outcome.as_ref().err().and_then(Fault::pause) {
            self.limit.report_pause(seconds);
        }
        self.note(whose, sent, ended);
        outcome
    }

    /// Ends when a slow request is not worth waiting for: the gate closed, or others are served.
    async fn hopeless(&self, slowness: Slowness) -> Fault {
        let mut seen = self.gate.watch();
        let cleared = seen.borrow().cleared;
        let is_failing = |closed: Option<Closed>| closed.is_some_and(|closed| closed.reason == Reason::Failing);
        let others_served = |now: u64| slowness == Slowness::SentAgain && now != cleared;
        let seen = seen.wait_for(|seen| is_failing(seen.closed) || others_served(seen.cleared)).await;
        let timed_out = seen.is_ok_and(|seen| is_failing(seen.closed));
        Fault::Lost { error: "no answer so far".to_owned(), timed_out }
    }

    /// Sends one probe.
    async fn probe(self: Arc<Self>) {
        let Ok((url, headers)) = self.address(&self.probe, false) else { return };
        let request = self.http.get(url).headers(headers);
        // whether it was served is noted, and nobody waits for it
        drop(self.exchange(Whose::Probe, request, Slowness::Borne).await);
    }

    /// Opens or closes the gate by how a request ended.
    fn note(self: &Arc<Self>, whose: Whose<'_>, sent: Instant, ended: Ended) {
        let change = self.gate.ended(whose, sent, ended);
        self.follow(change);
    }

    /// Another process was asked to wait until then.
    pub(crate) fn asked_to_wait(self: &Arc<Self>, until: Instant) {
        let change = self.gate.asked_to_wait(until);
        self.follow(change);
    }

    /// Logs that the gate closed, and has it probed while that is wanted.
    fn follow(self: &Arc<Self>, change: Change) {
        if let Change::Closed(closed) = change {
            self.log_closed(closed);
        }
        if self.gate.begins_probing() {
            let (gate, delays, inner) = (&self.gate, Arc::clone(&self.probe_delays), Arc::downgrade(self));
            let send = move || {
                let inner = inner.upgrade();
                async move {
                    if let Some(inner) = inner {
                        inner.probe().await;
                    }
                }
            };
            tokio::spawn(probe::run(Arc::downgrade(gate), delays, send));
        }
    }

    fn log_closed(&self, closed: Closed) {
        let name = &*self.name;
        if closed.is_again {
            return tracing::debug!(upstream.name = name, "{name} is left alone again: {}", closed.reason);
        }
        match closed.reason {
            Reason::KeyRefused => {
                tracing::error!(upstream.name = name, "{name} refuses the key; work is kept until it accepts it");
            }
            Reason::RetryAfter => {
                let seconds = closed.until.saturating_duration_since(closed.since).as_secs_f64();
                tracing::warn!(upstream.name = name, "{name} asked to wait {seconds:.0} s; work is kept until then");
            }
            Reason::Failing => {
                tracing::error!(
                    upstream.name = name,
                    "{name} does not answer as it should; work is kept until it does"
                );
            }
        }
    }

    /// Whether it is open, or only waits shortly.
    pub(crate) fn opens_soon(&self) -> bool {
        self.gate.closed().is_none_or(|closed| is_short(closed, Instant::now()))
    }

    /// Waits in place for a short `Retry-After`, once.
    pub(crate) async fn wait_or_fail(
        &self,
        closed: Closed,
        give_up_at: &mut Option<Instant>,
        what: &str,
    ) -> Result<(), Failure> {
        let now = Instant::now();
        if give_up_at.is_none() && !is_short(closed, now) {
            return Err(self.not_sent(closed, what));
        }
        let give_up_at = *give_up_at.get_or_insert(closed.until + PROBED_WITHIN);
        let mut seen = self.gate.watch();
        let opened = timeout_at(give_up_at, seen.wait_for(|seen| seen.closed.is_none())).await;
        opened.map(drop).map_err(|_| self.not_sent(closed, what))
    }

    /// The failure of a request that was not sent.
    fn not_sent(&self, closed: Closed, what: &str) -> Failure {
        let text = format!("{what} at {}: not sent, since {}", self.name, closed.reason);
        let left = closed.until.saturating_duration_since(Instant::now());
        let seconds = i64::try_from(left.as_secs()).unwrap_or(i64::MAX).saturating_add(1);
        Failure {
            retry_after: (closed.reason == Reason::RetryAfter).then_some(seconds),
            upstream: Some(self.name.to_string()),
            ..Failure::new(Class::GateClosed, text)
        }
    }

    /// The failure of a request that was sent; with the gate closed by now it is the upstream's, not its own.
    pub(crate) fn failure(&self, fault: &Fault, what: &str) -> Failure {
        let failure = fault.failure(what, &self.name, self.key_codes);
        match failure.class {
            Class::Transient | Class::Forbidden if self.gate.closed().is_some() => {
                Failure { what: failure.to_string(), class: Class::GateClosed, status: None, code: None, ..failure }
            }
            Class::Transient
            | Class::Forbidden
            | Class::Permanent
            | Class::Missing
            | Class::Credentials
            | Class::GateClosed => failure,
        }
    }
}

/// Whether it is closed for so short a wait that it is waited for in place.
fn is_short(closed: Closed, now: Instant) -> bool {
    let left = closed.until.saturating_duration_since(now);
    closed.reason == Reason::RetryAfter && !left.is_zero() && left <= SHORT
}

/// Adds a header whose value is never printed; `None` when it cannot be sent.
pub(crate) fn insert(headers: &mut HeaderMap, name: &str, value: &str) -> Option<()> {
    let name = HeaderName::try_from(name).ok()?;
    let mut value = HeaderValue::try_from(value).ok()?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Some(())
}
