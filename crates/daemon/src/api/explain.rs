//! `/v1/users/{id}/explain`, `/v1/accounts/{id}/explain`: why a user has what they have.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use operator::explain::Subject;
use operator::explanation::Explanation;
use operator::input;
use operator::operator::Operator;
use serde::Deserialize;
use utoipa::IntoParams;

use super::error::{ApiError, Problem, Usual};

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
    State(operator): State<Operator>,
    id: Result<Path<String>, PathRejection>,
    app: Result<Query<OfApp>, QueryRejection>,
) -> Result<Response, ApiError> {
    let of = Subject::User(input::user(&id?.0)?);
    explained(&operator, &of, &app?.0).await
}

/// Why the user behind an account has what they have; the same as `grantsync explain ACCOUNT --json`.
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
    State(operator): State<Operator>,
    id: Result<Path<String>, PathRejection>,
    app: Result<Query<OfApp>, QueryRejection>,
) -> Result<Response, ApiError> {
    let of = Subject::Account(input::account(&id?.0)?);
    explained(&operator, &of, &app?.0).await
}

async fn explained(operator: &Operator, of: &Subject, OfApp { app }: &OfApp) -> Result<Response, ApiError> {
    let all = operator.explain(of, app.as_deref()).await?;
    Ok(match all.as_slice() {
        [only] => Json(only.document()).into_response(),
        several => Json(several.iter().map(Explanation::document).collect::<Vec<_>>()).into_response(),
    })
}
