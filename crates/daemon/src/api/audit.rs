//! `/v1/orders`, `/v1/users/{id}/blocks`: what was ordered, by whom, and why.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use store::audit::{self, Filter};
use store::overrides::BlockRow;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::error::{ApiError, Problem, Usual};
use super::page::{Page, Portion};
use crate::commands::parse_user;

/// Blocks of one user that are listed at most.
const MOST_BLOCKS: u32 = 1000;

/// A block that stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Block {
    app: String,
    level: String,
    by: String,
    why: String,
    since: DateTime<Utc>,
}

/// An order, as it was given.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditEntry {
    id: i64,
    user: String,
    app: String,
    /// `grant`, `revoke`, `block`, `unblock`, `describe` or `forget`.
    kind: String,
    /// The level, or the names of what was told or forgotten.
    subject: String,
    /// That a grant gave, as it is called in the ledger.
    promotion: Option<String>,
    by: String,
    why: String,
    at: DateTime<Utc>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Narrowed {
    /// Only of this app user.
    user: Option<String>,
}

/// The levels that are withheld from a user.
#[utoipa::path(
    get,
    path = "/v1/users/{id}/blocks",
    operation_id = "list_blocks",
    params(("id" = String, Path, description = "the app's own user id", example = "u-42")),
    responses(
        (status = 200, body = Vec<Block>),
        (status = 422, description = "the user id is empty", body = Problem),
        Usual,
    )
)]
pub(crate) async fn list_blocks(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Vec<Block>>, ApiError> {
    let all = api.store.blocks(Some(&parse_user(&id?.0)?), MOST_BLOCKS).await?;
    Ok(Json(all.into_iter().map(Block::from).collect()))
}

/// All that was ever ordered, by whom, and why; the newest first.
#[utoipa::path(
    get,
    path = "/v1/orders",
    operation_id = "list_orders",
    params(Narrowed, Portion),
    responses(
        (status = 200, body = Page<AuditEntry>),
        (status = 422, description = "a parameter has no such value", body = Problem),
        Usual,
    )
)]
pub(crate) async fn list_orders(
    State(api): State<Api>,
    narrowed: Result<Query<Narrowed>, QueryRejection>,
    portion: Result<Query<Portion>, QueryRejection>,
) -> Result<Json<Page<AuditEntry>>, ApiError> {
    let (Query(narrowed), Query(portion)) = (narrowed?, portion?);
    let user = narrowed.user.as_deref().map(parse_user).transpose()?;
    let lines = api.store.audit_entries(&Filter { user, after: portion.number()? }, portion.asked()?).await?;
    Ok(Json(portion.page(lines, |line| line.id.to_string(), AuditEntry::from)?))
}

impl From<BlockRow> for Block {
    fn from(BlockRow { app, level, by, why, since, .. }: BlockRow) -> Self {
        Self { app, level, by, why, since }
    }
}

impl From<audit::AuditEntry> for AuditEntry {
    fn from(line: audit::AuditEntry) -> Self {
        let audit::AuditEntry { id, user, app, kind, subject, promotion, by, why, at } = line;
        Self { id, user, app, kind, subject, promotion, by, why, at }
    }
}
