//! Why a webhook is refused, and how that is answered.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Why a request is refused. Nothing of it is stored.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Too much waits for the database.
    Busy,
    /// The bodies in flight hold all the memory that they may.
    NoRoom,
    TooLarge,
    TooSlow,
    /// The body ended before its end.
    Broken,
    /// The source did not sign it; says what is wrong.
    Signature(String),
    NotJson,
    Database,
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Busy | Self::NoRoom | Self::Database => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken | Self::Signature(_) | Self::NotJson => StatusCode::BAD_REQUEST,
        }
    }

    /// The label of the counter.
    fn reason(&self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::NoRoom => "no_room",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::Broken => "broken",
            Self::Signature(_) => "bad_signature",
            Self::NotJson => "not_json",
            Self::Database => "database",
        }
    }

    fn text(self) -> String {
        match self {
            Self::Busy => "too many events wait; try again".to_owned(),
            Self::NoRoom => "too many bodies are in flight; try again".to_owned(),
            Self::TooLarge => "the body is over 1 MiB".to_owned(),
            Self::TooSlow => "the body did not arrive in time".to_owned(),
            Self::Broken => "the body ended before its end".to_owned(),
            Self::Signature(what) => what,
            Self::NotJson => "the body is not a JSON object".to_owned(),
            Self::Database => "the database does not answer; try again".to_owned(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        metrics::counter!("grantsync_webhooks_refused_total", "reason" => self.reason()).increment(1);
        let status = self.status();
        let mut response = (status, self.text()).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}
