//! `/v1/users/{id}/explain`, `/v1/accounts/{id}/explain`: why a customer has what they have.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use serde_json::Value;
use sync::examine::Examined;

use super::Api;
use super::error::{ApiError, Problem, Usual};
use crate::commands::{account, customer, explain as command};

/// Why an app user has what they have, over all their accounts; the same as `grantsync explain --user ID --json`.
#[utoipa::path(
    get,
    path = "/v1/users/{id}/explain",
    operation_id = "explain_user",
    params(("id" = String, Path, description = "the app's own user id", example = "u-42")),
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
) -> Result<Json<Value>, ApiError> {
    let user = customer(&id?.0)?;
    let sync = api.sync.as_ref().ok_or(ApiError::OnlyIngest)?;
    told(&api, sync.examine_customer(&user).await?).await
}

/// Why the customer behind an account has what they have; the same as `grantsync explain ACCOUNT --json`.
#[utoipa::path(
    get,
    path = "/v1/accounts/{id}/explain",
    operation_id = "explain_account",
    params(("id" = String, Path, description = "an account, or what leads to one", example = "stripe:cus_9s6XKzkNRiz8i3")),
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
) -> Result<Json<Value>, ApiError> {
    let account = account(&id?.0)?;
    let sync = api.sync.as_ref().ok_or(ApiError::OnlyIngest)?;
    told(&api, sync.examine(&account).await?).await
}

async fn told(api: &Api, examined: Examined) -> Result<Json<Value>, ApiError> {
    let sync = api.sync.as_ref().ok_or(ApiError::OnlyIngest)?;
    let told = command::gather(&api.store, examined, sync.conduct).await?;
    if told.is_nothing() {
        return Err(ApiError::NotFound(told.unknown()));
    }
    Ok(Json(told.as_json()))
}
