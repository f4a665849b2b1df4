//! Where a user stands, as `status` and `GET /v1/users/{id}/status` tell it.

use chrono::{DateTime, Utc};
use entitlement::clock::Timestamp;
use entitlement::names::Customer;
use entitlement::plan::Until;
use entitlement::status::{LevelStatus, Status};
use serde::Serialize;
use store::error::StoreError;
use store::open::Store;
use sync::inspect::{InspectError, Inspected};
use sync::look::Sync;
use utoipa::ToSchema;

use crate::clock;

/// An account that has been due for longer than this is overdue: what is known may be out of date.
const OVERDUE: chrono::TimeDelta = chrono::TimeDelta::seconds(60);

/// The whole answer.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Standing {
    pub(crate) user: String,
    /// Nothing may be used: show the paywall.
    pub(crate) paywall: bool,
    /// It could not be looked lately: what was to renew is taken to have renewed.
    pub(crate) stale: bool,
    pub(crate) as_of: DateTime<Utc>,
    pub(crate) double_subscription: bool,
    pub(crate) levels: Vec<Level>,
}

/// One level of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Level {
    pub(crate) level: String,
    /// The app it is of, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) app: Option<String>,
    pub(crate) active: bool,
    pub(crate) until: Option<DateTime<Utc>>,
    pub(crate) lifetime: bool,
    pub(crate) will_renew: Option<bool>,
    pub(crate) in_grace: bool,
    pub(crate) billing_issue: bool,
    pub(crate) store: Option<String>,
    pub(crate) because: String,
}

/// What is known of `user` from our own memory; `None` when nobody ever looked.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn known(store: &Store, user: &Customer) -> Result<Option<Standing>, StoreError> {
    let now = clock::now();
    Ok(store.status_of(user).await?.map(|known| {
        let stale = known.overdue_since.is_some_and(|since| now - since > OVERDUE);
        told(user, &known.status, known.as_of, stale, now)
    }))
}

/// What Stripe and Adapty say of `user` now; what is known, called stale, when they do not answer.
///
/// # Errors
/// When nothing is known either.
pub(crate) async fn fresh(sync: &Sync, user: &Customer) -> Result<Option<Standing>, InspectError> {
    let now = clock::now();
    match sync.inspect_customer(user).await.and_then(Inspected::whole) {
        Ok(cases) => {
            let status = sync.status_of(&cases);
            Ok(Some(told(user, &status, now, false, now)))
        }
        Err(InspectError::Nobody) => Ok(None),
        Err(error) => match sync.store.status_of(user).await? {
            Some(known) => Ok(Some(told(user, &known.status, known.as_of, true, now))),
            None => Err(error),
        },
    }
}

fn told(user: &Customer, status: &Status, as_of: Timestamp, stale: bool, now: Timestamp) -> Standing {
    Standing {
        user: user.as_str().to_owned(),
        paywall: status.paywall(now, stale),
        stale,
        as_of,
        double_subscription: status.double_subscription,
        levels: status.levels.iter().map(|level| one(level, stale, now)).collect(),
    }
}

fn one(level: &LevelStatus, stale: bool, now: Timestamp) -> Level {
    Level {
        level: level.level.0.clone(),
        app: level.app.clone(),
        active: level.is_active(now, stale),
        until: level.until.and_then(Until::at),
        lifetime: level.until == Some(Until::Lifetime),
        will_renew: level.will_renew,
        in_grace: level.in_grace,
        billing_issue: level.billing_issue,
        store: level.store.clone(),
        because: level.because.clone(),
    }
}
