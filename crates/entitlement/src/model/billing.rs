//! A source's whole picture of what is billed to one customer.
//!
//! Words are ours, not a vendor's: each source's room translates. What it could not read or understand stands in
//! [`Billing::gaps`] or as an `Unknown` variant, and is never taken for a "no".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::account::Account;
use crate::model::attributes::Fact;
use crate::model::clock::Timestamp;
use crate::model::mode::Mode;
use crate::model::money::Money;

/// What the source bills, of all accounts linked to one customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Billing {
    pub mode: Mode,
    pub subscriptions: Vec<Subscription>,
    #[serde(default)]
    pub purchases: Vec<Purchase>,
    /// What could not be read; each withholds a "no", never a "yes".
    #[serde(default)]
    pub gaps: Vec<Gap>,
    /// What was asked for beside, by its place at the source, for example `customer.metadata.plan`; an empty text: it is
    /// not there; absent: nobody knows.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, Fact>,
}

impl Billing {
    /// A picture with nothing in it.
    #[must_use]
    pub fn empty(mode: Mode) -> Self {
        Self { mode, subscriptions: Vec::new(), purchases: Vec::new(), gaps: Vec::new(), facts: BTreeMap::new() }
    }

    /// Adds what another account of the same customer is billed.
    pub fn merge(&mut self, other: Self) {
        self.subscriptions.extend(other.subscriptions);
        self.purchases.extend(other.purchases);
        self.gaps.extend(other.gaps);
        for (place, fact) in other.facts {
            let is_silent = self.facts.get(&place).is_none_or(|known| known.0.is_empty());
            if is_silent {
                self.facts.insert(place, fact);
            }
        }
    }
}

/// One running agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// The source's id, for example `sub_…`.
    pub id: String,
    pub account: Account,
    pub status: Status,
    pub created: Timestamp,
    pub started: Option<Timestamp>,
    pub trial: Option<Period>,
    /// It was asked to stop when the running period ends.
    pub stops_at_period_end: bool,
    /// It was asked to stop at this moment.
    pub cancel_at: Option<Timestamp>,
    /// When it was asked to stop, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canceled_at: Option<Timestamp>,
    /// Why it was asked to stop, where the source says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
    /// When it ended, if it has.
    pub ended_at: Option<Timestamp>,
    /// Lower-case ISO 4217 code.
    pub currency: String,
    pub collection: Collection,
    /// Collection is paused while the subscription runs on.
    pub collection_paused: bool,
    pub items: Vec<Item>,
    /// Invoices, as far as the rules need them; at least the latest, in any order.
    #[serde(default)]
    pub invoices: Vec<Invoice>,
    /// The object lives on simulated time.
    #[serde(default)]
    pub on_test_clock: bool,
    /// Where its customer lives, or their card was issued: two letters, ISO 3166.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// The paywall it was sold on, as the destination named it when it showed that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variation: Option<String>,
}

/// Why a subscription stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// Somebody asked for it.
    Asked,
    /// Nothing could be collected.
    PaymentFailed,
    PaymentDisputed,
    /// A reason newer than this program.
    Unknown,
}

/// The state of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Incomplete,
    IncompleteExpired,
    Trialing,
    Active,
    PastDue,
    Unpaid,
    Canceled,
    Paused,
    /// A state newer than this program.
    Unknown(String),
}

/// How an invoice is collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Collection {
    /// The payment method on file is charged.
    Automatic,
    /// An invoice is sent, and the customer pays it when they do.
    SendInvoice,
}

/// One price within a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    pub id: String,
    pub price: String,
    pub product: String,
    /// 0 gives nothing.
    pub quantity: u64,
    pub period: Period,
}

/// A span of time, `end` excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Period {
    pub start: Timestamp,
    pub end: Timestamp,
}

/// A bill, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoice {
    /// The source's id, for example `in_…`.
    pub id: String,
    pub status: InvoiceStatus,
    pub reason: InvoiceReason,
    pub created: Timestamp,
    pub paid_at: Option<Timestamp>,
    pub total: Money,
    /// A payment of it is on its way, such as a bank debit of some days.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_processing: bool,
    /// Nobody tries to collect it: closed, or left as a draft, before any attempt, as a pause of the collection does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_uncollected: bool,
    #[serde(default)]
    pub lines: Vec<Line>,
    #[serde(default)]
    pub money_back: MoneyBack,
}

/// The state of an invoice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceStatus {
    Draft,
    Open,
    Paid,
    Void,
    Uncollectible,
    Unknown(String),
}

/// Why an invoice was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceReason {
    /// The first of a subscription.
    SubscriptionCreate,
    /// A renewal.
    SubscriptionCycle,
    /// A change in mid-period, for example a proration.
    SubscriptionUpdate,
    /// A usage threshold was passed.
    SubscriptionThreshold,
    Manual,
    Other(String),
}

/// One line of an invoice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub price: Option<String>,
    pub product: Option<String>,
    /// Subscription item this line bills.
    pub item: Option<String>,
    /// As charged: after discounts, with tax; smallest unit of the invoice's currency.
    pub amount: i64,
    pub period: Option<Period>,
    #[serde(default)]
    pub proration: bool,
    /// What made it less than its price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discount: Option<Discount>,
}

/// Why a line was charged less.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discount {
    /// The source's id of the coupon.
    pub coupon: String,
    /// The source's id of the code that the customer entered, if they did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// A one-time purchase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purchase {
    pub account: Account,
    /// `pi_…`, else `in_…`, else `cs_…`.
    pub id: String,
    pub state: PurchaseState,
    pub created: Timestamp,
    pub total: Money,
    pub lines: Vec<PurchaseLine>,
    #[serde(default)]
    pub money_back: MoneyBack,
    #[serde(default)]
    pub on_test_clock: bool,
    #[serde(default)]
    pub sold_on: SoldOn,
    /// As of a subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// As of a subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variation: Option<String>,
}

/// Where something was sold once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SoldOn {
    #[default]
    Checkout,
    /// An invoice of its own. Fees and corrections stand on invoices as well, so a price that the catalog does not list
    /// gives nothing.
    Invoice,
    /// The invoice of a term of a subscription, whose transaction has the same id.
    SubscriptionInvoice,
}

impl SoldOn {
    /// Whether a price that the catalog does not list is none of ours.
    #[must_use]
    pub fn is_invoice(self) -> bool {
        match self {
            Self::Checkout => false,
            Self::Invoice | Self::SubscriptionInvoice => true,
        }
    }
}

/// Whether a one-time purchase is paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PurchaseState {
    /// Paid, or nothing was due.
    Paid(Timestamp),
    /// A delayed method has not settled yet, or failed.
    Waiting,
    Unknown(String),
}

/// One thing bought once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurchaseLine {
    pub price: String,
    pub product: String,
    pub quantity: u64,
    /// As charged, smallest unit of the purchase's currency.
    pub amount: i64,
}

/// What of a payment went back, or may.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoneyBack {
    /// Sum of refunds that succeeded, smallest unit.
    #[serde(default)]
    pub refunded: i64,
    /// Sum of the charges that succeeded, smallest unit: credit, balance and notes before the payment are no money that can
    /// go back. `None`: not known, so the total.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<i64>,
    #[serde(default)]
    pub disputes: Vec<Dispute>,
}

/// One dispute of a payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    pub state: DisputeState,
    /// Disputed amount, smallest unit.
    pub amount: i64,
}

/// How a dispute stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeState {
    /// An inquiry, not yet a chargeback.
    Warning,
    Open,
    Won,
    Lost,
    Unknown(String),
}

/// Something that could not be read or understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// What it is about: the whole picture, or one subscription.
    pub about: About,
    /// What was missing, in words.
    pub what: String,
}

/// What a [`Gap`] is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// Something that could carry any right: nothing may be taken away.
    Everything,
    /// Only the rights of this subscription or purchase.
    Chain(String),
    /// Only whether money went back: rights stand as if none had.
    MoneyBack,
}
