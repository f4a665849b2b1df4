//! `POST /v1/resync`: syncs accounts again.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use operator::input;
use operator::operator::Operator;
use operator::resync::{AccountPlan, Selection};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::{ApiError, OfABody, Problem, Usual};

/// Which accounts to sync: exactly one of `account`, `user`, `subscription` and `all`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Resync {
    /// For example `stripe:cus_9s6XKzkNRiz8i3`.
    account: Option<String>,
    /// The app's own user id.
    user: Option<String>,
    /// For example `sub_1MowQVLkdIwHu7ixeRlqHVzs`.
    subscription: Option<String>,
    /// Everybody with a subscription; it goes on in the background.
    all: bool,
    /// Show what would be done, and change nothing; not with `all`.
    dry_run: bool,
}

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Enqueued {
    /// Accounts that are due now; with `all` they follow one after the other.
    enqueued: usize,
    /// With `dry_run`: what would be done for each account.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    plans: Vec<AccountPlan>,
}

/// What is asked for, once it is read.
enum Asked {
    All,
    Some(Selection),
}

/// Sync accounts again, as a webhook would.
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
    State(operator): State<Operator>,
    body: Result<Json<Resync>, JsonRejection>,
) -> Result<(StatusCode, Json<Enqueued>), ApiError> {
    let Json(resync) = body?;
    let selection = match resync.asked()? {
        Asked::All => {
            operator.start_backfill().await?;
            return Ok((StatusCode::ACCEPTED, Json(Enqueued { enqueued: 0, plans: Vec::new() })));
        }
        Asked::Some(selection) => selection,
    };
    let accounts = operator.select(selection).await?;
    let mut plans = Vec::new();
    if resync.dry_run {
        for account in &accounts {
            plans.extend(operator.plans(account).await?);
        }
        return Ok((StatusCode::ACCEPTED, Json(Enqueued { enqueued: 0, plans })));
    }
    let enqueued = accounts.len();
    operator.resync(accounts).await?;
    Ok((StatusCode::ACCEPTED, Json(Enqueued { enqueued, plans })))
}

impl Resync {
    fn asked(&self) -> Result<Asked, ApiError> {
        match (&self.account, &self.user, &self.subscription, self.all) {
            (Some(account), None, None, false) => Ok(Asked::Some(Selection::Account(input::account(account)?))),
            (None, Some(user), None, false) => Ok(Asked::Some(Selection::User(input::user(user)?))),
            (None, None, Some(subscription), false) => Ok(Asked::Some(Selection::Subscription(subscription.clone()))),
            (None, None, None, true) if !self.dry_run => Ok(Asked::All),
            _ => {
                let write =
                    "write exactly one of `account`, `user`, `subscription` and `all`; `dry_run` not with `all`";
                Err(ApiError::invalid(write))
            }
        }
    }
}
