//! Steps as the ledger stores them, those of the first edition included.

use serde::Deserialize;

use crate::model::attributes::SetAttributes;
use crate::model::clock::Timestamp;
use crate::model::expected::Refund;
use crate::model::step::{GrantAccess, ReportSale, RevokeAccess, SaleEvent, Step};

/// A step as it stands in the ledger. The first edition's words are `grant`, `revoke`, `report` and `describe`; its steps
/// could be up to three requests.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoredStep {
    GrantAccess(GrantAccess),
    RevokeAccess(RevokeAccess),
    ReportSale(ReportSale),
    SetAttributes(SetAttributes),
    Grant(FirstGrant),
    Revoke(FirstRevoke),
    Report(FirstReport),
    Describe(SetAttributes),
}

/// A grant of the first edition: what it replaced was reported as refunded before.
#[derive(Debug, Deserialize)]
pub struct FirstGrant {
    #[serde(flatten)]
    grant: GrantAccess,
    refunded: Option<FirstRefund>,
}

/// A revoke of the first edition: what was refunded or had ended was reported before.
#[derive(Debug, Deserialize)]
pub struct FirstRevoke {
    #[serde(flatten)]
    revoke: RevokeAccess,
    refunded: Option<FirstRefund>,
    ended: Option<GrantAccess>,
}

/// A report of the first edition.
#[derive(Debug, Deserialize)]
pub struct FirstReport {
    grant: GrantAccess,
    refunded_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
struct FirstRefund {
    grant: GrantAccess,
    at: Timestamp,
}

impl StoredStep {
    /// The step, and the report that was made before it under the same key, if there was one.
    #[must_use]
    pub fn into_steps(self) -> (Step, Option<ReportSale>) {
        match self {
            Self::GrantAccess(grant) => (Step::GrantAccess(grant), None),
            Self::RevokeAccess(revoke) => (Step::RevokeAccess(revoke), None),
            Self::ReportSale(report) => (Step::ReportSale(report), None),
            Self::SetAttributes(set) | Self::Describe(set) => (Step::SetAttributes(set), None),
            Self::Grant(of) => (Step::GrantAccess(of.grant), of.refunded.map(FirstRefund::report)),
            Self::Revoke(of) => of.into_steps(),
            Self::Report(of) => (Step::ReportSale(of.report()), None),
        }
    }
}

impl FirstRevoke {
    fn into_steps(self) -> (Step, Option<ReportSale>) {
        // one of the two was sent: that the money went back says that it ended, too
        let refunded = self.refunded.map(FirstRefund::report);
        let report = refunded.or(self.ended.map(|grant| ReportSale::of(grant, SaleEvent::Changed)));
        // a refund that was reported by itself is none of the revoke
        let refund = if report.is_some() { Refund::No } else { self.revoke.refund };
        (Step::RevokeAccess(RevokeAccess { refund, ..self.revoke }), report)
    }
}

impl FirstReport {
    fn report(self) -> ReportSale {
        let event = match (self.refunded_at, self.ended_at) {
            (Some(at), _) => SaleEvent::Refunded(at),
            (None, Some(at)) => SaleEvent::Ended(at),
            (None, None) => SaleEvent::Sold,
        };
        ReportSale::of(self.grant, event)
    }
}

impl FirstRefund {
    fn report(self) -> ReportSale {
        ReportSale::of(self.grant, SaleEvent::Refunded(self.at))
    }
}
