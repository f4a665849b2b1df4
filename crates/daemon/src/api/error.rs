//! What the admin API answers when it cannot do what it is asked.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use store::error::StoreError;
use sync::inspect::InspectError;
use utoipa::openapi::{Content, Ref, RefOr, Response as Described, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use crate::command_error::CommandError;

/// An error: a code for programs and a sentence for people.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    pub(crate) error: Told,
}

/// What is the matter.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Told {
    /// For example `not_found`.
    #[schema(example = "not_found")]
    pub(crate) code: &'static str,
    /// What to do about it.
    pub(crate) message: String,
}

/// What every request may be answered with besides.
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

/// What every request with a body may be answered with besides.
#[derive(Debug)]
pub(crate) struct OfABody;

impl IntoResponses for OfABody {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        described([("413", "the body is too large"), ("415", "the body is not JSON")])
    }
}

fn described<const COUNT: usize>(problems: [(&str, &str); COUNT]) -> BTreeMap<String, RefOr<Described>> {
    let problem = |(status, what): (&str, &str)| {
        let content = Content::new(Some(Ref::from_schema_name("Problem")));
        let response = ResponseBuilder::new().description(what).content("application/json", content).build();
        (status.to_owned(), response.into())
    };
    problems.into_iter().map(problem).collect()
}

/// Why a request is not answered as it wishes.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// The request itself is wrong.
    Wrong(String),
    Unreadable(StatusCode, String),
    NotFound(String),
    /// Somebody else is at it.
    Busy(String),
    /// This process has no keys.
    OnlyIngest,
    Upstream(String),
    Database,
}

impl ApiError {
    fn told(self) -> (StatusCode, &'static str, String) {
        match self {
            Self::Wrong(text) => (StatusCode::UNPROCESSABLE_ENTITY, "wrong_request", text),
            Self::Unreadable(status, text) => (status, "unreadable_request", text),
            Self::NotFound(text) => (StatusCode::NOT_FOUND, "not_found", text),
            Self::Busy(text) => (StatusCode::CONFLICT, "busy", text),
            Self::OnlyIngest => (
                StatusCode::CONFLICT,
                "only_ingest",
                "this process only takes in webhooks and has no keys; ask one that works".to_owned(),
            ),
            Self::Upstream(text) => (StatusCode::BAD_GATEWAY, "upstream", text),
            Self::Database => {
                (StatusCode::SERVICE_UNAVAILABLE, "database", "the database does not answer; try again".to_owned())
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code, message) = self.told();
        (status, Json(Problem { error: Told { code, message } })).into_response()
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::warn!(error = &error as &dyn std::error::Error, "a request of the admin API could not be answered");
        Self::Database
    }
}

impl From<InspectError> for ApiError {
    fn from(error: InspectError) -> Self {
        match error {
            InspectError::Nobody => Self::NotFound(error.to_string()),
            InspectError::Upstream(failure) => Self::Upstream(failure.to_string()),
            InspectError::Store(error) => error.into(),
        }
    }
}

impl From<CommandError> for ApiError {
    fn from(failed: CommandError) -> Self {
        match failed {
            CommandError::Usage(text) | CommandError::Sentence(text) => Self::Wrong(text),
            CommandError::Doing(doing, error) => {
                tracing::warn!(error = &*error as &dyn std::error::Error, "{doing} failed for the admin API");
                Self::Database
            }
            CommandError::Silent => Self::Database,
        }
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
