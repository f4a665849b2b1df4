//! `/v1/parked`: what waits for a human.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use serde::{Deserialize, Serialize};
use store::parked::Which;
use store::record::Kind;
use utoipa::ToSchema;

use super::Api;
use super::error::{ApiError, Problem};

/// Something that waits for a human.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Parked {
    id: i64,
    /// For example `unknown_customer`.
    kind: String,
    account: String,
    user: Option<String>,
    subject: String,
    /// What is the matter.
    reason: String,
    /// What to do about it.
    hint: String,
    since: chrono::DateTime<chrono::Utc>,
}

/// Which are meant: exactly one of `ids`, `kind` and `all`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Chosen {
    ids: Vec<i64>,
    kind: Option<String>,
    all: bool,
    /// Why they are dropped; kept with them.
    reason: Option<String>,
}

/// How many it were.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Count {
    count: u64,
}

/// What is parked, the oldest first.
#[utoipa::path(
    get,
    path = "/v1/parked",
    responses(
        (status = 200, body = Vec<Parked>),
        (status = 401, description = "the token is missing or wrong", body = Problem),
        (status = 403, description = "no token is set", body = Problem),
        (status = 503, description = "the database does not answer", body = Problem),
    )
)]
pub(crate) async fn list(State(api): State<Api>) -> Result<Json<Vec<Parked>>, ApiError> {
    let parked = api.store.parked().await?.into_iter().map(|row| Parked {
        id: row.id,
        kind: row.kind,
        account: row.account,
        user: row.user,
        subject: row.subject,
        reason: row.reason,
        hint: row.hint,
        since: row.since,
    });
    Ok(Json(parked.collect()))
}

/// Look again at what is behind them; refused steps are sent again.
#[utoipa::path(
    post,
    path = "/v1/parked/release",
    request_body = Chosen,
    responses(
        (status = 200, body = Count),
        (status = 400, description = "the request cannot be read", body = Problem),
        (status = 401, description = "the token is missing or wrong", body = Problem),
        (status = 403, description = "no token is set", body = Problem),
        (status = 413, description = "the body is too large", body = Problem),
        (status = 415, description = "the body is not JSON", body = Problem),
        (status = 422, description = "not exactly one of the three is given", body = Problem),
        (status = 503, description = "the database does not answer", body = Problem),
    )
)]
pub(crate) async fn release(
    State(api): State<Api>,
    chosen: Result<Json<Chosen>, JsonRejection>,
) -> Result<Json<Count>, ApiError> {
    let count = api.store.release(chosen?.which()?).await?;
    Ok(Json(Count { count }))
}

/// Take them off the list for good.
#[utoipa::path(
    post,
    path = "/v1/parked/drop",
    request_body = Chosen,
    responses(
        (status = 200, body = Count),
        (status = 400, description = "the request cannot be read", body = Problem),
        (status = 401, description = "the token is missing or wrong", body = Problem),
        (status = 403, description = "no token is set", body = Problem),
        (status = 413, description = "the body is too large", body = Problem),
        (status = 415, description = "the body is not JSON", body = Problem),
        (status = 422, description = "not exactly one of the three is given", body = Problem),
        (status = 503, description = "the database does not answer", body = Problem),
    )
)]
pub(crate) async fn drop_for_good(
    State(api): State<Api>,
    chosen: Result<Json<Chosen>, JsonRejection>,
) -> Result<Json<Count>, ApiError> {
    let Json(chosen) = chosen?;
    let reason = chosen.reason.clone().unwrap_or_else(|| "dropped over the admin API".to_owned());
    let count = api.store.drop_parked(chosen.which()?, reason).await?;
    Ok(Json(Count { count }))
}

impl Chosen {
    fn which(&self) -> Result<Which, ApiError> {
        match (self.ids.as_slice(), &self.kind, self.all) {
            ([_, ..], None, false) => Ok(Which::Ids(self.ids.clone())),
            ([], Some(kind), false) => {
                let known = Kind::ALL.into_iter().find(|known| known.as_str() == kind);
                let names = Kind::ALL.map(Kind::as_str).join(", ");
                known.map(Which::Kind).ok_or_else(|| ApiError::Wrong(format!("write one of {names} as `kind`")))
            }
            ([], None, true) => Ok(Which::All),
            _ => Err(ApiError::Wrong("write exactly one of `ids`, `kind` and `all`".into())),
        }
    }
}
