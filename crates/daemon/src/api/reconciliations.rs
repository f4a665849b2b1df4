//! `/v1/reconciliations`: the last reconciliations, and a new one.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use operator::operator::Operator;
use operator::reconcile::ReconciliationReport;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::{ApiError, Usual};

/// A reconciliation was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Requested {
    requested_at: chrono::DateTime<chrono::Utc>,
}

/// The last ten reconciliations, the newest first.
#[utoipa::path(
    get,
    path = "/v1/reconciliations",
    operation_id = "list_reconciliations",
    responses(
        (status = 200, body = Vec<ReconciliationReport>),
        Usual,
    )
)]
pub(crate) async fn list(State(operator): State<Operator>) -> Result<Json<Vec<ReconciliationReport>>, ApiError> {
    Ok(Json(operator.reconciliations().await?))
}

/// Compare all accounts as soon as a worker is free; drift is repaired, unless `policy.mode` is `observe`.
#[utoipa::path(
    post,
    path = "/v1/reconciliations",
    operation_id = "request_reconciliation",
    responses(
        (status = 202, body = Requested),
        Usual,
    )
)]
pub(crate) async fn request(State(operator): State<Operator>) -> Result<(StatusCode, Json<Requested>), ApiError> {
    let requested_at = operator.request_reconciliation().await?;
    Ok((StatusCode::ACCEPTED, Json(Requested { requested_at })))
}
