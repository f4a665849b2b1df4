//! The operator's choices that a decision depends on.

use chrono::Duration;
use serde::{Deserialize, Serialize};

use crate::model::attributes::{AttributeLimits, SourcedAttribute};
use crate::model::catalog::Catalog;
use crate::model::mode::Mode;

/// Everything from the settings that [`crate::decide::decide`] may read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Name of the destination in keys and logs, for example `adapty`.
    pub destination: String,
    /// The mode of the source's key; rights of the other mode are never granted.
    pub mode: Mode,
    /// The store that is reported to the destination, for example `stripe`.
    pub store: String,
    /// What is sent to the destination of a right.
    #[serde(default, alias = "told")]
    pub protocol: Protocol,
    pub catalog: Catalog,
    /// Details that the source fills.
    #[serde(default, alias = "sourced", skip_serializing_if = "Vec::is_empty")]
    pub sourced_attributes: Vec<SourcedAttribute>,
    #[serde(default)]
    pub limits: AttributeLimits,
    pub policy: Policy,
}

/// What is sent to the destination of a right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// The transaction that carries it.
    #[default]
    #[serde(alias = "transaction")]
    AccessWithSale,
    /// The same, and where it stands: when it was bought, whether it renews, whether a payment failed.
    #[serde(alias = "standing")]
    SalesAndAccess,
    /// The level and its end alone; the destination then shows it as a right of its own ([`ActualLevel::is_bare`]).
    ///
    /// [`ActualLevel::is_bare`]: crate::model::profile::ActualLevel::is_bare
    #[serde(alias = "level_only")]
    AccessOnly,
    /// What was sold, and no level: the destination keeps sales alone.
    #[serde(alias = "sales")]
    SalesOnly,
}

impl Protocol {
    /// Whether each sale is reported by itself, with its status.
    #[must_use]
    pub fn reports_sales(self) -> bool {
        match self {
            Self::SalesAndAccess | Self::SalesOnly => true,
            Self::AccessWithSale | Self::AccessOnly => false,
        }
    }
}

/// The `[policy]` section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Seconds of access after the start of an unpaid period.
    pub past_due_grace: i64,
    /// Seconds of access after the start of a period whose payment is on its way, such as a bank debit.
    #[serde(default = "processing_grace")]
    pub processing_grace: i64,
    /// Seconds of access after a paid period while the next invoice is a draft.
    pub renewal_slack: i64,
    /// Seconds within which a profile may lag behind a confirmed write.
    pub profile_lag: i64,
    pub pause_collection: Choice,
    pub partial_refund: Choice,
    pub full_refund: Choice,
    pub dispute_opened: Choice,
    pub unpaid_invoice: Unpaid,
    pub test_clocks: TestClocks,
}

/// Keep the right, or take it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    Keep,
    Revoke,
}

/// What a sent, unpaid invoice gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unpaid {
    Wait,
    Grant,
}

/// Whether objects on simulated time count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestClocks {
    Refuse,
    Allow,
}

impl Default for Policy {
    /// The defaults of the settings: 3 days, 7 days, 2 hours, 30 seconds; keep, keep, revoke, keep, wait, refuse.
    fn default() -> Self {
        Self {
            past_due_grace: 3 * 24 * 3600,
            processing_grace: processing_grace(),
            renewal_slack: 2 * 3600,
            profile_lag: 30,
            pause_collection: Choice::Keep,
            partial_refund: Choice::Keep,
            full_refund: Choice::Revoke,
            dispute_opened: Choice::Keep,
            unpaid_invoice: Unpaid::Wait,
            test_clocks: TestClocks::Refuse,
        }
    }
}

impl Policy {
    /// [`Policy::past_due_grace`] as a span.
    #[must_use]
    pub fn grace(&self) -> Duration {
        span(self.past_due_grace)
    }

    /// [`Policy::processing_grace`] as a span.
    #[must_use]
    pub fn processing(&self) -> Duration {
        span(self.processing_grace)
    }

    /// [`Policy::renewal_slack`] as a span.
    #[must_use]
    pub fn slack(&self) -> Duration {
        span(self.renewal_slack)
    }

    /// [`Policy::profile_lag`] as a span.
    #[must_use]
    pub fn lag(&self) -> Duration {
        span(self.profile_lag)
    }
}

/// The default, also of cases that were saved before there was the setting.
fn processing_grace() -> i64 {
    7 * 24 * 3600
}

fn span(seconds: i64) -> Duration {
    Duration::try_seconds(seconds.max(0)).unwrap_or(Duration::MAX)
}
