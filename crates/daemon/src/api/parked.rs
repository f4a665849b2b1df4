//! `/v1/parked`: what waits for a human.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use store::parked::{Filter, Parked as Row};
use store::record::AttentionKind;
use store::selection::Selection;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::error::{ApiError, OfABody, Problem, Usual};
use super::page::{Page, Portion};
use crate::cli::books;
use crate::commands::{account, parse_user};

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

/// Selection are meant: exactly one of `ids`, `kind` and `all`.
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
    State(api): State<Api>,
    narrowed: Result<Query<Narrowed>, QueryRejection>,
    portion: Result<Query<Portion>, QueryRejection>,
) -> Result<Json<Page<Parked>>, ApiError> {
    let (Query(narrowed), Query(portion)) = (narrowed?, portion?);
    let filter = Filter {
        kind: narrowed.kind.as_deref().map(kind).transpose()?,
        accounts: narrowed.account.as_deref().map(account).transpose()?.into_iter().collect(),
        user: narrowed.user.as_deref().map(parse_user).transpose()?,
        after: portion.number()?,
    };
    let parked = api.store.first_parked_matching(&filter, portion.asked()?).await?;
    Ok(Json(portion.page(parked, |row| row.id.to_string(), Parked::from)?))
}

fn kind(text: &str) -> Result<AttentionKind, ApiError> {
    books::kind(text).map_err(|error| ApiError::Wrong(format!("`kind`: {error}")))
}

impl From<Row> for Parked {
    fn from(row: Row) -> Self {
        let Row { id, kind, account, user, subject, reason, hint, since, .. } = row;
        Self { id, kind, account, user, subject, reason, hint, since }
    }
}

/// Look again at what is behind them; refused steps are sent again.
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
        (status = 422, description = "not exactly one of the three is given", body = Problem),
        Usual,
        OfABody,
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
    fn which(&self) -> Result<Selection, ApiError> {
        match (self.ids.as_slice(), &self.kind, self.all) {
            ([_, ..], None, false) => Ok(Selection::Ids(self.ids.clone())),
            ([], Some(of), false) => kind(of).map(Selection::Kind),
            ([], None, true) => Ok(Selection::All),
            _ => Err(ApiError::Wrong("write exactly one of `ids`, `kind` and `all`".into())),
        }
    }
}
