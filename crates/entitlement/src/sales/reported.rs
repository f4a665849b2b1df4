//! What was reported of each sale, as the ledger remembers it.

use std::collections::{BTreeMap, BTreeSet};

use crate::case::Case;
use crate::model::access_level::AccessLevel;
use crate::model::clock::Timestamp;
use crate::model::expected::{Entitlement, Expected, Refund};
use crate::model::ledger::{Entry, State};
use crate::model::plan::Plan;
use crate::model::sale::{ReportedIds, Sale, SaleStatus, reported_id};
use crate::model::step::{GrantAccess, ReportSale, SaleEvent, Step};
use crate::model::until::Until;

/// What a destination knows a sale by: its transaction id, and its product.
pub(crate) type SaleKey = (String, String);

pub(crate) fn sale_key(sale: &Sale) -> SaleKey {
    (sale.reported_ids().id, sale.product.clone())
}

/// What was reported last of one sale.
#[derive(Clone, Debug)]
pub(crate) struct LastReport {
    pub(crate) report: ReportSale,
    /// The destination has it for certain.
    pub(crate) confirmed: bool,
}

impl LastReport {
    pub(crate) fn is_sold(&self) -> bool {
        match self.report.event {
            SaleEvent::Sold | SaleEvent::Changed => true,
            SaleEvent::Refunded(_) | SaleEvent::Ended(_) => false,
        }
    }

    pub(crate) fn is_refunded(&self) -> bool {
        match self.report.event {
            SaleEvent::Refunded(_) => true,
            SaleEvent::Sold | SaleEvent::Changed | SaleEvent::Ended(_) => false,
        }
    }
}

/// The last report of each sale.
#[derive(Debug, Default)]
pub(crate) struct Reported {
    last: BTreeMap<SaleKey, LastReport>,
    /// Every sale that was reported, in the order of the ledger.
    sales: Vec<Sale>,
    /// Ids of sales that we tried to report, whatever became of it.
    tried: BTreeSet<String>,
}

impl Reported {
    /// As it stands once `plan` settled what shows and dropped what is not wanted; nothing where sales never were reported.
    pub(crate) fn of(case: &Case, plan: &Plan) -> Self {
        let mut reported = Self::default();
        let was_reported = || case.ledger.reported_levels().next().is_some();
        if !case.rules.protocol.reports_sales() && !was_reported() {
            return reported;
        }
        for entry in case.ledger.in_order() {
            reported.add(entry, plan);
        }
        reported
    }

    pub(crate) fn last(&self, key: &SaleKey) -> Option<&LastReport> {
        self.last.get(key)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&SaleKey, &LastReport)> {
        self.last.iter()
    }

    /// `sale` as it was reported last, by itself or by a grant, where the destination has it for certain.
    pub(crate) fn as_reported(&self, sale: &Sale) -> Option<&Sale> {
        let known = self.last.values().filter(|last| last.confirmed && last.is_sold()).map(|last| &last.report.sale);
        known.into_iter().find(|of| (&of.id, &of.product) == (&sale.id, &sale.product))
    }

    /// Whether a sale was reported under `id`, as whatever product.
    pub(crate) fn knows_id(&self, id: &str) -> bool {
        self.last.iter().any(|((known, _), last)| known == id && last.confirmed)
    }

    /// The status that `sale` was reported with, if it was.
    pub(crate) fn status_of(&self, sale: &Sale) -> Option<&SaleStatus> {
        let same = self.sales.iter().rev().filter(|of| (&of.id, &of.product) == (&sale.id, &sale.product));
        same.filter_map(|of| of.status.as_deref()).next()
    }

    /// Whether nothing later was reported on the chain of `sale`.
    pub(crate) fn is_last_of_chain(&self, sale: &Sale) -> bool {
        let mut of_chain = self.last.values().map(|last| &last.report.sale).filter(|other| is_same_chain(other, sale));
        of_chain.all(|other| place(other) <= place(sale))
    }

    /// The sale of `right` under the ids that it is reported under: once reported, they stay, whatever is read of the
    /// billing later. A new one goes on with those of its chain and product, unless another right has them.
    pub(crate) fn with_ids(&self, right: &Entitlement, expected: &Expected) -> Sale {
        let sale = &right.sale;
        let Some(status) = &sale.status else { return sale.clone() };
        let is_of_chain = |of: &&Sale| (&of.original, &of.product) == (&sale.original, &sale.product);
        let of_chain: Vec<&Sale> = self.sales.iter().rev().filter(is_of_chain).collect();
        let mut own = of_chain.iter().filter(|of| of.id == sale.id);
        let mut with_status = own.clone().filter_map(|of| of.status.as_ref());
        if with_status.any(|reported| reported.id == status.id) {
            return sale.clone();
        }
        let kept = own.next().map(|of| of.reported_ids()).filter(|ids| is_own(&ids.id, right, expected));
        let next = of_chain.iter().find_map(|of| continued(sale, of)).filter(|ids| is_free(&ids.id, right, expected));
        match kept.or(next) {
            Some(ids) => sale.clone().reported_as(ids),
            None => sale.clone(),
        }
    }

    fn add(&mut self, entry: &Entry, plan: &Plan) {
        let is_known = entry.is_confirmed() || plan.settled.contains(&entry.key);
        let may_have_arrived = match entry.state {
            State::Intended { .. } | State::Refused { .. } => !plan.dropped.contains(&entry.key),
            State::Confirmed { .. } => true,
            State::Dropped { .. } => false,
        };
        match &entry.step {
            Step::GrantAccess(grant) if may_have_arrived && self.counts_as_report(grant) => {
                self.insert(ReportSale::of(grant.clone(), SaleEvent::Sold), is_known);
            }
            Step::RevokeAccess(revoke) if may_have_arrived && revoke.refund == Refund::Yes => {
                self.refunded_by_revoke(&revoke.level);
            }
            Step::ReportSale(report) => {
                self.tried.insert(report.sale.id.clone());
                // one that is open or refused is wanted still
                if entry.is_confirmed() {
                    self.insert(report.clone(), true);
                }
            }
            Step::GrantAccess(_) | Step::RevokeAccess(_) | Step::SetAttributes(_) => {}
        }
    }

    /// A grant reports the sale that it carries. A bare one counts as well, for then somebody else reports the sale; not where
    /// we tried to report that ourselves.
    fn counts_as_report(&self, grant: &GrantAccess) -> bool {
        !grant.sale.is_promotion() && (!grant.is_bare() || !self.tried.contains(&grant.sale.id))
    }

    fn insert(&mut self, report: ReportSale, confirmed: bool) {
        let key = sale_key(&report.sale);
        let was_confirmed = self.last.get(&key).is_some_and(|last| last.confirmed);
        self.sales.push(report.sale.clone());
        self.last.insert(key, LastReport { report, confirmed: confirmed || was_confirmed });
    }

    /// Adapty's API v1 reports a refund on a revoke, which names no sale: it is that of whatever gave the level.
    fn refunded_by_revoke(&mut self, level: &AccessLevel) {
        for last in self.last.values_mut().filter(|last| last.report.level == *level) {
            last.report.event = SaleEvent::Refunded(Timestamp::UNIX_EPOCH);
        }
    }
}

/// Whether one follows the other: a chain sells each of its products by itself.
pub(crate) fn is_same_chain(one: &Sale, other: &Sale) -> bool {
    (one.reported_ids().original, &one.product) == (other.reported_ids().original, &other.product)
}

/// Later terms of a chain sort after earlier ones.
fn place(sale: &Sale) -> (Option<(Timestamp, Until)>, bool) {
    let term = sale.status.as_ref().map(|status| (status.bought_at, status.paid_until));
    (term, sale.id != sale.original)
}

/// The ids of `next` on the chain of `reported`; none where its own do not say how they were made.
fn continued(next: &Sale, reported: &Sale) -> Option<ReportedIds> {
    let original = &reported.status.as_ref()?.original;
    let apart = match original.strip_prefix(reported.original.as_str())? {
        "" => None,
        rest => Some(rest.strip_prefix(':')?),
    };
    Some(ReportedIds { id: reported_id(&next.id, apart), original: original.clone() })
}

/// Whether no other right to the same product has `id`: two prices of one product are two sales.
fn is_own(id: &str, right: &Entitlement, expected: &Expected) -> bool {
    let others = expected.all_rights().filter(|other| *other != right && other.sale.product == right.sale.product);
    !others.filter_map(|other| other.sale.status.as_ref()).any(|status| status.id == id)
}

/// Whether no other right has `id`.
fn is_free(id: &str, right: &Entitlement, expected: &Expected) -> bool {
    let others = expected.all_rights().filter(|other| *other != right);
    !others.filter_map(|other| other.sale.status.as_ref()).any(|status| status.id == id)
}
