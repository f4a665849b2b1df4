//! What came over the wire, kept in order of arrival.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::sync::watch;

use crate::fault::What;

/// Which of them a request was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// The Stripe.
    Stripe,
    /// The Adapty.
    Adapty,
    /// The IAPHUB.
    Iaphub,
}

/// One request, and the status of its answer once there is one.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its place among all requests, counted from 1.
    pub number: u64,
    /// Who received it.
    pub server: Server,
    /// `GET`, `POST`, …
    pub method: String,
    /// The path as sent, still percent-encoded.
    pub path: String,
    /// The query as sent, empty when there was none.
    pub query: String,
    /// Names in lower case; without `authorization`.
    pub headers: Vec<(String, String)>,
    /// The body as JSON, as a string when it is none, or null when empty.
    pub body: Value,
    /// `None` until it is answered; a connection that is cut stays unanswered.
    pub status: Option<u16>,
    /// When it arrived, for measuring.
    pub at: Instant,
    /// When it arrived, by the clock on the wall.
    pub wall: DateTime<Utc>,
}

impl Request {
    /// The first header of this lower-case name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// The wait ended before what was waited for came true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedOut {
    /// How long the wait was.
    pub after: Duration,
    /// What there was to see at the end.
    pub seen: String,
}

impl fmt::Display for TimedOut {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "not seen within {:?}; at the end there was: {}", self.after, self.seen)
    }
}

impl std::error::Error for TimedOut {}

/// Sees each request before it is handled; what it returns is played as a fault.
pub type Hook = Box<dyn Fn(&Request) -> Option<What> + Send + Sync>;

struct Pages {
    numbers: AtomicU64,
    requests: Mutex<Vec<Request>>,
    hook: Mutex<Option<Arc<Hook>>>,
    changed: watch::Sender<u64>,
}

/// The requests of both servers; a clone shares them.
#[derive(Clone)]
pub struct Journal(Arc<Pages>);

impl Default for Journal {
    fn default() -> Journal {
        Journal(Arc::new(Pages {
            numbers: AtomicU64::new(0),
            requests: Mutex::default(),
            hook: Mutex::default(),
            changed: watch::Sender::new(0),
        }))
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Journal").field(&self.requests()).finish()
    }
}

impl Journal {
    /// All requests so far, in order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.read(<[Request]>::to_vec)
    }

    /// How many requests are so.
    #[must_use]
    pub fn count(&self, mut is_so: impl FnMut(&Request) -> bool) -> usize {
        self.read(|requests| requests.iter().filter(|request| is_so(request)).count())
    }

    /// Forgets the requests so far.
    pub fn clear(&self) {
        self.0.requests.lock().expect("no reader panics").clear();
    }

    /// Waits until the requests are so; woken by every arrival and every answer.
    pub async fn wait_for(&self, timeout: Duration, mut is_so: impl FnMut(&[Request]) -> bool) -> Result<(), TimedOut> {
        let mut changes = self.0.changed.subscribe();
        let wait = changes.wait_for(|_| self.read(&mut is_so));
        let ended = tokio::time::timeout(timeout, wait).await.is_ok();
        if ended { Ok(()) } else { Err(self.timed_out(timeout)) }
    }

    /// Calls the hook with every request on arrival, before anything is done; replaces an earlier one.
    pub fn on_request(&self, hook: Hook) {
        *self.0.hook.lock().expect("no setter panics") = Some(Arc::new(hook));
    }

    /// Takes the hook away.
    pub fn clear_hook(&self) {
        *self.0.hook.lock().expect("no setter panics") = None;
    }

    /// The number of the next request.
    pub(crate) fn next_number(&self) -> u64 {
        self.0.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Keeps a request and passes it to the hook, whose fault it returns.
    pub(crate) fn received(&self, request: &Request) -> Option<What> {
        self.0.requests.lock().expect("no reader panics").push(request.clone());
        self.wake();
        // The hook runs outside the lock, since it may read the journal.
        let hook = self.0.hook.lock().expect("no setter panics").clone();
        hook.and_then(|hook| hook(request))
    }

    /// Notes the status of the answer to a request.
    pub(crate) fn answered(&self, number: u64, status: u16) {
        let mut requests = self.0.requests.lock().expect("no reader panics");
        if let Some(request) = requests.iter_mut().rev().find(|request| request.number == number) {
            request.status = Some(status);
        }
        drop(requests);
        self.wake();
    }

    fn read<T>(&self, read: impl FnOnce(&[Request]) -> T) -> T {
        read(&self.0.requests.lock().expect("no reader panics"))
    }

    fn wake(&self) {
        self.0.changed.send_modify(|count| *count += 1);
    }

    fn timed_out(&self, after: Duration) -> TimedOut {
        let line = |request: &Request| format!("{} {} {:?}", request.method, request.path, request.status);
        let seen = self.read(|requests| requests.iter().map(line).collect::<Vec<_>>().join("; "));
        TimedOut { after, seen }
    }
}

/// Header pairs to keep: all but the key.
pub(crate) fn kept_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let kept = headers.iter().filter(|(name, _)| *name != "authorization");
    let text = kept.map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    text.collect()
}
