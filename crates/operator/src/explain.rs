//! Explain: why a user has what they have, and what to do where that is not what they should have.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entitlement::case::Case;
use entitlement::clock::Timestamp;
use entitlement::decide::decide;
use entitlement::entitle::entitle;
use entitlement::expected::Expected;
use entitlement::names::{Account, User};
use entitlement::plan::{Plan, PlannedStep};
use entitlement::profile::{ActualLevel, Profile};
use entitlement::rules::Rules;
use entitlement::status::LevelStatus;
use serde::Serialize;
use store::inbox;
use store::statuses::StoredStatus;
use sync::collect::{Collected, CollectedApp, LinkedAccount};
use sync::controller::PolicyMode;
use sync::target::Target;

use crate::error::OperatorError;
use crate::ledger::{LedgerEntry, LedgerFilter};
use crate::operator::{Operator, unknown_app};
use crate::parked::Parked;
use crate::timeline::{TimelineEntry, timeline};
use crate::worklist::WorklistEntry;

/// Rows that are read at most of the inbox, the ledger and the audit log each.
const MOST: u32 = 10_000;

/// Whom is asked about.
#[derive(Clone, Debug)]
pub enum Subject {
    /// An account, or an object that leads to one.
    Account(Account),
    User(User),
}

/// Why a user has what they have in one app.
#[derive(Debug)]
pub struct Explanation {
    pub collected: Arc<Collected>,
    /// The app's name.
    pub app: String,
    /// Place of the app among those that were collected.
    place: usize,
    /// What billing gives, where the profile could not be read.
    billed: Option<Expected>,
    /// The case and what a sync would decide now, where everything could be read.
    pub decision: Option<(Case, Plan)>,
    /// What the last sync saw.
    pub remembered: Option<StoredStatus>,
    pub timeline: Vec<TimelineEntry>,
    pub worklist: Vec<WorklistEntry>,
    pub parked: Vec<Parked>,
    pub policy_mode: PolicyMode,
}

/// Why the user does not have what they should have, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    pub cause: String,
    pub remedy: Option<String>,
}

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
    expected: Option<ExpectedDocument>,
    /// Null where the destination could not be read.
    actual: Option<&'a [ActualLevel]>,
    profile_exists: Option<bool>,
    /// What could not be read, and why.
    unread: Vec<String>,
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
struct ExpectedDocument {
    entitlements: Vec<entitlement::expected::Entitlement>,
    withheld: Vec<entitlement::expected::Withheld>,
    unknown: Vec<entitlement::expected::Unknown>,
}

#[derive(Debug, Serialize)]
struct RememberedDocument<'a> {
    as_of: DateTime<Utc>,
    levels: &'a [LevelStatus],
}

impl Operator {
    /// Why the user has what they have, in the app called `app` or in each.
    ///
    /// # Errors
    /// When nothing is known of the subject.
    pub async fn explain(&self, of: &Subject, app: Option<&str>) -> Result<Vec<Explanation>, OperatorError> {
        let controller = self.controller()?;
        let chosen = self.synced_apps(app)?;
        let collected = Arc::new(match of {
            Subject::Account(account) => controller.collect(account).await?,
            Subject::User(user) => controller.collect_user(user).await?,
        });
        let mut all = Vec::new();
        for (place, app) in controller.apps.iter().enumerate() {
            if chosen.iter().any(|of| of.name() == app.name()) {
                all.push(self.explanation(collected.clone(), place, app, controller.policy_mode).await?);
            }
        }
        if all.iter().all(Explanation::is_empty) {
            let text = all.first().map(Explanation::unknown).unwrap_or_default();
            return Err(OperatorError::NotFound(text));
        }
        Ok(all)
    }

    /// The app called `name`, or all that are synced.
    ///
    /// # Errors
    /// When there is no such app.
    pub fn synced_apps(&self, name: Option<&str>) -> Result<Vec<&Target>, OperatorError> {
        let apps = &self.controller()?.apps;
        let Some(name) = name else { return Ok(apps.iter().collect()) };
        let found = apps.iter().find(|app| app.name() == name);
        Ok(vec![found.ok_or_else(|| unknown_app(name, apps.iter().map(Target::name)))?])
    }

    async fn explanation(
        &self,
        collected: Arc<Collected>,
        place: usize,
        app: &Target,
        policy_mode: PolicyMode,
    ) -> Result<Explanation, OperatorError> {
        let accounts: Vec<Account> = collected.accounts.iter().map(|linked| linked.account.clone()).collect();
        let user = collected.user.as_ref().ok().cloned();
        let mut worklist = Vec::new();
        for account in &accounts {
            worklist.push(self.worklist_entry(account.clone()).await?);
        }
        let remembered = match &user {
            Some(user) => self.store.status_of(user).await?,
            None => None,
        };
        let parked = self.parked_for(accounts, user.clone()).await?;
        let timeline = self.timeline(&collected, user.as_ref(), &parked).await?;
        Ok(Explanation {
            app: app.name().to_owned(),
            place,
            billed: billed(&collected, app),
            decision: decision(&collected, place),
            collected,
            remembered,
            timeline,
            worklist,
            parked,
            policy_mode,
        })
    }

    async fn timeline(
        &self,
        collected: &Collected,
        user: Option<&User>,
        parked: &[Parked],
    ) -> Result<Vec<TimelineEntry>, OperatorError> {
        let triggers = triggers(collected);
        let events = match triggers.is_empty() {
            true => Vec::new(),
            false => {
                let filter = inbox::Filter { accounts: triggers, ..inbox::Filter::default() };
                self.store.events(&filter, MOST).await?
            }
        };
        let Some(user) = user else { return Ok(timeline(&events, &[], &[], parked)) };
        let mut ledger: Vec<LedgerEntry> =
            self.ledger(LedgerFilter { user: Some(user.clone()), ..LedgerFilter::default() }, MOST).await?;
        let mut audit_log = self.audit_log(Some(user.clone()), None, MOST).await?;
        ledger.reverse();
        audit_log.reverse();
        Ok(timeline(&events, &audit_log, &ledger, parked))
    }
}

/// The case of one app, and what a sync would decide now.
fn decision(collected: &Collected, place: usize) -> Option<(Case, Plan)> {
    let case = collected.case(collected.apps.get(place)?).ok()?;
    let plan = decide(&case);
    Some((case, plan))
}

/// What billing gives by the rules of `app`.
fn billed(collected: &Collected, app: &Target) -> Option<Expected> {
    let billing = collected.billing.as_ref().ok()?;
    let rules = Rules { mode: billing.mode, ..app.rules.clone() };
    Some(entitle(billing, &rules, collected.now))
}

/// What events may have named: the accounts, or something that was billed to them.
fn triggers(collected: &Collected) -> Vec<Account> {
    let mut triggers: Vec<Account> = collected.accounts.iter().map(|linked| linked.account.clone()).collect();
    let Ok(billing) = &collected.billing else { return triggers };
    for subscription in &billing.subscriptions {
        let account = &subscription.account;
        triggers.push(account.sibling(&subscription.id));
        triggers.extend(subscription.invoices.iter().map(|invoice| account.sibling(&invoice.id)));
    }
    triggers.extend(billing.purchases.iter().map(|bought| bought.account.sibling(&bought.id)));
    triggers
}

impl Explanation {
    /// Whether nobody is known, and nothing ever happened.
    fn is_empty(&self) -> bool {
        let is_linked = self.collected.user.is_ok() && !self.collected.accounts.is_empty();
        let is_remembered = self.remembered.is_some() || self.worklist.iter().any(WorklistEntry::is_held);
        !is_linked && !is_remembered && self.timeline.is_empty()
    }

    /// Says that nothing, or no user, is known of what was asked about.
    #[must_use]
    pub fn unknown(&self) -> String {
        let Collected { accounts, billing, user, .. } = &*self.collected;
        match (accounts.first(), billing, user) {
            (None, _, _) => "no account is linked to that user; see `grantsync parked list`".into(),
            (Some(linked), Err(failure), _) => format!("nothing is known of `{}`: {failure}", linked.account),
            (Some(linked), Ok(_), Err(why)) => {
                format!("no app user is known for `{}`: {why}; see `grantsync parked list`", linked.account)
            }
            (Some(linked), Ok(_), Ok(_)) => format!("nothing is known of `{}`", linked.account),
        }
    }

    /// Whether the source was read, and no user is known for what it bills.
    #[must_use]
    pub fn is_of_no_user(&self) -> bool {
        self.collected.user.is_err() && self.collected.billing.is_ok()
    }

    /// What could not be read, and why.
    #[must_use]
    pub fn unread(&self) -> Vec<String> {
        let source = self.collected.billing.as_ref().err();
        let source = source.map(|failure| format!("`{}` could not be read: {failure}", self.source()));
        let destination = self.collected_app().and_then(|app| app.profile.as_ref().err());
        let app = &self.app;
        let destination = destination.map(|failure| format!("the profile in `{app}` could not be read: {failure}"));
        source.into_iter().chain(destination).collect()
    }

    /// Why the user does not have what they should have; `None` where nothing is known to be wrong.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        if let Some(parked) = self.parked.first() {
            return Some(Cause { cause: parked.reason.clone(), remedy: Some(parked.hint.clone()) });
        }
        if let Some(unread) = self.unread().into_iter().next() {
            let remedy =
                "it is tried again by itself; `grantsync check` says what is wrong with the key or the address";
            return Some(Cause { cause: unread, remedy: Some(remedy.into()) });
        }
        let (case, plan) = self.decision.as_ref()?;
        if let Some(withheld) = plan.expected.withheld.first() {
            let cause = format!("`{}` is withheld: {}", withheld.level, withheld.because);
            return Some(Cause { cause, remedy: None });
        }
        let open = plan.steps.first()?;
        let cause = format!("{} `{}` is still to be sent: {}", open.step.kind(), open.step.subject(), open.because);
        let remedy = match self.policy_mode {
            PolicyMode::Observe => "`policy.mode` is `observe`: set it to `enforce` to write".to_owned(),
            PolicyMode::Enforce => {
                format!("`grantsync resync --user {} --wait` sends it now", case.profile.user.as_str())
            }
        };
        Some(Cause { cause, remedy: Some(remedy) })
    }

    /// What the user should have; `None` where the source could not be read.
    #[must_use]
    pub fn expected(&self) -> Option<Expected> {
        match &self.decision {
            Some((_, plan)) => Some(plan.expected.clone()),
            None => self.billed.clone(),
        }
    }

    /// The profile, where the destination could be read.
    #[must_use]
    pub fn profile(&self) -> Option<&Profile> {
        self.collected_app()?.profile.as_ref().ok()
    }

    fn collected_app(&self) -> Option<&CollectedApp> {
        self.collected.apps.get(self.place)
    }

    /// When the account is synced next by itself.
    #[must_use]
    pub fn sync_again_at(&self) -> Option<Timestamp> {
        match &self.decision {
            Some((_, plan)) => plan.sync_again_at,
            None => self.worklist.iter().filter_map(|entry| entry.due_at).min(),
        }
    }

    /// As one document.
    #[must_use]
    pub fn document(&self) -> ExplanationDocument<'_> {
        let cause = self.cause();
        let profile = self.profile();
        let remembered = self.remembered.as_ref();
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
            remembered: remembered
                .map(|stored| RememberedDocument { as_of: stored.as_of, levels: &stored.status.levels }),
            timeline: &self.timeline,
            steps: self.decision.as_ref().map(|(_, plan)| plan.steps.as_slice()),
            sync_again_at: self.sync_again_at(),
            worklist: &self.worklist,
            parked: &self.parked,
        }
    }

    fn source(&self) -> &str {
        self.collected.accounts.first().map_or("the source", |linked| linked.account.source())
    }
}

impl<'a> LinkDocument<'a> {
    fn of(linked: &'a LinkedAccount) -> Self {
        Self { account: &linked.account, origin: linked.origin.as_deref() }
    }
}

impl ExpectedDocument {
    fn of(expected: Expected) -> Self {
        Self { entitlements: expected.entitlements, withheld: expected.withheld, unknown: expected.unknown }
    }
}
