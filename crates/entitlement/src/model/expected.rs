//! What a user is entitled to, and what they are not, with reasons.

use serde::{Deserialize, Serialize};

use crate::model::access_level::AccessLevel;
use crate::model::clock::{Timestamp, earliest};
use crate::model::reason::Reason;
use crate::model::sale::Sale;
use crate::model::until::Until;

/// A right: this level, until then, because of that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entitlement {
    pub level: AccessLevel,
    pub until: Until,
    pub starts_at: Option<Timestamp>,
    pub sale: Sale,
    pub will_renew: bool,
    pub in_grace: bool,
    pub because: Reason,
}

/// Everything that should be, for one user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// The longest right of each level, by level.
    pub entitlements: Vec<Entitlement>,
    pub withheld: Vec<Withheld>,
    /// Further rights to the levels, which end sooner; only where sales are reported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shadowed: Vec<Entitlement>,
    /// Sales whose money went back; only where sales are reported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refunded: Vec<RefundedSale>,
    /// What nobody can say yet; what was granted stays.
    pub unknown: Vec<Unknown>,
    /// Worth an operator's attention; nothing is withheld for it.
    pub alarms: Vec<Reason>,
    /// What kept refunds and disputes from being read: rights stand as if none had come, but none is given back.
    #[serde(default)]
    pub refunds_unread: Option<Reason>,
    /// The first moment at which time alone changes this.
    pub changes_at: Option<Timestamp>,
}

/// A level that is not given, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withheld {
    pub level: AccessLevel,
    /// Original transaction id of the chain it would come from.
    pub chain: String,
    pub refund: Refund,
    /// The sale of the running term: ended, or refunded. Another sale of the chain has other ids and another price. Only
    /// where sales are reported.
    #[serde(default, rename = "sale", skip_serializing_if = "Option::is_none")]
    pub running_sale: Option<Box<Sale>>,
    pub because: Reason,
}

impl Withheld {
    #[must_use]
    pub fn new(level: &AccessLevel, chain: &str, refund: Refund, because: Reason) -> Self {
        Self { level: level.clone(), chain: chain.to_owned(), refund, running_sale: None, because }
    }
}

/// Whether money went back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refund {
    Yes,
    No,
}

/// A sale whose money went back, by its transaction ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundedSale {
    pub chain: String,
    pub id: String,
    pub because: Reason,
}

/// Something that nobody can say yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unknown {
    /// Only rights of this chain are unknown; `None`: all.
    pub chain: Option<String>,
    /// What else the chain may give, whoever gave it before.
    #[serde(default)]
    pub may_give: MayGive,
    pub because: Reason,
}

/// What an unknown chain may give.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MayGive {
    /// Nothing that it did not give before.
    #[default]
    Nothing,
    Level(AccessLevel),
    /// Nobody can say which level.
    Anything,
}

impl Unknown {
    /// Whether it leaves open if `level`, held under `chain`, is given.
    #[must_use]
    pub fn concerns(&self, level: &AccessLevel, chain: &str) -> bool {
        let is_same_chain = self.chain.as_ref().is_none_or(|of| of == chain);
        let may_give_level = match &self.may_give {
            MayGive::Nothing => false,
            MayGive::Level(given) => given == level,
            MayGive::Anything => true,
        };
        is_same_chain || may_give_level
    }
}

impl Expected {
    /// The right to `level`.
    #[must_use]
    pub fn entitlement(&self, level: &AccessLevel) -> Option<&Entitlement> {
        self.entitlements.iter().find(|right| &right.level == level)
    }

    /// All rights, also those that another one to the same level outlasts.
    pub fn all_rights(&self) -> impl Iterator<Item = &Entitlement> {
        self.entitlements.iter().chain(&self.shadowed)
    }

    /// Why `chain` does not give `level`; money that went back before any other reason.
    #[must_use]
    pub fn withheld(&self, level: &AccessLevel, chain: &str) -> Option<&Withheld> {
        let concerns = |no: &&Withheld| &no.level == level && (no.chain == chain || no.because == Reason::Blocked);
        let refunded = self.withheld.iter().filter(concerns).find(|no| no.refund == Refund::Yes);
        refunded.or_else(|| self.withheld.iter().find(concerns))
    }

    /// Why `chain` does not give `level`, blocks left aside.
    #[must_use]
    pub fn withheld_on_chain(&self, level: &AccessLevel, chain: &str) -> Option<&Withheld> {
        self.withheld.iter().find(|no| (&no.level, no.chain.as_str()) == (level, chain))
    }

    /// A block applies even when billing could not be read.
    #[must_use]
    pub fn is_blocked(&self, level: &AccessLevel) -> bool {
        self.withheld.iter().any(|no| &no.level == level && no.because == Reason::Blocked)
    }

    /// Why nothing at all may be changed, if billing could not be read as a whole.
    #[must_use]
    pub fn all_unknown(&self) -> Option<Reason> {
        let of_all = self.unknown.iter().find(|unknown| unknown.chain.is_none())?;
        Some(Reason::Unknown { because: Box::new(of_all.because.clone()) })
    }

    /// Why nobody can say whether `chain` gives `level`.
    #[must_use]
    pub fn unknown(&self, level: &AccessLevel, chain: &str) -> Option<Reason> {
        let found = self.unknown.iter().find(|unknown| unknown.concerns(level, chain))?;
        Some(Reason::Unknown { because: Box::new(found.because.clone()) })
    }

    /// The refund of `sale`, where that carries no right any more: what still does stays sold.
    #[must_use]
    pub fn refund_of(&self, sale: &Sale) -> Option<&RefundedSale> {
        let is_it = |chain: &str, id: &str| (chain, id) == (sale.original.as_str(), sale.id.as_str());
        let carries_right = self.all_rights().any(|right| is_it(&right.sale.original, &right.sale.id));
        if carries_right {
            return None;
        }
        self.refunded.iter().find(|refunded| is_it(&refunded.chain, &refunded.id))
    }

    pub(crate) fn changes_by(&mut self, at: Timestamp) {
        self.changes_at = Some(earliest(self.changes_at, at));
    }
}
