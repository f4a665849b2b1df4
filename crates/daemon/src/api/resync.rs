//! `POST /v1/resync`: look at accounts again.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use entitlement::decide::decide;
use entitlement::explain::explain;
use entitlement::names::Account;
use serde::{Deserialize, Serialize};
use store::claim::Urgency;
use utoipa::ToSchema;

use super::Api;
use super::error::{ApiError, OfABody, Problem, Usual};
use crate::commands::{account, parse_user, resync as command};

/// Whom to look at: exactly one of `account`, `user`, `subscription` and `all`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Resync {
    /// For example `stripe:cus_9s6XKzkNRiz8i3`.
    account: Option<String>,
    /// The app's own user id.
    user: Option<String>,
    /// For example `sub_1MowQVLkdIwHu7ixeRlqHVzs`.
    subscription: Option<String>,
    /// Everybody whom Stripe bills; it goes on in the background.
    all: bool,
    /// Say what would be done, and do nothing; not with `all`.
    dry_run: bool,
}

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Enqueued {
    /// Accounts that are due now; with `all` they follow one after the other.
    enqueued: usize,
    /// With `dry_run`: what would be done for each account.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    plans: Vec<Plan>,
}

/// What would be done for one account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Plan {
    account: String,
    /// As `grantsync explain` writes it.
    plan: String,
}

/// Look at accounts again, as a webhook would make it.
#[utoipa::path(
    post,
    path = "/v1/resync",
    request_body = Resync,
    responses(
        (status = 202, body = Enqueued),
        (status = 404, description = "no account is known for that user", body = Problem),
        (status = 409, description = "another backfill is under way, or this process has no keys", body = Problem),
        (status = 422, description = "not exactly one of the four is given", body = Problem),
        (status = 502, description = "an upstream does not answer", body = Problem),
        Usual,
        OfABody,
    )
)]
pub(crate) async fn resync(
    State(api): State<Api>,
    filter: Result<Json<Resync>, JsonRejection>,
) -> Result<(StatusCode, Json<Enqueued>), ApiError> {
    let Json(filter) = filter?;
    let accounts = match (&filter.account, &filter.user, &filter.subscription, filter.all) {
        (Some(of), None, None, false) => vec![account(of)?],
        (None, Some(user), None, false) => of_user(&api, user).await?,
        (None, None, Some(subscription), false) => vec![account(&format!("stripe:{subscription}"))?],
        (None, None, None, true) if !filter.dry_run => return begin_all(api).await,
        _ => {
            let text = "write exactly one of `account`, `user`, `subscription` and `all`; `dry_run` not with `all`";
            return Err(ApiError::Wrong(text.into()));
        }
    };
    let mut plans = Vec::new();
    if filter.dry_run {
        let sync = api.sync.as_ref().ok_or(ApiError::OnlyIngest)?;
        for account in &accounts {
            for case in sync.inspect(account).await?.whole()? {
                let plan = explain(&case, &decide(&case));
                plans.push(Plan { account: account.as_str().to_owned(), plan });
            }
        }
        return Ok((StatusCode::ACCEPTED, Json(Enqueued { enqueued: 0, plans })));
    }
    let enqueued = accounts.len();
    api.store.enqueue(accounts, Urgency::Requested).await?;
    Ok((StatusCode::ACCEPTED, Json(Enqueued { enqueued, plans })))
}

async fn of_user(api: &Api, user: &str) -> Result<Vec<Account>, ApiError> {
    let accounts = api.store.accounts_of(&parse_user(user)?).await?;
    if accounts.is_empty() {
        return Err(ApiError::NotFound("no account is linked to that user; see `grantsync parked list`".into()));
    }
    Ok(accounts)
}

async fn begin_all(api: Api) -> Result<(StatusCode, Json<Enqueued>), ApiError> {
    let sync = api.sync.ok_or(ApiError::OnlyIngest)?;
    if command::begin_all(sync, api.turns, api.share_percent).await? {
        return Ok((StatusCode::ACCEPTED, Json(Enqueued { enqueued: 0, plans: Vec::new() })));
    }
    Err(ApiError::Busy("another backfill is under way".into()))
}
