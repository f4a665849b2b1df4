//! Why a user has what they have in one app, and what to do where that is not what they should have.

use std::sync::Arc;

use entitlement::access::entitle::entitle;
use entitlement::case::Case;
use entitlement::decide::decide;
use entitlement::model::access_level::AccessLevel;
use entitlement::model::clock::Timestamp;
use entitlement::model::expected::Expected;
use entitlement::model::plan::Plan;
use entitlement::model::profile::Profile;
use entitlement::model::reason::Reason;
use entitlement::model::rules::Rules;
use entitlement::model::user::User;
use store::statuses::StoredStatus;
use sync::collect::{Collected, CollectedApp};
use sync::controller::PolicyMode;
use sync::target::Target;

use crate::parked::Parked;
use crate::remedy;
use crate::timeline::TimelineEntry;
use crate::worklist::WorklistEntry;

/// Why a user has what they have in one app.
#[derive(Debug)]
pub struct Explanation {
    pub collected: Arc<Collected>,
    pub memory: Arc<Memory>,
    /// The app's name.
    pub app: String,
    /// Place of the app among those that were collected.
    place: usize,
    /// What billing gives, where the profile could not be read.
    billed: Option<Expected>,
    /// The case and what a sync would decide now, where everything could be read.
    pub decision: Option<(Case, Plan)>,
    pub policy_mode: PolicyMode,
}

/// What our own memory holds of a user.
#[derive(Debug)]
pub struct Memory {
    /// What the last sync saw.
    pub status: Option<StoredStatus>,
    pub timeline: Vec<TimelineEntry>,
    pub worklist: Vec<WorklistEntry>,
    pub parked: Vec<Parked>,
}

/// Why the user does not have what they should have, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    pub cause: String,
    pub remedy: Option<String>,
}

impl Explanation {
    pub(crate) fn new(
        collected: Arc<Collected>,
        memory: Arc<Memory>,
        place: usize,
        app: &Target,
        policy_mode: PolicyMode,
    ) -> Self {
        let billed = billed(&collected, app);
        let decision = decision(&collected, place);
        Self { collected, memory, app: app.name().to_owned(), place, billed, decision, policy_mode }
    }

    /// Whether no user is known, and nothing ever happened.
    pub(crate) fn is_empty(&self) -> bool {
        let Memory { status, timeline, worklist, .. } = &*self.memory;
        let is_linked = self.collected.user.is_ok() && !self.collected.accounts.is_empty();
        let is_remembered = status.is_some() || worklist.iter().any(WorklistEntry::is_held);
        !is_linked && !is_remembered && timeline.is_empty()
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
        let mut unread = Vec::new();
        if let Err(failure) = &self.collected.billing {
            let source = self.collected.accounts.first().map_or("the source", |linked| linked.account.source());
            unread.push(format!("`{source}` could not be read: {failure}"));
        }
        if let Some(Err(failure)) = self.collected_app().map(|app| &app.profile) {
            unread.push(format!("the profile in `{}` could not be read: {failure}", self.app));
        }
        unread
    }

    /// Why the user does not have what they should have; `None` where nothing is known to be wrong.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        if let Some(parked) = self.memory.parked.first() {
            return Some(Cause { cause: parked.reason.clone(), remedy: Some(parked.hint.clone()) });
        }
        if let Some(cause) = self.unread().into_iter().next() {
            let remedy =
                "it is tried again by itself; `grantsync check` says what is wrong with the key or the address";
            return Some(Cause { cause, remedy: Some(remedy.into()) });
        }
        let (case, plan) = self.decision.as_ref()?;
        withheld_cause(case, plan).or_else(|| open_cause(&case.profile.user, plan, self.policy_mode))
    }

    /// What the user should have; `None` where the source could not be read.
    #[must_use]
    pub fn expected(&self) -> Option<&Expected> {
        match &self.decision {
            Some((_, plan)) => Some(&plan.expected),
            None => self.billed.as_ref(),
        }
    }

    /// The profile, where the destination could be read.
    #[must_use]
    pub fn profile(&self) -> Option<&Profile> {
        self.collected_app()?.profile.as_ref().ok()
    }

    /// When the account is synced next by itself.
    #[must_use]
    pub fn sync_again_at(&self) -> Option<Timestamp> {
        match &self.decision {
            Some((_, plan)) => plan.sync_again_at,
            None => self.memory.worklist.iter().filter_map(|entry| entry.due_at).min(),
        }
    }

    fn collected_app(&self) -> Option<&CollectedApp> {
        self.collected.apps.get(self.place)
    }
}

/// Why a level is withheld that the user has by nothing else; of several reasons the first that has a remedy.
fn withheld_cause(case: &Case, plan: &Plan) -> Option<Cause> {
    let user = &case.profile.user;
    let missing = || plan.expected.withheld.iter().filter(|withheld| is_missing(&withheld.level, case, plan));
    let remedied = || missing().find(|withheld| remedy::of(withheld, user).is_some());
    let withheld = remedied().or_else(|| missing().next())?;
    let cause = format!("`{}` is withheld: {}", withheld.level, withheld.because);
    Some(Cause { cause, remedy: remedy::of(withheld, user) })
}

/// Neither another subscription gives the level, nor does another store.
fn is_missing(level: &AccessLevel, case: &Case, plan: &Plan) -> bool {
    plan.expected.entitlement(level).is_none() && !stays(level, case, plan)
}

/// Whether the user has the level, and nothing is taken: it is not ours.
fn stays(level: &AccessLevel, case: &Case, plan: &Plan) -> bool {
    let is_shown = case.profile.level(level).is_some_and(|actual| actual.runs(case.now));
    let is_taken = plan.notes.iter().filter(|note| note.level == *level).any(|note| waits_to_show(&note.because));
    is_shown && !is_taken && !plan.revokes(level)
}

/// Whether a revoke may be what the profile does not show yet.
fn waits_to_show(because: &Reason) -> bool {
    matches!(because, Reason::WaitsForProfile | Reason::AcceptedButNotShown { .. } | Reason::WaitsForRetry { .. })
}

/// What was not sent yet.
fn open_cause(user: &User, plan: &Plan, policy_mode: PolicyMode) -> Option<Cause> {
    let open = plan.steps.first()?;
    let cause = format!("{} `{}` is still to be sent: {}", open.step.kind(), open.step.subject(), open.because);
    let remedy = match policy_mode {
        PolicyMode::Observe => "`policy.mode` is `observe`: set it to `enforce` to write".to_owned(),
        PolicyMode::Enforce => format!("`grantsync resync --user {} --wait` sends it now", user.as_str()),
    };
    Some(Cause { cause, remedy: Some(remedy) })
}

/// What billing gives by the rules of `app`.
fn billed(collected: &Collected, app: &Target) -> Option<Expected> {
    let billing = collected.billing.as_ref().ok()?;
    let rules = Rules { mode: billing.mode, ..app.rules.clone() };
    Some(entitle(billing, &rules, collected.now))
}

/// The case of one app, and what a sync would decide now.
fn decision(collected: &Collected, place: usize) -> Option<(Case, Plan)> {
    let case = collected.case(collected.apps.get(place)?).ok()?;
    let plan = decide(&case);
    Some((case, plan))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use entitlement::model::billing::Status;
    use entitlement::model::overrides::Block;

    use super::*;

    fn saved(name: &str) -> Case {
        let path = format!("{}/../../tests/cases/{name}.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    }

    fn premium() -> AccessLevel {
        AccessLevel("premium".into())
    }

    fn cause_of(case: &Case) -> Option<Cause> {
        withheld_cause(case, &decide(case))
    }

    #[test]
    fn a_refund_is_no_cause_while_another_subscription_gives_the_level() {
        let case = saved("refunded_with_another_running");
        assert!(!decide(&case).expected.withheld.is_empty());
        assert_eq!(cause_of(&case), None);
    }

    #[test]
    fn a_payment_that_failed_for_good_is_the_cause_and_the_customer_can_settle_it() {
        let cause = cause_of(&saved("all_tries_failed")).unwrap();
        assert_eq!(cause.cause, "`premium` is withheld: the source gave up charging for `sub_1`");
        assert!(cause.remedy.unwrap().starts_with("the customer must pay or update the card at the source"));
    }

    #[test]
    fn a_level_that_another_store_gives_is_not_missing() {
        let mut case = saved("other_store_lasts");
        case.overrides.blocks.push(Block { level: premium(), by: "anna".into(), why: String::new() });
        assert!(decide(&case).expected.is_blocked(&premium()));
        assert_eq!(cause_of(&case), None);
        case.profile.levels.clear();
        let remedy = cause_of(&case).unwrap().remedy.unwrap();
        assert_eq!(remedy, format!("`grantsync unblock {} premium` lifts the block", case.profile.user.as_str()));
    }

    #[test]
    fn a_level_of_ours_that_is_to_be_taken_is_withheld_although_it_is_still_shown() {
        let case = saved("paused");
        assert!(case.profile.level(&premium()).is_some() && decide(&case).revokes(&premium()));
        assert!(cause_of(&case).is_some());
    }

    #[test]
    fn of_several_reasons_the_one_that_can_be_settled_is_the_cause() {
        let mut case = saved("all_tries_failed");
        let mut ended = case.billing.subscriptions[0].clone();
        ended.id = "sub_0".into();
        ended.status = Status::Canceled;
        ended.ended_at = Some(case.now);
        case.billing.subscriptions.insert(0, ended);
        let withheld = decide(&case).expected.withheld;
        assert_eq!(withheld.len(), 2, "{withheld:?}");
        assert!(cause_of(&case).unwrap().cause.contains("`sub_1`"));
    }
}
