//! From what is owed to what must be written: knows destinations and nothing of billing.

use std::collections::BTreeSet;

use chrono::Duration;

use crate::booked::booked;
use crate::clock::{Timestamp, after};
use crate::key::StepKey;
use crate::ledger::{Entry, Ledger, State};
use crate::names::{AccessLevel, Mode, User};
use crate::plan::{
    Entitlement, Expected, GrantAccess, Note, Plan, PlannedStep, Refund, Refunded, RefusedStep, RevokeAccess, Sale,
    SaleStatus, Step, Withheld,
};
use crate::profile::{ActualLevel, BARE, Profile, StoreSubscription};
use crate::reason::Reason;
use crate::rules::{Protocol, Rules};
use crate::same::{arrived, as_told, is_alike, same_chain, shows, tells};

/// The steps that turn what `profile` shows into what `expected` owes, given what the `ledger` remembers.
#[must_use]
pub fn reconcile(expected: Expected, profile: &Profile, ledger: &Ledger, rules: &Rules, now: Timestamp) -> Plan {
    let levels: BTreeSet<AccessLevel> =
        expected.owed.iter().map(|right| &right.level).chain(ledger.levels()).cloned().collect();
    let mut plan = Plan { sync_again_at: expected.sync_again_at, expected, ..Plan::default() };
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
    shown: Option<&'a ActualLevel>,
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
        let seen = self.seen();
        plan.settled.extend(seen.iter().map(|entry| entry.key.clone()));
        let last = self.last(&seen);
        let wanted = match self.wish(&plan.expected, last) {
            Wish::Step(step, because) => self.plan(*step, because, last, plan),
            Wish::Nothing(because) => {
                self.note(because, plan);
                None
            }
            Wish::Wait(at, because) => {
                self.note(Some(because), plan);
                sync_again_at(plan, at);
                None
            }
        };
        let owed = plan.expected.owed.iter().find(|right| &right.level == self.level);
        let twice = owed.and_then(|right| self.paid_twice(right));
        self.note(twice, plan);
        self.look_when_pictures_change(&seen, last, plan);
        self.drop_moot(&seen, wanted.as_ref(), plan);
    }

    fn intended(&self) -> impl Iterator<Item = &'a Entry> + '_ {
        self.entries.iter().copied().filter(|entry| matches!(entry.state, State::Intended { .. }))
    }

    /// What was intended and shows. A grant must show as nothing older can have made it, since the same end may carry
    /// another transaction, and a bare level is no word of a transaction; to send it again does no harm. A level that is
    /// gone is gone, once the profile cannot lag.
    fn seen(&self) -> Vec<&'a Entry> {
        let calm = self.entries.iter().all(|entry| self.catches_up(entry).is_none());
        let told = |entry: &&Entry| match &entry.step {
            Step::GrantAccess(grant) => {
                self.is_new(entry) && (grant.is_bare() || !self.shown.is_some_and(ActualLevel::is_bare))
            }
            Step::RevokeAccess(_) => calm,
            Step::SetAttributes(_) | Step::ReportSale(_) => false,
        };
        self.intended().filter(|entry| self.visible(&entry.step)).filter(told).collect()
    }

    /// Whether the profile shows what `step` asks for.
    fn visible(&self, step: &Step) -> bool {
        arrived(self.shown, step)
    }

    /// Whether no other entry can have made the profile show what `entry` asks for.
    fn is_new(&self, entry: &Entry) -> bool {
        let older = |other: &&Entry| other.key != entry.key && self.visible(&other.step);
        matches!(entry.step, Step::GrantAccess(_)) && !self.entries.iter().copied().any(|other| older(&other))
    }

    /// The moment up to which the profile may lag behind what became of `entry`, if that is to come.
    fn catches_up(&self, entry: &Entry) -> Option<Timestamp> {
        let at = match entry.state {
            State::Confirmed { at } | State::Dropped { at } => after(at, self.rules.policy.lag()),
            State::Intended { .. } | State::Refused { .. } => return None,
        };
        (at > self.now).then_some(at)
    }

    /// The last step that is known to have arrived. Each is intended after the one before it arrived, so the place in
    /// the book tells, whatever the clock did.
    fn last(&self, seen: &[&'a Entry]) -> Option<&'a Entry> {
        let arrived =
            |entry: &&&Entry| entry.confirmed_at().is_some() || seen.iter().any(|other| other.key == entry.key);
        self.entries.iter().rev().find(arrived).copied()
    }

    fn wish(&self, expected: &Expected, last: Option<&'a Entry>) -> Wish {
        match expected.owed.iter().find(|right| &right.level == self.level) {
            Some(right) => self.wish_owed(right, expected, last),
            None => self.wish_not_owed(expected, last),
        }
    }

    fn wish_owed(&self, right: &Entitlement, expected: &Expected, last: Option<&'a Entry>) -> Wish {
        let refunded = self.refunded_before(right, expected, last);
        let grant = self.grant(right);
        let sale = booked(&grant.sale, self.grants().rev(), &others(expected, right));
        let grant = GrantAccess { refunded, sale, ..grant };
        if let Some(because) = self.kept(expected, &grant, last) {
            // what is kept may be gone once the profile cannot lag any more
            return match last.and_then(|entry| self.catches_up(entry)) {
                Some(at) => Wish::Wait(at, because),
                None => Wish::Nothing(Some(because)),
            };
        }
        if let Some(because) = self.refunded_for_all_we_know(expected, &grant, last) {
            return Wish::Nothing(Some(because));
        }
        let told = last.filter(|entry| tells(&entry.step, &grant));
        let is_there = |entry: &Entry| arrived(self.shown, &entry.step);
        if told.is_some_and(|entry| is_there(entry) || self.shown.is_some_and(|shown| shows(shown, &grant))) {
            return Wish::Nothing(Some(Reason::AlreadyThere));
        }
        if let Some(because) = self.other_store_lasts(&grant) {
            return Wish::Nothing(Some(because));
        }
        match told {
            // in the way of today, whichever way it was told before, and under the ids of then
            Some(entry) => self.again(entry, Step::GrantAccess(as_told(grant, &entry.step)), right.because.clone()),
            None => Wish::Step(Box::new(Step::GrantAccess(grant)), right.because.clone()),
        }
    }

    /// Something accepted and not shown is written again after the profile's lag, then ever more rarely.
    fn again(&self, last: &Entry, step: Step, because: Reason) -> Wish {
        let times = self.times(last);
        let doubled = 1_i32.checked_shl(times.saturating_sub(1).min(20)).unwrap_or(i32::MAX);
        let lag = self.rules.policy.lag().max(Duration::seconds(1));
        let wait = lag.checked_mul(doubled).unwrap_or(Duration::MAX).min(Duration::days(1)).max(lag);
        let at = after(last.confirmed_at().unwrap_or(self.now), wait);
        if at <= self.now {
            return Wish::Step(Box::new(step), because);
        }
        let why = if times > 1 { Reason::AcceptedButNotShown { times } } else { Reason::WaitsForProfile };
        Wish::Wait(at, why)
    }

    /// How many times in a row the step of `last` was accepted, with nothing else accepted in between.
    fn times(&self, last: &Entry) -> u32 {
        let accepted = self.entries.iter().rev().filter(|entry| entry.confirmed_at().is_some());
        u32::try_from(accepted.take_while(|entry| is_alike(&entry.step, &last.step)).count()).unwrap_or(u32::MAX)
    }

    fn wish_not_owed(&self, expected: &Expected, last: Option<&'a Entry>) -> Wish {
        let recent = last.and_then(|entry| self.recent(entry));
        // while the profile may lag, either may be what the customer has
        let mut ours = recent.into_iter().chain(self.shown_of_ours());
        let Some(held) = ours.clone().next() else { return self.nothing_of_ours(last) };
        let unsure = ours.find_map(|grant| unsure(expected, self.level, &grant.sale.original));
        if let Some(because) = unsure.filter(|_| !self.is_blocked(expected)) {
            return Wish::Nothing(Some(because));
        }
        let no = self.withheld(expected, &held.sale.original);
        let (refund, because) = no.map_or((Refund::No, Reason::NothingGivesIt), |no| (no.refund, no.because.clone()));
        let ended = no.and_then(|no| no.ended.as_deref());
        let is_back = |of: &&Sale| expected.refund_of(of).is_some();
        let back = std::iter::once(&held.sale).chain(ended).find(is_back);
        let refunded = no.and_then(|no| no.refunded.as_deref()).or(back);
        let refunded = refunded.map(|sale| self.refunded(held, sale));
        let ended = ended.map(|sale| Box::new(self.ended(held, sale)));
        let revoke = Step::RevokeAccess(RevokeAccess { level: self.level.clone(), refund, refunded, ended });
        match last {
            Some(entry) if matches!(entry.step, Step::RevokeAccess(_)) => self.again(entry, revoke, because),
            Some(entry) if self.shown.is_some() && self.shown_of_ours().is_none() => {
                // the profile may lag, or a right of another store stands in front of ours
                Wish::Wait(self.catches_up(entry).unwrap_or(self.now), Reason::WaitsForProfile)
            }
            _ => Wish::Step(Box::new(revoke), because),
        }
    }

    /// An operator's no is no matter of what is known.
    fn is_blocked(&self, expected: &Expected) -> bool {
        expected.withheld.iter().any(|no| &no.level == self.level && no.because == Reason::Blocked)
    }

    /// Why `chain` does not give the level; money that went back before any other reason.
    fn withheld<'v>(&self, expected: &'v Expected, chain: &str) -> Option<&'v Withheld> {
        let mut found = expected
            .withheld
            .iter()
            .filter(|no| &no.level == self.level && (no.chain == chain || no.because == Reason::Blocked));
        let first = found.clone().next();
        found.find(|no| no.refund == Refund::Yes).or(first)
    }

    /// The grant of `entry`, when it runs and was accepted so recently that the profile may lag behind it.
    fn recent(&self, entry: &'a Entry) -> Option<&'a GrantAccess> {
        self.catches_up(entry)?;
        match &entry.step {
            Step::GrantAccess(grant) => grant.until.is_after(self.now).then_some(grant),
            Step::RevokeAccess(_) | Step::SetAttributes(_) | Step::ReportSale(_) => None,
        }
    }

    /// The grant of ours that the profile shows, or else the newest on the chain that it shows.
    fn shown_of_ours(&self) -> Option<&'a GrantAccess> {
        let shown = self.shown?;
        let mut of_chain = self.grants().rev().filter(|grant| same_chain(shown, grant));
        of_chain.clone().find(|grant| shows(shown, grant)).or_else(|| of_chain.next())
    }

    /// What is shown is not ours. A grant of ours may stand behind it and come to light when it ends.
    fn nothing_of_ours(&self, last: Option<&'a Entry>) -> Wish {
        let Some(shown) = self.shown else { return Wish::Nothing(None) };
        let because = Reason::OtherStoreKeeps { store: store_of(shown) };
        let behind = last.is_some_and(|entry| match &entry.step {
            Step::GrantAccess(grant) => grant.until > shown.until,
            Step::RevokeAccess(_) | Step::SetAttributes(_) | Step::ReportSale(_) => false,
        });
        match shown.until.at().filter(|_| behind) {
            Some(at) => Wish::Wait(at, because),
            None => Wish::Nothing(Some(because)),
        }
    }

    fn grants(&self) -> impl DoubleEndedIterator<Item = &'a GrantAccess> + Clone + '_ {
        self.entries.iter().filter_map(|entry| match &entry.step {
            Step::GrantAccess(grant) => Some(grant),
            Step::RevokeAccess(_) | Step::SetAttributes(_) | Step::ReportSale(_) => None,
        })
    }

    fn grant(&self, right: &Entitlement) -> GrantAccess {
        GrantAccess {
            level: right.level.clone(),
            until: right.until,
            starts_at: right.starts_at,
            store: match self.rules.protocol {
                _ if right.sale.is_promotion() => BARE.0.to_owned(),
                Protocol::AccessWithSale | Protocol::SalesAndAccess | Protocol::SalesOnly => self.rules.store.clone(),
                Protocol::AccessOnly => BARE.0.to_owned(),
            },
            sale: right.sale.clone(),
            sandbox: self.rules.mode == Mode::Test,
            refunded: None,
        }
    }

    /// What a promotion takes the place of, when its money went back: a revoke would tell that, and there is none.
    fn refunded_before(&self, right: &Entitlement, expected: &Expected, last: Option<&Entry>) -> Option<Refunded> {
        let Step::GrantAccess(held) = &last?.step else { return None };
        if !right.sale.is_promotion() || held.sale.is_promotion() {
            return None;
        }
        let no = self.withheld(expected, &held.sale.original).filter(|no| no.refund == Refund::Yes)?;
        Some(self.refunded(held, no.refunded.as_deref().unwrap_or(&held.sale)))
    }

    fn refunded(&self, held: &GrantAccess, sale: &Sale) -> Refunded {
        let sale = &as_sold(held, sale);
        let sale = booked(sale, std::iter::once(held).chain(self.grants().rev()), &[]);
        let store = self.rules.store.clone();
        Refunded { grant: Box::new(GrantAccess { sale, store, refunded: None, ..held.clone() }), at: self.now }
    }

    /// What was told of `sale` as `held`, but that it renews no more; its end stays that of what was paid for.
    fn ended(&self, held: &GrantAccess, sale: &Sale) -> GrantAccess {
        let (stopped_at, stop) = sale.status.as_ref().map_or((None, None), |status| (status.stopped_at, status.stop));
        let is_it = |told: &&Sale| (&told.id, &told.product) == (&sale.id, &sale.product);
        let mut told = self.grants().rev().map(|grant| &grant.sale);
        let told = Some(&held.sale).filter(|told| told.id == sale.id).or_else(|| told.find(is_it));
        let status = told.and_then(|told| told.status.as_ref()).or(sale.status.as_ref()).map(|status| {
            Box::new(SaleStatus { renews: false, stopped_at, stop, grace_until: None, ..(**status).clone() })
        });
        let sale = Sale { status, ..sale.clone() };
        let sale = booked(&sale, std::iter::once(held).chain(self.grants().rev()), &[]);
        let store = self.rules.store.clone();
        GrantAccess { sale, store, refunded: None, ..held.clone() }
    }

    /// A picture that is unsure altogether changes nothing; one that is unsure of this level shortens nothing.
    fn kept(&self, expected: &Expected, grant: &GrantAccess, last: Option<&'a Entry>) -> Option<Reason> {
        if let Some(because) = unsure_of_all(expected) {
            return Some(because);
        }
        let recent = last.and_then(|entry| self.recent(entry)).map(|ours| (ours.until, ours));
        let shown = self.shown.and_then(|shown| self.shown_of_ours().map(|ours| (shown.until, ours)));
        // while the profile may lag, either may be what the customer has
        let mut longer = [recent, shown].into_iter().flatten().filter(|(until, _)| *until > grant.until);
        longer.find_map(|(_, ours)| unsure(expected, self.level, &ours.sale.original))
    }

    /// What was taken back as refunded is not given again while nobody can say whether the refund stands; a new
    /// transaction is.
    fn refunded_for_all_we_know(
        &self,
        expected: &Expected,
        grant: &GrantAccess,
        last: Option<&Entry>,
    ) -> Option<Reason> {
        let because = expected.refunds_unread.as_ref()?;
        let Step::RevokeAccess(RevokeAccess { refund: Refund::Yes, .. }) = &last?.step else { return None };
        let told = self.grants().any(|ours| ours.sale.id == grant.sale.id);
        told.then(|| Reason::Unsure { because: Box::new(because.clone()) })
    }

    /// A right that is not ours and lasts at least as long needs nothing from us.
    fn other_store_lasts(&self, grant: &GrantAccess) -> Option<Reason> {
        let shown = self.shown?;
        let ours = same_chain(shown, grant) || self.grants().any(|ours| same_chain(shown, ours));
        if ours || shown.until < grant.until {
            return None;
        }
        Some(Reason::OtherStoreLasts { store: store_of(shown), until: shown.until })
    }

    /// The store that is paid for the same level beside us.
    fn paid_twice(&self, right: &Entitlement) -> Option<Reason> {
        let shown = self.shown.filter(|_| !right.sale.is_promotion())?;
        let ours = self.grants().any(|ours| same_chain(shown, ours));
        let store = match ours {
            true => self.paid_behind_ours()?,
            false => shown.store.as_ref().filter(|store| self.is_paid_elsewhere(store))?,
        };
        Some(Reason::PaidTwice { store: store.clone(), chain: right.sale.original.clone() })
    }

    fn is_paid_elsewhere(&self, store: &str) -> bool {
        store != self.rules.store && !GIVES_FREE.contains(&store)
    }

    /// The store of a subscription that runs and that no level shows: a longer right stands before it. Which level it opens
    /// is not said; of several that may hide it, the first is taken.
    fn paid_behind_ours(&self) -> Option<&'a String> {
        let mut levels = self.profile.levels.iter().filter(|shown| shown.runs(self.now));
        let shows = |shown: &ActualLevel, sold: &StoreSubscription| {
            (shown.store.as_ref(), shown.product.as_ref()) == (Some(&sold.store), Some(&sold.product))
        };
        let is_paid = |sold: &&StoreSubscription| {
            sold.until.is_after(self.now) && sold.sandbox == (self.rules.mode == Mode::Test)
        };
        let mut running = self.profile.sold.iter().filter(is_paid);
        let hidden = running
            .find(|sold| self.is_paid_elsewhere(&sold.store) && !levels.clone().any(|shown| shows(shown, sold)))?;
        let may_hide = |shown: &ActualLevel| {
            let is_elsewhere = shown.store.as_ref().is_some_and(|store| self.is_paid_elsewhere(store));
            !is_elsewhere && shown.until >= hidden.until
        };
        let first = levels.by_ref().filter(|shown| may_hide(shown)).map(|shown| &shown.level).min()?;
        (first == self.level).then_some(&hidden.store)
    }

    /// Puts a step into the plan, unless its entry says that it is not due or was refused. Returns its key.
    fn plan(&self, step: Step, because: Reason, last: Option<&Entry>, plan: &mut Plan) -> Option<StepKey> {
        let (previous, key) = next_link(self.rules, &self.profile.user, &self.entries, &step, last);
        let planned = PlannedStep { key: key.clone(), previous, step, because, attempts: 0 };
        self.note(enqueue(planned, &self.entries, self.now, plan), plan);
        Some(key)
    }

    /// The pictures change by themselves: the profile catches up, and what it shows runs out.
    fn look_when_pictures_change(&self, seen: &[&Entry], last: Option<&Entry>, plan: &mut Plan) {
        let doubted = self.intended().filter(|entry| self.visible(&entry.step)).count() > seen.len();
        let hidden = |entry: &Entry| last.is_some_and(|last| last.key == entry.key) && !self.visible(&entry.step);
        for entry in &self.entries {
            let matters = doubted || hidden(entry) || matches!(entry.state, State::Dropped { .. });
            let at = self.catches_up(entry).filter(|_| matters);
            at.into_iter().for_each(|at| sync_again_at(plan, at));
        }
        let revokes = |planned: &PlannedStep| {
            planned.step.level() == Some(self.level) && matches!(planned.step, Step::RevokeAccess(_))
        };
        let open = self.intended().next().is_some() || plan.steps.iter().any(revokes);
        let runs_out = self.shown.filter(|_| open).and_then(|shown| shown.until.at());
        let told = last.filter(|_| open).and_then(|entry| self.recent(entry)).and_then(|grant| grant.until.at());
        runs_out.into_iter().chain(told).for_each(|at| sync_again_at(plan, at));
    }

    /// What was intended, has not shown up, and is no longer wanted. It may still arrive: look again after the lag.
    fn drop_moot(&self, seen: &[&Entry], wanted: Option<&StepKey>, plan: &mut Plan) {
        let unwanted = |entry: &&Entry| Some(&entry.key) != wanted && !seen.iter().any(|other| other.key == entry.key);
        let moot: Vec<_> = self.intended().filter(unwanted).map(|entry| entry.key.clone()).collect();
        if !moot.is_empty() {
            sync_again_at(plan, after(self.now, self.rules.policy.lag().max(Duration::seconds(1))));
        }
        plan.dropped.extend(moot);
    }

    fn note(&self, because: Option<Reason>, plan: &mut Plan) {
        plan.notes.extend(because.map(|because| Note { level: self.level.clone(), because }));
    }
}

/// Stores whose rights nobody pays for: grants and promotions of the destination itself.
const GIVES_FREE: [&str; 1] = [BARE.0];

/// The key of `step` after `last` among `entries`, and the key before it. A confirmed key is never taken twice.
pub(crate) fn next_link(
    rules: &Rules,
    user: &User,
    entries: &[&Entry],
    step: &Step,
    last: Option<&Entry>,
) -> (Option<StepKey>, StepKey) {
    let Rules { destination, mode, .. } = rules;
    let after = |previous: Option<&StepKey>| StepKey::of(destination, *mode, user, step, previous);
    let mut previous = last.map(|entry| entry.key.clone());
    let mut key = after(previous.as_ref());
    while entries.iter().any(|entry| entry.key == key && entry.confirmed_at().is_some()) {
        let next = after(Some(&key));
        previous = Some(std::mem::replace(&mut key, next));
    }
    (previous, key)
}

/// Puts a step into the plan; answers why not, when its entry says that it is not due or was refused.
pub(crate) fn enqueue(planned: PlannedStep, entries: &[&Entry], now: Timestamp, plan: &mut Plan) -> Option<Reason> {
    let entry = entries.iter().find(|entry| entry.key == planned.key);
    let attempts = match entry.map(|entry| &entry.state) {
        Some(State::Intended { due, .. }) if *due > now => {
            sync_again_at(plan, *due);
            return Some(Reason::WaitsForRetry { due: *due });
        }
        Some(State::Refused { why, .. }) => {
            let PlannedStep { key, step, .. } = planned;
            plan.refused.push(RefusedStep { key, step, why: why.clone() });
            return Some(Reason::Refusal { why: why.clone() });
        }
        Some(State::Intended { attempts, .. }) => *attempts,
        Some(State::Dropped { .. } | State::Confirmed { .. }) | None => 0,
    };
    plan.steps.push(PlannedStep { attempts, ..planned });
    None
}

/// `sale` as the product that it was told as, and at that price, whatever the catalog says of it today.
fn as_sold(held: &GrantAccess, sale: &Sale) -> Sale {
    let told = &held.sale;
    if (&told.original, &told.id) != (&sale.original, &sale.id) {
        return sale.clone();
    }
    let price = told.price.clone().or_else(|| sale.price.clone());
    let (product, base_plan) = (told.product.clone(), told.base_plan.clone());
    Sale { product, base_plan, price, ..sale.clone() }
}

fn store_of(shown: &ActualLevel) -> String {
    shown.store.clone().unwrap_or_else(|| "another store".into())
}

pub(crate) fn sync_again_at(plan: &mut Plan, at: Timestamp) {
    plan.sync_again_at = Some(plan.sync_again_at.map_or(at, |soonest| soonest.min(at)));
}

/// The transactions of all that is owed besides `right`.
fn others<'v>(expected: &'v Expected, right: &Entitlement) -> Vec<&'v Sale> {
    expected.owed.iter().filter(|other| other.level != right.level).map(|other| &other.sale).collect()
}

fn unsure_of_all(expected: &Expected) -> Option<Reason> {
    let of_all = expected.unknown.iter().find(|unsure| unsure.chain.is_none())?;
    Some(Reason::Unsure { because: Box::new(of_all.because.clone()) })
}

fn unsure(expected: &Expected, level: &AccessLevel, chain: &str) -> Option<Reason> {
    let found = expected.unknown.iter().find(|unsure| unsure.concerns(level, chain))?;
    Some(Reason::Unsure { because: Box::new(found.because.clone()) })
}
