//! Faults on demand: what goes wrong, with which request, how often.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// Which requests a fault is for; an empty match is for every request.
#[derive(Debug, Clone, Default)]
pub struct Match {
    /// `GET`, `POST`, …
    pub method: Option<String>,
    /// A piece of the path or of the query.
    pub path_contains: Option<String>,
    /// The first matching request to hit, counted from 1.
    pub nth: Option<u32>,
}

impl Match {
    /// Every request.
    #[must_use]
    pub fn any() -> Match {
        Match::default()
    }

    /// Requests of this method whose path contains this.
    #[must_use]
    pub fn on(method: &str, path_contains: &str) -> Match {
        Match { method: Some(method.to_owned()), path_contains: Some(path_contains.to_owned()), nth: None }
    }

    /// The same, from the `nth` such request on.
    #[must_use]
    pub fn nth(self, nth: u32) -> Match {
        let nth = Some(nth);
        Match { nth, ..self }
    }

    fn fits(&self, method: &str, path: &str) -> bool {
        let method_fits = self.method.as_ref().is_none_or(|wanted| wanted == method);
        let path_fits = self.path_contains.as_ref().is_none_or(|part| path.contains(part));
        method_fits && path_fits
    }
}

/// What goes wrong.
#[derive(Debug, Clone)]
pub enum What {
    /// Nothing is done; this status, these headers and this body come back.
    Status(u16, Vec<(String, String)>, String),
    /// It is done and answered, but both only after this long.
    Delay(Duration),
    /// It is done at once and answered after this long.
    AnswerLate(Duration),
    /// Nothing is done and no answer ever comes.
    HangForever,
    /// Nothing is done and the connection closes.
    ResetBefore,
    /// It is done and the connection closes without an answer.
    ResetAfter,
    /// It is done and answered 200 with broken JSON.
    DropBodyAfter,
    /// Nothing is done; a proxy's HTML page comes back with 502.
    Html502,
    /// It is done; the connection closes in the middle of the body.
    Truncate,
    /// It is done; the answer comes a byte at a time, each after this long.
    Drip(Duration),
    /// It is done; the answer claims to be plain text.
    WrongContentType,
    /// It is done; the answer is dated so many seconds from now, as by a clock that is wrong.
    DatedOff(i64),
    /// Nothing is done; 307 to this address.
    Redirect(String),
    /// A GET shows the profile as it was before its last write, if that is younger than this.
    StaleReads(Duration),
    /// Nothing is done; 429 with `Retry-After` in seconds.
    RetryAfter(u64),
}

/// A fault: which requests, what happens to them, and how many times.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The requests it is for.
    pub when: Match,
    /// What happens to them.
    pub what: What,
    /// How many requests it hits before it is spent.
    pub times: u32,
}

impl Fault {
    /// A fault that hits once.
    #[must_use]
    pub fn once(when: Match, what: What) -> Fault {
        Fault { when, what, times: 1 }
    }

    /// A fault that hits until it is cleared.
    #[must_use]
    pub fn always(when: Match, what: What) -> Fault {
        let times = u32::MAX;
        Fault { when, what, times }
    }
}

#[derive(Debug)]
struct Rule {
    fault: Fault,
    seen: u32,
    played: u32,
}

impl Rule {
    /// Counts a matching request and says whether this one is hit.
    fn hits(&mut self) -> bool {
        self.seen += 1;
        let due = self.seen >= self.fault.when.nth.unwrap_or(1);
        let hit = due && self.played < self.fault.times;
        self.played += u32::from(hit);
        hit
    }
}

/// The faults of one server; a clone shares them.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    rules: Arc<Mutex<Vec<Rule>>>,
    latency: watch::Sender<Duration>,
}

impl Faults {
    /// Adds a fault behind those that are there.
    pub fn inject(&self, fault: Fault) {
        let rule = Rule { fault, seen: 0, played: 0 };
        self.with(|rules| rules.push(rule));
    }

    /// Takes all faults away, and the latency; what waits for its latency is answered at once.
    pub fn clear(&self) {
        self.with(Vec::clear);
        self.latency(Duration::ZERO);
    }

    /// Makes every answer take at least this long.
    pub fn latency(&self, latency: Duration) {
        self.latency.send_replace(latency);
    }

    /// How often the injected faults have hit.
    #[must_use]
    pub fn played(&self) -> u32 {
        self.with(|rules| rules.iter().map(|rule| rule.played).sum())
    }

    /// The fault for this request: the first rule that hits; those behind it do not count the request.
    pub(crate) fn pick(&self, method: &str, path: &str) -> Option<What> {
        self.with(|rules| {
            let mut fitting = rules.iter_mut().filter(|rule| rule.fault.when.fits(method, path));
            fitting.find_map(|rule| rule.hits().then(|| rule.fault.what.clone()))
        })
    }

    /// Ends when an answer to what was asked now may leave: after the latency, which may change meanwhile.
    pub(crate) async fn wait(&self) {
        let (asked, mut latency) = (Instant::now(), self.latency.subscribe());
        loop {
            let leaves = asked + *latency.borrow_and_update();
            if timeout_at(leaves, latency.changed()).await.is_err() {
                return;
            }
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Vec<Rule>) -> T) -> T {
        act(&mut self.rules.lock().expect("no holder of the faults panics"))
    }
}
