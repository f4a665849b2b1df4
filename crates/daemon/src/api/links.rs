//! `POST /v1/links`: whose account it is, by an operator's word.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use store::link::{Link, OPERATOR};
use utoipa::ToSchema;

use super::Api;
use super::error::{ApiError, OfABody, Problem, Usual};
use crate::commands::{account, parse_user};

/// An account and its app user.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Linked {
    /// For example `stripe:cus_9s6XKzkNRiz8i3`.
    account: String,
    /// The app's own user id.
    user: String,
}

/// Say which app user an account belongs to; it wins over anything that is read at Stripe.
#[utoipa::path(
    post,
    path = "/v1/links",
    request_body = Linked,
    responses(
        (status = 201, body = Linked),
        (status = 422, description = "it is no account, or the user id is empty", body = Problem),
        Usual,
        OfABody,
    )
)]
pub(crate) async fn link(
    State(api): State<Api>,
    filter: Result<Json<Linked>, JsonRejection>,
) -> Result<(StatusCode, Json<Linked>), ApiError> {
    let Json(filter) = filter?;
    let (account, user) = (account(&filter.account)?, parse_user(&filter.user)?);
    api.store.link(Link { account, user, origin: OPERATOR.to_owned() }, None).await?;
    Ok((StatusCode::CREATED, Json(filter)))
}
