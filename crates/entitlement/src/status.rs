//! What a customer may use, as a web page or a support desk asks for it: every level in one answer, whatever gives it.

use serde::{Deserialize, Serialize};

use crate::access::other_stores::{self, LATE};
use crate::case::Case;
use crate::model::access_level::AccessLevel;
use crate::model::clock::{Timestamp, after};
use crate::model::expected::{Entitlement, Expected};
use crate::model::plan::Plan;
use crate::model::profile::{ActualLevel, BARE};
use crate::model::reason::Reason;
use crate::model::rules::{Protocol, Rules};
use crate::model::step::Step;
use crate::model::until::Until;

/// The stores in which apps sell.
const IN_APPS: [&str; 2] = ["app_store", "play_store"];

/// Where a customer stands, as of one sync. It is kept, and read long after.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// By level.
    pub levels: Vec<LevelStatus>,
    /// Another store gives a level that is paid on the web too.
    pub double_subscription: bool,
}

/// Where one level stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelStatus {
    pub level: AccessLevel,
    /// The app it is of, where several are kept in step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Its end; `None` when it is withheld.
    pub until: Option<Until>,
    /// `None` when it is another's right and nobody says.
    pub will_renew: Option<bool>,
    pub in_grace: bool,
    pub billing_issue: bool,
    /// The store that gives it.
    pub store: Option<String>,
    pub because: String,
}

/// Whether the plan of the case is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    Out,
    /// It is only observed: what the destination shows stays.
    Not,
}

impl Status {
    /// Where the customer of `case` stands once `plan` is carried out, or if it is not.
    #[must_use]
    pub fn of(case: &Case, plan: &Plan, carried: Carried) -> Self {
        let mut levels: Vec<LevelStatus> = Vec::new();
        if carried == Carried::Out {
            levels.extend(plan.expected.entitlements.iter().map(|right| entitled(right, &case.rules)));
        }
        for shown in case.profile.levels.iter().filter(|shown| shown.runs(case.now)) {
            if carried == Carried::Out && is_revoked(plan, &shown.level) {
                continue;
            }
            match levels.iter_mut().find(|known| known.level == shown.level) {
                Some(known) if known.until < Some(shown.until) && is_foreign(shown, case) => {
                    *known = self::shown(shown)
                }
                Some(_) => {}
                None => levels.push(self::shown(shown)),
            }
        }
        for late in case.profile.levels.iter().filter(|shown| other_stores::is_late(shown, case)) {
            if levels.iter().all(|known| known.level != late.level) {
                levels.push(shown(late));
            }
        }
        for no in &plan.expected.withheld {
            if levels.iter().all(|known| known.level != no.level) {
                levels.push(withheld(&no.level, &no.because));
            }
        }
        levels.sort_by(|one, other| one.level.cmp(&other.level));
        let twice = plan.notes.iter().any(|note| matches!(note.because, Reason::PaidTwice { .. }));
        Self { levels, double_subscription: twice }
    }

    /// Where a customer stands in an app that cannot be read now: what `expected` says, and what was `seen` there before.
    /// What was seen stays to its end; where billing surely gives it no more, it does not renew.
    #[must_use]
    pub fn unread(expected: &Expected, rules: &Rules, seen: Self) -> Self {
        let mut levels: Vec<LevelStatus> = expected.entitlements.iter().map(|right| entitled(right, rules)).collect();
        for known in seen.levels {
            let is_over = expected.unknown.is_empty() && known.is_of(&[&rules.store]);
            match levels.iter_mut().find(|entitled| entitled.level == known.level) {
                Some(entitled) if entitled.until < known.until && !is_over => *entitled = known,
                Some(_) => {}
                None if is_over => levels.push(LevelStatus { will_renew: Some(false), ..known }),
                None => levels.push(known),
            }
        }
        levels.sort_by(|one, other| one.level.cmp(&other.level));
        Self { levels, ..seen }
    }

    /// Whether a right that was to renew has ended by `now`, and nobody read since, or its store may not have said so yet:
    /// then nobody knows that it is over. `as_of`: when the picture was made.
    #[must_use]
    pub fn is_in_doubt(&self, as_of: Timestamp, now: Timestamp) -> bool {
        let mut ended = self.levels.iter().filter_map(|level| level.should_have_renewed(now));
        ended.any(|end| end > as_of || now < after(end, LATE))
    }

    /// Whether a right that was to renew has ended between `as_of` and `now`.
    #[must_use]
    pub fn ended_since(&self, as_of: Timestamp, now: Timestamp) -> bool {
        self.levels.iter().filter_map(|level| level.should_have_renewed(now)).any(|end| end > as_of)
    }

    /// The same, with each level said to be of the app `name`.
    #[must_use]
    pub fn of_app(mut self, name: &str) -> Self {
        self.levels.iter_mut().for_each(|level| level.app = Some(name.to_owned()));
        self
    }

    /// This and that of another app.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.levels.extend(other.levels);
        self.double_subscription |= other.double_subscription;
        self
    }

    /// The same beside what a witness shows, which sees what other stores sold: the longer counts. Stores in `ours` are the
    /// web's, whoever lists them. `stale`: nobody could read since, as in [`LevelStatus::is_active`].
    #[must_use]
    pub fn beside(mut self, witnessed: &[LevelStatus], stale: bool, ours: &[&str], now: Timestamp) -> Self {
        self.double_subscription |= !self.paid_twice(witnessed, stale, ours, now).is_empty();
        for seen in witnessed.iter().filter(|seen| seen.is_active(now, stale)) {
            let same = |known: &&mut LevelStatus| known.level == seen.level;
            // one that is active counts before one that is over, whatever their dates say
            let rank = |known: &LevelStatus| (known.is_active(now, false), known.until);
            match self.levels.iter_mut().filter(same).max_by_key(|known| rank(known)) {
                Some(known) if rank(known) < (true, seen.until) => {
                    *known = LevelStatus { app: known.app.take(), ..seen.clone() };
                }
                Some(_) => {}
                None => self.levels.push(seen.clone()),
            }
        }
        self.levels.sort_by(|one, other| (&one.app, &one.level).cmp(&(&other.app, &other.level)));
        self
    }

    /// What of `witnessed` is paid for on the web too, as of [`Status::beside`].
    #[must_use]
    pub fn paid_twice<'a>(
        &self,
        witnessed: &'a [LevelStatus],
        stale: bool,
        ours: &[&str],
        now: Timestamp,
    ) -> Vec<&'a LevelStatus> {
        let on_the_web = |seen: &LevelStatus| {
            self.levels
                .iter()
                .any(|known| known.level == seen.level && known.is_active(now, false) && known.is_of(ours))
        };
        // what a reader of the stores lists of the web's sales is no other sale
        let is_elsewhere = |seen: &LevelStatus| seen.is_of(&IN_APPS) && !seen.is_of(ours);
        let elsewhere = witnessed.iter().filter(|seen| seen.is_active(now, stale) && is_elsewhere(seen));
        elsewhere.filter(|seen| on_the_web(seen)).collect()
    }

    /// Whether nothing at all may be used at `now`; see [`LevelStatus::is_active`].
    #[must_use]
    pub fn paywall(&self, now: Timestamp, stale: bool) -> bool {
        !self.levels.iter().any(|level| level.is_active(now, stale))
    }
}

impl LevelStatus {
    /// Whether one of `stores` gives it.
    #[must_use]
    pub fn is_of(&self, stores: &[&str]) -> bool {
        self.store.as_deref().is_some_and(|store| stores.contains(&store))
    }

    /// Whether the level may be used at `now`.
    ///
    /// When the picture is `stale` (nobody could read since), a right that was to renew is taken to have renewed: an
    /// upstream that does not answer must not lock out somebody who pays.
    #[must_use]
    pub fn is_active(&self, now: Timestamp, stale: bool) -> bool {
        self.until.is_some_and(|until| until.is_after(now) || (stale && self.will_renew == Some(true)))
    }

    /// The end at which it was to renew, when that has passed by `now`.
    fn should_have_renewed(&self, now: Timestamp) -> Option<Timestamp> {
        self.until?.at().filter(|end| self.will_renew == Some(true) && *end <= now)
    }
}

fn entitled(right: &Entitlement, rules: &Rules) -> LevelStatus {
    LevelStatus {
        level: right.level.clone(),
        app: None,
        until: Some(right.until),
        will_renew: Some(right.will_renew),
        in_grace: right.in_grace,
        billing_issue: right.in_grace,
        store: Some(match right.sale.is_promotion() {
            true => BARE.0.to_owned(),
            false => rules.store.clone(),
        }),
        because: right.because.sentence(),
    }
}

fn shown(shown: &ActualLevel) -> LevelStatus {
    LevelStatus {
        level: shown.level.clone(),
        app: None,
        until: Some(shown.until),
        will_renew: shown.will_renew,
        in_grace: shown.in_grace,
        billing_issue: shown.billing_issue,
        store: shown.store.clone(),
        because: "the destination shows it".to_owned(),
    }
}

fn withheld(level: &AccessLevel, because: &Reason) -> LevelStatus {
    LevelStatus {
        level: level.clone(),
        app: None,
        until: None,
        will_renew: Some(false),
        in_grace: false,
        billing_issue: matches!(because, Reason::PaymentFailedForGood { .. } | Reason::NotPaidYet { .. }),
        store: None,
        because: because.sentence(),
    }
}

fn is_foreign(shown: &ActualLevel, case: &Case) -> bool {
    let bare = case.rules.protocol != Protocol::AccessWithSale && shown.is_bare();
    !bare && shown.store.as_ref().is_some_and(|store| *store != case.rules.store)
}

fn is_revoked(plan: &Plan, level: &AccessLevel) -> bool {
    plan.steps.iter().any(|planned| matches!(&planned.step, Step::RevokeAccess(revoke) if revoke.level == *level))
}
