//! Which sales to report, beside access: what was sold, what it became, what was refunded, and what is over.
//!
//! Where access and sale travel together (`v1`) a grant reports its sale, and nothing is left to do here.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Duration;

use crate::access::level::Level;
use crate::case::Case;
use crate::enqueue::{Enqueued, enqueue};
use crate::equivalence::reports_all;
use crate::model::access_level::AccessLevel;
use crate::model::clock::{Timestamp, after};
use crate::model::expected::{Entitlement, Expected, Refund};
use crate::model::key::StepKey;
use crate::model::ledger::State;
use crate::model::mode::Mode;
use crate::model::plan::{Plan, PlannedStep};
use crate::model::reason::Reason;
use crate::model::rules::Protocol;
use crate::model::sale::Sale;
use crate::model::step::{ReportSale, SaleEvent, Step};
use crate::sales::reported::{LastReport, Reported, SaleKey, is_same_chain, sale_key};
use crate::sales::sale_status::stopped;

/// What is to be reported, and what access waits for.
#[derive(Default)]
pub(crate) struct Reports {
    /// Sales of rights: reported before the level is granted, since their product may bring it.
    pub(crate) sales: Vec<PlannedStep>,
    /// What became of sales that give nothing any more: reported before the level is taken.
    pub(crate) closings: Vec<PlannedStep>,
    /// Sales whose report is sent now, or waits for its retry. A refused one holds up nothing.
    pending: BTreeSet<SaleKey>,
    /// Levels whose sale is being closed.
    closing: BTreeSet<AccessLevel>,
    /// Those of them whose report is sent now.
    closing_now: BTreeSet<AccessLevel>,
}

impl Reports {
    /// Whether the answer to a report of `sale` is to come, which may show its level.
    pub(crate) fn is_pending(&self, sale: &Sale) -> bool {
        self.pending.contains(&sale_key(sale))
    }

    /// Whether the answer to a report is to come, which may take `level`.
    pub(crate) fn may_take(&self, level: &AccessLevel) -> bool {
        self.closing.contains(level)
    }

    /// Whether a report is sent now that may take `level`: a grant that went before it would go with it.
    pub(crate) fn takes_now(&self, level: &AccessLevel) -> bool {
        self.closing_now.contains(level)
    }
}

/// A report that is wanted.
struct Wanted {
    report: ReportSale,
    because: Reason,
}

/// Plans the reports of `case`; `plan` says what was settled.
pub(crate) fn report(case: &Case, expected: &Expected, reported: &Reported, plan: &mut Plan) -> Reports {
    let mut reports = Reports::default();
    let mut wanted = BTreeSet::new();
    if case.rules.protocol.reports_sales() && expected.all_unknown().is_none() {
        for (sale, of) in sales(case, expected, reported) {
            wanted.insert(add_sale(sale, of, case, plan, &mut reports));
        }
        for (sale, of) in closings(case, expected, reported) {
            wanted.insert(add_closing(sale, of, case, plan, &mut reports));
        }
        sync_after_lag(case, expected, plan);
    }
    drop_unwanted(case, &wanted, plan);
    reports
}

fn add_sale(sale: SaleKey, wanted: Wanted, case: &Case, plan: &mut Plan, reports: &mut Reports) -> StepKey {
    let enqueued = enqueue_report(wanted, case, plan);
    let key = enqueued.key().clone();
    match enqueued {
        Enqueued::Due(planned) => {
            reports.pending.insert(sale);
            reports.sales.push(*planned);
        }
        Enqueued::Waits(..) => drop(reports.pending.insert(sale)),
        Enqueued::Refused(..) => {}
    }
    key
}

fn add_closing(sale: SaleKey, wanted: Wanted, case: &Case, plan: &mut Plan, reports: &mut Reports) -> StepKey {
    let level = wanted.report.level.clone();
    let enqueued = enqueue_report(wanted, case, plan);
    let key = enqueued.key().clone();
    match enqueued {
        Enqueued::Due(planned) => {
            reports.pending.insert(sale);
            reports.closing.insert(level.clone());
            reports.closing_now.insert(level);
            reports.closings.push(*planned);
        }
        Enqueued::Waits(..) => {
            reports.pending.insert(sale);
            reports.closing.insert(level);
        }
        Enqueued::Refused(..) => {}
    }
    key
}

fn enqueue_report(wanted: Wanted, case: &Case, plan: &mut Plan) -> Enqueued {
    let level = wanted.report.level.clone();
    let step = Step::ReportSale(wanted.report);
    let entries = case.ledger.on(&step.subject());
    let last = entries.iter().rev().find(|entry| entry.is_confirmed()).copied();
    let enqueued = enqueue(step, wanted.because, &entries, last, case, plan);
    if let Some(because) = enqueued.why_not() {
        plan.note(&level, because.clone());
    }
    enqueued
}

/// Rights whose sale is not reported as it is, each sale once.
fn sales(case: &Case, expected: &Expected, reported: &Reported) -> BTreeMap<SaleKey, Wanted> {
    let mut wanted = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for right in expected.all_rights() {
        let sale = reported.with_ids(right, expected);
        let key = sale_key(&sale);
        // one transaction id is one sale, and that of the right that opens the level
        if seen.insert(key.clone()) && is_news(case, expected, reported, right, &sale) {
            let report = report_of(case, reported, right, sale);
            wanted.insert(key, Wanted { report, because: right.because.clone() });
        }
    }
    wanted
}

fn report_of(case: &Case, reported: &Reported, right: &Entitlement, sale: Sale) -> ReportSale {
    let was_reported = reported.knows_id(&sale.reported_ids().id);
    ReportSale {
        level: right.level.clone(),
        until: right.until,
        starts_at: right.starts_at,
        store: case.rules.store.clone(),
        sale,
        sandbox: case.rules.mode == Mode::Test,
        event: if was_reported { SaleEvent::Changed } else { SaleEvent::Sold },
    }
}

/// Whether `sale` of `right` is to be reported: it has a price, and was not reported as it is.
fn is_news(case: &Case, expected: &Expected, reported: &Reported, right: &Entitlement, sale: &Sale) -> bool {
    if sale.is_promotion() || sale.price.is_none() || sale.status.is_none() {
        return false;
    }
    match reported.last(&sale_key(sale)).filter(|last| last.confirmed) {
        // while refunds cannot be read, what was reported as refunded stays so
        Some(last) if last.is_refunded() => expected.refunds_unread.is_none() && !is_held_back(case, expected, right),
        Some(last) if last.is_sold() && reports_all(&last.report.sale, sale) => false,
        Some(_) | None => !is_held_back(case, expected, right),
    }
}

/// Whether the level that the right is to open waits, since billing is not known well enough: then so does its report.
fn is_held_back(case: &Case, expected: &Expected, right: &Entitlement) -> bool {
    if case.rules.protocol == Protocol::SalesOnly || expected.entitlement(&right.level) != Some(right) {
        return false;
    }
    let level = Level::new(&right.level, case);
    let last = level.last_arrived(&level.visible_intentions());
    level.kept(expected, right.until, last).is_some()
}

/// What became of reported sales that carry no right any more.
fn closings(case: &Case, expected: &Expected, reported: &Reported) -> BTreeMap<SaleKey, Wanted> {
    let mut wanted = BTreeMap::new();
    for (key, last) in reported.all() {
        let news = refund(case, expected, last)
            .or_else(|| end(case, expected, reported, key, last))
            .or_else(|| early_stop(case, expected, reported, key, last));
        wanted.extend(news.map(|news| (key.clone(), news)));
    }
    wanted
}

/// The refund of what was reported, where that is not reported yet.
fn refund(case: &Case, expected: &Expected, last: &LastReport) -> Option<Wanted> {
    let sold = &last.report.sale;
    let refund = expected.refund_of(sold)?;
    // what may give a right stays as it is
    let is_unknown = expected.unknown(&last.report.level, &sold.original).is_some();
    if last.is_refunded() || !last.confirmed || is_unknown {
        return None;
    }
    let sale = with_status(sold, &last.report.level, expected).filter(|sale| sale.price.is_some())?;
    let report = ReportSale {
        sale,
        store: case.rules.store.clone(),
        event: SaleEvent::Refunded(case.now),
        ..last.report.clone()
    };
    Some(Wanted { report, because: refund.because.clone() })
}

/// What was reported, with its status: where another protocol reported it, that of the sale as it stands now.
fn with_status(sold: &Sale, level: &AccessLevel, expected: &Expected) -> Option<Sale> {
    if sold.status.is_some() {
        return Some(sold.clone());
    }
    let current = expected.withheld_on_chain(level, &sold.original)?.running_sale.as_deref()?.clone();
    // the running term may be another than the one that was sold: that has another price
    let current_price = current.price.clone().filter(|_| current.id == sold.id);
    let price = sold.price.clone().or(current_price);
    let current = current.reported_as(sold.reported_ids());
    Some(Sale { product: sold.product.clone(), base_plan: sold.base_plan.clone(), price, ..current })
}

/// The end of the last sale of its chain, where a destination knows sales alone, and so does not see it.
fn end(case: &Case, expected: &Expected, reported: &Reported, key: &SaleKey, last: &LastReport) -> Option<Wanted> {
    let LastReport { report, .. } = last;
    let is_last = last.is_sold() && reported.is_last_of_chain(&report.sale);
    if case.rules.protocol != Protocol::SalesOnly || !is_last || may_go_on(expected, reported, key, last) {
        return None;
    }
    let no = expected.withheld_on_chain(&report.level, &report.sale.original);
    let status = report.sale.status.as_ref()?;
    let was_to_end = status.grace_until.or(status.paid_until.at());
    let did_end = no
        .filter(|no| no.refund == Refund::No)
        .and_then(|no| no.running_sale.as_ref()?.status.as_ref()?.paid_until.at());
    let end = [was_to_end, did_end].into_iter().flatten().fold(case.now, Timestamp::min);
    Some(Wanted {
        report: ReportSale { event: SaleEvent::Ended(end), ..report.clone() },
        because: no.map_or(Reason::NothingGivesIt, |no| no.because.clone()),
    })
}

/// What was reported to renew, as it renews no more: its subscription ended before its time.
fn early_stop(
    case: &Case,
    expected: &Expected,
    reported: &Reported,
    key: &SaleKey,
    last: &LastReport,
) -> Option<Wanted> {
    let LastReport { report, confirmed } = last;
    let status = report.sale.status.as_ref().filter(|status| status.renews)?;
    let is_last = last.is_sold() && *confirmed && reported.is_last_of_chain(&report.sale);
    if case.rules.protocol != Protocol::SalesAndAccess || !is_last || may_go_on(expected, reported, key, last) {
        return None;
    }
    let no = expected.withheld_on_chain(&report.level, &report.sale.original).filter(|no| no.refund == Refund::No)?;
    let ended = no.running_sale.as_ref()?.status.as_ref()?;
    let sale = Sale { status: Some(Box::new(stopped(status, ended))), ..report.sale.clone() };
    Some(Wanted {
        report: ReportSale { sale, event: SaleEvent::Changed, ..report.clone() },
        because: no.because.clone(),
    })
}

/// Whether what was reported still gives a right, as it is or as what follows it, or nobody can say.
fn may_go_on(expected: &Expected, reported: &Reported, key: &SaleKey, last: &LastReport) -> bool {
    let sale = &last.report.sale;
    let follows = |right: &Entitlement| {
        let current = reported.with_ids(right, expected);
        is_same_chain(&current, sale) || sale_key(&current).0 == key.0
    };
    let is_unknown = expected.unknown.iter().any(|unknown| unknown.concerns(&last.report.level, &sale.original));
    is_unknown || expected.all_rights().any(follows)
}

/// A report may change a level that its sale does not open by a grant of ours: syncs again once the profile cannot lag.
fn sync_after_lag(case: &Case, expected: &Expected, plan: &mut Plan) {
    if case.rules.protocol != Protocol::SalesAndAccess {
        return;
    }
    let lag = case.rules.policy.lag().max(Duration::seconds(1));
    let opens = |report: &ReportSale| expected.entitlements.iter().any(|right| right.sale.id == report.sale.id);
    for entry in &case.ledger.entries {
        if let (Step::ReportSale(report), Some(at)) = (&entry.step, entry.confirmed_at()) {
            let shows_at = after(at, lag);
            if shows_at > case.now && !opens(report) {
                plan.sync_again_by(shows_at);
            }
        }
    }
}

/// Drops reports that were intended and are not wanted any more.
fn drop_unwanted(case: &Case, wanted: &BTreeSet<StepKey>, plan: &mut Plan) {
    for entry in case.ledger.in_order() {
        let is_open_report = matches!((&entry.step, &entry.state), (Step::ReportSale(_), State::Intended { .. }));
        if is_open_report && !wanted.contains(&entry.key) {
            plan.dropped.push(entry.key.clone());
        }
    }
}
