//! `/v1/users/{id}/grants`, `…/blocks`, `…/attributes`: makes and lists overrides.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use entitlement::model::attributes::{AttributeName, AttributeValue};
use operator::input;
use operator::operator::Operator;
use operator::override_input::Term;
use operator::overrides::{self, Attribute, Granted, Override, Paid, PromotionalGrant};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiError, OfABody, Problem, Usual};

/// Blocks of one user that are listed at most.
const MOST_BLOCKS: u32 = 1000;

/// A promotional grant: `level`, and exactly one of `days`, `until` and `lifetime`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grant {
    /// The access level.
    #[schema(example = "premium")]
    level: String,
    /// For so many days from now.
    days: Option<i64>,
    /// Until then.
    until: Option<DateTime<Utc>>,
    /// For life.
    #[serde(default)]
    lifetime: bool,
    /// Requests with the same id grant once.
    request_id: Option<String>,
    /// The app; needed when there are several.
    app: Option<String>,
    /// Who makes it; kept in the audit log.
    by: Option<String>,
    /// Why; kept in the audit log.
    reason: Option<String>,
}

/// A level to withhold, whatever is paid.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewBlock {
    /// The access level.
    #[schema(example = "premium")]
    level: String,
    /// The app; needed when there are several.
    app: Option<String>,
    /// Who makes it; kept in the audit log.
    by: Option<String>,
    /// Why; kept in the audit log.
    reason: Option<String>,
}

/// Attributes to set or delete.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAttributes {
    /// Texts and numbers by name; null deletes. A name that begins with `profile:` is a field of the profile.
    #[schema(value_type = Object)]
    attributes: BTreeMap<String, Value>,
    /// The app; needed when there are several.
    app: Option<String>,
    /// Who makes it; kept in the audit log.
    by: Option<String>,
    /// Why; kept in the audit log.
    reason: Option<String>,
}

/// What every override takes.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Options {
    /// The app; needed when there are several.
    app: Option<String>,
    /// Who makes it; kept in the audit log.
    by: Option<String>,
    /// Why; kept in the audit log.
    reason: Option<String>,
}

/// What changed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Changed {
    /// Promotional grants that ended, blocks that began or ended, attributes that were forgotten.
    changed: u64,
}

/// Grant a level without a payment; it never shortens what is paid for, and what is paid for never ends it.
#[utoipa::path(
    post,
    path = "/v1/users/{id}/grants",
    operation_id = "grant",
    params(("id" = String, Path, description = "the app's own user id", example = "u-42")),
    request_body = Grant,
    responses(
        (status = 201, body = Granted),
        (status = 200, body = Granted, description = "it was granted before, under the same `request_id`"),
        (status = 409, description = "the `request_id` was used for something else", body = Problem),
        (status = 422, description = "not exactly one of the three is given, or a value is out of range", body = Problem),
        Usual,
        OfABody,
    )
)]
pub(crate) async fn grant(
    State(operator): State<Operator>,
    id: Result<Path<String>, PathRejection>,
    body: Result<Json<Grant>, JsonRejection>,
) -> Result<(StatusCode, Json<Granted>), ApiError> {
    let user = id?.0;
    let Json(Grant { level, days, until, lifetime, request_id, app, by, reason }) = body?;
    let of = override_of(&user, Options { app, by, reason })?;
    let granted = operator.grant(of, &level, Term { days, until, lifetime }, request_id).await?;
    let status = if granted.repeated { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(granted)))
}

/// All promotional grants of a user, the newest first.
#[utoipa::path(
    get,
    path = "/v1/users/{id}/grants",
    operation_id = "list_grants",
    params(("id" = String, Path, description = "the app's own user id", example = "u-42")),
    responses(
        (status = 200, body = Vec<PromotionalGrant>),
        (status = 422, description = "the user id is empty", body = Problem),
        Usual,
    )
)]
pub(crate) async fn list_grants(
    State(operator): State<Operator>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Vec<PromotionalGrant>>, ApiError> {
    Ok(Json(operator.promotional_grants(&input::user(&id?.0)?).await?))
}

/// End all promotional grants of a level; what is paid for stays.
#[utoipa::path(
    delete,
    path = "/v1/users/{id}/grants/{level}",
    operation_id = "revoke",
    params(
        ("id" = String, Path, description = "the app's own user id", example = "u-42"),
        ("level" = String, Path, description = "the access level", example = "premium"),
        Options,
    ),
    responses(
        (status = 200, body = Changed),
        (status = 422, description = "a value is empty or too long", body = Problem),
        Usual,
    )
)]
pub(crate) async fn revoke(
    State(operator): State<Operator>,
    path: Result<Path<(String, String)>, PathRejection>,
    options: Result<Query<Options>, QueryRejection>,
) -> Result<Json<Changed>, ApiError> {
    let Path((user, level)) = path?;
    let of = override_of(&user, options?.0)?;
    let changed = operator.revoke(of, &level, Paid::Keep).await?;
    Ok(Json(Changed { changed }))
}

/// The levels that are withheld from a user.
#[utoipa::path(
    get,
    path = "/v1/users/{id}/blocks",
    operation_id = "list_blocks",
    params(("id" = String, Path, description = "the app's own user id", example = "u-42")),
    responses(
        (status = 200, body = Vec<overrides::Block>),
        (status = 422, description = "the user id is empty", body = Problem),
        Usual,
    )
)]
pub(crate) async fn list_blocks(
    State(operator): State<Operator>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Vec<overrides::Block>>, ApiError> {
    Ok(Json(operator.blocks(Some(&input::user(&id?.0)?), MOST_BLOCKS).await?))
}

/// Withhold a level, whatever is paid, and end its promotional grants.
#[utoipa::path(
    post,
    path = "/v1/users/{id}/blocks",
    operation_id = "block",
    params(("id" = String, Path, description = "the app's own user id", example = "u-42")),
    request_body = NewBlock,
    responses(
        (status = 200, body = Changed),
        (status = 422, description = "a value is empty or too long", body = Problem),
        Usual,
        OfABody,
    )
)]
pub(crate) async fn block(
    State(operator): State<Operator>,
    id: Result<Path<String>, PathRejection>,
    body: Result<Json<NewBlock>, JsonRejection>,
) -> Result<Json<Changed>, ApiError> {
    let user = id?.0;
    let Json(NewBlock { level, app, by, reason }) = body?;
    let of = override_of(&user, Options { app, by, reason })?;
    let changed = operator.revoke(of, &level, Paid::Block).await?;
    Ok(Json(Changed { changed }))
}

/// End a block: what is paid for is granted again.
#[utoipa::path(
    delete,
    path = "/v1/users/{id}/blocks/{level}",
    operation_id = "unblock",
    params(
        ("id" = String, Path, description = "the app's own user id", example = "u-42"),
        ("level" = String, Path, description = "the access level", example = "premium"),
        Options,
    ),
    responses(
        (status = 200, body = Changed),
        (status = 422, description = "a value is empty or too long", body = Problem),
        Usual,
    )
)]
pub(crate) async fn unblock(
    State(operator): State<Operator>,
    path: Result<Path<(String, String)>, PathRejection>,
    options: Result<Query<Options>, QueryRejection>,
) -> Result<Json<Changed>, ApiError> {
    let Path((user, level)) = path?;
    let was_blocked = operator.unblock(override_of(&user, options?.0)?, &level).await?;
    Ok(Json(Changed { changed: u64::from(was_blocked) }))
}

/// Set or delete attributes, and fields of the profile.
#[utoipa::path(
    patch,
    path = "/v1/users/{id}/attributes",
    operation_id = "set_attributes",
    params(("id" = String, Path, description = "the app's own user id", example = "u-42")),
    request_body = NewAttributes,
    responses(
        (status = 200, body = Vec<Attribute>, description = "all that operators set"),
        (status = 422, description = "the app does not take a name or a value", body = Problem),
        Usual,
        OfABody,
    )
)]
pub(crate) async fn set_attributes(
    State(operator): State<Operator>,
    id: Result<Path<String>, PathRejection>,
    body: Result<Json<NewAttributes>, JsonRejection>,
) -> Result<Json<Vec<Attribute>>, ApiError> {
    let user = id?.0;
    let Json(NewAttributes { attributes, app, by, reason }) = body?;
    let of = override_of(&user, Options { app, by, reason })?;
    let user = of.user.clone();
    let attributes = attributes.iter().map(|(name, value)| attribute(name, value)).collect::<Result<Vec<_>, _>>()?;
    operator.set_attributes(of, attributes).await?;
    Ok(Json(operator.attributes(&user).await?))
}

/// Forget what was set for an attribute, so that the source fills it again.
#[utoipa::path(
    delete,
    path = "/v1/users/{id}/attributes/{name}",
    operation_id = "forget_attribute",
    params(
        ("id" = String, Path, description = "the app's own user id", example = "u-42"),
        ("name" = String, Path, description = "the attribute, or `profile:` and a field", example = "plan"),
        Options,
    ),
    responses(
        (status = 200, body = Changed),
        (status = 422, description = "a value is empty or too long, or the name is none", body = Problem),
        Usual,
    )
)]
pub(crate) async fn forget_attribute(
    State(operator): State<Operator>,
    path: Result<Path<(String, String)>, PathRejection>,
    options: Result<Query<Options>, QueryRejection>,
) -> Result<Json<Changed>, ApiError> {
    let Path((user, name)) = path?;
    let names = vec![attribute_name(&name)?];
    let changed = operator.forget_attributes(override_of(&user, options?.0)?, names).await?;
    Ok(Json(Changed { changed }))
}

/// The attributes that operators set; null is to be deleted.
#[utoipa::path(
    get,
    path = "/v1/users/{id}/attributes",
    operation_id = "list_attributes",
    params(("id" = String, Path, description = "the app's own user id", example = "u-42")),
    responses(
        (status = 200, body = Vec<Attribute>),
        (status = 422, description = "the user id is empty", body = Problem),
        Usual,
    )
)]
pub(crate) async fn list_attributes(
    State(operator): State<Operator>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Vec<Attribute>>, ApiError> {
    Ok(Json(operator.attributes(&input::user(&id?.0)?).await?))
}

fn attribute(name: &str, value: &Value) -> Result<(AttributeName, Option<AttributeValue>), ApiError> {
    let name = attribute_name(name)?;
    let value = match value {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(AttributeValue::Text(text.clone())),
        // as it was written; what has an exponent is a text
        Value::Number(number) => Some(AttributeValue::read(&number.to_string())),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            return Err(ApiError::invalid(format!("`{name}` is neither a text nor a number nor null")));
        }
    };
    Ok((name, value))
}

fn attribute_name(text: &str) -> Result<AttributeName, ApiError> {
    AttributeName::parse(text).map_err(|error| ApiError::invalid(error.to_string()))
}

fn override_of(user: &str, Options { app, by, reason }: Options) -> Result<Override, ApiError> {
    let by = by.unwrap_or_else(|| "the admin API".to_owned());
    Ok(Override { user: input::user(user)?, app, by, why: reason.unwrap_or_default() })
}
