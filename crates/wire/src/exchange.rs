//! One request and its answer, read whole within limits.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use entitlement::model::failure::{Class, Failure};
use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, Response};
use tokio::time::Instant;

use crate::call::Answer;
use crate::gate_state::{Ended, heeded};
use crate::{classify, http_date, retry_after};

/// The longest body that is read.
const LONGEST: usize = 8 * 1024 * 1024;
/// A `Retry-After` this short is waited for in place; the queue owns longer ones.
pub(crate) const SHORT: Duration = Duration::from_secs(2);
/// The longest body of an error that is read for its code.
const LONGEST_ERROR: usize = 64 * 1024;

/// Why there is no successful answer.
#[derive(Debug)]
pub(crate) enum Fault {
    /// There was no connection, so nothing arrived.
    Unsent { error: String },
    /// It is unknown whether it arrived.
    Lost { error: String, timed_out: bool },
    /// The answer is longer than anything that is read.
    TooLong,
    /// A status that is not 2xx.
    Answered { status: u16, code: Option<String>, retry_after: Option<i64> },
}

impl Fault {
    /// The failure for the caller; `what` is what was being done.
    pub(crate) fn failure(&self, what: &str, upstream: &str, key_codes: &[&str]) -> Failure {
        let text = |error: &str| format!("{what} at {upstream}: {error}");
        let failure = match self {
            Self::Unsent { error } | Self::Lost { error, .. } => Failure::new(Class::Transient, text(error)),
            Self::TooLong => {
                Failure::new(Class::Transient, text(&format!("the answer is longer than {} MiB", LONGEST >> 20)))
            }
            Self::Answered { status, code, retry_after } => Failure {
                status: Some(*status),
                code: code.clone(),
                retry_after: *retry_after,
                ..Failure::new(self.class(*status, key_codes), text(&format!("answered {status}")))
            },
        };
        Failure { upstream: Some(upstream.to_owned()), ..failure }
    }

    /// The class of a status; one of `key_codes` says that the key is wrong, whatever the status is.
    fn class(&self, status: u16, key_codes: &[&str]) -> Class {
        let code = match self {
            Self::Answered { code, .. } => code.as_deref(),
            Self::Unsent { .. } | Self::Lost { .. } | Self::TooLong => None,
        };
        let is_of_key = code.is_some_and(|code| key_codes.contains(&code));
        if is_of_key { Class::Credentials } else { classify::status(status) }
    }

    /// The seconds of a `Retry-After` that is meant for everyone.
    pub(crate) fn pause(&self) -> Option<i64> {
        match self {
            Self::Answered { status: 429 | 503, retry_after, .. } => *retry_after,
            Self::Answered { .. } | Self::Unsent { .. } | Self::Lost { .. } | Self::TooLong => None,
        }
    }

    /// What it says about the upstream.
    pub(crate) fn ended(&self, key_codes: &[&str]) -> Ended {
        if let Some(seconds) = self.pause().filter(|seconds| *seconds > 0) {
            return Ended::AskedToWait(heeded(seconds));
        }
        match self {
            Self::Unsent { .. } | Self::Lost { .. } => Ended::Failed,
            Self::TooLong => Ended::Served,
            Self::Answered { status, .. } => match self.class(*status, key_codes) {
                Class::Credentials => Ended::KeyRefused,
                Class::Forbidden => Ended::Forbidden,
                Class::Permanent | Class::Missing => Ended::Served,
                Class::Transient | Class::GateClosed => Ended::Failed,
            },
        }
    }

    /// How long to wait before a quick retry that would wait for `delay` otherwise; `None` when there is to be none.
    ///
    /// A request that changes something (`writes`) is only sent again when it surely did nothing: it never left, or was
    /// turned away by the rate limit. A time-out is never retried at once: it has taken long enough.
    pub(crate) fn retry_delay(&self, writes: bool, delay: Duration) -> Option<Duration> {
        match self {
            Self::Unsent { .. } => Some(delay),
            Self::Lost { timed_out, .. } => (!writes && !timed_out).then_some(delay),
            Self::TooLong => None,
            Self::Answered { status, retry_after, .. } => {
                let retry_after = Duration::from_secs(retry_after.unwrap_or(0).max(0).unsigned_abs());
                let is_passing = *status == 429 || (!writes && matches!(status, 502..=504));
                (is_passing && retry_after <= SHORT).then(|| delay.max(retry_after))
            }
        }
    }
}

/// Sends `request` once, and counts and times it.
pub(crate) async fn once(upstream: &Arc<str>, request: RequestBuilder, timeout: Duration) -> Result<Answer, Fault> {
    let started = Instant::now();
    let (outcome, request_id) = match request.timeout(timeout).send().await {
        Ok(response) => {
            let request_id = request_id(response.headers());
            (receive(response, request_id.clone(), timeout).await, request_id)
        }
        Err(fault) => (Err(broken(&fault, timeout)), None),
    };
    let status = label(&outcome);
    let seconds = started.elapsed().as_secs_f64();
    tracing::debug!(upstream.name = &**upstream, upstream.request_id = request_id, %status, seconds, "sent a request");
    metrics::counter!("grantsync_upstream_requests_total", "upstream" => Arc::clone(upstream), "status" => status)
        .increment(1);
    metrics::histogram!("grantsync_upstream_seconds", "upstream" => Arc::clone(upstream)).record(seconds);
    outcome
}

async fn receive(response: Response, request_id: Option<String>, timeout: Duration) -> Result<Answer, Fault> {
    let status = response.status().as_u16();
    if response.status().is_success() {
        let date = http_date::of(response.headers());
        let body = body(response, LONGEST, timeout).await?;
        return Ok(Answer { status, body, request_id, date });
    }
    let retry_after = retry_after::seconds(response.headers());
    // the status says enough; of a body that breaks off only the code is lost
    let code = body(response, LONGEST_ERROR, timeout).await.ok().and_then(|body| classify::code(&body));
    Err(Fault::Answered { status, code, retry_after })
}

/// Reads the body piece by piece, up to `longest` bytes; the announced length is not believed.
async fn body(mut response: Response, longest: usize, timeout: Duration) -> Result<Bytes, Fault> {
    let mut whole = BytesMut::new();
    while let Some(piece) = response.chunk().await.map_err(|fault| broken(&fault, timeout))? {
        if whole.len() + piece.len() > longest {
            return Err(Fault::TooLong);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

fn broken(fault: &reqwest::Error, timeout: Duration) -> Fault {
    let error = classify::describe(fault, timeout);
    let timed_out = fault.is_timeout();
    if fault.is_connect() { Fault::Unsent { error } } else { Fault::Lost { error, timed_out } }
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    let value = headers.get("request-id").or_else(|| headers.get("x-request-id"))?.to_str().ok()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    (value.len() <= 128 && value.bytes().all(is_plain)).then(|| value.to_owned())
}

/// The value of the metric's `status`.
fn label(outcome: &Result<Answer, Fault>) -> Cow<'static, str> {
    match outcome {
        Ok(Answer { status, .. }) | Err(Fault::Answered { status, .. }) => Cow::Owned(status.to_string()),
        Err(Fault::Lost { timed_out: true, .. }) => Cow::Borrowed("timeout"),
        Err(Fault::Unsent { .. } | Fault::Lost { .. } | Fault::TooLong) => Cow::Borrowed("error"),
    }
}
