//! Why: every entitlement and every step says it in a sentence.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::clock::Timestamp;
use crate::model::until::Until;

/// The reason of an entitlement, a step, or the absence of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    // entitled
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
    // withheld
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
    SimulatedTime {
        chain: String,
    },
    OtherMode,
    NothingGivesIt,
    PromotionEnded {
        promotion: String,
    },
    Blocked,
    // left out
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
    // unknown
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
    // why no step is needed, or none can be made
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

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence())
    }
}

impl Reason {
    /// The reason as a sentence without its full stop.
    #[must_use]
    pub fn sentence(&self) -> String {
        self.entitled().or_else(|| self.withheld()).or_else(|| self.unknown()).unwrap_or_else(|| self.idle())
    }

    fn entitled(&self) -> Option<String> {
        Some(match self {
            Self::Paid { chain, end } => format!("`{chain}` is paid to {} and renews", day(end)),
            Self::PaidAndEnds { chain, end } => format!("`{chain}` is paid to {} and ends then", day(end)),
            Self::Trial { chain, end } => format!("`{chain}` is on trial to {}", day(end)),
            Self::AwaitingPayment { chain, invoice, paid_end } => {
                format!("`{chain}` was paid to {}; the next invoice `{invoice}` is not paid yet", day(paid_end))
            }
            Self::NotBilledYet { chain, paid_end } => {
                format!("`{chain}` was paid to {}; the next invoice is not made yet", day(paid_end))
            }
            Self::Grace { chain, unpaid_since } => {
                format!("the payment of `{chain}` failed; grace since the unpaid period began at {}", day(unpaid_since))
            }
            Self::CollectionPaused { chain, end } => {
                format!("collection of `{chain}` is paused and access kept; its period ends at {}", day(end))
            }
            Self::Waived { chain, invoice, end } => format!(
                "invoice `{invoice}` of `{chain}` was closed by a pause before anybody tried to collect it; access stays to {}",
                day(end)
            ),
            Self::Processing { chain, invoice, until } => format!(
                "the payment of invoice `{invoice}` of `{chain}` is on its way; access stays to {} at most \
                 (`policy.processing_grace`)",
                day(until)
            ),
            Self::SentInvoiceTrusted { chain, invoice } => {
                format!("invoice `{invoice}` of `{chain}` was sent and is trusted to be paid")
            }
            Self::Promotion { promotion, until } => format!("promotion `{promotion}`, lasting {}", span(*until)),
            Self::AttributesChanged => "the attributes of the user have changed".into(),
            Self::BoughtOnce { payment, until } => format!("bought once with `{payment}`, lasting {}", span(*until)),
            _ => return None,
        })
    }

    fn withheld(&self) -> Option<String> {
        Some(match self {
            Self::NotPaidYet { chain, status } => format!("the first payment of `{chain}` is not made (`{status}`)"),
            Self::PaymentFailedForGood { chain } => format!("all tries to collect `{chain}` failed"),
            Self::Paused { chain } => format!("`{chain}` is paused"),
            Self::CollectionPausedWithholds { chain } => {
                format!("collection of `{chain}` is paused and `policy.pause_collection` revokes")
            }
            Self::Ended { chain, at } => format!("`{chain}` ended at {}", day(at)),
            Self::PaidTimeOver { chain, at } => format!("what `{chain}` covers was over at {}", day(at)),
            Self::InvoiceNotPaid { chain, invoice } => format!("invoice `{invoice}` of `{chain}` is not paid"),
            Self::Refunded { payment } => format!("`{payment}` was refunded in full"),
            Self::RefundedPartly { payment } => {
                format!("`{payment}` was refunded in part and `policy.partial_refund` revokes")
            }
            Self::DisputeLost { payment } => format!("the dispute of `{payment}` was lost"),
            Self::DisputeOpen { payment } => format!("`{payment}` is disputed and `policy.dispute_opened` revokes"),
            Self::NothingOrdered { chain } => format!("the quantity of `{chain}` is 0"),
            Self::PromotionEnded { promotion } => format!("promotion `{promotion}` was ended"),
            Self::Blocked => "an operator blocked it; `unblock` ends that".into(),
            Self::AttributeTooLong { name, most } => {
                format!("`{name}` is left out, since it is longer than {most} characters")
            }
            Self::TooManyAttributes { name, most } => {
                format!("`{name}` is left out, since there are more than {most} attributes")
            }
            Self::AttributeUnfit { name, write } => format!("`{name}` is left out, since it is not {write}"),
            Self::NothingGivesIt => "nothing that is billed gives this level any more".into(),
            _ => return None,
        })
    }

    fn unknown(&self) -> Option<String> {
        Some(match self {
            Self::SimulatedTime { chain } => {
                format!("`{chain}` lives on a test clock; allow it with `policy.test_clocks = \"allow\"`")
            }
            Self::OtherMode => "what is billed is of the other mode (test or live) than the key".into(),
            Self::UnknownStatus { chain, status } => {
                format!("`{chain}` has the status `{status}`, which this version does not know")
            }
            Self::UnknownDispute { payment, status } => {
                format!("the dispute of `{payment}` has the status `{status}`, which this version does not know")
            }
            Self::UnmappedPrice { chain, price, product } => {
                format!("`{chain}` sells price `{price}` of product `{product}`, which no [[catalog]] entry maps")
            }
            Self::NoDuration { payment, price } => {
                format!("`{payment}` sold price `{price}` once; its [[catalog]] entry needs `duration`")
            }
            Self::NotRead { what } => format!("not everything could be read: {what}"),
            _ => return None,
        })
    }

    /// Why there is no step, or none yet.
    fn idle(&self) -> String {
        match self {
            Self::OtherStoreLasts { store, until } => {
                format!("the right from `{store}` lasts at least as long ({})", span(*until))
            }
            Self::PaidTwice { store, chain } => {
                format!("double subscription: `{store}` and `{chain}` are both paid for this level")
            }
            Self::LeftToStore { store, until, because, refund_unreported } => {
                let refund = if *refund_unreported { "; the refund is not reported" } else { "" };
                format!(
                    "{because}; `{store}` is paid for this level {}, so it ends then and is not revoked{refund}",
                    span(*until)
                )
            }
            Self::OtherStoreKeeps { store } => format!("the right shown comes from `{store}` and is not ours to take"),
            Self::Unknown { because } => format!("kept as it is, since {because}"),
            Self::WaitsForProfile => "just written; the profile may lag".into(),
            Self::AcceptedButNotShown { times } => {
                format!("the destination accepted it {times} times and does not show it")
            }
            Self::WaitsForRetry { due } => format!("failed before; tried again at {}", day(due)),
            Self::Refusal { why } => format!("the destination refused it: {why}"),
            Self::WaitsForReplacement { level } => {
                format!("kept until `{level}`, which the same subscription gives now, is confirmed")
            }
            _ => "the destination shows just that".into(),
        }
    }
}

fn day(at: &Timestamp) -> impl fmt::Display {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn span(until: Until) -> String {
    match until {
        Until::At(_) => format!("until {until}"),
        Until::Lifetime => until.to_string(),
    }
}
