//! Explain: why a user has what they have, and what to do where that is not what they should have.

use chrono::{DateTime, Utc};
use entitlement::clock::Timestamp;
use entitlement::decide::{Case, decide};
use entitlement::entitle::entitle;
use entitlement::names::{Account, User};
use entitlement::plan::{Expected, Plan, PlannedStep};
use entitlement::profile::{ActualLevel, Profile};
use entitlement::status::LevelStatus;
use serde::Serialize;
use store::inbox;
use store::statuses::StoredStatus;
use sync::controller::{App, PolicyMode};
use sync::examine::{Examined, Learnt, Person};

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
    pub examined: Examined,
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
    entitlements: Vec<entitlement::plan::Entitlement>,
    withheld: Vec<entitlement::plan::Withheld>,
    unknown: Vec<entitlement::plan::Unknown>,
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
        let mut all = Vec::new();
        for app in self.synced_apps(app)? {
            let examined = match of {
                Subject::Account(account) => controller.examine(app, account).await?,
                Subject::User(user) => controller.examine_customer(app, user).await?,
            };
            all.push(self.explanation(examined, controller.policy_mode).await?);
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
    pub fn synced_apps(&self, name: Option<&str>) -> Result<Vec<&App>, OperatorError> {
        let apps = &self.controller()?.apps;
        let Some(name) = name else { return Ok(apps.iter().collect()) };
        let found = apps.iter().find(|app| app.name() == name);
        Ok(vec![found.ok_or_else(|| unknown_app(name, apps.iter().map(App::name)))?])
    }

    async fn explanation(&self, examined: Examined, policy_mode: PolicyMode) -> Result<Explanation, OperatorError> {
        let accounts: Vec<Account> = examined.accounts.iter().map(|learnt| learnt.account.clone()).collect();
        let user = examined.user().cloned();
        let mut worklist = Vec::new();
        for account in &accounts {
            worklist.push(self.worklist_entry(account.clone()).await?);
        }
        let remembered = match &user {
            Some(user) => self.store.status_of(user).await?,
            None => None,
        };
        let parked = self.parked_for(accounts, user.clone()).await?;
        let timeline = self.timeline(&examined, user.as_ref(), &parked).await?;
        let decision = examined.case().map(|case| {
            let plan = decide(&case);
            (case, plan)
        });
        Ok(Explanation { examined, decision, remembered, timeline, worklist, parked, policy_mode })
    }

    async fn timeline(
        &self,
        examined: &Examined,
        user: Option<&User>,
        parked: &[Parked],
    ) -> Result<Vec<TimelineEntry>, OperatorError> {
        let triggers = triggers(examined);
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

/// What events may have named: the accounts, or something that was billed to them.
fn triggers(examined: &Examined) -> Vec<Account> {
    let mut triggers: Vec<Account> = examined.accounts.iter().map(|learnt| learnt.account.clone()).collect();
    let Ok(billing) = &examined.billing else { return triggers };
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
        let is_linked = self.examined.user().is_some() && !self.examined.accounts.is_empty();
        let is_remembered = self.remembered.is_some() || self.worklist.iter().any(WorklistEntry::is_held);
        !is_linked && !is_remembered && self.timeline.is_empty()
    }

    /// Says that nothing, or no user, is known of what was asked about.
    #[must_use]
    pub fn unknown(&self) -> String {
        let Examined { accounts, billing, person, .. } = &self.examined;
        match (accounts.first(), billing, person) {
            (None, _, _) => "no account is linked to that user; see `grantsync parked list`".into(),
            (Some(learnt), Err(failure), _) => format!("nothing is known of `{}`: {failure}", learnt.account),
            (Some(learnt), Ok(_), Person::Nobody(why)) => {
                format!("no app user is known for `{}`: {why}; see `grantsync parked list`", learnt.account)
            }
            (Some(learnt), Ok(_), Person::Known { .. }) => format!("nothing is known of `{}`", learnt.account),
        }
    }

    /// Whether the source was read, and no user is known for what it bills.
    #[must_use]
    pub fn is_of_no_user(&self) -> bool {
        self.examined.user().is_none() && self.examined.billing.is_ok()
    }

    /// What could not be read, and why.
    #[must_use]
    pub fn unread(&self) -> Vec<String> {
        let source = self.examined.billing.as_ref().err();
        let source = source.map(|failure| format!("`{}` could not be read: {failure}", self.source()));
        let destination = match &self.examined.person {
            Person::Known { profile: Err(failure), .. } => Some(failure),
            Person::Known { profile: Ok(_), .. } | Person::Nobody(_) => None,
        };
        let app = &self.examined.rules.destination;
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
        let Examined { billing, rules, now, .. } = &self.examined;
        match &self.decision {
            Some((_, plan)) => Some(plan.expected.clone()),
            None => billing.as_ref().ok().map(|billing| entitle(billing, rules, *now)),
        }
    }

    /// The profile, where the destination could be read.
    #[must_use]
    pub fn profile(&self) -> Option<&Profile> {
        match &self.examined.person {
            Person::Known { profile, .. } => profile.as_ref().ok(),
            Person::Nobody(_) => None,
        }
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
            user: self.examined.user().map(User::as_str),
            app: &self.examined.rules.destination,
            accounts: self.examined.accounts.iter().map(|learnt| &learnt.account).collect(),
            links: self.examined.accounts.iter().map(LinkDocument::of).collect(),
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
        self.examined.accounts.first().map_or("the source", |learnt| learnt.account.source())
    }
}

impl<'a> LinkDocument<'a> {
    fn of(learnt: &'a Learnt) -> Self {
        Self { account: &learnt.account, origin: learnt.origin.as_deref() }
    }
}

impl ExpectedDocument {
    fn of(expected: Expected) -> Self {
        Self { entitlements: expected.owed, withheld: expected.withheld, unknown: expected.unknown }
    }
}
