//! What can be done about a level that is withheld.

use entitlement::model::expected::Withheld;
use entitlement::model::reason::Reason;
use entitlement::model::user::User;

/// What gives `user` the level back; `None` where it is withheld as it should be.
pub(crate) fn of(withheld: &Withheld, user: &User) -> Option<String> {
    let (user, level) = (user.as_str(), &withheld.level);
    let remedy = match &withheld.because {
        Reason::NotPaidYet { .. } | Reason::InvoiceNotPaid { .. } => {
            "the customer must pay at the source; the level follows by itself"
        }
        Reason::PaymentFailedForGood { .. } => {
            "the customer must pay or update the card at the source; the level follows by itself"
        }
        Reason::PaidTimeOver { .. } => {
            "where an invoice is open, the customer must pay or update the card at the source; else they can buy again"
        }
        Reason::Paused { .. } => "resume the subscription at the source; the level follows by itself",
        Reason::CollectionPausedWithholds { .. } => {
            "resume payments at the source, or set `policy.pause_collection = \"keep\"`"
        }
        Reason::RefundedPartly { .. } => "`policy.partial_refund = \"keep\"` would keep access",
        Reason::DisputeOpen { .. } => {
            "the level follows by itself when the dispute is won; `policy.dispute_opened = \"keep\"` would keep access"
        }
        Reason::NothingOrdered { .. } => "set the quantity at the source; the level follows by itself",
        Reason::PromotionEnded { .. } => return Some(format!("`grantsync grant {user} {level}` grants it again")),
        Reason::Blocked => return Some(format!("`grantsync unblock {user} {level}` lifts the block")),
        Reason::Ended { .. } | Reason::Refunded { .. } | Reason::DisputeLost { .. } | Reason::NothingGivesIt => {
            return None;
        }
        // no reasons to withhold a level
        Reason::Paid { .. }
        | Reason::PaidAndEnds { .. }
        | Reason::Trial { .. }
        | Reason::AwaitingPayment { .. }
        | Reason::NotBilledYet { .. }
        | Reason::Grace { .. }
        | Reason::CollectionPaused { .. }
        | Reason::Waived { .. }
        | Reason::Processing { .. }
        | Reason::SentInvoiceTrusted { .. }
        | Reason::BoughtOnce { .. }
        | Reason::Promotion { .. }
        | Reason::AttributesChanged
        | Reason::AttributeTooLong { .. }
        | Reason::TooManyAttributes { .. }
        | Reason::AttributeUnfit { .. }
        | Reason::OtherMode
        | Reason::SimulatedTime { .. }
        | Reason::UnknownStatus { .. }
        | Reason::UnknownDispute { .. }
        | Reason::UnmappedPrice { .. }
        | Reason::NoDuration { .. }
        | Reason::NotRead { .. }
        | Reason::MoneyBackNotRead { .. }
        | Reason::AlreadyThere
        | Reason::PaidTwice { .. }
        | Reason::OtherStoreLasts { .. }
        | Reason::OtherStoreKeeps { .. }
        | Reason::LeftToStore { .. }
        | Reason::Unknown { .. }
        | Reason::WaitsForProfile
        | Reason::AcceptedButNotShown { .. }
        | Reason::WaitsForRetry { .. }
        | Reason::Refusal { .. }
        | Reason::WaitsForReplacement { .. } => return None,
    };
    Some(remedy.to_owned())
}
