//! `/v1/ledger`: the book of steps.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use store::ledger::{Filter, LedgerRow};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::audit::AuditEntry;
use super::error::{ApiError, Problem, Usual};
use super::page::{Page, Portion, moment};
use crate::cli::books::{self, StepState};
use crate::commands::{account, ledger as command, parse_user};

/// A step: written down before it was sent, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Line {
    seq: i64,
    /// What makes it the same step when it is repeated.
    key: String,
    /// The key of the last confirmed step on the same level when it was intended.
    previous: Option<String>,
    destination: String,
    /// `live` or `test`.
    environment: String,
    account: String,
    user: String,
    /// The access level.
    subject: String,
    /// What was to be sent.
    #[schema(value_type = Object)]
    step: serde_json::Value,
    because: String,
    /// `intended`, `confirmed`, `refused` or `dropped`.
    state: String,
    attempts: i64,
    intended_at: chrono::DateTime<chrono::Utc>,
    /// When it is sent next; null once it is settled.
    due_at: Option<chrono::DateTime<chrono::Utc>>,
    settled_at: Option<chrono::DateTime<chrono::Utc>>,
    /// Why it failed or was refused.
    why: Option<String>,
}

/// A step, and what came after it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LineShown {
    #[serde(flatten)]
    line: Line,
    /// Keys of the steps behind it in its chain.
    next: Vec<String>,
    /// The order that it was intended for, where its reason names one; of what is told about a user the last one before it.
    order: Option<AuditEntry>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Narrowed {
    /// Only of this app user.
    user: Option<String>,
    /// Only what looks at this account intended.
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
        (status = 200, body = Page<Line>),
        (status = 422, description = "a parameter has no such value", body = Problem),
        Usual,
    )
)]
pub(crate) async fn list(
    State(api): State<Api>,
    narrowed: Result<Query<Narrowed>, QueryRejection>,
    portion: Result<Query<Portion>, QueryRejection>,
) -> Result<Json<Page<Line>>, ApiError> {
    let (Query(narrowed), Query(portion)) = (narrowed?, portion?);
    let filter = Filter {
        user: narrowed.user.as_deref().map(parse_user).transpose()?,
        account: narrowed.account.as_deref().map(account).transpose()?,
        state: narrowed.state.as_ref().map(books::name),
        since: moment(narrowed.since.as_deref())?,
        after: portion.number()?,
    };
    let lines = api.store.ledger_rows(&filter, portion.asked()?).await?;
    Ok(Json(portion.page(lines, |line| line.seq.to_string(), Line::from)?))
}

/// One step, and its place in the chain.
#[utoipa::path(
    get,
    path = "/v1/ledger/{key}",
    operation_id = "show_step",
    params(("key" = String, Path, description = "its key, or at least its first six characters")),
    responses(
        (status = 200, body = LineShown),
        (status = 404, description = "no key begins so", body = Problem),
        (status = 409, description = "several keys begin so", body = Problem),
        (status = 422, description = "it is no key", body = Problem),
        Usual,
    )
)]
pub(crate) async fn show(
    State(api): State<Api>,
    key: Result<Path<String>, PathRejection>,
) -> Result<Json<LineShown>, ApiError> {
    let key = books::key(&key?.0).map_err(ApiError::Wrong)?;
    let mut found = api.store.ledger_rows_with_prefix(&key, 2).await?;
    let line = match found.len() {
        0 => return Err(ApiError::NotFound(format!("no step has a key that begins with `{key}`"))),
        1 => found.remove(0),
        _ => return Err(ApiError::Busy(format!("several keys begin with `{key}`; write more of it"))),
    };
    let next = api.store.ledger_rows_after(&line, command::NAMED).await?;
    let order = api.store.audit_entry_of(&line).await?.map(AuditEntry::from);
    Ok(Json(LineShown { line: line.into(), next: next.into_iter().map(|line| line.key).collect(), order }))
}

impl From<LedgerRow> for Line {
    fn from(line: LedgerRow) -> Self {
        let LedgerRow { seq, key, previous, destination, environment, account, user, subject, step, .. } = line;
        let LedgerRow { because, state, attempts, intended_at, due_at, settled_at, why, .. } = line;
        Self {
            seq,
            key,
            previous,
            destination,
            environment,
            account,
            user,
            subject,
            step,
            because,
            state,
            attempts,
            intended_at,
            due_at,
            settled_at,
            why,
        }
    }
}
