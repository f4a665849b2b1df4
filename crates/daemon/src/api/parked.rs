//! `/v1/parked`: what needs a human.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use operator::input;
use operator::operator::Operator;
use operator::parked::Parked;
use serde::{Deserialize, Serialize};
use store::parked::Filter;
use store::record::AttentionKind;
use store::selection::Selection;
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiError, OfABody, Problem, Usual};
use super::page::{Page, Portion};

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

/// How many there were.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Count {
    count: u64,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Narrowed {
    /// Only of one kind, for example `unmapped_price`.
    kind: Option<String>,
    /// Only of this account.
    account: Option<String>,
    /// Only of this app user.
    user: Option<String>,
}

/// What is parked, the oldest first.
#[utoipa::path(
    get,
    path = "/v1/parked",
    operation_id = "list_parked",
    params(Narrowed, Portion),
    responses(
        (status = 200, body = Page<Parked>),
        (status = 422, description = "a parameter has no such value", body = Problem),
        Usual,
    )
)]
pub(crate) async fn list(
    State(operator): State<Operator>,
    narrowed: Result<Query<Narrowed>, QueryRejection>,
    portion: Result<Query<Portion>, QueryRejection>,
) -> Result<Json<Page<Parked>>, ApiError> {
    let Query(narrowed) = narrowed?;
    let Query(portion) = portion?;
    let filter = Filter {
        kind: narrowed.kind.as_deref().map(kind).transpose()?,
        accounts: narrowed.account.as_deref().map(input::account).transpose()?.into_iter().collect(),
        user: narrowed.user.as_deref().map(input::user).transpose()?,
        after: portion.number()?,
    };
    let parked = operator.parked(&filter, Some(portion.asked()?)).await?;
    Ok(Json(portion.page(parked, |parked| parked.id.to_string())?))
}

fn kind(text: &str) -> Result<AttentionKind, ApiError> {
    input::attention_kind(text).map_err(|error| ApiError::invalid(format!("`kind`: {error}")))
}

/// Sync their accounts again; refused steps are sent again.
#[utoipa::path(
    post,
    path = "/v1/parked/release",
    request_body = Chosen,
    responses(
        (status = 200, body = Count),
        (status = 422, description = "not exactly one of the three is given", body = Problem),
        Usual,
        OfABody,
    )
)]
pub(crate) async fn release(
    State(operator): State<Operator>,
    body: Result<Json<Chosen>, JsonRejection>,
) -> Result<Json<Count>, ApiError> {
    let count = operator.release(body?.which()?).await?;
    Ok(Json(Count { count }))
}

/// Take them off the list for good.
#[utoipa::path(
    post,
    path = "/v1/parked/drop",
    request_body = Chosen,
    responses(
        (status = 200, body = Count),
        (status = 422, description = "not exactly one of the three is given", body = Problem),
        Usual,
        OfABody,
    )
)]
pub(crate) async fn drop_for_good(
    State(operator): State<Operator>,
    body: Result<Json<Chosen>, JsonRejection>,
) -> Result<Json<Count>, ApiError> {
    let Json(chosen) = body?;
    let reason = chosen.reason.clone().unwrap_or_else(|| "dropped over the admin API".to_owned());
    let count = operator.drop_parked(chosen.which()?, reason).await?;
    Ok(Json(Count { count }))
}

impl Chosen {
    fn which(&self) -> Result<Selection, ApiError> {
        match (self.ids.as_slice(), &self.kind, self.all) {
            ([_, ..], None, false) => Ok(Selection::Ids(self.ids.clone())),
            ([], Some(of), false) => kind(of).map(Selection::Kind),
            ([], None, true) => Ok(Selection::All),
            _ => Err(ApiError::invalid("write exactly one of `ids`, `kind` and `all`")),
        }
    }
}
