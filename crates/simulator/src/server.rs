//! The way of a request: journal, hook, fault, answer.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderValue, Request as HttpRequest, Response, header};
use futures_util::stream;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::adapty::{self, Adapty};
use crate::clock;
use crate::connection::{Door, Wire};
use crate::fault::{Faults, What};
use crate::iaphub::{self, Iaphub};
use crate::journal::{Journal, Request, Server, kept_headers};
use crate::stripe::{self, Stripe};

/// The largest body that is read; the vendors' own limits are far below.
const BODY_LIMIT: usize = 4 << 20;

const BAD_GATEWAY: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n";

/// A request as the two vendors see it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) authorization: Option<String>,
    pub(crate) content_type: Option<String>,
    /// `adapty-customer-user-id`, else `adapty-profile-id`.
    pub(crate) customer: Option<String>,
    pub(crate) body: Vec<u8>,
    /// Set by a fault: reads show what was there before a write younger than this.
    pub(crate) stale: Option<Duration>,
}

impl Call {
    /// The first query value of this name.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// An answer before it is made into HTTP.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    content_type: &'static str,
    body: String,
    /// Set by a fault: the time between two bytes of the body.
    drips: Option<Duration>,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &Value) -> Answer {
        Answer { status, headers: Vec::new(), content_type: "application/json", body: body.to_string(), drips: None }
    }

    fn text(status: u16, content_type: &'static str, body: &str) -> Answer {
        Answer { status, headers: Vec::new(), content_type, body: body.to_owned(), drips: None }
    }

    fn with(mut self, name: &str, value: &str) -> Answer {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn into_http(self) -> Response<Body> {
        let mut response = Response::builder().status(self.status);
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            response = response.header(header::CONTENT_TYPE, self.content_type);
        }
        for (name, value) in &self.headers {
            response = response.header(name, value);
        }
        let body = match self.drips {
            None => Body::from(self.body),
            Some(wait) => dripping(self.body, wait),
        };
        response.body(body).unwrap_or_else(|error| {
            let mut failed = Response::new(Body::from(format!("the injected answer is not HTTP: {error}")));
            *failed.status_mut() = axum::http::StatusCode::INTERNAL_SERVER_ERROR;
            failed
        })
    }
}

/// A body that comes a byte at a time.
fn dripping(body: String, wait: Duration) -> Body {
    let bytes = body.into_bytes().into_iter();
    Body::from_stream(stream::unfold(bytes, move |mut bytes| async move {
        let byte = bytes.next()?;
        tokio::time::sleep(wait).await;
        Some((Ok::<_, Infallible>(vec![byte]), bytes))
    }))
}

type Handle = Box<dyn Fn(&Call) -> Answer + Send + Sync>;

/// One vendor behind its door.
pub(crate) struct Desk {
    server: Server,
    journal: Journal,
    faults: Faults,
    handle: Handle,
}

impl fmt::Debug for Desk {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Desk").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Desk {
    pub(crate) fn stripe(stripe: Stripe, journal: Journal) -> Desk {
        Desk {
            server: Server::Stripe,
            journal,
            faults: stripe.faults.clone(),
            handle: Box::new(move |call| stripe::answer(&stripe, call)),
        }
    }

    pub(crate) fn iaphub(iaphub: Iaphub, journal: Journal) -> Desk {
        Desk {
            server: Server::Iaphub,
            journal,
            faults: iaphub.faults.clone(),
            handle: Box::new(move |call| iaphub::answer(&iaphub, call)),
        }
    }

    pub(crate) fn adapty(adapty: Adapty, journal: Journal) -> Desk {
        Desk {
            server: Server::Adapty,
            journal,
            faults: adapty.faults.clone(),
            handle: Box::new(move |call| adapty::answer(&adapty, call)),
        }
    }
}

/// Answers until the other end of `closed` is dropped; idle connections are then closed as well.
pub(crate) async fn serve(listener: TcpListener, desk: Desk, closed: oneshot::Receiver<()>) {
    let app = Router::new().fallback(respond).with_state(Arc::new(desk));
    let app = app.into_make_service_with_connect_info::<Wire>();
    let closed = async {
        let _ = closed.await;
    };
    // `axum::serve` never returns an error: a failed accept is tried again.
    let _ = axum::serve(Door(listener), app).with_graceful_shutdown(closed).await;
}

async fn respond(
    State(desk): State<Arc<Desk>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    request: HttpRequest<Body>,
) -> Response<Body> {
    let (entry, mut call) = read(&desk, request).await;
    let hooked = desk.journal.received(&entry);
    let whole_path = format!("{}?{}", entry.path, entry.query);
    let fault = hooked.or_else(|| desk.faults.pick(&entry.method, &whole_path));
    desk.faults.wait().await;
    match play(&desk, &wire, &mut call, fault).await {
        Some(answer) => {
            desk.journal.answered(entry.number, answer.status);
            answer.into_http()
        }
        None => {
            wire.cut();
            Response::new(Body::empty())
        }
    }
}

/// Does what the request and its fault say; `None` closes the connection.
async fn play(desk: &Desk, wire: &Wire, call: &mut Call, fault: Option<What>) -> Option<Answer> {
    match fault {
        None => Some((desk.handle)(call)),
        Some(What::Delay(wait)) => {
            tokio::time::sleep(wait).await;
            Some((desk.handle)(call))
        }
        Some(What::AnswerLate(wait)) => {
            let answer = (desk.handle)(call);
            tokio::time::sleep(wait).await;
            Some(answer)
        }
        Some(What::HangForever) => std::future::pending().await,
        Some(What::ResetBefore) => None,
        Some(What::ResetAfter) => {
            (desk.handle)(call);
            None
        }
        Some(What::Drip(wait)) => Some(Answer { drips: Some(wait), ..(desk.handle)(call) }),
        Some(What::StaleReads(age)) => {
            call.stale = Some(age);
            Some((desk.handle)(call))
        }
        Some(What::Truncate) => {
            let answer = (desk.handle)(call);
            wire.cut_after_body(answer.body.len() / 2);
            Some(answer)
        }
        Some(other) => Some(spoil(desk, call, other)),
    }
}

/// The faults that come back as a whole answer.
fn spoil(desk: &Desk, call: &Call, fault: What) -> Answer {
    match fault {
        What::Status(status, headers, body) => {
            let plain = Answer::text(status, "application/json", &body);
            Answer { headers, ..plain }
        }
        What::DropBodyAfter => {
            (desk.handle)(call);
            Answer::text(200, "application/json", "{\"data\": {\"app_id\": \"")
        }
        What::Html502 => Answer::text(502, "text/html", BAD_GATEWAY),
        What::WrongContentType => {
            let answer = (desk.handle)(call);
            Answer { content_type: "text/plain; charset=utf-8", ..answer }
        }
        What::DatedOff(seconds) => {
            let date = clock::now() + chrono::TimeDelta::seconds(seconds);
            (desk.handle)(call).with("date", &date.format("%a, %d %b %Y %H:%M:%S GMT").to_string())
        }
        What::Redirect(to) => Answer::text(307, "text/html", "").with("location", &to),
        What::RetryAfter(seconds) => {
            Answer::text(429, "application/json", rate_limited(desk.server)).with("retry-after", &seconds.to_string())
        }
        What::Delay(_)
        | What::AnswerLate(_)
        | What::HangForever
        | What::ResetBefore
        | What::ResetAfter
        | What::StaleReads(_)
        | What::Drip(_)
        | What::Truncate => (desk.handle)(call),
    }
}

fn rate_limited(server: Server) -> &'static str {
    match server {
        Server::Stripe => {
            r#"{"error":{"type":"invalid_request_error","code":"rate_limit","message":"Too many requests hit the API too quickly."}}"#
        }
        Server::Iaphub => r#"{"error":"too_many_requests"}"#,
        Server::Adapty => {
            r#"{"errors":[{"source":null,"errors":["Too many requests."]}],"error_code":"rate_limited","status_code":429}"#
        }
    }
}

/// Reads the whole request into what the journal keeps and what the vendor sees.
async fn read(desk: &Desk, request: HttpRequest<Body>) -> (Request, Call) {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, BODY_LIMIT).await.unwrap_or_default().to_vec();
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let call = Call {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: pairs(&query),
        authorization: parts.headers.get(header::AUTHORIZATION).map(text),
        content_type: parts.headers.get(header::CONTENT_TYPE).map(text),
        customer: ["adapty-customer-user-id", "adapty-profile-id"]
            .iter()
            .find_map(|name| parts.headers.get(*name).map(text)),
        body,
        stale: None,
    };
    let entry = Request {
        number: desk.journal.next_number(),
        server: desk.server,
        method: call.method.clone(),
        path: call.path.clone(),
        query,
        headers: kept_headers(&parts.headers),
        body: json_or_text(&call.body),
        status: None,
        at: Instant::now(),
        wall: clock::now(),
    };
    (entry, call)
}

fn json_or_text(body: &[u8]) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(body).unwrap_or_else(|_| String::from_utf8_lossy(body).into())
}

/// A query string as decoded pairs.
fn pairs(query: &str) -> Vec<(String, String)> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    let decoded = parts.map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (form_decoded(name), form_decoded(value))
    });
    decoded.collect()
}

fn form_decoded(text: &str) -> String {
    percent_decoded(&text.replace('+', " "))
}

/// Undoes `%41`; a broken escape stays as it is.
pub(crate) fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%').then(|| bytes.get(at + 1..at + 3)).flatten();
        let mut byte = [0];
        if escaped.is_some_and(|two| hex::decode_to_slice(two, &mut byte).is_ok()) {
            plain.push(byte[0]);
            at += 3;
        } else {
            plain.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}
