//! A round: a walk over all accounts that compares what is owed with what is shown.
//!
//! It reads, and never writes to a destination: what it finds becomes due, and is mended by a look like any other.
//! Accounts that are being worked on while it passes are not called wrong; they are compared again at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::SecondsFormat;
use entitlement::clock::Timestamp;
use entitlement::decide::{Case, decide};
use entitlement::failure::Failure;
use entitlement::ledger::Entry;
use entitlement::names::Account;
use entitlement::plan::{Note, Plan, Step, Until};
use entitlement::reason::Reason;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde::{Deserialize, Serialize};
use store::claim::Urgency;
use store::error::StoreError;
use store::worklist::AccountState;
use tokio::time::sleep;

use crate::controller::Controller;
use crate::inspect::InspectError;
use crate::store_reader::{Asking, StoreReader};

/// Accounts compared at once; the rate limits are what counts.
const ABREAST: usize = 16;
/// Accounts fetched from the memory at once.
const PAGE: u32 = 500;
/// How often an account that is being worked on is compared again, and how long it is left alone before.
const AGAIN: u32 = 10;
const LEFT_ALONE: Duration = Duration::from_secs(2);

/// Users in a row of whom the witness may be asked in vain before it is left alone.
const ASKED_IN_VAIN: u64 = 10;

/// Whether differences are mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    Yes,
    No,
}

/// What a round found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciliation {
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    /// Accounts compared.
    pub accounts: u64,
    pub differences: Vec<Difference>,
    pub repaired: u64,
    /// Accounts that could not be compared, and differences that are still there.
    pub failed: u64,
    /// Accounts that were being worked on, or waited for the profile, whenever the round passed.
    #[serde(default)]
    pub in_motion: u64,
    /// Why accounts could not be compared, the first few of them.
    #[serde(default)]
    pub failures: Vec<String>,
    /// Who pays for a level on the web and in a store of the app too, as Adapty or the witness shows it.
    #[serde(default)]
    pub double_subscriptions: Vec<Doubled>,
    /// Users of whom the witness was asked in vain.
    #[serde(default)]
    pub not_witnessed: u64,
    /// Users of whom the witness was not asked any more, since it had not answered a few times in a row.
    #[serde(default)]
    pub not_asked: u64,
}

/// A level that is paid for twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubled {
    pub account: String,
    pub user: String,
    pub level: String,
    /// The other store.
    pub store: Option<String>,
}

/// Something owed that is not shown, or shown that is not owed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    pub account: String,
    pub user: String,
    /// The app it was found in.
    #[serde(default)]
    pub app: String,
    pub level: String,
    /// RFC 3339, or `lifetime`; `None`: not owed.
    pub owed_until: Option<String>,
    /// The same; `None`: not shown.
    pub shown_until: Option<String>,
    /// When the level was last known to be right.
    pub since: Option<Timestamp>,
    pub reason: String,
    /// `reported`, `repaired`, or `failed: …`.
    pub action: String,
}

/// How far a round is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub accounts: u64,
    pub differences: u64,
}

/// The round did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    #[error(transparent)]
    Upstream(#[from] Failure),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How one account compares.
enum Compared {
    Same,
    /// Somebody is working on it, or what was just written does not show yet.
    InMotion,
    Differs(Vec<Difference>),
    Failed(String),
}

/// What mending left of one account.
#[derive(Default)]
struct Left {
    /// App and level.
    still: BTreeSet<(String, String)>,
    /// Apps that could not be read, and why.
    unread: BTreeMap<String, String>,
}

impl Left {
    fn action(&self, difference: &Difference) -> String {
        let Difference { app, level, .. } = difference;
        if let Some(why) = self.unread.get(app) {
            return format!("failed: {why}");
        }
        let is_left = self.still.contains(&(app.clone(), level.clone()));
        if is_left { "failed: it is still there" } else { "repaired" }.to_owned()
    }
}

/// What a round knows by now.
#[derive(Default)]
struct Walked {
    accounts: u64,
    /// By user, app and level: accounts of one user find the same.
    differences: BTreeMap<(String, String, String), Difference>,
    in_motion: BTreeSet<Account>,
    failures: Vec<String>,
    /// By user and level.
    doubled: BTreeMap<(String, String), Doubled>,
    not_witnessed: u64,
    not_asked: u64,
}

impl Controller {
    /// Compares every account that is known, and every one that Stripe bills; mends what differs, if it is to.
    ///
    /// # Errors
    /// When the database does not answer, or Stripe's lists cannot be read.
    pub async fn reconcile(
        &self,
        mend: Repair,
        store_reader: Option<&StoreReader>,
        mut told: impl FnMut(Progress),
    ) -> Result<Reconciliation, ReconcileError> {
        let started_at = (self.clock)();
        let mut walked = Walked::default();
        let mut last = None;
        loop {
            let page = self.store.accounts_after(last.as_ref(), PAGE).await?;
            let Some(next) = page.last() else { break };
            last = Some(next.clone());
            self.compare_all(page, &mut walked, &mut told).await;
        }
        self.compare_unheard_of(&mut walked, &mut told).await?;
        self.compare_again(&mut walked, &mut told).await;
        let mut differences: Vec<Difference> = std::mem::take(&mut walked.differences).into_values().collect();
        if mend == Repair::Yes {
            self.mend(&mut differences).await?;
            // nobody may have noticed what the round saw of them
            self.store.enqueue(walked.in_motion.iter().cloned().collect(), Urgency::Bulk).await?;
        }
        if let Some(store_reader) = store_reader {
            self.ask_of_all(store_reader, &mut walked).await?;
        }
        let repaired = differences.iter().filter(|difference| difference.action == "repaired").count() as u64;
        let left = differences.iter().filter(|difference| difference.action.starts_with("failed")).count();
        Ok(Reconciliation {
            started_at,
            finished_at: (self.clock)(),
            accounts: walked.accounts,
            differences,
            repaired,
            failed: (walked.failures.len() + left) as u64,
            in_motion: walked.in_motion.len() as u64,
            failures: walked.failures.into_iter().take(20).collect(),
            double_subscriptions: walked.doubled.into_values().collect(),
            not_witnessed: walked.not_witnessed,
            not_asked: walked.not_asked,
        })
    }

    /// Asks the witness about everybody who pays on the web. It comes last, since nothing waits for its word.
    async fn ask_of_all(&self, store_reader: &StoreReader, walked: &mut Walked) -> Result<(), StoreError> {
        let (mut last, mut in_vain) = (None, 0);
        loop {
            let page = self.store.accounts_after(last.as_ref(), PAGE).await?;
            let Some(next) = page.last() else { return Ok(()) };
            last = Some(next.clone());
            for account in &page {
                self.ask(store_reader, account, &mut in_vain, walked).await?;
            }
        }
    }

    /// Asks the witness about the customer of `account`, when they pay on the web, as the last look saw it; a day's answer
    /// will do. Once it failed a few times in a row it is left alone until the next round.
    async fn ask(
        &self,
        store_reader: &StoreReader,
        account: &Account,
        in_vain: &mut u64,
        walked: &mut Walked,
    ) -> Result<(), StoreError> {
        let ours: Vec<&str> = self.apps.iter().map(|app| app.rules.store.as_str()).collect();
        let now = (self.clock)();
        let Some(user) = self.store.link_of(account).await?.map(|link| link.user) else { return Ok(()) };
        let Some(known) = self.store.status_of(&user).await? else { return Ok(()) };
        if !known.status.levels.iter().any(|level| level.is_active(now, false) && level.is_of(&ours)) {
            return Ok(());
        }
        if *in_vain >= ASKED_IN_VAIN {
            walked.not_asked += 1;
            return Ok(());
        }
        let seen = store_reader.shows(&user, Asking::IfOlderThanADay).await?;
        *in_vain = if seen.stale { *in_vain + 1 } else { 0 };
        walked.not_witnessed += u64::from(seen.stale);
        for twice in known.status.paid_twice(&seen.levels, seen.stale, &ours, now) {
            let (user, level) = (user.as_str().to_owned(), twice.level.0.clone());
            walked.twice(Doubled { account: account.as_str().to_owned(), user, level, store: twice.store.clone() });
        }
        Ok(())
    }

    /// Accounts that Stripe bills and nobody ever rang for.
    async fn compare_unheard_of(
        &self,
        walked: &mut Walked,
        told: &mut impl FnMut(Progress),
    ) -> Result<(), ReconcileError> {
        for (source, listing) in self.listings() {
            let mut after = None;
            loop {
                let page = source.accounts(listing, after).await?;
                let new = self.store.unknown_accounts(&page.accounts).await?;
                self.compare_all(new, walked, told).await;
                match page.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
        }
        Ok(())
    }

    async fn compare_all(&self, accounts: Vec<Account>, walked: &mut Walked, told: &mut impl FnMut(Progress)) {
        let mut left = accounts.into_iter().filter(|account| account.is_of_user() || self.sources.is_account(account));
        let mut under_way = FuturesUnordered::new();
        loop {
            while under_way.len() < ABREAST {
                let Some(account) = left.next() else { break };
                under_way.push(async move { (self.compare(&account).await, account) });
            }
            let Some(((compared, doubled), account)) = under_way.next().await else { return };
            walked.accounts += 1;
            compared.into_iter().for_each(|compared| walked.take(account.clone(), compared));
            doubled.into_iter().for_each(|doubled| walked.twice(doubled));
            told(walked.progress());
        }
    }

    /// Gives accounts that were being worked on time to settle, and compares them then.
    async fn compare_again(&self, walked: &mut Walked, told: &mut impl FnMut(Progress)) {
        for _ in 0..AGAIN {
            let moving: Vec<Account> = std::mem::take(&mut walked.in_motion).into_iter().collect();
            if moving.is_empty() {
                return;
            }
            sleep(LEFT_ALONE).await;
            walked.accounts -= moving.len() as u64;
            self.compare_all(moving, walked, told).await;
        }
    }

    /// How the account compares in each app, and what its customer pays for twice.
    async fn compare(&self, account: &Account) -> (Vec<Compared>, Vec<Doubled>) {
        let alone = |compared| (vec![compared], Vec::new());
        let before = self.store.account_state(account).await;
        let inspected = match self.inspect(account).await {
            Ok(inspected) => inspected,
            // it is parked, or billed nothing
            Err(InspectError::Nobody) => return alone(Compared::Same),
            Err(error) => return alone(Compared::Failed(format!("`{account}`: {error}"))),
        };
        let after = self.store.account_state(account).await;
        let (Ok(before), Ok(after)) = (before, after) else {
            return alone(Compared::Failed(format!("`{account}`: the database does not answer")));
        };
        let moves = is_moving(before.as_ref(), after.as_ref(), (self.clock)());
        let mut doubled = Vec::new();
        let mut judge = |case: Result<Case, InspectError>| match case {
            Ok(case) => {
                let plan = decide(&case);
                doubled.extend(paid_twice(account, &case, &plan));
                self.judge(account, &case, &plan, moves, after.as_ref())
            }
            Err(error) => Compared::Failed(format!("`{account}`: {error}")),
        };
        let compared = inspected.cases.into_iter().map(&mut judge).collect();
        (compared, doubled)
    }

    fn judge(
        &self,
        account: &Account,
        case: &Case,
        plan: &Plan,
        moves: bool,
        standing: Option<&AccountState>,
    ) -> Compared {
        let found = differences(account, case, plan);
        match found.is_empty() {
            true if waits(plan) && self.is_settled_soon(plan, standing) => Compared::InMotion,
            true => Compared::Same,
            false if moves => Compared::InMotion,
            false => Compared::Differs(found),
        }
    }

    /// Whether what waits is judged before the round ends, or noticed by nobody but the round.
    fn is_settled_soon(&self, plan: &Plan, standing: Option<&AccountState>) -> bool {
        let end = (self.clock)() + LEFT_ALONE * AGAIN;
        plan.sync_again_at.is_some_and(|at| at <= end) || standing.is_none_or(|standing| standing.due_at.is_none())
    }

    /// Makes what differs due, waits until it was looked at, and compares again.
    async fn mend(&self, differences: &mut [Difference]) -> Result<(), ReconcileError> {
        let parse = |difference: &Difference| Account::parse(&difference.account).ok();
        let accounts: BTreeSet<Account> = differences.iter().filter_map(parse).collect();
        if accounts.is_empty() {
            return Ok(());
        }
        self.store.enqueue(accounts.iter().cloned().collect(), Urgency::Bulk).await?;
        let mut outcomes = BTreeMap::new();
        for account in accounts {
            let outcome = self.mended(&account).await?;
            outcomes.insert(account.as_str().to_owned(), outcome);
        }
        for difference in differences {
            difference.action = match outcomes.get(&difference.account) {
                Some(Ok(left)) => left.action(difference),
                Some(Err(why)) => format!("failed: {why}"),
                None => "failed: its account cannot be read".to_owned(),
            };
        }
        Ok(())
    }

    /// Waits for the look, and answers what still differs, or why it could not be had.
    async fn mended(&self, account: &Account) -> Result<Result<Left, String>, StoreError> {
        let mut silent = 0;
        loop {
            let Some(standing) = self.store.account_state(account).await? else { return Ok(Err("it is gone".into())) };
            // one of several apps may have failed, and the others been mended
            if let Some(trouble) = standing.last_error.filter(|_| !standing.leased && self.apps.len() == 1) {
                return Ok(Err(trouble));
            }
            if !standing.leased && standing.due_at.is_none_or(|due| due > (self.clock)()) {
                break;
            }
            // as long as anything is worked off, its turn will come
            silent = if standing.leased || self.store.live_workers().await? > 0 { 0 } else { silent + 1 };
            if silent > 50 {
                return Ok(Err("no worker is running; it is due, and is mended when one is".into()));
            }
            sleep(Duration::from_millis(200)).await;
        }
        let cases = match self.inspect(account).await {
            Ok(inspected) => inspected.cases,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let mut left = Left::default();
        for (app, case) in self.apps.iter().zip(cases) {
            match case {
                Ok(case) => {
                    let still = differences(account, &case, &decide(&case)).into_iter();
                    left.still.extend(still.map(|left| (left.app, left.level)));
                }
                Err(error) => drop(left.unread.insert(app.name().to_owned(), error.to_string())),
            }
        }
        Ok(Ok(left))
    }
}

impl Walked {
    fn take(&mut self, account: Account, compared: Compared) {
        match compared {
            Compared::Same => {}
            Compared::InMotion => drop(self.in_motion.insert(account)),
            Compared::Failed(why) => self.failures.push(why),
            Compared::Differs(found) => {
                for difference in found {
                    let Difference { user, app, level, .. } = &difference;
                    self.differences.entry((user.clone(), app.clone(), level.clone())).or_insert(difference);
                }
            }
        }
    }

    fn twice(&mut self, doubled: Doubled) {
        self.doubled.insert((doubled.user.clone(), doubled.level.clone()), doubled);
    }

    fn progress(&self) -> Progress {
        Progress { accounts: self.accounts, differences: self.differences.len() as u64 }
    }
}

/// Whether somebody worked on the account while it was compared, or is about to.
fn is_moving(before: Option<&AccountState>, after: Option<&AccountState>, now: Timestamp) -> bool {
    let (Some(before), Some(after)) = (before, after) else { return before.is_some() != after.is_some() };
    let busy = |standing: &AccountState| standing.leased || standing.due_at.is_some_and(|due| due <= now);
    busy(before) || busy(after) || before.generation != after.generation || before.settled_at != after.settled_at
}

/// Whether something written, or to be written, does not show yet and cannot be called missing before a while.
fn waits(plan: &Plan) -> bool {
    let mut reasons = plan.notes.iter().map(|note| &note.because);
    let is_waiting = |because: &Reason| {
        matches!(because, Reason::WaitsForProfile | Reason::AcceptedButNotShown { .. } | Reason::WaitsForRetry { .. })
    };
    reasons.any(is_waiting)
}

fn written(until: Until) -> String {
    until.at().map_or_else(|| "lifetime".to_owned(), |at| at.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// What the customer pays for twice, as the destination shows it.
fn paid_twice(account: &Account, case: &Case, plan: &Plan) -> Vec<Doubled> {
    let doubled = |note: &Note| {
        let Reason::PaidTwice { store, .. } = &note.because else { return None };
        let (account, user) = (account.as_str().to_owned(), case.profile.user.as_str().to_owned());
        Some(Doubled { account, user, level: note.level.0.clone(), store: Some(store.clone()) })
    };
    plan.notes.iter().filter_map(doubled).collect()
}

/// What the plan would change, level by level, and what it would change if it were not refused.
fn differences(account: &Account, case: &Case, plan: &Plan) -> Vec<Difference> {
    let wanted = plan.steps.iter().map(|planned| (&planned.step, planned.because.sentence()));
    let refused = plan.refused.iter().map(|refused| (&refused.step, format!("refused: {}", refused.why)));
    wanted
        .chain(refused)
        .map(|(step, reason)| Difference {
            account: account.as_str().to_owned(),
            user: case.profile.user.as_str().to_owned(),
            app: case.rules.destination.clone(),
            level: step.subject().to_owned(),
            owed_until: match step {
                Step::GrantAccess(grant) => Some(written(grant.until)),
                Step::RevokeAccess(_) | Step::SetAttributes(_) | Step::ReportSale(_) => None,
            },
            shown_until: step
                .level()
                .and_then(|level| case.profile.level(level))
                .filter(|shown| shown.runs(case.now))
                .map(|shown| written(shown.until)),
            since: case.ledger.on(step.subject()).filter_map(Entry::confirmed_at).max(),
            reason,
            action: "reported".to_owned(),
        })
        .collect()
}
