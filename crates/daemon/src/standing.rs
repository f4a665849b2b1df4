//! Where a user stands, as `status` and `GET /v1/users/{id}/status` tell it.

use chrono::{DateTime, Utc};
use entitlement::clock::Timestamp;
use entitlement::names::User;
use entitlement::plan::Until;
use entitlement::status::{LevelStatus, Status};
use serde::Serialize;
use store::claim::Urgency;
use store::error::StoreError;
use store::open::Store;
use store::statuses::StoredStatus;
use sync::controller::Controller;
use sync::inspect::InspectError;
use sync::store_reader::{Freshness, StoreReader};
use utoipa::ToSchema;

use crate::command_error::CommandError;
use crate::settings::Settings;
use crate::{clock, wiring};

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

/// Who is asked where a user stands, beside our own memory.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    pub(crate) store: Store,
    pub(crate) store_reader: Option<StoreReader>,
    /// The stores under which the web's sales are told.
    pub(crate) ours: Vec<String>,
}

/// What is known of a user, and of when.
struct Picture {
    status: Status,
    as_of: Timestamp,
    stale: bool,
    /// The witness never said anything of the user, and does not now: they may have bought anything in the app.
    unheard: bool,
}

/// What an answer waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Waiting {
    /// Whatever is known may be out of date.
    ForAll,
    /// What decides about the paywall; the rest is asked behind the answer, for the next.
    ForNeedful,
}

impl Sources {
    /// Our own memory and, if there is one, the witness of the settings.
    pub(crate) fn of(settings: &Settings, store: &Store) -> Result<Self, CommandError> {
        let ours = settings.adapty.iter().map(|app| app.store.clone()).collect();
        Ok(Self { store: store.clone(), store_reader: wiring::store_reader(settings, store)?, ours })
    }

    /// What is known of `user` from our own memory, beside what the witness shows; `None` when nobody ever looked, and the
    /// witness knows nothing either.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn known(&self, user: &User, waiting: Waiting) -> Result<Option<Standing>, StoreError> {
        let now = clock::now();
        let known = self.store.status_of(user).await?;
        if known.as_ref().is_some_and(|known| is_overlooked(known, now)) {
            self.ring_for(user).await;
        }
        let picture = known.map(|known| {
            let overdue = known.overdue_since.is_some_and(|since| now - since > OVERDUE);
            let stale = overdue || known.status.is_in_doubt(known.as_of, now);
            Picture { status: known.status, as_of: known.as_of, stale, unheard: false }
        });
        let opens = picture.as_ref().is_some_and(|picture| !picture.status.paywall(now, picture.stale));
        let freshness = match waiting {
            Waiting::ForAll => Freshness::Recent,
            Waiting::ForNeedful => Freshness::RecentOrOpen { opens },
        };
        self.beside(user, picture, freshness, now).await
    }

    /// What Stripe and Adapty say of `user` now; what is known, called stale, when they do not answer.
    ///
    /// # Errors
    /// When nothing is known either.
    pub(crate) async fn fresh(&self, sync: &Controller, user: &User) -> Result<Option<Standing>, InspectError> {
        let now = clock::now();
        let picture = match sync.inspect_customer(user).await {
            Ok(inspected) => {
                let (status, is_whole) = sync.status_of(user, inspected).await?;
                let stale = !is_whole || status.is_in_doubt(now, now);
                Some(Picture { status, as_of: now, stale, unheard: false })
            }
            Err(InspectError::Nobody) => None,
            Err(error) => match self.store.status_of(user).await? {
                Some(known) => Some(Picture { status: known.status, as_of: known.as_of, stale: true, unheard: false }),
                None => return Err(error),
            },
        };
        Ok(self.beside(user, picture, Freshness::Now, now).await?)
    }

    /// Makes the accounts of `user` due, since nobody looked when it was time. The answer does not depend on it.
    async fn ring_for(&self, user: &User) {
        let rung = async { self.store.enqueue(self.store.accounts_of(user).await?, Urgency::Requested).await };
        if let Err(error) = rung.await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "a user whose right ended could not be made due");
        }
    }

    async fn beside(
        &self,
        user: &User,
        picture: Option<Picture>,
        freshness: Freshness,
        now: Timestamp,
    ) -> Result<Option<Standing>, StoreError> {
        let Some(store_reader) = &self.store_reader else {
            return Ok(picture.map(|picture| told(user, &picture, now)));
        };
        let seen = store_reader.read(user, freshness).await?;
        let picture = match (picture, seen.as_of) {
            (Some(picture), as_of) => {
                Picture { as_of: as_of.map_or(picture.as_of, |at| at.min(picture.as_of)), ..picture }
            }
            (None, Some(as_of)) if !seen.levels.is_empty() => {
                Picture { status: Status::default(), as_of, stale: false, unheard: false }
            }
            // who says nothing does not say that nothing is known
            (None, as_of) if seen.stale => {
                Picture { status: Status::default(), as_of: as_of.unwrap_or(now), stale: true, unheard: false }
            }
            (None, _) => return Ok(None),
        };
        let unheard = seen.stale && seen.as_of.is_none();
        let ours: Vec<&str> = self.ours.iter().map(String::as_str).collect();
        let status = picture.status.beside(&seen.levels, seen.stale, &ours, now);
        Ok(Some(told(user, &Picture { status, stale: picture.stale || seen.stale, unheard, ..picture }, now)))
    }
}

/// Whether a right that was to renew ended, nobody looked, and nobody is about to.
fn is_overlooked(known: &StoredStatus, now: Timestamp) -> bool {
    known.overdue_since.is_none() && known.status.ended_since(known.as_of, now)
}

fn told(user: &User, picture: &Picture, now: Timestamp) -> Standing {
    let Picture { status, as_of, stale, unheard } = picture;
    Standing {
        user: user.as_str().to_owned(),
        paywall: status.paywall(now, *stale) && !unheard,
        stale: *stale,
        as_of: *as_of,
        double_subscription: status.double_subscription,
        levels: status.levels.iter().map(|level| one(level, *stale, now)).collect(),
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
