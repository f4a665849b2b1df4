//! One level of one user: what the ledger and the profile say of it.

use chrono::Duration;

use crate::case::Case;
use crate::equivalence::{By, Given, comes_from, grants_all, is_same_request, shows};
use crate::model::access_level::AccessLevel;
use crate::model::clock::{Timestamp, after};
use crate::model::expected::{Entitlement, Expected, Refund};
use crate::model::ledger::{Entry, State};
use crate::model::profile::ActualLevel;
use crate::model::reason::Reason;
use crate::model::sale::Sale;
use crate::model::step::{GrantAccess, ReportSale, SaleEvent, Step};
use crate::model::until::Until;

/// The ledger and the profile, as far as they are about one level.
pub(crate) struct Level<'a> {
    pub(crate) name: &'a AccessLevel,
    pub(crate) case: &'a Case,
    /// Its grants and revokes, oldest first.
    pub(crate) entries: Vec<&'a Entry>,
    /// Reports of sales that pay for it, oldest first.
    reports: Vec<(&'a Entry, &'a ReportSale)>,
    /// What the profile shows of it, when that runs.
    pub(crate) actual: Option<&'a ActualLevel>,
}

impl<'a> Level<'a> {
    pub(crate) fn new(name: &'a AccessLevel, case: &'a Case) -> Self {
        let mut entries = Vec::new();
        let mut reports = Vec::new();
        for entry in case.ledger.in_order() {
            match &entry.step {
                Step::GrantAccess(GrantAccess { level, .. }) if level == name => entries.push(entry),
                Step::RevokeAccess(revoke) if revoke.level == *name => entries.push(entry),
                Step::ReportSale(report) if report.level == *name => reports.push((entry, report)),
                Step::GrantAccess(_) | Step::RevokeAccess(_) | Step::ReportSale(_) | Step::SetAttributes(_) => {}
            }
        }
        let actual = case.profile.level(name).filter(|actual| actual.runs(case.now));
        Self { name, case, entries, reports, actual }
    }

    pub(crate) fn intended(&self) -> impl Iterator<Item = &'a Entry> + '_ {
        self.entries.iter().copied().filter(|entry| matches!(entry.state, State::Intended { .. }))
    }

    /// What was intended and shows. A grant must show as nothing older can have made it, since the same end may carry
    /// another sale, and a bare level says nothing of a sale; to send it again does no harm. A level that is gone is gone,
    /// once the profile cannot lag.
    pub(crate) fn visible_intentions(&self) -> Vec<&'a Entry> {
        self.intended().filter(|entry| self.shows_step(&entry.step) && self.proves(entry)).collect()
    }

    fn proves(&self, entry: &Entry) -> bool {
        match &entry.step {
            Step::GrantAccess(grant) => {
                let says_which = grant.is_bare() || !self.actual.is_some_and(ActualLevel::is_bare);
                says_which && self.is_only_cause(entry)
            }
            Step::RevokeAccess(_) => self.entries.iter().all(|entry| self.lags_until(entry).is_none()),
            Step::SetAttributes(_) | Step::ReportSale(_) => false,
        }
    }

    /// Whether no other entry can have made the profile show what `entry` asks for.
    fn is_only_cause(&self, entry: &Entry) -> bool {
        let mut others = self.entries.iter().filter(|other| other.key != entry.key);
        !others.any(|other| self.shows_step(&other.step))
    }

    /// Whether the profile shows what `step` asks for.
    pub(crate) fn shows_step(&self, step: &Step) -> bool {
        is_visible(self.actual, step)
    }

    /// The moment up to which the profile may lag behind what became of `entry`, if that is to come.
    pub(crate) fn lags_until(&self, entry: &Entry) -> Option<Timestamp> {
        let at = match entry.state {
            State::Confirmed { at } | State::Dropped { at } => after(at, self.case.rules.policy.lag()),
            State::Intended { .. } | State::Refused { .. } => return None,
        };
        (at > self.case.now).then_some(at)
    }

    /// The last step that is known to have arrived: confirmed, or one of the `visible` intentions. Each is intended after
    /// the one before it arrived, so the place in the ledger decides, whatever the clock did.
    pub(crate) fn last_arrived(&self, visible: &[&'a Entry]) -> Option<&'a Entry> {
        let arrived = |entry: &&&Entry| entry.is_confirmed() || visible.iter().any(|other| other.key == entry.key);
        self.entries.iter().rev().find(arrived).copied()
    }

    /// How many times in a row the step of `last` was accepted, with nothing else accepted in between.
    pub(crate) fn times_accepted(&self, last: &Entry) -> u32 {
        let accepted = self.entries.iter().rev().filter(|entry| entry.is_confirmed());
        let alike = accepted.take_while(|entry| is_same_request(&entry.step, &last.step));
        u32::try_from(alike.count()).unwrap_or(u32::MAX)
    }

    /// Everything we sent that may give the level, oldest first.
    pub(crate) fn given(&self) -> Vec<Given<'a>> {
        let grants = self.entries.iter().filter_map(|entry| match &entry.step {
            Step::GrantAccess(grant) => Some((entry.seq, Given::by_grant(grant))),
            Step::RevokeAccess(_) | Step::ReportSale(_) | Step::SetAttributes(_) => None,
        });
        let reports = self.reports.iter().map(|(entry, report)| (entry.seq, Given::by_report(report)));
        let mut given: Vec<_> = grants.chain(reports).collect();
        given.sort_by_key(|(seq, _)| *seq);
        given.into_iter().map(|(_, given)| given).collect()
    }

    /// What the profile shows of ours, or else the newest on the chain that it shows.
    pub(crate) fn actual_of_ours(&self) -> Option<Given<'a>> {
        let actual = self.actual?;
        let of_chain: Vec<_> = self
            .given()
            .into_iter()
            .rev()
            .filter(|given| comes_from(actual, *given, &self.case.profile.sold))
            .collect();
        let shown = of_chain.iter().find(|given| shows(actual, **given));
        shown.or(of_chain.first()).copied()
    }

    /// Whether the profile shows a right of ours.
    pub(crate) fn is_ours(&self, actual: &ActualLevel) -> bool {
        self.given().into_iter().any(|given| comes_from(actual, given, &self.case.profile.sold))
    }

    /// The grant of `entry`, when it runs and was accepted so recently that the profile may lag behind it. One whose
    /// refund was reported since is over as soon as the profile does not show it.
    pub(crate) fn recent(&self, entry: &'a Entry) -> Option<Given<'a>> {
        self.lags_until(entry)?;
        let Step::GrantAccess(grant) = &entry.step else { return None };
        let is_over = self.actual.is_none() && self.was_refunded_since(entry);
        (grant.until.is_after(self.case.now) && !is_over).then(|| Given::by_grant(grant))
    }

    fn was_refunded_since(&self, grant: &Entry) -> bool {
        let mut since = self.reports.iter().filter(|(entry, _)| entry.seq > grant.seq && entry.is_confirmed());
        since.any(|(_, report)| matches!(report.event, SaleEvent::Refunded(_)))
    }

    /// Why the level is left alone although a right to it ends at `until`: something unknown may give it for longer.
    pub(crate) fn kept(&self, expected: &Expected, until: Until, last: Option<&'a Entry>) -> Option<Reason> {
        if let Some(because) = expected.all_unknown() {
            return Some(because);
        }
        let recent = last.and_then(|entry| self.recent(entry)).map(|ours| (ours.until, ours));
        let shown = self.actual.and_then(|actual| self.actual_of_ours().map(|ours| (actual.until, ours)));
        // while the profile may lag, either may be what the user has
        let mut longer = [recent, shown].into_iter().flatten().filter(|(end, _)| *end > until);
        longer.find_map(|(_, ours)| expected.unknown(self.name, &ours.sale.original))
    }

    /// Whether the `last` step took the level back with the money of `sale`.
    pub(crate) fn was_taken_as_refund(&self, sale: &Sale, last: Option<&Entry>) -> bool {
        let refund = match last.map(|entry| &entry.step) {
            Some(Step::RevokeAccess(revoke)) => revoke.refund,
            Some(Step::GrantAccess(_) | Step::ReportSale(_) | Step::SetAttributes(_)) | None => Refund::No,
        };
        refund == Refund::Yes && self.given().iter().any(|given| given.sale.id == sale.id)
    }

    /// Whether the newest step is a revoke that the destination refused.
    pub(crate) fn refuses_revoke(&self) -> bool {
        let newest = self.entries.last();
        newest
            .is_some_and(|entry| matches!((&entry.step, &entry.state), (Step::RevokeAccess(_), State::Refused { .. })))
    }

    /// The last arrived grant, when it gave all that `wanted` gives.
    pub(crate) fn granted(&self, last: Option<&'a Entry>, wanted: &GrantAccess) -> Option<&'a Entry> {
        let entry = last?;
        match &entry.step {
            Step::GrantAccess(sent) if grants_all(sent, wanted) => Some(entry),
            Step::GrantAccess(_) | Step::RevokeAccess(_) | Step::ReportSale(_) | Step::SetAttributes(_) => None,
        }
    }

    /// Whether the profile shows the right of `sale` to its end.
    pub(crate) fn shows_right(&self, right: &Entitlement, sale: &Sale) -> bool {
        let given = Given { until: right.until, sale, store: &self.case.rules.store, by: By::Grant };
        self.actual.is_some_and(|actual| shows(actual, given))
    }

    /// How long to wait before what was accepted `times` and is not shown is sent again: the lag, doubled each time, a day
    /// at most.
    pub(crate) fn wait_after(&self, times: u32) -> Duration {
        let doubled = 1_i32.checked_shl(times.saturating_sub(1).min(20)).unwrap_or(i32::MAX);
        let lag = self.case.rules.policy.lag().max(Duration::seconds(1));
        lag.checked_mul(doubled).unwrap_or(Duration::MAX).min(Duration::days(1)).max(lag)
    }
}

/// Whether what is shown of the step's level, as far as it runs, is what the step asks for.
#[must_use]
pub fn is_visible(actual: Option<&ActualLevel>, step: &Step) -> bool {
    match step {
        Step::GrantAccess(grant) => actual.is_some_and(|actual| shows(actual, Given::by_grant(grant))),
        Step::RevokeAccess(_) => actual.is_none(),
        // nothing of it shows among the levels
        Step::SetAttributes(_) | Step::ReportSale(_) => true,
    }
}
