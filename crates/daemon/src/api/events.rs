//! `/v1/events`: the inbox.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use operator::events::{Event, EventDetails, EventFilter, EventOutcome, Replayed};
use operator::input;
use operator::operator::Operator;
use serde::Deserialize;
use store::inbox::KindFilter;
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiError, OfABody, Problem, Usual};
use super::page::{Page, Portion, since};

/// Events replayed by one request at most.
const MOST: usize = 500;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Narrowed {
    /// Only those that triggered this account.
    account: Option<String>,
    /// Only of this type; `*` at its end stands for anything.
    r#type: Option<String>,
    outcome: Option<EventOutcome>,
    /// Only those received since then: a time such as 2026-11-20T10:00:00Z, or 2h or 3d ago.
    since: Option<String>,
}

/// Which events to replay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replay {
    /// With or without `stripe:`.
    #[schema(min_items = 1, max_items = 500)]
    ids: Vec<String>,
}

/// Events that were taken in, the newest first.
#[utoipa::path(
    get,
    path = "/v1/events",
    operation_id = "list_events",
    params(Narrowed, Portion),
    responses(
        (status = 200, body = Page<Event>),
        (status = 422, description = "a parameter has no such value", body = Problem),
        Usual,
    )
)]
pub(crate) async fn list(
    State(operator): State<Operator>,
    narrowed: Result<Query<Narrowed>, QueryRejection>,
    portion: Result<Query<Portion>, QueryRejection>,
) -> Result<Json<Page<Event>>, ApiError> {
    let Query(narrowed) = narrowed?;
    let Query(portion) = portion?;
    let filter = EventFilter {
        account: narrowed.account.as_deref().map(input::account).transpose()?,
        kind: narrowed.r#type.as_deref().map(kind).transpose()?,
        outcome: narrowed.outcome,
        since: since(narrowed.since.as_deref(), &operator)?,
        after: portion.after().map(str::to_owned),
    };
    let events = operator.events(filter, portion.asked()?).await?;
    Ok(Json(portion.page(events, |event| event.id.clone())?))
}

fn kind(text: &str) -> Result<KindFilter, ApiError> {
    input::event_type(text).map_err(|error| ApiError::invalid(format!("`type`: {error}")))
}

/// One event, and what it led to. Its body, where it is kept, is shown by `grantsync events show` alone.
#[utoipa::path(
    get,
    path = "/v1/events/{id}",
    operation_id = "show_event",
    params(("id" = String, Path, description = "its id, with or without `stripe:`", example = "evt_1MqqbKLt4dXK03v5qaIbiNCC")),
    responses(
        (status = 200, body = EventDetails),
        (status = 404, description = "no such event is in the inbox", body = Problem),
        Usual,
    )
)]
pub(crate) async fn show(
    State(operator): State<Operator>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<EventDetails>, ApiError> {
    Ok(Json(operator.event(&id?.0).await?))
}

/// Trigger the accounts of these events again, as fresh webhooks would.
#[utoipa::path(
    post,
    path = "/v1/events/replay",
    operation_id = "replay_events",
    request_body = Replay,
    responses(
        (status = 202, body = Replayed),
        (status = 404, description = "one of them is not in the inbox", body = Problem),
        (status = 422, description = "no ids are given, or too many", body = Problem),
        Usual,
        OfABody,
    )
)]
pub(crate) async fn replay(
    State(operator): State<Operator>,
    body: Result<Json<Replay>, JsonRejection>,
) -> Result<(StatusCode, Json<Replayed>), ApiError> {
    let Json(Replay { ids }) = body?;
    if ids.is_empty() || ids.len() > MOST {
        return Err(ApiError::invalid(format!("write 1 to {MOST} `ids`")));
    }
    Ok((StatusCode::ACCEPTED, Json(operator.replay(&ids).await?)))
}
