//! `/v1/rounds`: the last rounds over all accounts, and a new one.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use sync::reconciliation::report::{DoubleSubscription, Drift, Reconciliation};
use utoipa::ToSchema;

use super::Api;
use super::error::{ApiError, Usual};
use crate::{clock, rounds};

/// One round.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Round {
    started_at: chrono::DateTime<chrono::Utc>,
    finished_at: chrono::DateTime<chrono::Utc>,
    /// Accounts compared.
    accounts: u64,
    /// The first two hundred of them.
    differences: Vec<Differs>,
    repaired: u64,
    failed: u64,
    /// Accounts that were being worked on all the time.
    unsettled: u64,
    failures: Vec<String>,
    /// Who pays for a level on the web and in a store of the app too, as Adapty or IAPHUB shows it.
    double_subscriptions: Vec<Twice>,
    /// Users of whom IAPHUB gave no answer.
    store_reads_failed: u64,
    /// Users of whom it was not asked any more after that.
    store_reads_skipped: u64,
}

/// Something that was expected and not shown, or shown and not expected.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Differs {
    account: String,
    user: String,
    /// The app it was found in.
    app: String,
    level: String,
    /// RFC 3339, or `lifetime`; null: the level is not expected.
    expected_until: Option<String>,
    /// The same; null: the destination does not show it.
    actual_until: Option<String>,
    /// When the level was last known to be right.
    since: Option<chrono::DateTime<chrono::Utc>>,
    reason: String,
    /// `reported`, `repaired`, or `failed: …`.
    action: String,
}

/// A level that is paid for twice.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Twice {
    account: String,
    user: String,
    level: String,
    /// The other store.
    store: Option<String>,
}

impl From<DoubleSubscription> for Twice {
    fn from(DoubleSubscription { account, user, level, store }: DoubleSubscription) -> Self {
        Self { account, user, level, store }
    }
}

/// That a round will be made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Begun {
    wanted_at: chrono::DateTime<chrono::Utc>,
}

/// The last ten rounds, the newest first.
#[utoipa::path(
    get,
    path = "/v1/rounds",
    operation_id = "list_rounds",
    responses(
        (status = 200, body = Vec<Round>),
        Usual,
    )
)]
pub(crate) async fn list(State(api): State<Api>) -> Result<Json<Vec<Round>>, ApiError> {
    Ok(Json(rounds::last(&api.store).await?.into_iter().map(Round::from).collect()))
}

/// Go round all accounts as soon as a worker has a moment; what differs is mended, unless `policy.mode` is `observe`.
#[utoipa::path(
    post,
    path = "/v1/rounds",
    operation_id = "begin_round",
    responses(
        (status = 202, body = Begun),
        Usual,
    )
)]
pub(crate) async fn begin(State(api): State<Api>) -> Result<(StatusCode, Json<Begun>), ApiError> {
    let wanted_at = clock::now();
    api.store.set_daemon_state(rounds::WANTED, wanted_at.to_rfc3339()).await?;
    Ok((StatusCode::ACCEPTED, Json(Begun { wanted_at })))
}

impl From<Reconciliation> for Round {
    fn from(report: Reconciliation) -> Self {
        let Reconciliation {
            started_at,
            finished_at,
            accounts,
            drifts,
            repaired,
            failed,
            unsettled,
            failures,
            double_subscriptions,
            store_reads_failed,
            store_reads_skipped,
        } = report;
        let double_subscriptions = double_subscriptions.into_iter().map(Twice::from).collect();
        let differences = drifts.into_iter().map(Differs::from).collect();
        Self {
            started_at,
            finished_at,
            accounts,
            differences,
            repaired,
            failed,
            unsettled,
            failures,
            double_subscriptions,
            store_reads_failed,
            store_reads_skipped,
        }
    }
}

impl From<Drift> for Differs {
    fn from(drift: Drift) -> Self {
        let Drift { account, user, app, level, expected_until, actual_until, since, reason, action } = drift;
        Self { account, user, app, level, expected_until, actual_until, since, reason, action }
    }
}
