//! Why: every entitlement and every step has a reason; `reason_sentence.rs` says each in words.

use serde::{Deserialize, Serialize};

use crate::model::clock::Timestamp;
use crate::model::until::Until;

/// The reason of an entitlement, a step, or the absence of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    // why a level is given, or a step is sent
    Paid {
        chain: String,
        end: Timestamp,
    },
    PaidAndEnds {
        chain: String,
        end: Timestamp,
    },
    Trial {
        chain: String,
        end: Timestamp,
    },
    AwaitingPayment {
        chain: String,
        invoice: String,
        paid_end: Timestamp,
    },
    NotBilledYet {
        chain: String,
        paid_end: Timestamp,
    },
    Grace {
        chain: String,
        unpaid_since: Timestamp,
    },
    CollectionPaused {
        chain: String,
        end: Timestamp,
    },
    Waived {
        chain: String,
        invoice: String,
        end: Timestamp,
    },
    Processing {
        chain: String,
        invoice: String,
        until: Timestamp,
    },
    SentInvoiceTrusted {
        chain: String,
        invoice: String,
    },
    BoughtOnce {
        payment: String,
        until: Until,
    },
    Promotion {
        promotion: String,
        until: Until,
    },
    #[serde(alias = "described")]
    AttributesChanged,
    // why a level is withheld
    NotPaidYet {
        chain: String,
        status: String,
    },
    PaymentFailedForGood {
        chain: String,
    },
    Paused {
        chain: String,
    },
    CollectionPausedWithholds {
        chain: String,
    },
    Ended {
        chain: String,
        at: Timestamp,
    },
    PaidTimeOver {
        chain: String,
        at: Timestamp,
    },
    InvoiceNotPaid {
        chain: String,
        invoice: String,
    },
    Refunded {
        payment: String,
    },
    RefundedPartly {
        payment: String,
    },
    DisputeLost {
        payment: String,
    },
    DisputeOpen {
        payment: String,
    },
    NothingOrdered {
        chain: String,
    },
    NothingGivesIt,
    PromotionEnded {
        promotion: String,
    },
    Blocked,
    // why an attribute is left out
    #[serde(alias = "detail_too_long")]
    AttributeTooLong {
        name: String,
        most: u32,
    },
    #[serde(alias = "too_many_details")]
    TooManyAttributes {
        name: String,
        most: u32,
    },
    #[serde(alias = "detail_unfit")]
    AttributeUnfit {
        name: String,
        write: String,
    },
    // why nobody can say what is given
    OtherMode,
    SimulatedTime {
        chain: String,
    },
    UnknownStatus {
        chain: String,
        status: String,
    },
    UnknownDispute {
        payment: String,
        status: String,
    },
    UnmappedPrice {
        chain: String,
        price: String,
        product: String,
    },
    NoDuration {
        payment: String,
        price: String,
    },
    NotRead {
        what: String,
    },
    /// Refunds and disputes: access goes on as if none had come.
    MoneyBackNotRead {
        what: String,
    },
    // why nothing is sent, or not now
    AlreadyThere,
    PaidTwice {
        store: String,
        chain: String,
    },
    OtherStoreLasts {
        store: String,
        until: Until,
    },
    OtherStoreKeeps {
        store: String,
    },
    LeftToStore {
        store: String,
        until: Until,
        because: Box<Reason>,
        /// The refund travels on a revoke alone, so nobody reports it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        refund_unreported: bool,
    },
    #[serde(alias = "unsure")]
    Unknown {
        because: Box<Reason>,
    },
    WaitsForProfile,
    AcceptedButNotShown {
        times: u32,
    },
    WaitsForRetry {
        due: Timestamp,
    },
    Refusal {
        why: String,
    },
    WaitsForReplacement {
        level: String,
    },
}
