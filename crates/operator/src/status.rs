//! Status: what a user may use now, from memory or read afresh.

use chrono::{DateTime, TimeDelta, Utc};
use entitlement::model::clock::Timestamp;
use entitlement::model::until::Until;
use entitlement::model::user::User;
use entitlement::status::{self, Status};
use serde::Serialize;
use store::claim::Urgency;
use store::error::StoreError;
use store::statuses::StoredStatus;
use sync::store_reader::Freshness;
use utoipa::ToSchema;

use crate::error::OperatorError;
use crate::operator::Operator;

/// An account that has been due for longer than this is overdue: its status may be out of date.
const OVERDUE: TimeDelta = TimeDelta::seconds(60);

/// What a user may use.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct UserStatus {
    pub user: String,
    /// Nothing may be used: show the paywall.
    pub paywall: bool,
    /// Something could not be read lately: what was to renew is taken to have renewed.
    pub stale: bool,
    pub as_of: DateTime<Utc>,
    pub double_subscription: bool,
    pub levels: Vec<LevelStatus>,
}

/// One access level.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LevelStatus {
    pub level: String,
    /// The app it is of, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    pub active: bool,
    pub until: Option<DateTime<Utc>>,
    pub lifetime: bool,
    pub will_renew: Option<bool>,
    pub in_grace: bool,
    pub billing_issue: bool,
    pub store: Option<String>,
    pub because: String,
}

/// What an answer waits for.
#[derive(Clone, Copy, Debug)]
pub enum Wait {
    /// For all that may be out of date.
    ForEverything,
    /// For what decides about the paywall; the rest is read after the answer, for the next one.
    ForPaywall,
}

/// What is known of a user, and as of when.
struct Snapshot {
    status: Status,
    as_of: Timestamp,
    stale: bool,
    /// The app's stores never answered for the user, and do not now: anything may have been bought there.
    stores_unknown: bool,
}

impl Operator {
    /// What `user` may use by our own memory and the app's stores.
    ///
    /// # Errors
    /// When nothing is known of the user.
    pub async fn status(&self, user: &User, wait: Wait) -> Result<UserStatus, OperatorError> {
        let now = self.now();
        let stored = self.store.status_of(user).await?;
        if stored.as_ref().is_some_and(|stored| is_overlooked(stored, now)) {
            self.trigger(user).await;
        }
        let snapshot = stored.map(|stored| Snapshot::of(stored, now));
        let opens = snapshot.as_ref().is_some_and(|snapshot| !snapshot.status.paywall(now, snapshot.stale));
        let freshness = match wait {
            Wait::ForEverything => Freshness::Recent,
            Wait::ForPaywall => Freshness::RecentOrOpen { opens },
        };
        self.with_stores(user, snapshot, freshness, now).await
    }

    /// What `user` may use as sources and destinations show it now; from memory, and called stale, where they do not answer.
    ///
    /// # Errors
    /// When nothing is known of the user.
    pub async fn fresh_status(&self, user: &User) -> Result<UserStatus, OperatorError> {
        let now = self.now();
        let controller = self.controller()?;
        let collected = controller.collect_user(user).await?;
        let snapshot = match &collected.billing {
            _ if collected.accounts.is_empty() => None,
            Ok(billing) => {
                let (status, is_whole) = controller.status_of(user, billing, &collected).await?;
                let stale = !is_whole || status.is_in_doubt(now, now);
                Some(Snapshot { status, as_of: now, stale, stores_unknown: false })
            }
            Err(failure) => {
                let Some(stored) = self.store.status_of(user).await? else {
                    return Err(OperatorError::Upstream { doing: "reading the account", source: failure.clone() });
                };
                Some(Snapshot { stale: true, ..Snapshot::of(stored, now) })
            }
        };
        self.with_stores(user, snapshot, Freshness::Now, now).await
    }

    /// Makes the accounts of `user` due, since none was synced when it was time. The answer does not depend on it.
    async fn trigger(&self, user: &User) {
        let triggered = async { self.store.enqueue(self.store.accounts_of(user).await?, Urgency::Requested).await };
        if let Err(error) = triggered.await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "a user whose access ended could not be made due");
        }
    }

    async fn with_stores(
        &self,
        user: &User,
        snapshot: Option<Snapshot>,
        freshness: Freshness,
        now: Timestamp,
    ) -> Result<UserStatus, OperatorError> {
        let combined = self.combined(user, snapshot, freshness, now).await?;
        let unknown = || OperatorError::NotFound("nothing is known of that user; see `grantsync parked list`".into());
        Ok(UserStatus::of(user, &combined.ok_or_else(unknown)?, now))
    }

    /// What is known, and what the app's stores sold; `None` when nothing is known at all.
    async fn combined(
        &self,
        user: &User,
        snapshot: Option<Snapshot>,
        freshness: Freshness,
        now: Timestamp,
    ) -> Result<Option<Snapshot>, StoreError> {
        let Some(store_reader) = &self.store_reader else { return Ok(snapshot) };
        let stores = store_reader.read(user, freshness).await?;
        let nothing = |as_of, stale| Snapshot { status: Status::default(), as_of, stale, stores_unknown: false };
        let snapshot = match (snapshot, stores.as_of) {
            (Some(snapshot), None) => snapshot,
            (Some(snapshot), Some(as_of)) => Snapshot { as_of: as_of.min(snapshot.as_of), ..snapshot },
            (None, Some(as_of)) if !stores.levels.is_empty() => nothing(as_of, false),
            // a store that does not answer has not said that nothing was sold
            (None, as_of) if stores.stale => nothing(as_of.unwrap_or(now), true),
            (None, _) => return Ok(None),
        };
        let web_stores: Vec<&str> = self.web_stores.iter().map(String::as_str).collect();
        let status = snapshot.status.beside(&stores.levels, stores.stale, &web_stores, now);
        let stale = snapshot.stale || stores.stale;
        let stores_unknown = stores.stale && stores.as_of.is_none();
        Ok(Some(Snapshot { status, stale, stores_unknown, ..snapshot }))
    }
}

/// Whether access that was to renew ended, no sync followed, and none is due.
fn is_overlooked(stored: &StoredStatus, now: Timestamp) -> bool {
    stored.overdue_since.is_none() && stored.status.ended_since(stored.as_of, now)
}

impl Snapshot {
    fn of(stored: StoredStatus, now: Timestamp) -> Self {
        let StoredStatus { status, as_of, overdue_since } = stored;
        let is_overdue = overdue_since.is_some_and(|since| now - since > OVERDUE);
        let stale = is_overdue || status.is_in_doubt(as_of, now);
        Self { status, as_of, stale, stores_unknown: false }
    }
}

impl UserStatus {
    fn of(user: &User, snapshot: &Snapshot, now: Timestamp) -> Self {
        let Snapshot { status, as_of, stale, stores_unknown } = snapshot;
        Self {
            user: user.as_str().to_owned(),
            paywall: status.paywall(now, *stale) && !stores_unknown,
            stale: *stale,
            as_of: *as_of,
            double_subscription: status.double_subscription,
            levels: status.levels.iter().map(|level| LevelStatus::of(level, *stale, now)).collect(),
        }
    }
}

impl LevelStatus {
    fn of(level: &status::LevelStatus, stale: bool, now: Timestamp) -> Self {
        Self {
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
}
