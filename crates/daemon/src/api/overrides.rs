//! `/v1/users/{id}/grants`, `…/blocks`, `…/attributes`: what operators order for an app user.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use entitlement::attributes::{AttributeName, AttributeValue};
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};
use store::overrides::PromotionalGrantRow;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::error::{ApiError, OfABody, Problem, Usual};
use crate::clock;
use crate::commands::{overrides as command, parse_user};
use crate::ordering::{self, Block, Lasting, OrderError, Promoted, Wish};

/// A promotion to be given: `level`, and exactly one of `days`, `until` and `lifetime`.
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
    /// Whoever asks twice under one id is given once.
    request_id: Option<String>,
    /// The app; needed when there are several.
    app: Option<String>,
    /// Who orders it; kept with it.
    by: Option<String>,
    /// Why; kept with it.
    reason: Option<String>,
}

/// A level to be withheld, whatever is paid.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Blocking {
    /// The access level.
    #[schema(example = "premium")]
    level: String,
    /// The app; needed when there are several.
    app: Option<String>,
    /// Who orders it; kept with it.
    by: Option<String>,
    /// Why; kept with it.
    reason: Option<String>,
}

/// What is to be told about a user.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Telling {
    /// Texts and numbers by name; null deletes. A name that begins with `profile:` is a field of the profile.
    #[schema(value_type = Object)]
    attributes: BTreeMap<String, Value>,
    /// The app; needed when there are several.
    app: Option<String>,
    /// Who orders it; kept with it.
    by: Option<String>,
    /// Why; kept with it.
    reason: Option<String>,
}

/// What every order may say.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Words {
    /// The app; needed when there are several.
    app: Option<String>,
    /// Who orders it; kept with it.
    by: Option<String>,
    /// Why; kept with it.
    reason: Option<String>,
}

/// A promotion, as it was given and ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Promotion {
    id: String,
    app: String,
    level: String,
    /// Null: for life.
    until: Option<DateTime<Utc>>,
    by: String,
    why: String,
    given_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    ended_by: Option<String>,
}

/// What changed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Changed {
    /// Promotions that ended, blocks that began or ended, attributes that were forgotten.
    changed: u64,
}

/// Give a level without a payment; it never shortens what is paid, and what is paid never ends it.
#[utoipa::path(
    post,
    path = "/v1/users/{id}/grants",
    operation_id = "grant",
    params(("id" = String, Path, description = "the app's own user id", example = "u-42")),
    request_body = Grant,
    responses(
        (status = 201, body = Promoted),
        (status = 200, body = Promoted, description = "it was given before, under the same `request_id`"),
        (status = 409, description = "the `request_id` was used for something else", body = Problem),
        (status = 422, description = "not exactly one of the three is given, or a value is out of range", body = Problem),
        Usual,
        OfABody,
    )
)]
pub(crate) async fn grant(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
    filter: Result<Json<Grant>, JsonRejection>,
) -> Result<(StatusCode, Json<Promoted>), ApiError> {
    let (user, Json(filter)) = (id?.0, filter?);
    let lasting = Lasting { days: filter.days, until: filter.until, lifetime: filter.lifetime };
    let (wish, now) = (wish(&user, Words { app: filter.app, by: filter.by, reason: filter.reason })?, clock::now());
    let what = (filter.level.as_str(), lasting);
    let given = ordering::promote(&api.store, &api.apps, wish, what, filter.request_id, now).await?;
    let status = if given.repeated { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(given)))
}

/// All promotions of a user, the newest first.
#[utoipa::path(
    get,
    path = "/v1/users/{id}/grants",
    operation_id = "list_grants",
    params(("id" = String, Path, description = "the app's own user id", example = "u-42")),
    responses(
        (status = 200, body = Vec<Promotion>),
        (status = 422, description = "the user id is empty", body = Problem),
        Usual,
    )
)]
pub(crate) async fn list_grants(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Vec<Promotion>>, ApiError> {
    let all = api.store.promotional_grants(&parse_user(&id?.0)?).await?;
    Ok(Json(all.into_iter().map(Promotion::from).collect()))
}

/// End all promotions of a level; what is paid for stays.
#[utoipa::path(
    delete,
    path = "/v1/users/{id}/grants/{level}",
    operation_id = "revoke",
    params(
        ("id" = String, Path, description = "the app's own user id", example = "u-42"),
        ("level" = String, Path, description = "the access level", example = "premium"),
        Words,
    ),
    responses(
        (status = 200, body = Changed),
        (status = 422, description = "a value is empty or too long", body = Problem),
        Usual,
    )
)]
pub(crate) async fn revoke(
    State(api): State<Api>,
    path: Result<Path<(String, String)>, PathRejection>,
    words: Result<Query<Words>, QueryRejection>,
) -> Result<Json<Changed>, ApiError> {
    let (Path((user, level)), Query(words)) = (path?, words?);
    let changed = ordering::revoke(&api.store, &api.apps, wish(&user, words)?, &level, Block::No).await?;
    Ok(Json(Changed { changed }))
}

/// Withhold a level, whatever is paid, and end its promotions.
#[utoipa::path(
    post,
    path = "/v1/users/{id}/blocks",
    operation_id = "block",
    params(("id" = String, Path, description = "the app's own user id", example = "u-42")),
    request_body = Blocking,
    responses(
        (status = 200, body = Changed),
        (status = 422, description = "a value is empty or too long", body = Problem),
        Usual,
        OfABody,
    )
)]
pub(crate) async fn block(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
    filter: Result<Json<Blocking>, JsonRejection>,
) -> Result<Json<Changed>, ApiError> {
    let (user, Json(filter)) = (id?.0, filter?);
    let wish = wish(&user, Words { app: filter.app, by: filter.by, reason: filter.reason })?;
    let changed = ordering::revoke(&api.store, &api.apps, wish, &filter.level, Block::Yes).await?;
    Ok(Json(Changed { changed }))
}

/// End a block: what is paid for is given again.
#[utoipa::path(
    delete,
    path = "/v1/users/{id}/blocks/{level}",
    operation_id = "unblock",
    params(
        ("id" = String, Path, description = "the app's own user id", example = "u-42"),
        ("level" = String, Path, description = "the access level", example = "premium"),
        Words,
    ),
    responses(
        (status = 200, body = Changed),
        (status = 422, description = "a value is empty or too long", body = Problem),
        Usual,
    )
)]
pub(crate) async fn unblock(
    State(api): State<Api>,
    path: Result<Path<(String, String)>, PathRejection>,
    words: Result<Query<Words>, QueryRejection>,
) -> Result<Json<Changed>, ApiError> {
    let (Path((user, level)), Query(words)) = (path?, words?);
    let was_blocked = ordering::unblock(&api.store, &api.apps, wish(&user, words)?, &level).await?;
    Ok(Json(Changed { changed: u64::from(was_blocked) }))
}

/// Tell the apps about a user: custom attributes, and fields of the profile.
#[utoipa::path(
    patch,
    path = "/v1/users/{id}/attributes",
    operation_id = "describe",
    params(("id" = String, Path, description = "the app's own user id", example = "u-42")),
    request_body = Telling,
    responses(
        (status = 200, body = Vec<Object>, description = "all that was ordered"),
        (status = 422, description = "a name or value is none that Adapty takes", body = Problem),
        Usual,
        OfABody,
    )
)]
pub(crate) async fn describe(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
    filter: Result<Json<Telling>, JsonRejection>,
) -> Result<Json<Vec<Value>>, ApiError> {
    let (user, Json(filter)) = (id?.0, filter?);
    let wish = wish(&user, Words { app: filter.app, by: filter.by, reason: filter.reason })?;
    let user = wish.user.clone();
    let details = filter.attributes.iter().map(|(name, value)| detail(name, value)).collect::<Result<Vec<_>, _>>()?;
    ordering::describe(&api.store, &api.apps, wish, details).await?;
    Ok(Json(api.store.attribute_overrides(&user).await?.iter().map(command::told).collect()))
}

/// Forget what was ordered of an attribute, so that Stripe's word counts again.
#[utoipa::path(
    delete,
    path = "/v1/users/{id}/attributes/{name}",
    operation_id = "forget",
    params(
        ("id" = String, Path, description = "the app's own user id", example = "u-42"),
        ("name" = String, Path, description = "the attribute, or `profile:` and a field", example = "plan"),
        Words,
    ),
    responses(
        (status = 200, body = Changed),
        (status = 422, description = "a value is empty or too long, or the name is none", body = Problem),
        Usual,
    )
)]
pub(crate) async fn forget(
    State(api): State<Api>,
    path: Result<Path<(String, String)>, PathRejection>,
    words: Result<Query<Words>, QueryRejection>,
) -> Result<Json<Changed>, ApiError> {
    let (Path((user, name)), Query(words)) = (path?, words?);
    let names = vec![AttributeName::parse(&name).map_err(|error| ApiError::Wrong(error.to_string()))?];
    let wish = wish(&user, words)?;
    let changed = ordering::forget(&api.store, &api.apps, wish, names).await?;
    Ok(Json(Changed { changed }))
}

/// What was ordered to be told about a user; a null is to be gone.
#[utoipa::path(
    get,
    path = "/v1/users/{id}/attributes",
    operation_id = "list_attributes",
    params(("id" = String, Path, description = "the app's own user id", example = "u-42")),
    responses(
        (status = 200, body = Vec<Object>),
        (status = 422, description = "the user id is empty", body = Problem),
        Usual,
    )
)]
pub(crate) async fn list_attributes(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Vec<Value>>, ApiError> {
    let all = api.store.attribute_overrides(&parse_user(&id?.0)?).await?;
    Ok(Json(all.iter().map(command::told).collect()))
}

fn detail(name: &str, value: &Value) -> Result<(AttributeName, Option<AttributeValue>), ApiError> {
    let name = AttributeName::parse(name).map_err(|error| ApiError::Wrong(error.to_string()))?;
    let value = match value {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(AttributeValue::Text(text.clone())),
        Value::Number(number) => Some(number_of(number)),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            return Err(ApiError::Wrong(format!("`{name}` is neither a text nor a number nor null")));
        }
    };
    Ok((name, value))
}

/// As it was written; what has an exponent is told as a text.
fn number_of(number: &Number) -> AttributeValue {
    AttributeValue::read(&number.to_string())
}

fn wish(user: &str, Words { app, by, reason }: Words) -> Result<Wish, ApiError> {
    let by = by.unwrap_or_else(|| "the admin API".to_owned());
    Ok(Wish { user: parse_user(user)?, app, by, why: reason.unwrap_or_default() })
}

impl From<OrderError> for ApiError {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::Wrong(text) => Self::Wrong(text),
            OrderError::Taken(text) => Self::Busy(text),
            OrderError::Store(error) => error.into(),
        }
    }
}

impl From<PromotionalGrantRow> for Promotion {
    fn from(given: PromotionalGrantRow) -> Self {
        let PromotionalGrantRow { id, app, level, until, by, why, given_at, ended_at, ended_by, .. } = given;
        Self { id, app, level, until, by, why, given_at, ended_at, ended_by }
    }
}
