//! A step: one request to a destination.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::model::access_level::AccessLevel;
use crate::model::attributes::SetAttributes;
use crate::model::clock::Timestamp;
use crate::model::expected::Refund;
use crate::model::profile::BARE;
use crate::model::sale::Sale;
use crate::model::until::Until;

/// One request to a destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    GrantAccess(GrantAccess),
    RevokeAccess(RevokeAccess),
    ReportSale(ReportSale),
    SetAttributes(SetAttributes),
}

/// Give a level. Where access and sale travel together (Adapty's API v1), with the sale that carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantAccess {
    pub level: AccessLevel,
    pub until: Until,
    pub starts_at: Option<Timestamp>,
    pub store: String,
    #[serde(alias = "transaction")]
    pub sale: Sale,
    /// True in test mode.
    pub sandbox: bool,
}

/// Take a level back, now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeAccess {
    pub level: AccessLevel,
    /// `Yes` takes the revenue back as well, where the request can say so (Adapty's API v1).
    pub refund: Refund,
}

/// Report a sale, or what became of it. It opens and takes no level by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportSale {
    /// The level that the sale pays for.
    pub level: AccessLevel,
    /// The end of the right it gives.
    pub until: Until,
    pub starts_at: Option<Timestamp>,
    pub store: String,
    pub sale: Sale,
    /// True in test mode.
    pub sandbox: bool,
    pub event: SaleEvent,
}

/// What is reported of a sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SaleEvent {
    /// It was sold; the first report under its transaction id.
    Sold,
    /// It was reported before, and stands otherwise now.
    Changed,
    /// Its money went back, which we learnt then.
    Refunded(Timestamp),
    /// It was over then, whatever was reported of its end.
    Ended(Timestamp),
}

/// The subject of steps that are about no level; no level is called so. Part of stored keys.
const ATTRIBUTES: &str = "(details)";

impl Step {
    /// The level that the step opens or takes.
    #[must_use]
    pub fn level(&self) -> Option<&AccessLevel> {
        match self {
            Self::GrantAccess(grant) => Some(&grant.level),
            Self::RevokeAccess(revoke) => Some(&revoke.level),
            Self::SetAttributes(_) | Self::ReportSale(_) => None,
        }
    }

    /// What the step is about: steps on one subject follow one another. Part of stored keys.
    #[must_use]
    pub fn subject(&self) -> Cow<'_, str> {
        match self {
            Self::GrantAccess(GrantAccess { level, .. }) | Self::RevokeAccess(RevokeAccess { level, .. }) => {
                Cow::Borrowed(&level.0)
            }
            Self::SetAttributes(_) => Cow::Borrowed(ATTRIBUTES),
            Self::ReportSale(report) => Cow::Owned(report.subject()),
        }
    }

    /// `grant`, `revoke`, `report` or `attributes`, as it is called in logs, metrics and lists.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::GrantAccess(_) => "grant",
            Self::RevokeAccess(_) => "revoke",
            Self::ReportSale(_) => "report",
            Self::SetAttributes(_) => "attributes",
        }
    }
}

impl GrantAccess {
    /// Whether the level and its end alone are sent, without the sale.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.store == BARE.0
    }
}

impl ReportSale {
    /// The report of what `grant` carries.
    #[must_use]
    pub fn of(grant: GrantAccess, event: SaleEvent) -> Self {
        let GrantAccess { level, until, starts_at, store, sale, sandbox } = grant;
        Self { level, until, starts_at, store, sale, sandbox, event }
    }

    /// The transaction id that the destination knows it by.
    #[must_use]
    pub fn id(&self) -> String {
        self.sale.reported_ids().id
    }

    fn subject(&self) -> String {
        format!("(books) {} {}", self.id(), self.sale.product)
    }
}
