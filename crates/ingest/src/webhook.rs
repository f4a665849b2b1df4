//! The routes that take in webhooks, one for each source.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use entitlement::model::account::Account;
use entitlement::model::clock::{Clock, Timestamp};
use entitlement::model::event::NoEvent;
use sha2::{Digest, Sha256};
use source::receiver::Receiver;
use store::event::{Event, Outcome, Recorded};
use store::open::Store;

use crate::body::{self, BodyBudget};
use crate::inbox;
use crate::refusal::Refusal;

/// How often a bad signature is logged at most.
const BAD_SIGNATURE_EVERY: Duration = Duration::from_secs(60);

/// What the routes need.
#[derive(Clone, Debug)]
pub struct Ingest {
    pub store: Store,
    /// One for each source that is set up.
    pub receivers: Vec<Receiver>,
    pub bodies: Bodies,
    /// Shared by all sources.
    pub body_budget: BodyBudget,
    pub clock: Clock,
}

/// Whether the inbox keeps whole events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bodies {
    Keep,
    Forget,
}

/// The routes that take in webhooks.
pub fn routes(ingest: Ingest) -> Router {
    let Ingest { store, receivers, bodies, body_budget, clock } = ingest;
    receivers.into_iter().fold(Router::new(), |router, receiver| {
        let path = receiver.path().to_owned();
        let (store, body_budget) = (store.clone(), body_budget.clone());
        let route = Route { store, receiver, bodies, body_budget, clock, last_logged: Mutex::new(None) };
        router.merge(Router::new().route(&path, post(take_in)).with_state(Arc::new(route)))
    })
}

async fn take_in(State(route): State<Arc<Route>>, request: Request) -> Response {
    match route.take(request).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(refusal) => {
            route.log_bad_signature(&refusal);
            refusal.into_response()
        }
    }
}

/// The route of one source.
struct Route {
    store: Store,
    receiver: Receiver,
    bodies: Bodies,
    body_budget: BodyBudget,
    clock: Clock,
    /// When a bad signature was last logged.
    last_logged: Mutex<Option<Instant>>,
}

impl Route {
    async fn take(&self, request: Request) -> Result<(), Refusal> {
        // first: refusing must be cheaper than accepting
        if !self.store.has_slots() {
            return Err(Refusal::Busy);
        }
        let (head, body) = request.into_parts();
        if let Err(refusal) = self.accepts(&head.headers) {
            body::discard(body.into_data_stream());
            return Err(refusal);
        }
        let body = body::read(body, &self.body_budget).await?;
        let slot = self.store.slot().ok_or(Refusal::Busy)?;
        let event = self.event(&head.headers, &body.bytes)?;
        // the rest waits for the database: thousands of requests that wait must not hold their buffers meanwhile
        drop((head, body.bytes));
        let place = event.body.as_ref().map(|_| body.place);
        let record = Received::of(&event);
        let kept = slot.record(event).await.map_err(|_| Refusal::Database)?;
        drop(place);
        record.log(kept);
        Ok(())
    }

    /// Whether the head alone lets the body be read.
    fn accepts(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        self.receiver.accepts(|name| text(headers, name), (self.clock)()).map_err(Refusal::Signature)?;
        if body::is_announced_within_bounds(headers) { Ok(()) } else { Err(Refusal::TooLarge) }
    }

    /// The event, if it is the source's.
    fn event(&self, headers: &HeaderMap, body: &[u8]) -> Result<Event, Refusal> {
        let now = (self.clock)();
        match self.receiver.receive(|name| text(headers, name), body, now) {
            Ok(event) => Ok(inbox::event(event, self.receiver.mode(), self.kept(body))),
            Err(NoEvent::BadSignature(what)) => Err(Refusal::Signature(what)),
            Err(NoEvent::NotJsonObject) => Err(Refusal::NotJson),
            Err(unreadable @ NoEvent::Unreadable(_)) => Ok(self.unreadable(body, now, unreadable.to_string())),
        }
    }

    fn kept(&self, body: &[u8]) -> Option<String> {
        match self.bodies {
            Bodies::Keep => Some(String::from_utf8_lossy(body).into_owned()),
            Bodies::Forget => None,
        }
    }

    /// An event whose signature is right and that cannot be read, kept whole. Without an id that can be read it is named
    /// after its content, so that it is recorded once however often it is sent.
    fn unreadable(&self, body: &[u8], now: Timestamp, reason: String) -> Event {
        let digest = hex::encode(&Sha256::digest(body)[..12]);
        let id = Account::new(self.receiver.name(), &format!("unreadable_{digest}"));
        Event {
            id: id.as_str().to_owned(),
            kind: "unreadable".into(),
            object: None,
            outcome: Outcome::Unreadable { reason },
            created: now,
            body: Some(String::from_utf8_lossy(body).into_owned()),
        }
    }

    /// Logged, since the secret in the settings may be wrong; once a minute at most, since anybody can send a bad signature.
    fn log_bad_signature(&self, refusal: &Refusal) {
        let Refusal::Signature(what) = refusal else { return };
        let mut last = self.last_logged.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| last.elapsed() < BAD_SIGNATURE_EVERY) {
            return;
        }
        *last = Some(Instant::now());
        let (title, setting) = (self.receiver.kind().title(), self.receiver.secrets_setting());
        tracing::warn!("a webhook was refused: {what}; if it came from {title}, check `{setting}`");
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// What is logged and counted of an event, once it is kept.
struct Received {
    id: String,
    kind: String,
    account: Option<Account>,
    outcome: &'static str,
}

impl Received {
    fn of(event: &Event) -> Self {
        let account = match &event.outcome {
            Outcome::Enqueued(account) => Some(account.clone()),
            Outcome::NoAccount | Outcome::OtherMode | Outcome::Unreadable { .. } => None,
        };
        Self { id: event.id.clone(), kind: event.kind.clone(), account, outcome: event.outcome.as_str() }
    }

    fn log(self, kept: Recorded) {
        let outcome = match kept {
            Recorded::New => self.outcome,
            Recorded::Duplicate => "duplicate",
        };
        let account = self.account.as_ref().map_or("-", Account::as_str);
        tracing::debug!(event.id = %self.id, event.kind = %self.kind, account.id = %account, outcome, "took in an event");
        metrics::counter!("grantsync_events_total", "type" => self.kind, "outcome" => outcome).increment(1);
    }
}
