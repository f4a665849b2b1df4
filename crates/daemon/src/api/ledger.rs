//! `/v1/ledger`: every step, and what became of it.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use operator::input;
use operator::ledger::{LedgerEntry, LedgerEntryDocument, LedgerFilter, StepState};
use operator::operator::Operator;
use serde::Deserialize;
use utoipa::IntoParams;

use super::error::{ApiError, Problem, Usual};
use super::page::{Page, Portion, since};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Narrowed {
    /// Only of this app user.
    user: Option<String>,
    /// Only what syncs of this account intended.
    account: Option<String>,
    state: Option<StepState>,
    /// Only what was intended since then: a time such as 2026-11-20T10:00:00Z, or 2h or 3d ago.
    since: Option<String>,
}

/// The steps, the newest first.
#[utoipa::path(
    get,
    path = "/v1/ledger",
    operation_id = "list_steps",
    params(Narrowed, Portion),
    responses(
        (status = 200, body = Page<LedgerEntry>),
        (status = 422, description = "a parameter has no such value", body = Problem),
        Usual,
    )
)]
pub(crate) async fn list(
    State(operator): State<Operator>,
    narrowed: Result<Query<Narrowed>, QueryRejection>,
    portion: Result<Query<Portion>, QueryRejection>,
) -> Result<Json<Page<LedgerEntry>>, ApiError> {
    let Query(narrowed) = narrowed?;
    let Query(portion) = portion?;
    let filter = LedgerFilter {
        user: narrowed.user.as_deref().map(input::user).transpose()?,
        account: narrowed.account.as_deref().map(input::account).transpose()?,
        state: narrowed.state,
        since: since(narrowed.since.as_deref(), &operator)?,
        after: portion.number()?,
    };
    let entries = operator.ledger(filter, portion.asked()?).await?;
    Ok(Json(portion.page(entries, |entry| entry.seq.to_string())?))
}

/// One step, and its place in the chain.
#[utoipa::path(
    get,
    path = "/v1/ledger/{key}",
    operation_id = "show_step",
    params(("key" = String, Path, description = "its key, or at least its first six characters")),
    responses(
        (status = 200, body = LedgerEntryDocument),
        (status = 404, description = "no key begins so", body = Problem),
        (status = 409, description = "several keys begin so", body = Problem),
        (status = 422, description = "it is no key", body = Problem),
        Usual,
    )
)]
pub(crate) async fn show(
    State(operator): State<Operator>,
    key: Result<Path<String>, PathRejection>,
) -> Result<Json<LedgerEntryDocument>, ApiError> {
    let key = input::step_key(&key?.0)?;
    Ok(Json(operator.ledger_entry(&key).await?.document()))
}
