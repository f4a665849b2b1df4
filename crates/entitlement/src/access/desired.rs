//! What is to be done about one level, by what is expected, shown and was sent.

use crate::access::level::Level;
use crate::access::other_stores::{self, store_of};
use crate::equivalence::{Given, shows};
use crate::model::clock::{Timestamp, after};
use crate::model::expected::{Entitlement, Expected, Refund};
use crate::model::ledger::Entry;
use crate::model::mode::Mode;
use crate::model::profile::{BARE, StoreSubscription};
use crate::model::reason::Reason;
use crate::model::rules::Protocol;
use crate::model::sale::Sale;
use crate::model::step::{GrantAccess, RevokeAccess, SaleEvent, Step};
use crate::sales::report::Reports;
use crate::sales::reported::{Reported, sale_key};

/// What is to be done about one level.
pub(crate) enum Desired {
    Grant(GrantAccess, Reason),
    Revoke(Revocation, Reason),
    /// Nothing, for a reason that may be worth a note.
    Nothing(Option<Reason>),
    /// Nothing before that moment.
    Wait(Timestamp, Reason),
    /// Nothing before a report is answered, since its answer may show the level, or its end.
    AfterReport,
}

/// A level to take.
pub(crate) struct Revocation {
    pub(crate) step: RevokeAccess,
    /// Original transaction id of the chain that gave it.
    pub(crate) chain: String,
    /// Money went back, or an operator blocked it: it waits for no replacement.
    pub(crate) at_once: bool,
}

/// What is to be done about a level; `last` is the last step on it that is known to have arrived.
pub(crate) fn desired(
    level: &Level<'_>,
    expected: &Expected,
    reported: &Reported,
    reports: &Reports,
    last: Option<&Entry>,
) -> Desired {
    match expected.entitlement(level.name) {
        Some(right) => wanted(level, right, expected, reported, reports, last),
        None => unwanted(level, expected, reports, last),
    }
}

fn wanted(
    level: &Level<'_>,
    right: &Entitlement,
    expected: &Expected,
    reported: &Reported,
    reports: &Reports,
    last: Option<&Entry>,
) -> Desired {
    if let Some(because) = level.kept(expected, right.until, last) {
        // what is kept may be gone once the profile cannot lag any more
        return match last.and_then(|entry| level.lags_until(entry)) {
            Some(at) => Desired::Wait(at, because),
            None => Desired::Nothing(Some(because)),
        };
    }
    let sale = reported.with_ids(right, expected);
    if let Some(because) = stays_refunded(level, expected, reported, &sale, last) {
        return Desired::Nothing(Some(because));
    }
    if reports.is_pending(&sale) {
        return Desired::AfterReport;
    }
    if let Some(revoke) = refund_to_report(level, right, expected, last) {
        return revoke;
    }
    let grant = grant_of(level, right, &sale);
    let granted = level.granted(last, &grant);
    if is_there(level, right, reported, &sale, &grant, last) {
        return Desired::Nothing(Some(Reason::AlreadyThere));
    }
    if let Some(because) = other_stores::lasts_longer(level, &grant) {
        return Desired::Nothing(Some(because));
    }
    if reports.takes_now(level.name) {
        return Desired::AfterReport;
    }
    match granted {
        // by the protocol of today, whichever it was sent by before, and under the ids of then
        Some(entry) => {
            let grant = Desired::Grant(with_sent_ids(grant, &entry.step, reported), right.because.clone());
            once_more(level, entry, grant)
        }
        None => Desired::Grant(grant, right.because.clone()),
    }
}

/// What was taken back as refunded is not given again while nobody can say whether the refund stands.
fn stays_refunded(
    level: &Level<'_>,
    expected: &Expected,
    reported: &Reported,
    sale: &Sale,
    last: Option<&Entry>,
) -> Option<Reason> {
    let because = expected.refunds_unread.as_ref()?;
    let was_reported = match reported.last(&sale_key(sale)).map(|last| last.report.event) {
        Some(SaleEvent::Refunded(_)) => level.case.rules.protocol.reports_sales(),
        Some(SaleEvent::Sold | SaleEvent::Changed | SaleEvent::Ended(_)) | None => false,
    };
    let was_taken = level.was_taken_as_refund(sale, last);
    (was_reported || was_taken).then(|| Reason::Unknown { because: Box::new(because.clone()) })
}

/// The revoke that reports a refund, where a promotional grant takes the place of what was paid back: nothing else would
/// report it. The grant follows at once, also when the revoke was refused.
fn refund_to_report(
    level: &Level<'_>,
    right: &Entitlement,
    expected: &Expected,
    last: Option<&Entry>,
) -> Option<Desired> {
    let Step::GrantAccess(paid) = &last?.step else { return None };
    let is_reported_by_revoke = level.case.rules.protocol == Protocol::AccessWithSale;
    if !is_reported_by_revoke || !right.sale.is_promotion() || paid.sale.is_promotion() || level.refuses_revoke() {
        return None;
    }
    let no = expected.withheld(level.name, &paid.sale.original).filter(|no| no.refund == Refund::Yes)?;
    Some(revocation(level, no.refund, no.because.clone(), &paid.sale.original))
}

fn grant_of(level: &Level<'_>, right: &Entitlement, sale: &Sale) -> GrantAccess {
    let rules = &level.case.rules;
    let (store, sale) = match rules.protocol {
        _ if right.sale.is_promotion() => (BARE.0, right.sale.clone()),
        Protocol::AccessWithSale | Protocol::SalesOnly => (rules.store.as_str(), right.sale.clone()),
        Protocol::AccessOnly => (BARE.0, right.sale.clone()),
        // its sale is reported by itself
        Protocol::SalesAndAccess => (BARE.0, Sale { status: None, ..sale.clone() }),
    };
    GrantAccess {
        level: right.level.clone(),
        until: right.until,
        starts_at: right.starts_at,
        store: store.to_owned(),
        sale,
        sandbox: rules.mode == Mode::Test,
    }
}

/// Whether the profile shows the right, and what it shows is not left from before the last step.
fn is_there(
    level: &Level<'_>,
    right: &Entitlement,
    reported: &Reported,
    sale: &Sale,
    grant: &GrantAccess,
    last: Option<&Entry>,
) -> bool {
    let granted = level.granted(last, grant);
    let shows_grant = level.actual.is_some_and(|actual| shows(actual, Given::by_grant(grant)));
    if granted.is_some_and(|entry| shows_grant || level.shows_step(&entry.step)) {
        return true;
    }
    // a sale that was reported brings the level of its product without a grant
    let may_lag = last.is_some_and(|entry| level.lags_until(entry).is_some());
    let as_reported = match level.case.rules.protocol {
        Protocol::SalesAndAccess => Some(sale),
        Protocol::AccessWithSale | Protocol::AccessOnly | Protocol::SalesOnly => reported.as_reported(sale),
    };
    !may_lag && as_reported.is_some_and(|sale| level.shows_right(right, sale))
}

/// `grant` with the ids that `step` sent its sale under, where another protocol gave it those.
fn with_sent_ids(mut grant: GrantAccess, step: &Step, reported: &Reported) -> GrantAccess {
    if grant.is_bare() || grant.sale.status.is_some() {
        return grant;
    }
    let sent = match step {
        Step::GrantAccess(sent) if !sent.is_bare() => sent.sale.status.as_deref(),
        Step::GrantAccess(_) | Step::RevokeAccess(_) | Step::SetAttributes(_) | Step::ReportSale(_) => None,
    };
    grant.sale.status = sent.or_else(|| reported.status_of(&grant.sale)).cloned().map(Box::new);
    grant
}

/// Something accepted and not shown is sent again after the profile's lag, then ever more rarely.
fn once_more(level: &Level<'_>, last: &Entry, desired: Desired) -> Desired {
    let times = level.times_accepted(last);
    let at = after(last.confirmed_at().unwrap_or(level.case.now), level.wait_after(times));
    if at <= level.case.now {
        return desired;
    }
    let because = if times > 1 { Reason::AcceptedButNotShown { times } } else { Reason::WaitsForProfile };
    Desired::Wait(at, because)
}

fn unwanted(level: &Level<'_>, expected: &Expected, reports: &Reports, last: Option<&Entry>) -> Desired {
    let recent = last.and_then(|entry| level.recent(entry));
    let shown = level.actual_of_ours();
    // while the profile may lag, either may be what the user has
    let Some(held) = recent.or(shown) else { return nothing_of_ours(level, last) };
    let mut ours = recent.into_iter().chain(shown);
    let unknown = ours.find_map(|given| expected.unknown(level.name, &given.sale.original));
    if let Some(because) = unknown.filter(|_| !expected.is_blocked(level.name)) {
        return Desired::Nothing(Some(because));
    }
    if reports.may_take(level.name) {
        return Desired::AfterReport;
    }
    let no = expected.withheld(level.name, &held.sale.original);
    let refund = no.map_or(Refund::No, |no| no.refund);
    let because = no.map_or(Reason::NothingGivesIt, |no| no.because.clone());
    if let Some(sold) = other_stores::behind_ours(level).filter(|_| shown.is_some()) {
        return left_to_store(level, sold, refund, because, last);
    }
    let revoke = revocation(level, refund, because, &held.sale.original);
    match last {
        Some(entry) if matches!(entry.step, Step::RevokeAccess(_)) => once_more(level, entry, revoke),
        // the profile may lag, or a right of another store stands in front of ours
        Some(entry) if level.actual.is_some() && shown.is_none() => {
            Desired::Wait(level.lags_until(entry).unwrap_or(level.case.now), Reason::WaitsForProfile)
        }
        _ => revoke,
    }
}

/// Ours ends, and another store pays for the level to an end of its own: it is set to that end instead of revoked, so that
/// whoever pays there is not locked out.
fn left_to_store(
    level: &Level<'_>,
    sold: &StoreSubscription,
    refund: Refund,
    because: Reason,
    last: Option<&Entry>,
) -> Desired {
    let (store, until) = (sold.store.clone(), sold.until);
    if level.actual.is_some_and(|actual| actual.until.is_same_second(until)) {
        let keeps = Reason::OtherStoreKeeps { store };
        // its store may renew it then
        return until.at().map_or(Desired::Nothing(Some(keeps.clone())), |end| Desired::Wait(end, keeps));
    }
    let grant = GrantAccess {
        level: level.name.clone(),
        until,
        starts_at: None,
        store: BARE.0.to_owned(),
        sale: Sale::of_promotion(&store),
        sandbox: level.case.rules.mode == Mode::Test,
    };
    let refund_unreported = refund == Refund::Yes && !level.case.rules.protocol.reports_sales();
    let because = Reason::LeftToStore { store, until, because: Box::new(because), refund_unreported };
    let granted = level.granted(last, &grant);
    let desired = Desired::Grant(grant, because);
    match granted {
        Some(entry) => once_more(level, entry, desired),
        None => desired,
    }
}

fn revocation(level: &Level<'_>, refund: Refund, because: Reason, chain: &str) -> Desired {
    let at_once = refund == Refund::Yes || because == Reason::Blocked;
    // where sales are reported, the refund was reported by itself
    let refund = if level.case.rules.protocol == Protocol::SalesAndAccess { Refund::No } else { refund };
    let step = RevokeAccess { level: level.name.clone(), refund };
    Desired::Revoke(Revocation { step, chain: chain.to_owned(), at_once }, because)
}

/// What is shown is not ours. A grant of ours may stand behind it and come to light when it ends.
fn nothing_of_ours(level: &Level<'_>, last: Option<&Entry>) -> Desired {
    let Some(actual) = level.actual else { return Desired::Nothing(None) };
    let because = Reason::OtherStoreKeeps { store: store_of(actual) };
    let is_behind = match last.map(|entry| &entry.step) {
        Some(Step::GrantAccess(grant)) => grant.until > actual.until,
        Some(Step::RevokeAccess(_) | Step::SetAttributes(_) | Step::ReportSale(_)) | None => false,
    };
    match actual.until.at().filter(|_| is_behind) {
        Some(at) => Desired::Wait(at, because),
        None => Desired::Nothing(Some(because)),
    }
}
