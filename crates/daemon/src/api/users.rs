//! `/v1/users/{id}/…`: where an app user stands.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Api;
use super::error::{ApiError, Problem, Usual};
use crate::commands::parse_user;
use crate::standing::{Standing, Waiting};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Freshness {
    /// Ask Stripe and Adapty now, instead of telling what the last look saw.
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
        (status = 200, body = Standing),
        (status = 404, description = "nothing is known of that user", body = Problem),
        (status = 409, description = "`fresh` in a process that only takes in webhooks", body = Problem),
        (status = 422, description = "the user id is empty", body = Problem),
        (status = 502, description = "an upstream does not answer, and nothing is known", body = Problem),
        Usual,
    )
)]
pub(crate) async fn status(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
    freshness: Result<Query<Freshness>, QueryRejection>,
) -> Result<Json<Standing>, ApiError> {
    let user = parse_user(&id?.0)?;
    let standing = if freshness?.fresh {
        api.sources.fresh(api.sync.as_ref().ok_or(ApiError::OnlyIngest)?, &user).await?
    } else {
        api.sources.known(&user, Waiting::ForNeedful).await?
    };
    let unknown = || ApiError::NotFound("nothing is known of that user; see `grantsync parked list`".into());
    Ok(Json(standing.ok_or_else(unknown)?))
}
