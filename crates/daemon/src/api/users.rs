//! `/v1/users/{id}/status`: what an app user may use.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use operator::input;
use operator::operator::Operator;
use operator::status::{UserStatus, Wait};
use serde::Deserialize;
use utoipa::IntoParams;

use super::error::{ApiError, Problem, Usual};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Freshness {
    /// Read sources and destinations now, instead of answering what the last sync saw.
    #[serde(default)]
    #[param(required = false)]
    fresh: bool,
}

/// Each level of one app user: active or not, until when, from which store; and whether to show the paywall.
#[utoipa::path(
    get,
    path = "/v1/users/{id}/status",
    params(("id" = String, Path, description = "the app's own user id", example = "u-42"), Freshness),
    responses(
        (status = 200, body = UserStatus),
        (status = 404, description = "nothing is known of that user", body = Problem),
        (status = 409, description = "`fresh` in a process that only takes in webhooks", body = Problem),
        (status = 422, description = "the user id is empty", body = Problem),
        (status = 502, description = "an upstream does not answer, and nothing is known", body = Problem),
        Usual,
    )
)]
pub(crate) async fn status(
    State(operator): State<Operator>,
    id: Result<Path<String>, PathRejection>,
    freshness: Result<Query<Freshness>, QueryRejection>,
) -> Result<Json<UserStatus>, ApiError> {
    let user = input::user(&id?.0)?;
    let status = match freshness?.fresh {
        true => operator.fresh_status(&user).await?,
        false => operator.status(&user, Wait::ForPaywall).await?,
    };
    Ok(Json(status))
}
