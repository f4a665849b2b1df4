//! `explain`: why this customer has what they have.

use std::path::Path;

use entitlement::clock::Timestamp;
use entitlement::decide::{Case, decide};
use entitlement::entitle::entitle;
use entitlement::explain::{explain, owed_alone};
use entitlement::names::{Account, User};
use entitlement::plan::Plan;
use entitlement::profile::{ActualLevel, Profile};
use serde_json::{Value, json};
use store::error::StoreError;
use store::open::Store;
use store::parked::Parked;
use store::statuses::StoredStatus;
use store::worklist::AccountState;
use store::{audit, inbox, ledger, parked};
use sync::controller::{App, Controller, PolicyMode};
use sync::examine::{Examined, Learnt, Person};

use crate::cli::books::Explain;
use crate::command_error::CommandError;
use crate::commands::timeline::{self, Happening};
use crate::commands::{account, parse_user, wording};
use crate::moments::both;
use crate::ordering::no_app;
use crate::settings::Settings;
use crate::{output, wiring};

/// Lines of the timeline that fit on a screen beside the rest.
const SCREEN: usize = 20;
/// Rows that are read of each book at most.
const MOST: u32 = 10_000;

/// What is told.
pub(crate) struct Told {
    examined: Examined,
    /// What would be decided now, when everything could be read.
    case: Option<(Case, Plan)>,
    remembered: Remembered,
    timeline: Vec<Happening>,
    policy_mode: PolicyMode,
}

/// What our own memory knows.
struct Remembered {
    standings: Vec<(Account, Option<AccountState>)>,
    /// Where the user stood at the last look.
    status: Option<StoredStatus>,
    parked: Vec<Parked>,
}

pub(crate) async fn run(settings: &Settings, wanted: Explain) -> Result<(), CommandError> {
    let store = wiring::store(settings).await?;
    let sync = wiring::sync(settings, &store, &wiring::upstreams(settings, &store)?)?;
    let asked = match (&wanted.account, &wanted.user) {
        (Some(of), _) => Asked::Account(account(of)?),
        (None, user) => Asked::User(parse_user(user.as_deref().unwrap_or_default())?),
    };
    let apps = chosen(&sync, wanted.app.as_deref()).map_err(CommandError::Usage)?;
    let all = of_apps(&sync, &apps, &asked).await?;
    let unknown = all.first().map_or_else(String::new, Told::unknown);
    if all.iter().all(Told::is_nothing) {
        return Err(CommandError::Sentence(unknown));
    }
    if wanted.json {
        output::json(&as_json(&all))?;
    } else {
        all.iter().for_each(|told| told.as_text(wanted.all));
    }
    if let Some(file) = &wanted.save {
        save_one(file, &all)?;
    }
    // whose it is was the question
    if all.iter().any(|told| told.examined.user().is_none() && told.examined.billing.is_ok()) {
        Err(CommandError::Sentence(unknown))
    } else {
        Ok(())
    }
}

/// Whom is asked about.
pub(crate) enum Asked {
    Account(Account),
    User(User),
}

/// The app called `name`, or all of them.
pub(crate) fn chosen<'a>(sync: &'a Controller, name: Option<&str>) -> Result<Vec<&'a App>, String> {
    let Some(name) = name else { return Ok(sync.apps.iter().collect()) };
    let unknown = || no_app(name, sync.apps.iter().map(App::name));
    Ok(vec![sync.apps.iter().find(|app| app.name() == name).ok_or_else(unknown)?])
}

/// What is told of each of `apps`.
pub(crate) async fn of_apps(sync: &Controller, apps: &[&App], asked: &Asked) -> Result<Vec<Told>, StoreError> {
    let mut all = Vec::new();
    for app in apps {
        let examined = match asked {
            Asked::Account(account) => sync.examine(app, account).await?,
            Asked::User(user) => sync.examine_customer(app, user).await?,
        };
        all.push(gather(&sync.store, examined, sync.policy_mode).await?);
    }
    Ok(all)
}

/// One document; a list of them when several apps are told of.
pub(crate) fn as_json(all: &[Told]) -> Value {
    match all {
        [one] => one.as_json(),
        several => several.iter().map(Told::as_json).collect(),
    }
}

fn save_one(file: &Path, all: &[Told]) -> Result<(), CommandError> {
    let [told] = all else { return Err(CommandError::Usage("a case is of one app: add `--app NAME`".into())) };
    let unread = || CommandError::Sentence(format!("the case was not saved, since {}", told.unasked().join("; ")));
    save(file, told.case.as_ref().ok_or_else(unread)?.0.clone())
}

async fn gather(store: &Store, examined: Examined, policy_mode: PolicyMode) -> Result<Told, StoreError> {
    let accounts: Vec<Account> = examined.accounts.iter().map(|learnt| learnt.account.clone()).collect();
    let user = examined.user().cloned();
    let mut standings = Vec::new();
    for account in &accounts {
        standings.push((account.clone(), store.account_state(account).await?));
    }
    let events = inbox::Filter { accounts: bells(&examined), ..inbox::Filter::default() };
    let events = if events.accounts.is_empty() { Vec::new() } else { store.events(&events, MOST).await? };
    let (mut lines, mut orders, mut status) = (Vec::new(), Vec::new(), None);
    if let Some(user) = &user {
        lines =
            store.ledger_rows(&ledger::Filter { user: Some(user.clone()), ..ledger::Filter::default() }, MOST).await?;
        lines.reverse();
        orders = store.audit_entries(&audit::Filter { user: Some(user.clone()), after: None }, MOST).await?;
        orders.reverse();
        status = store.status_of(user).await?;
    }
    let parked = parked_for(store, accounts, user).await?;
    let timeline = timeline::of(&events, &orders, &lines, &parked);
    let case = examined.case().map(|case| {
        let plan = decide(&case);
        (case, plan)
    });
    Ok(Told { examined, case, remembered: Remembered { standings, status, parked }, timeline, policy_mode })
}

/// Whatever rang for the accounts: under their own names, or under that of something they were billed.
fn bells(examined: &Examined) -> Vec<Account> {
    let mut bells: Vec<Account> = examined.accounts.iter().map(|learnt| learnt.account.clone()).collect();
    let Ok(billing) = &examined.billing else { return bells };
    for subscription in &billing.subscriptions {
        let account = &subscription.account;
        bells.push(account.sibling(&subscription.id));
        bells.extend(subscription.invoices.iter().map(|invoice| account.sibling(&invoice.id)));
    }
    bells.extend(billing.purchases.iter().map(|bought| bought.account.sibling(&bought.id)));
    bells
}

async fn parked_for(store: &Store, accounts: Vec<Account>, user: Option<User>) -> Result<Vec<Parked>, StoreError> {
    let mut all = Vec::new();
    if !accounts.is_empty() {
        all = store.parked_matching(&parked::Filter { accounts, ..parked::Filter::default() }).await?;
    }
    if user.is_some() {
        let of_user = store.parked_matching(&parked::Filter { user, ..parked::Filter::default() }).await?;
        let known: Vec<i64> = all.iter().map(|parked| parked.id).collect();
        all.extend(of_user.into_iter().filter(|parked| !known.contains(&parked.id)));
    }
    Ok(all)
}

impl Told {
    /// Nobody is known, and nothing ever happened.
    pub(crate) fn is_nothing(&self) -> bool {
        let Remembered { standings, status, .. } = &self.remembered;
        let is_linked = self.examined.user().is_some() && !self.examined.accounts.is_empty();
        let is_remembered = status.is_some() || standings.iter().any(|(_, standing)| standing.is_some());
        !is_linked && !is_remembered && self.timeline.is_empty()
    }

    pub(crate) fn unknown(&self) -> String {
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

    /// What could not be asked, and why.
    fn unasked(&self) -> Vec<String> {
        let stripe =
            self.examined.billing.as_ref().err().map(|failure| format!("Stripe could not be asked: {failure}"));
        let adapty = match &self.examined.person {
            Person::Known { profile: Err(failure), .. } => Some(format!("Adapty could not be asked: {failure}")),
            Person::Known { profile: Ok(_), .. } | Person::Nobody(_) => None,
        };
        stripe.into_iter().chain(adapty).collect()
    }

    fn profile(&self) -> Option<&Profile> {
        match &self.examined.person {
            Person::Known { profile, .. } => profile.as_ref().ok(),
            Person::Nobody(_) => None,
        }
    }

    fn as_text(&self, whole: bool) {
        self.tell_who();
        for line in self.unasked() {
            output::say(&format!("{line}; what is remembered is told"));
        }
        output::say("");
        self.tell_owed();
        self.tell_shown();
        self.tell_timeline(whole);
        self.tell_next();
    }

    fn tell_who(&self) {
        match &self.examined.person {
            Person::Known { user, profile, .. } => {
                let profile = match profile {
                    Ok(profile) if profile.exists => ", with a profile at Adapty",
                    Ok(_) => ", who has no profile at Adapty yet",
                    Err(_) => "",
                };
                output::say(&format!("user {}{profile}", user.as_str()));
            }
            Person::Nobody(why) => output::say(&format!("user unknown: {why}")),
        }
        for Learnt { account, origin } in &self.examined.accounts {
            let learnt = match origin.as_deref() {
                Some(store::link::OPERATOR) => ", linked by an operator".to_owned(),
                Some(origin) => format!(", learnt from `{origin}`"),
                None => String::new(),
            };
            output::say(&format!("account {account}{learnt}"));
        }
        if self.examined.accounts.is_empty() {
            output::say("no account is linked any more");
        }
        if self.examined.deleted {
            output::say("deleted at Stripe");
        }
    }

    fn tell_owed(&self) {
        let Examined { billing, rules, now, .. } = &self.examined;
        match (&self.case, billing, &self.remembered.status) {
            (Some((case, plan)), _, _) => output::say(explain(case, plan).trim_end()),
            (None, Ok(billing), _) => output::say(owed_alone(&entitle(billing, rules, *now)).trim_end()),
            (None, Err(_), Some(known)) => {
                output::say(&format!("owed or shown at the last look, {}:", both(known.as_of, *now)));
                for level in &known.status.levels {
                    let until = level.until.map_or_else(|| "withheld".to_owned(), wording::lasting);
                    output::say(&format!("  {} {until}: {}", level.level, level.because));
                }
            }
            (None, Err(_), None) => output::say("owed: not known, since no look has ended well so far"),
        }
    }

    fn tell_shown(&self) {
        let Some(profile) = self.profile() else { return };
        output::say(if profile.levels.is_empty() { "\nshown: nothing" } else { "\nshown:" });
        profile.levels.iter().for_each(|shown| output::say(&format!("  {}", self::shown(shown, self.examined.now))));
    }

    fn tell_timeline(&self, whole: bool) {
        let earlier = if whole { 0 } else { self.timeline.len().saturating_sub(SCREEN) };
        output::say("\ntimeline");
        match (self.timeline.len(), earlier) {
            (0, _) => output::say("  nothing so far"),
            (_, 0) => {}
            (_, earlier) => output::say(&format!("  ({earlier} earlier lines; `--all` tells them)")),
        }
        self.timeline.iter().skip(earlier).for_each(|happening| output::say(&format!("  {}", happening.line())));
    }

    fn tell_next(&self) {
        output::say("\nwhat happens next");
        if self.policy_mode == PolicyMode::Observe {
            output::say("  `policy.mode` is `observe`: nothing is written to Adapty");
        }
        for (account, standing) in &self.remembered.standings {
            let lines = wording::standing(account, standing.as_ref(), self.examined.now);
            lines.iter().for_each(|line| output::say(&format!("  {line}")));
        }
        for parked in &self.remembered.parked {
            output::say(&format!("  parked as {}: {}", parked.id, parked.reason));
            output::say(&format!("    -> {}", parked.hint));
        }
    }

    pub(crate) fn as_json(&self) -> Value {
        let Examined { accounts, billing, rules, now, .. } = &self.examined;
        let alone = || billing.as_ref().ok().map(|billing| entitle(billing, rules, *now));
        let expected = self.case.as_ref().map(|(_, plan)| plan.expected.clone()).or_else(alone);
        let due = self.remembered.standings.iter().filter_map(|(_, standing)| standing.as_ref()?.due_at).min();
        let steps = self.case.as_ref().map(|(_, plan)| &plan.steps);
        let look_again = self.case.as_ref().map_or(due, |(_, plan)| plan.sync_again_at);
        let standings = self.remembered.standings.iter();
        let next = standings.map(|(account, standing)| wording::standing_json(account, standing.as_ref()));
        let remembered = |known: &StoredStatus| json!({ "as_of": known.as_of, "levels": known.status.levels });
        let link = |learnt: &Learnt| json!({ "account": learnt.account, "origin": learnt.origin });
        json!({
            "user": self.examined.user().map(User::as_str),
            "app": rules.destination,
            "accounts": accounts.iter().map(|learnt| &learnt.account).collect::<Vec<_>>(),
            "links": accounts.iter().map(link).collect::<Vec<_>>(),
            "profile_exists": self.profile().map(|profile| profile.exists),
            "unasked": self.unasked(),
            "owed": expected.as_ref().map(|expected| &expected.owed),
            "withheld": expected.as_ref().map(|expected| &expected.withheld),
            "unsure": expected.as_ref().map(|expected| &expected.unknown),
            "shown": self.profile().map(|profile| &profile.levels),
            "remembered": self.remembered.status.as_ref().map(remembered),
            "timeline": self.timeline,
            "steps": steps,
            "look_again": look_again,
            "next": next.collect::<Vec<_>>(),
            "parked": self.remembered.parked,
        })
    }
}

fn shown(shown: &ActualLevel, now: Timestamp) -> String {
    let over = if shown.runs(now) { "" } else { ", which is over" };
    let store = shown.store.as_ref().map(|store| format!(", from {store}")).unwrap_or_default();
    let transaction = shown.transaction_id.as_ref().map(|id| format!(", transaction {id}")).unwrap_or_default();
    format!("{} {}{over}{store}{transaction}", shown.level, wording::lasting(shown.until))
}

/// Saves the case without personal data: nobody's user id, and the vendors' ids for the rest.
fn save(file: &Path, case: Case) -> Result<(), CommandError> {
    let case = case.anonymous();
    let text = serde_json::to_string_pretty(&case).map_err(|error| CommandError::because("writing the case", error))?;
    std::fs::write(file, text + "\n")
        .map_err(|error| CommandError::Sentence(format!("writing the case `{}`: {error}", file.display())))
}
