//! `POST /v1/links`: links an account to an app user.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use operator::input;
use operator::operator::Operator;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::{ApiError, OfABody, Problem, Usual};

/// An account and its app user.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Link {
    /// For example `stripe:cus_9s6XKzkNRiz8i3`.
    account: String,
    /// The app's own user id.
    user: String,
}

/// Link an account to an app user; it wins over anything that is read at a source.
#[utoipa::path(
    post,
    path = "/v1/links",
    request_body = Link,
    responses(
        (status = 201, body = Link),
        (status = 422, description = "it is no account, or the user id is empty", body = Problem),
        Usual,
        OfABody,
    )
)]
pub(crate) async fn link(
    State(operator): State<Operator>,
    body: Result<Json<Link>, JsonRejection>,
) -> Result<(StatusCode, Json<Link>), ApiError> {
    let Json(link) = body?;
    operator.link(input::account(&link.account)?, input::user(&link.user)?).await?;
    Ok((StatusCode::CREATED, Json(link)))
}
