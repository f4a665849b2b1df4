//! What the admin API answers when it does not do what it is asked.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use operator::error::OperatorError;
use serde::Serialize;
use utoipa::openapi::{Content, Ref, RefOr, Response as Described, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

/// An error: a code for programs and a sentence for people.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    pub(crate) error: ErrorBody,
}

/// What is wrong.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    /// For example `not_found`.
    #[schema(example = "not_found")]
    pub(crate) code: &'static str,
    /// What to do about it.
    pub(crate) message: String,
}

/// What every request may be answered with, beside its own answers.
#[derive(Debug)]
pub(crate) struct Usual;

impl IntoResponses for Usual {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        described([
            ("400", "the request cannot be read"),
            ("401", "the token is missing or wrong"),
            ("403", "no token is set"),
            ("503", "the database does not answer"),
        ])
    }
}

/// What every request with a body may be answered with, beside its own answers.
#[derive(Debug)]
pub(crate) struct OfABody;

impl IntoResponses for OfABody {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        described([("413", "the body is too large"), ("415", "the body is not JSON")])
    }
}

fn described<const COUNT: usize>(problems: [(&str, &str); COUNT]) -> BTreeMap<String, RefOr<Described>> {
    problems.into_iter().map(|(status, what)| (status.to_owned(), problem(what))).collect()
}

fn problem(what: &str) -> RefOr<Described> {
    let content = Content::new(Some(Ref::from_schema_name("Problem")));
    ResponseBuilder::new().description(what).content("application/json", content).build().into()
}

/// Why a request was not carried out.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// It cannot be read.
    Unreadable(StatusCode, String),
    /// It was read, and not carried out.
    Refused(OperatorError),
}

impl ApiError {
    /// The request cannot be carried out as it is written.
    pub(crate) fn invalid(text: impl Into<String>) -> Self {
        Self::Refused(OperatorError::Invalid(text.into()))
    }

    fn answer(self) -> (StatusCode, &'static str, String) {
        match self {
            Self::Unreadable(status, text) => (status, "unreadable_request", text),
            Self::Refused(error) => refused(error),
        }
    }
}

fn refused(error: OperatorError) -> (StatusCode, &'static str, String) {
    match error {
        OperatorError::Invalid(text) => (StatusCode::UNPROCESSABLE_ENTITY, "wrong_request", text),
        OperatorError::NotFound(text) => (StatusCode::NOT_FOUND, "not_found", text),
        OperatorError::Conflict(text) => (StatusCode::CONFLICT, "busy", text),
        OperatorError::NoKeys => (StatusCode::CONFLICT, "only_ingest", error.to_string()),
        OperatorError::Upstream { .. } => (StatusCode::BAD_GATEWAY, "upstream", error.to_string()),
        OperatorError::Store(_) | OperatorError::Note(_) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "a request of the admin API was not answered");
            (StatusCode::SERVICE_UNAVAILABLE, "database", "the database does not answer; try again".to_owned())
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code, message) = self.answer();
        (status, Json(Problem { error: ErrorBody { code, message } })).into_response()
    }
}

impl From<OperatorError> for ApiError {
    fn from(error: OperatorError) -> Self {
        Self::Refused(error)
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        Self::Unreadable(rejection.status(), rejection.body_text())
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::Unreadable(rejection.status(), rejection.body_text())
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        Self::Unreadable(rejection.status(), rejection.body_text())
    }
}
