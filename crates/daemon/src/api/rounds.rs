//! `/v1/rounds`: the last rounds over all accounts, and a new one.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use sync::reconciliation::{Difference, Doubled, Reconciliation};
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
    in_motion: u64,
    failures: Vec<String>,
    /// Who pays for a level on the web and in a store of the app too, as Adapty or IAPHUB shows it.
    double_subscriptions: Vec<Twice>,
    /// Users of whom IAPHUB was asked in vain.
    not_witnessed: u64,
    /// Users of whom it was not asked any more after that.
    not_asked: u64,
}

/// Something owed that was not shown, or shown that was not owed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Differs {
    account: String,
    user: String,
    /// The app it was found in.
    app: String,
    level: String,
    /// RFC 3339, or `lifetime`; null: not owed.
    owed_until: Option<String>,
    /// The same; null: not shown.
    shown_until: Option<String>,
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

impl From<Doubled> for Twice {
    fn from(Doubled { account, user, level, store }: Doubled) -> Self {
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
            differences,
            repaired,
            failed,
            in_motion,
            failures,
            double_subscriptions,
            not_witnessed,
            not_asked,
        } = report;
        let double_subscriptions = double_subscriptions.into_iter().map(Twice::from).collect();
        let differences = differences.into_iter().map(Differs::from).collect();
        Self {
            started_at,
            finished_at,
            accounts,
            differences,
            repaired,
            failed,
            in_motion,
            failures,
            double_subscriptions,
            not_witnessed,
            not_asked,
        }
    }
}

impl From<Difference> for Differs {
    fn from(difference: Difference) -> Self {
        let Difference { account, user, app, level, owed_until, shown_until, since, reason, action } = difference;
        Self { account, user, app, level, owed_until, shown_until, since, reason, action }
    }
}
