//! `/v1/audit`: the audit log.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use operator::audit::AuditEntry;
use operator::input;
use operator::operator::Operator;
use serde::Deserialize;
use utoipa::IntoParams;

use super::error::{ApiError, Problem, Usual};
use super::page::{Page, Portion};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Narrowed {
    /// Only of this app user.
    user: Option<String>,
}

/// Every override that was made, by whom, and why; the newest first.
#[utoipa::path(
    get,
    path = "/v1/audit",
    operation_id = "list_audit_log",
    params(Narrowed, Portion),
    responses(
        (status = 200, body = Page<AuditEntry>),
        (status = 422, description = "a parameter has no such value", body = Problem),
        Usual,
    )
)]
pub(crate) async fn list(
    State(operator): State<Operator>,
    narrowed: Result<Query<Narrowed>, QueryRejection>,
    portion: Result<Query<Portion>, QueryRejection>,
) -> Result<Json<Page<AuditEntry>>, ApiError> {
    let Query(narrowed) = narrowed?;
    let Query(portion) = portion?;
    let user = narrowed.user.as_deref().map(input::user).transpose()?;
    let entries = operator.audit_log(user, portion.number()?, portion.asked()?).await?;
    Ok(Json(portion.page(entries, |entry| entry.id.to_string())?))
}
