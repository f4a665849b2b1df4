//! `POST /webhooks/stripe`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use entitlement::clock::{Clock, Timestamp};
use entitlement::names::{Account, Mode};
use sha2::{Digest, Sha256};
use store::event::{Event, Outcome, Recorded};
use store::open::Store;
use stripe::envelope::{self, NotAnEvent};

use stripe::signature::Verifier;

use crate::event;

/// Largest body taken in. Stripe documents none; the largest events seen are below 10 kB.
const LARGEST_BODY: usize = 1024 * 1024;
/// How long a body may take to arrive.
const LONGEST_BODY: Duration = Duration::from_secs(10);

/// What the route needs.
#[derive(Clone, Debug)]
pub struct Ingest {
    pub store: Store,
    pub verifier: Arc<Verifier>,
    /// The mode of the configured key; events of the other mode are kept and not acted on.
    pub mode: Option<Mode>,
    pub bodies: Bodies,
    pub clock: Clock,
}

/// Whether the inbox keeps whole events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bodies {
    Keep,
    Forget,
}

/// Why a request is refused. Nothing of it is stored.
#[derive(Debug)]
enum Refusal {
    /// Too much waits for the database.
    Busy,
    TooLarge,
    TooSlow,
    Signature(stripe::signature::BadSignature),
    NotJson,
    Database,
}

/// The route that takes Stripe's webhooks.
pub fn routes(ingest: Ingest) -> Router {
    Router::new().route("/webhooks/stripe", post(take_in)).with_state(Arc::new(ingest))
}

async fn take_in(State(ingest): State<Arc<Ingest>>, request: Request) -> Response {
    match ingest.take(request).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

impl Ingest {
    async fn take(&self, request: Request) -> Result<(), Refusal> {
        // asked first: refusing must be cheaper than accepting
        if !self.store.has_slots() {
            return Err(Refusal::Busy);
        }
        let (head, body) = request.into_parts();
        let body = tokio::time::timeout(LONGEST_BODY, to_bytes(body, LARGEST_BODY)).await;
        let body = body.map_err(|_| Refusal::TooSlow)?.map_err(|_| Refusal::TooLarge)?;
        let slot = self.store.slot().ok_or(Refusal::Busy)?;
        let event = self.accepted(&head.headers, &body)?;
        // they hold the connection's buffers, which thousands that wait would hold with them
        drop((head, body));
        let (kind, outcome) = (event.kind.clone(), event.outcome.as_str());
        let account = match &event.outcome {
            Outcome::Enqueued(account) => Some(account.clone()),
            Outcome::NoAccount | Outcome::OtherMode | Outcome::Unreadable { .. } => None,
        };
        let id = event.id.clone();
        let kept = slot.record(event).await.map_err(|_| Refusal::Database)?;
        tell(&id, kind, account.as_ref(), outcome, kept);
        Ok(())
    }

    /// The event, if it is Stripe's.
    fn accepted(&self, headers: &HeaderMap, body: &[u8]) -> Result<Event, Refusal> {
        let now = (self.clock)();
        let signature = headers.get("stripe-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
        self.verifier.verify(signature, body, now).map_err(Refusal::Signature)?;
        self.event(body, now)
    }

    fn event(&self, body: &[u8], now: Timestamp) -> Result<Event, Refusal> {
        match envelope::read(body) {
            Ok(envelope) => {
                let kept = match self.bodies {
                    Bodies::Keep => Some(String::from_utf8_lossy(body).into_owned()),
                    Bodies::Forget => None,
                };
                Ok(event::of(envelope, self.mode, kept))
            }
            Err(NotAnEvent::NotJsonObject) => Err(Refusal::NotJson),
            Err(unreadable @ NotAnEvent::Unreadable(_)) => Ok(Event {
                id: fingerprint(body),
                kind: "unreadable".into(),
                object: None,
                outcome: Outcome::Unreadable { reason: unreadable.to_string() },
                created: now,
                body: Some(String::from_utf8_lossy(body).into_owned()),
            }),
        }
    }
}

/// A name for something that has none of its own, so that the same thing sent again is kept once.
fn fingerprint(body: &[u8]) -> String {
    let digest = Sha256::digest(body);
    Account::stripe(None, &format!("unreadable_{}", hex::encode(&digest[..12]))).as_str().to_owned()
}

/// A wrong secret must show in the log; a stranger who knocks must not fill it.
static SILENCE: Silence = Silence(Mutex::new(None));

struct Silence(Mutex<Option<Instant>>);

impl Silence {
    /// Once a minute.
    fn is_over(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over = last.is_none_or(|last| last.elapsed() >= Duration::from_secs(60));
        if over {
            *last = Some(Instant::now());
        }
        over
    }
}

fn tell(id: &str, kind: String, account: Option<&Account>, outcome: &'static str, kept: Recorded) {
    let outcome = match kept {
        Recorded::New => outcome,
        Recorded::Duplicate => "duplicate",
    };
    let account = account.map_or("-", Account::as_str);
    tracing::debug!(event.id = %id, event.kind = %kind, account.id = %account, outcome, "took in an event");
    metrics::counter!("grantsync_events_total", "type" => kind, "outcome" => outcome).increment(1);
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, outcome, text) = match self {
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", "too many events wait; try again".to_owned()),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the body is over 1 MiB".to_owned()),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "too_slow", "the body did not arrive in time".to_owned()),
            Self::Database => {
                (StatusCode::SERVICE_UNAVAILABLE, "database", "the database does not answer; try again".to_owned())
            }
            Self::Signature(bad) => (StatusCode::BAD_REQUEST, "bad_signature", bad.to_string()),
            Self::NotJson => (StatusCode::BAD_REQUEST, "not_json", "the body is not a JSON object".to_owned()),
        };
        metrics::counter!("grantsync_webhooks_refused_total", "reason" => outcome).increment(1);
        if outcome == "bad_signature" && SILENCE.is_over() {
            tracing::warn!("a webhook was refused: {text}; if it came from Stripe, check `stripe.webhook_secrets`");
        }
        let mut response = (status, text).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("5"));
        }
        response
    }
}
