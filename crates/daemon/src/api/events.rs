//! `/v1/events`: the inbox.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::inbox::{Filter, ReceivedEvent, StoredEvent};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::error::{ApiError, OfABody, Problem, Usual};
use super::ledger::Line;
use super::page::{Page, Portion, moment};
use super::parked::Parked;
use crate::cli::books::{EventOutcome, kind_filter, name};
use crate::commands::{account, events as command, wording};

/// Events replayed by one request at most.
const MOST: usize = 500;

/// An event that was taken in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Event {
    /// For example `stripe:evt_1MqqbKLt4dXK03v5qaIbiNCC`.
    id: String,
    r#type: String,
    /// The account it rang for.
    account: Option<String>,
    object: Option<String>,
    /// `rung`, `nobody`, `other_mode` or `unreadable`.
    outcome: String,
    /// Why it rang for nobody.
    why: Option<String>,
    created: chrono::DateTime<chrono::Utc>,
    received: chrono::DateTime<chrono::Utc>,
}

/// An event, and what it led to. Its body, where it is kept, is told on the machine alone: `grantsync events show`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventShown {
    #[serde(flatten)]
    event: Event,
    /// Where its account stands in the worklist.
    #[schema(value_type = Option<Object>)]
    standing: Option<Value>,
    /// The first steps that were intended for its account since.
    steps: Vec<Line>,
    parked: Vec<Parked>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Narrowed {
    /// Only those that rang for this account.
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

/// What was replayed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Replayed {
    /// Accounts that are looked at again.
    accounts: Vec<String>,
    /// Events that ring for nobody, and why.
    silent: Vec<String>,
}

/// What was taken in, the newest first.
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
    State(api): State<Api>,
    narrowed: Result<Query<Narrowed>, QueryRejection>,
    portion: Result<Query<Portion>, QueryRejection>,
) -> Result<Json<Page<Event>>, ApiError> {
    let (Query(narrowed), Query(portion)) = (narrowed?, portion?);
    if let Some(after) = portion.after()
        && command::find(&api.store, after).await?.is_none()
    {
        return Err(ApiError::Wrong("`after` is the `next` of the page before, and that event is gone".into()));
    }
    let kind = narrowed.r#type.as_deref().map(kind_filter).transpose();
    let filter = Filter {
        accounts: narrowed.account.as_deref().map(account).transpose()?.into_iter().collect(),
        kind: kind.map_err(|error| ApiError::Wrong(format!("`type`: {error}")))?,
        outcome: narrowed.outcome.as_ref().map(name),
        since: moment(narrowed.since.as_deref())?,
        after: portion.after().map(command::name),
    };
    let events = api.store.events(&filter, portion.asked()?).await?;
    Ok(Json(portion.page(events, |event| event.id.clone(), Event::from)?))
}

/// One event, and what it led to.
#[utoipa::path(
    get,
    path = "/v1/events/{id}",
    operation_id = "show_event",
    params(("id" = String, Path, description = "its id, with or without `stripe:`", example = "evt_1MqqbKLt4dXK03v5qaIbiNCC")),
    responses(
        (status = 200, body = EventShown),
        (status = 404, description = "no such event is in the inbox", body = Problem),
        Usual,
    )
)]
pub(crate) async fn show(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<EventShown>, ApiError> {
    let found = command::find(&api.store, &id?.0).await?;
    let StoredEvent { seen, .. } = found.ok_or_else(|| ApiError::NotFound("no such event is in the inbox".into()))?;
    let led = command::aftermath(&api.store, &seen).await?;
    Ok(Json(EventShown {
        event: seen.into(),
        standing: led.account.as_ref().map(|account| wording::standing_json(account, led.standing.as_ref())),
        steps: led.steps.into_iter().map(Line::from).collect(),
        parked: led.parked.into_iter().map(Parked::from).collect(),
    }))
}

/// Ring again for the accounts of these events, as fresh webhooks would.
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
    State(api): State<Api>,
    filter: Result<Json<Replay>, JsonRejection>,
) -> Result<(StatusCode, Json<Replayed>), ApiError> {
    let Json(Replay { ids }) = filter?;
    if ids.is_empty() || ids.len() > MOST {
        return Err(ApiError::Wrong(format!("write 1 to {MOST} `ids`")));
    }
    let mut events = Vec::with_capacity(ids.len());
    for id in &ids {
        let unknown = || ApiError::NotFound(format!("no event `{id}` is in the inbox; nothing was replayed"));
        events.push(command::find(&api.store, id).await?.ok_or_else(unknown)?.seen);
    }
    let (accounts, silent) = command::ring_again(&api.store, &events).await?;
    let accounts = accounts.iter().map(|account| account.as_str().to_owned()).collect();
    Ok((StatusCode::ACCEPTED, Json(Replayed { accounts, silent })))
}

impl From<ReceivedEvent> for Event {
    fn from(seen: ReceivedEvent) -> Self {
        let why = command::why(&seen.outcome).map(str::to_owned);
        let ReceivedEvent { id, kind, account, object, outcome, created, received } = seen;
        Self { id, r#type: kind, account, object, outcome, why, created, received }
    }
}
