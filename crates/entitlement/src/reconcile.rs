//! From what is owed to what must be written: knows destinations and nothing of billing.

use std::collections::BTreeSet;

use chrono::Duration;

use crate::clock::{Timestamp, after};
use crate::key::StepKey;
use crate::ledger::{Entry, Ledger, State};
use crate::names::{AccessLevel, Mode};
use crate::plan::{Entitlement, Grant, Note, Plan, Planned, Refund, Refused, Revoke, Step, Until, Verdict};
use crate::profile::{Profile, Shown};
use crate::reason::Reason;
use crate::rules::Rules;

/// The steps that turn what `profile` shows into what `verdict` owes, given what the `ledger` remembers.
#[must_use]
pub fn reconcile(verdict: Verdict, profile: &Profile, ledger: &Ledger, rules: &Rules, now: Timestamp) -> Plan {
    let levels: BTreeSet<AccessLevel> =
        verdict.owed.iter().map(|right| &right.level).chain(ledger.levels()).cloned().collect();
    let mut plan = Plan { look_again: verdict.look_again, verdict, ..Plan::default() };
    for level in levels {
        Subject::new(&level, profile, ledger, rules, now).settle(&mut plan);
    }
    plan
}

/// One level of one customer, as it stands.
struct Subject<'a> {
    level: &'a AccessLevel,
    profile: &'a Profile,
    rules: &'a Rules,
    now: Timestamp,
    /// All entries about the level, oldest first.
    entries: Vec<&'a Entry>,
    /// The entry on the profile, when it runs.
    shown: Option<&'a Shown>,
}

/// What is to be done about one level.
enum Wish {
    Step(Box<Step>, Reason),
    Nothing(Option<Reason>),
    /// Nothing before that moment.
    Wait(Timestamp, Reason),
}

impl<'a> Subject<'a> {
    fn new(level: &'a AccessLevel, profile: &'a Profile, ledger: &'a Ledger, rules: &'a Rules, now: Timestamp) -> Self {
        let shown = profile.level(level).filter(|shown| shown.runs(now));
        Self { level, profile, rules, now, entries: ledger.about(level), shown }
    }

    fn settle(&self, plan: &mut Plan) {
        let seen: Vec<_> = self.intended().filter(|entry| self.visible(&entry.step)).collect();
        plan.seen.extend(seen.iter().map(|entry| entry.key.clone()));
        let last = self.last(&seen);
        let wanted = match self.wish(&plan.verdict, last, &seen) {
            Wish::Step(step, because) => self.plan(*step, because, last, plan),
            Wish::Nothing(because) => {
                self.note(because, plan);
                None
            }
            Wish::Wait(at, because) => {
                self.note(Some(because), plan);
                look_again(plan, at);
                None
            }
        };
        self.drop_moot(&seen, wanted.as_ref(), plan);
    }

    fn intended(&self) -> impl Iterator<Item = &'a Entry> + '_ {
        self.entries.iter().copied().filter(|entry| matches!(entry.state, State::Intended { .. }))
    }

    /// Whether the profile shows that `step` arrived.
    fn visible(&self, step: &Step) -> bool {
        match step {
            Step::Grant(grant) => self.shown.is_some_and(|shown| shows(shown, grant)),
            Step::Revoke(_) => self.shown.is_none(),
        }
    }

    /// The last step that is known to have arrived.
    fn last(&self, seen: &[&'a Entry]) -> Option<&'a Entry> {
        let arrived =
            |entry: &&&Entry| entry.confirmed_at().is_some() || seen.iter().any(|other| other.key == entry.key);
        self.entries
            .iter()
            .filter(arrived)
            .max_by_key(|entry| (entry.confirmed_at().unwrap_or(self.now), entry.seq))
            .copied()
    }

    fn wish(&self, verdict: &Verdict, last: Option<&Entry>, seen: &[&Entry]) -> Wish {
        let fresh = last.is_some_and(|entry| seen.iter().any(|other| other.key == entry.key));
        match verdict.owed.iter().find(|right| &right.level == self.level) {
            Some(right) => self.wish_owed(right, verdict, last, fresh),
            None => self.wish_not_owed(verdict, last),
        }
    }

    fn wish_owed(&self, right: &Entitlement, verdict: &Verdict, last: Option<&Entry>, fresh: bool) -> Wish {
        let grant = self.grant(right);
        if let Some(because) = self.held(verdict, &grant) {
            return Wish::Nothing(Some(because));
        }
        let told = last.is_some_and(|entry| entry.step == Step::Grant(grant.clone()));
        let there = self.shown.is_some_and(|shown| shows(shown, &grant));
        if told && (there || fresh) {
            return Wish::Nothing(Some(Reason::AlreadyThere));
        }
        if let Some(because) = self.other_store_lasts(&grant) {
            return Wish::Nothing(Some(because));
        }
        match last {
            Some(entry) if told => self.again(entry, right.because.clone()),
            _ => Wish::Step(Box::new(Step::Grant(grant)), right.because.clone()),
        }
    }

    /// Something accepted and not shown is written again after the profile's lag, then ever more rarely.
    fn again(&self, last: &Entry, because: Reason) -> Wish {
        let times = self.entries.iter().rev().take_while(|entry| entry.step == last.step).count();
        let times = u32::try_from(times).unwrap_or(u32::MAX);
        let doubled = 1_i32.checked_shl(times.saturating_sub(1).min(20)).unwrap_or(i32::MAX);
        let lag = self.rules.policy.lag();
        let wait = lag.checked_mul(doubled).unwrap_or(Duration::MAX).min(Duration::days(1)).max(lag);
        let at = after(last.confirmed_at().unwrap_or(self.now), wait);
        if at <= self.now {
            return Wish::Step(Box::new(last.step.clone()), because);
        }
        let why = if times > 1 { Reason::AcceptedButNotShown { times } } else { Reason::WaitsForProfile };
        Wish::Wait(at, why)
    }

    fn wish_not_owed(&self, verdict: &Verdict, last: Option<&Entry>) -> Wish {
        let Some(held) = self.held_by_us(last) else { return self.nothing_of_ours() };
        if let Some(because) = unsure(verdict, &held.transaction.original) {
            return Wish::Nothing(Some(because));
        }
        let withheld =
            verdict.withheld.iter().find(|no| &no.level == self.level && no.chain == held.transaction.original);
        let (refund, because) =
            withheld.map_or((Refund::No, Reason::NothingGivesIt), |no| (no.refund, no.because.clone()));
        let revoke = Box::new(Step::Revoke(Revoke { level: self.level.clone(), refund }));
        match last {
            Some(entry) if matches!(entry.step, Step::Revoke(_)) => match self.again(entry, because) {
                Wish::Step(_, because) => Wish::Step(revoke, because),
                wait => wait,
            },
            _ => Wish::Step(revoke, because),
        }
    }

    /// The grant of ours that runs: shown under our transaction, or confirmed so recently that the profile may lag.
    fn held_by_us(&self, last: Option<&'a Entry>) -> Option<&'a Grant> {
        if let Some(shown) = self.shown {
            return self.grants().rev().find(|grant| same_chain(shown, grant));
        }
        let entry = last?;
        let Step::Grant(grant) = &entry.step else { return None };
        let recent = entry.confirmed_at().is_some_and(|at| after(at, self.rules.policy.lag()) > self.now);
        (recent && grant.until.is_after(self.now)).then_some(grant)
    }

    fn nothing_of_ours(&self) -> Wish {
        let store = self.shown.map(|shown| shown.store.clone().unwrap_or_else(|| "another store".into()));
        Wish::Nothing(store.map(|store| Reason::OtherStoreKeeps { store }))
    }

    fn grants(&self) -> impl DoubleEndedIterator<Item = &'a Grant> + '_ {
        self.entries.iter().filter_map(|entry| match &entry.step {
            Step::Grant(grant) => Some(grant),
            Step::Revoke(_) => None,
        })
    }

    fn grant(&self, right: &Entitlement) -> Grant {
        Grant {
            level: right.level.clone(),
            until: right.until,
            starts_at: right.starts_at,
            store: self.rules.store.clone(),
            transaction: right.transaction.clone(),
            sandbox: self.rules.mode == Mode::Test,
        }
    }

    /// An unsure picture neither extends nor shortens what was granted.
    fn held(&self, verdict: &Verdict, grant: &Grant) -> Option<Reason> {
        if let Some(because) = unsure_of_all(verdict) {
            return Some(because);
        }
        let held = self
            .shown
            .and_then(|shown| self.grants().rev().find(|ours| same_chain(shown, ours)).map(|ours| (shown, ours)));
        let (shown, ours) = held?;
        (shown.until > grant.until).then(|| unsure(verdict, &ours.transaction.original)).flatten()
    }

    /// A right that is not ours and lasts at least as long needs nothing from us.
    fn other_store_lasts(&self, grant: &Grant) -> Option<Reason> {
        let shown = self.shown?;
        let ours = same_chain(shown, grant) || self.grants().any(|ours| same_chain(shown, ours));
        if ours || shown.until < grant.until {
            return None;
        }
        let store = shown.store.clone().unwrap_or_else(|| "another store".into());
        Some(Reason::OtherStoreLasts { store, until: shown.until })
    }

    /// Puts a step into the plan, unless its entry says that it is not due or was refused. Returns its key.
    fn plan(&self, step: Step, because: Reason, last: Option<&Entry>, plan: &mut Plan) -> Option<StepKey> {
        let previous = last.map(|entry| entry.key.clone());
        let Rules { destination, mode, .. } = self.rules;
        let key = StepKey::of(destination, *mode, &self.profile.customer, &step, previous.as_ref());
        let entry = self.entries.iter().find(|entry| entry.key == key);
        match entry.map(|entry| &entry.state) {
            Some(State::Intended { due, .. }) if *due > self.now => {
                self.note(Some(Reason::WaitsForRetry { due: *due }), plan);
                look_again(plan, *due);
            }
            Some(State::Refused { why, .. }) => {
                self.note(Some(Reason::Refusal { why: why.clone() }), plan);
                plan.refused.push(Refused { key: key.clone(), step, why: why.clone() });
            }
            Some(State::Intended { attempts, .. }) => {
                plan.steps.push(Planned { key: key.clone(), previous, step, because, attempts: *attempts });
            }
            Some(State::Dropped { .. } | State::Confirmed { .. }) | None => {
                plan.steps.push(Planned { key: key.clone(), previous, step, because, attempts: 0 });
            }
        }
        Some(key)
    }

    /// What was intended, has not shown up, and is no longer wanted. It may still arrive: look again after the lag.
    fn drop_moot(&self, seen: &[&Entry], wanted: Option<&StepKey>, plan: &mut Plan) {
        let unwanted = |entry: &&Entry| Some(&entry.key) != wanted && !seen.iter().any(|other| other.key == entry.key);
        let moot: Vec<_> = self.intended().filter(unwanted).map(|entry| entry.key.clone()).collect();
        if !moot.is_empty() {
            look_again(plan, after(self.now, self.rules.policy.lag().max(Duration::seconds(1))));
        }
        plan.moot.extend(moot);
    }

    fn note(&self, because: Option<Reason>, plan: &mut Plan) {
        plan.notes.extend(because.map(|because| Note { level: self.level.clone(), because }));
    }
}

fn look_again(plan: &mut Plan, at: Timestamp) {
    plan.look_again = Some(plan.look_again.map_or(at, |soonest| soonest.min(at)));
}

/// Whether `shown` is what `grant` asks for, to the second.
#[must_use]
pub fn shows(shown: &Shown, grant: &Grant) -> bool {
    let same_end = match (shown.until, grant.until) {
        (Until::At(shown), Until::At(granted)) => shown.timestamp() == granted.timestamp(),
        (Until::Lifetime, Until::Lifetime) => true,
        (Until::At(_), Until::Lifetime) | (Until::Lifetime, Until::At(_)) => false,
    };
    same_end && shown.transaction.as_ref().is_none_or(|id| id == &grant.transaction.id)
}

/// Whether `shown` is carried by a transaction of the chain of `grant`.
fn same_chain(shown: &Shown, grant: &Grant) -> bool {
    match (&shown.original, &shown.transaction) {
        (Some(original), _) => original == &grant.transaction.original,
        (None, Some(id)) => id == &grant.transaction.id || id == &grant.transaction.original,
        (None, None) => shown.store.as_ref() == Some(&grant.store),
    }
}

fn unsure_of_all(verdict: &Verdict) -> Option<Reason> {
    let of_all = verdict.unsure.iter().find(|unsure| unsure.chain.is_none())?;
    Some(Reason::Unsure { because: Box::new(of_all.because.clone()) })
}

fn unsure(verdict: &Verdict, chain: &str) -> Option<Reason> {
    let about = |of: &Option<String>| of.as_ref().is_none_or(|of| of == chain);
    let found = verdict.unsure.iter().find(|unsure| about(&unsure.chain))?;
    Some(Reason::Unsure { because: Box::new(found.because.clone()) })
}
