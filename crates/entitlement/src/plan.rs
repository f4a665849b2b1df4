//! What is owed, and the writes that bring the destination there.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::attributes::SetAttributes;
use crate::billing::{Discount, Stop};
use crate::clock::Timestamp;
use crate::key::StepKey;
use crate::money::Money;
use crate::names::AccessLevel;
use crate::profile::BARE;
use crate::reason::Reason;

/// The end of a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    At(Timestamp),
    /// Never ends; sorts after every moment.
    Lifetime,
}

impl Until {
    /// Whether the end lies after `moment`.
    #[must_use]
    pub fn is_after(self, moment: Timestamp) -> bool {
        match self {
            Self::At(at) => at > moment,
            Self::Lifetime => true,
        }
    }

    /// The moment, unless it never ends.
    #[must_use]
    pub fn at(self) -> Option<Timestamp> {
        match self {
            Self::At(at) => Some(at),
            Self::Lifetime => None,
        }
    }
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(at) => write!(f, "{}", at.format("%Y-%m-%dT%H:%M:%SZ")),
            Self::Lifetime => f.write_str("for life"),
        }
    }
}

/// One paid, free or refunded period of a chain, as the destination is told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sale {
    /// Id of the chain: `sub_…`, or the purchase's own id.
    pub original: String,
    /// Own id; equal to `original` for a first purchase, `in_…` for each later paid invoice.
    pub id: String,
    /// The destination's product.
    pub product: String,
    /// The source's price.
    pub base_plan: String,
    /// What was charged for this product; `None` when the source did not say.
    pub price: Option<Money>,
    pub offer: Option<Offer>,
    /// Where it stands; only for a destination that keeps books ([`crate::rules::Protocol::keeps_books`]).
    #[serde(default, skip_serializing_if = "Option::is_none", alias = "standing")]
    pub status: Option<Box<SaleStatus>>,
}

impl Sale {
    /// What stands in the place of a transaction where nobody paid.
    #[must_use]
    pub fn of_promotion(id: &str) -> Self {
        Self {
            original: id.to_owned(),
            id: id.to_owned(),
            product: BARE.1.to_owned(),
            base_plan: String::new(),
            price: None,
            offer: None,
            status: None,
        }
    }

    /// Whether nobody paid.
    #[must_use]
    pub fn is_promotion(&self) -> bool {
        self.product == BARE.1
    }

    /// Whether a destination shows it as `id`: its own, or that under which it is entered.
    #[must_use]
    pub fn is_shown_as(&self, id: &str) -> bool {
        self.id == id || self.status.as_ref().is_some_and(|status| status.id == id)
    }

    /// The same for the first of its chain.
    #[must_use]
    pub fn is_of_chain(&self, original: &str) -> bool {
        self.original == original || self.status.as_ref().is_some_and(|status| status.original == original)
    }
}

/// Where a transaction stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaleStatus {
    /// What it is entered under: its own id, unless that is too long, or another product of the same payment has it.
    #[serde(default)]
    pub id: String,
    /// The same of the first of its chain.
    #[serde(default)]
    pub original: String,
    pub bought_at: Timestamp,
    /// When the chain began; never after `bought_at`.
    pub chain_began_at: Timestamp,
    /// The end of what was paid for, without grace.
    pub paid_until: Until,
    pub renews: bool,
    /// When it was asked to renew no more, or ended without that, where the source says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<Timestamp>,
    /// Why it renews no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
    /// When a payment failed; access lasts on in grace.
    pub payment_failed_at: Option<Timestamp>,
    /// When that grace ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_until: Option<Timestamp>,
    /// Where it was bought: two letters, ISO 3166.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// The paywall it was sold on, by the destination's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variation: Option<String>,
}

/// The offer a transaction was made under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Offer {
    FreeTrial,
    /// Less than the price, by the coupon of this id.
    Coupon(String),
    /// The same, by the code of this id, which the customer entered.
    Code(String),
}

impl Offer {
    pub(crate) fn of(discount: &Discount) -> Self {
        let coupon = || Self::Coupon(discount.coupon.clone());
        discount.code.clone().map_or_else(coupon, Self::Code)
    }
}

/// Our verdict: this level, until then, because of that.
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

/// A right that is knowingly not owed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withheld {
    pub level: AccessLevel,
    /// Original transaction id of the chain it would come from.
    pub chain: String,
    pub refund: Refund,
    /// Whose money went back, where the destination is told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refunded: Option<Box<Sale>>,
    /// What ended before its time, where the destination is told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Box<Sale>>,
    pub because: Reason,
}

/// A payment whose money went back, by the transaction it was told as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundedSale {
    pub chain: String,
    pub id: String,
    pub because: Reason,
}

/// Whether money went back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refund {
    Yes,
    No,
}

/// Something that nobody can say yet; what was granted stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unknown {
    /// Only rights of this chain are unsure; `None`: all.
    pub chain: Option<String>,
    /// What else the chain may give, whoever gave it before.
    #[serde(default)]
    pub may_give: MayGive,
    pub because: Reason,
}

/// What an unsure chain may give.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MayGive {
    /// Nothing that it was not granted before.
    #[default]
    Nothing,
    Level(AccessLevel),
    /// Nobody can say which level.
    Anything,
}

impl Unknown {
    /// Whether it leaves open if `level`, held under `chain`, is owed.
    #[must_use]
    pub fn concerns(&self, level: &AccessLevel, chain: &str) -> bool {
        let same_chain = self.chain.as_ref().is_none_or(|of| of == chain);
        same_chain
            || match &self.may_give {
                MayGive::Nothing => false,
                MayGive::Level(given) => given == level,
                MayGive::Anything => true,
            }
    }
}

/// Everything that is owed to one customer, with reasons.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// The longest right of each level, by level.
    pub owed: Vec<Entitlement>,
    pub withheld: Vec<Withheld>,
    /// Further rights to the levels, which end sooner; only where the books are told of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<Entitlement>,
    /// Payments that went back; only where the books are told of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refunded: Vec<RefundedSale>,
    pub unknown: Vec<Unknown>,
    /// Worth an operator's eye; nothing is withheld for it.
    pub alarms: Vec<Reason>,
    /// What kept refunds and disputes from being read: rights stand as if none had come, but none is given back.
    #[serde(default)]
    pub refunds_unread: Option<Reason>,
    /// The first moment at which time alone changes this verdict.
    pub sync_again_at: Option<Timestamp>,
}

impl Expected {
    /// The refund of `of`, where it carries no right any more: what still does stays sold.
    pub(crate) fn refund_of(&self, of: &Sale) -> Option<&RefundedSale> {
        let is_it = |chain: &String, id: &String| (chain, id) == (&of.original, &of.id);
        let mut rights = self.owed.iter().chain(&self.beside).map(|right| &right.sale);
        if rights.any(|other| is_it(&other.original, &other.id)) {
            return None;
        }
        self.refunded.iter().find(|back| is_it(&back.chain, &back.id))
    }
}

/// The subject of steps that are about no level; no level is called so.
const DETAILS: &str = "(details)";

/// One write to a destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    #[serde(alias = "grant")]
    GrantAccess(GrantAccess),
    #[serde(alias = "revoke")]
    RevokeAccess(RevokeAccess),
    #[serde(alias = "describe")]
    SetAttributes(SetAttributes),
    #[serde(alias = "report")]
    ReportSale(ReportSale),
}

impl Step {
    /// The level the step is about, if it is about one.
    #[must_use]
    pub fn level(&self) -> Option<&AccessLevel> {
        match self {
            Self::GrantAccess(grant) => Some(&grant.level),
            Self::RevokeAccess(revoke) => Some(&revoke.level),
            Self::SetAttributes(_) | Self::ReportSale(_) => None,
        }
    }

    /// What the step is about: steps on one subject follow one another.
    #[must_use]
    pub fn subject(&self) -> &str {
        match self {
            Self::GrantAccess(GrantAccess { level, .. }) | Self::RevokeAccess(RevokeAccess { level, .. }) => &level.0,
            Self::SetAttributes(_) => DETAILS,
            Self::ReportSale(report) => &report.subject,
        }
    }

    /// `grant`, `revoke`, `describe` or `report`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::GrantAccess(_) => "grant",
            Self::RevokeAccess(_) => "revoke",
            Self::SetAttributes(_) => "describe",
            Self::ReportSale(_) => "report",
        }
    }
}

impl GrantAccess {
    /// Whether the level and its end alone are told, without the transaction.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.store == BARE.0
    }
}

/// Give a level, with the transaction that carries it.
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
    /// What it takes the place of, whose money went back: that is told first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refunded: Option<Refunded>,
}

/// Take a level back, now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeAccess {
    pub level: AccessLevel,
    pub refund: Refund,
    /// What was refunded; only for a destination that is told ([`crate::rules::Protocol::SalesAndAccess`]). No part of the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refunded: Option<Refunded>,
    /// What ended before its time and renews no more; told and left out of the key like what was refunded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Box<GrantAccess>>,
}

/// Tell the books of a transaction, and nothing else: it opens and takes no level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportSale {
    /// The id that the books know it by, so written that no level is called so.
    pub subject: String,
    /// What would tell it, if it opened its level.
    pub grant: Box<GrantAccess>,
    /// When we learnt that its money went back, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refunded_at: Option<Timestamp>,
    /// When it ended, where its end alone is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

/// What a report says of its sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaleEvent {
    /// It was sold, and stands as its transaction says.
    Sold,
    /// Its money went back, which we learnt then.
    Refunded(Timestamp),
    /// It was over then, whatever was told of its end.
    Ended(Timestamp),
}

impl ReportSale {
    /// Of what `grant` would tell.
    #[must_use]
    pub fn of(grant: GrantAccess, word: SaleEvent) -> Self {
        let (id, _) = crate::booked::ids(&grant.sale);
        let subject = format!("(books) {id} {}", grant.sale.product);
        let (refunded_at, ended_at) = match word {
            SaleEvent::Sold => (None, None),
            SaleEvent::Refunded(at) => (Some(at), None),
            SaleEvent::Ended(at) => (None, Some(at)),
        };
        Self { subject, grant: Box::new(GrantAccess { refunded: None, ..grant }), refunded_at, ended_at }
    }

    /// What it says.
    #[must_use]
    pub fn word(&self) -> SaleEvent {
        match (self.refunded_at, self.ended_at) {
            (Some(at), _) => SaleEvent::Refunded(at),
            (None, Some(at)) => SaleEvent::Ended(at),
            (None, None) => SaleEvent::Sold,
        }
    }

    /// The id that the books know it by.
    #[must_use]
    pub fn id(&self) -> String {
        crate::booked::ids(&self.grant.sale).0
    }
}

/// A grant whose money went back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refunded {
    pub grant: Box<GrantAccess>,
    /// When we learnt of it.
    pub at: Timestamp,
}

/// A step, its key and its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStep {
    pub key: StepKey,
    /// Key of the last confirmed step on the same subject.
    pub previous: Option<StepKey>,
    pub step: Step,
    pub because: Reason,
    /// Sends that failed so far.
    #[serde(default)]
    pub attempts: u32,
}

/// All there is to do for one customer, and when to look again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub expected: Expected,
    /// To be sent now, in this order.
    pub steps: Vec<PlannedStep>,
    /// Intended earlier and visible by now: settle, do not send.
    pub settled: Vec<StepKey>,
    /// Intended earlier and no longer wanted: drop.
    pub dropped: Vec<StepKey>,
    /// Wanted, and refused before: a human must settle it.
    pub refused: Vec<RefusedStep>,
    /// Why something that is owed or withheld needs no step.
    pub notes: Vec<Note>,
    pub sync_again_at: Option<Timestamp>,
    /// Nothing of ours is waited for: only what another store may renew.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waits_for_other_stores_only: bool,
}

/// Why nothing is done about a level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    pub level: AccessLevel,
    pub because: Reason,
}

/// A wanted step that the destination will not take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedStep {
    pub key: StepKey,
    pub step: Step,
    pub why: String,
}
