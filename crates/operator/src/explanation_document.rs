//! An explanation as one JSON document.

use chrono::{DateTime, Utc};
use entitlement::model::account::Account;
use entitlement::model::expected::{Entitlement, Expected, Unknown, Withheld};
use entitlement::model::plan::PlannedStep;
use entitlement::model::profile::ActualLevel;
use entitlement::model::user::User;
use entitlement::status::LevelStatus;
use serde::Serialize;
use store::statuses::StoredStatus;
use sync::collect::LinkedAccount;

use crate::explanation::Explanation;
use crate::parked::Parked;
use crate::timeline::TimelineEntry;
use crate::worklist::WorklistEntry;

/// An explanation as one document.
#[derive(Debug, Serialize)]
pub struct ExplanationDocument<'a> {
    user: Option<&'a str>,
    app: &'a str,
    accounts: Vec<&'a Account>,
    links: Vec<LinkDocument<'a>>,
    /// Null where nothing is wrong.
    cause: Option<String>,
    remedy: Option<String>,
    /// Null where the source could not be read.
    expected: Option<ExpectedDocument<'a>>,
    /// Null where the destination could not be read.
    actual: Option<&'a [ActualLevel]>,
    profile_exists: Option<bool>,
    /// What could not be read, and why.
    unread: Vec<String>,
    /// What the last sync saw.
    remembered: Option<RememberedDocument<'a>>,
    timeline: &'a [TimelineEntry],
    /// What a sync would do now; null where something could not be read.
    steps: Option<&'a [PlannedStep]>,
    sync_again_at: Option<DateTime<Utc>>,
    worklist: &'a [WorklistEntry],
    parked: &'a [Parked],
}

#[derive(Debug, Serialize)]
struct LinkDocument<'a> {
    account: &'a Account,
    /// Where it was learnt: a place of `identity.user_id`, or `operator`.
    origin: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct ExpectedDocument<'a> {
    entitlements: &'a [Entitlement],
    withheld: &'a [Withheld],
    unknown: &'a [Unknown],
}

#[derive(Debug, Serialize)]
struct RememberedDocument<'a> {
    as_of: DateTime<Utc>,
    levels: &'a [LevelStatus],
}

impl Explanation {
    /// As one document.
    #[must_use]
    pub fn document(&self) -> ExplanationDocument<'_> {
        let cause = self.cause();
        let profile = self.profile();
        ExplanationDocument {
            user: self.collected.user.as_ref().ok().map(User::as_str),
            app: &self.app,
            accounts: self.collected.accounts.iter().map(|linked| &linked.account).collect(),
            links: self.collected.accounts.iter().map(LinkDocument::of).collect(),
            remedy: cause.as_ref().and_then(|cause| cause.remedy.clone()),
            cause: cause.map(|cause| cause.cause),
            expected: self.expected().map(ExpectedDocument::of),
            actual: profile.map(|profile| profile.levels.as_slice()),
            profile_exists: profile.map(|profile| profile.exists),
            unread: self.unread(),
            remembered: self.memory.status.as_ref().map(RememberedDocument::of),
            timeline: &self.memory.timeline,
            steps: self.decision.as_ref().map(|(_, plan)| plan.steps.as_slice()),
            sync_again_at: self.sync_again_at(),
            worklist: &self.memory.worklist,
            parked: &self.memory.parked,
        }
    }
}

impl<'a> LinkDocument<'a> {
    fn of(linked: &'a LinkedAccount) -> Self {
        Self { account: &linked.account, origin: linked.origin.as_deref() }
    }
}

impl<'a> ExpectedDocument<'a> {
    fn of(expected: &'a Expected) -> Self {
        Self { entitlements: &expected.entitlements, withheld: &expected.withheld, unknown: &expected.unknown }
    }
}

impl<'a> RememberedDocument<'a> {
    fn of(stored: &'a StoredStatus) -> Self {
        Self { as_of: stored.as_of, levels: &stored.status.levels }
    }
}
