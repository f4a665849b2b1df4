//! `/v1/users/{id}/explain`, `/v1/accounts/{id}/explain`: why a customer has what they have.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::Value;
use sync::controller::Controller;
use utoipa::IntoParams;

use super::Api;
use super::error::{ApiError, Problem, Usual};
use crate::commands::explain::{Asked, Told};
use crate::commands::{account, explain as command, parse_user};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct OfApp {
    /// Only this one of several apps; without it, and with several, the answer is a list.
    app: Option<String>,
}

/// Why an app user has what they have, over all their accounts; the same as `grantsync explain --user ID --json`.
#[utoipa::path(
    get,
    path = "/v1/users/{id}/explain",
    operation_id = "explain_user",
    params(("id" = String, Path, description = "the app's own user id", example = "u-42"), OfApp),
    responses(
        (status = 200, body = Object),
        (status = 404, description = "nothing is known of that user", body = Problem),
        (status = 409, description = "this process only takes in webhooks", body = Problem),
        (status = 422, description = "the user id is empty", body = Problem),
        Usual,
    )
)]
pub(crate) async fn of_user(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
    app: Result<Query<OfApp>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let user = parse_user(&id?.0)?;
    let sync = api.sync.as_ref().ok_or(ApiError::OnlyIngest)?;
    told(sync, Asked::User(user), app?.0).await
}

/// Why the customer behind an account has what they have; the same as `grantsync explain ACCOUNT --json`.
#[utoipa::path(
    get,
    path = "/v1/accounts/{id}/explain",
    operation_id = "explain_account",
    params(("id" = String, Path, description = "an account, or what leads to one", example = "stripe:cus_9s6XKzkNRiz8i3"), OfApp),
    responses(
        (status = 200, body = Object),
        (status = 404, description = "nothing is known of that account", body = Problem),
        (status = 409, description = "this process only takes in webhooks", body = Problem),
        (status = 422, description = "it is no account", body = Problem),
        Usual,
    )
)]
pub(crate) async fn of_account(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
    app: Result<Query<OfApp>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let account = account(&id?.0)?;
    let sync = api.sync.as_ref().ok_or(ApiError::OnlyIngest)?;
    told(sync, Asked::Account(account), app?.0).await
}

async fn told(sync: &Controller, asked: Asked, of: OfApp) -> Result<Json<Value>, ApiError> {
    let apps = command::chosen(sync, of.app.as_deref()).map_err(ApiError::Wrong)?;
    let all = command::of_apps(sync, &apps, &asked).await?;
    if all.iter().all(Told::is_nothing) {
        return Err(ApiError::NotFound(all.first().map_or_else(String::new, Told::unknown)));
    }
    Ok(Json(command::as_json(&all)))
}
