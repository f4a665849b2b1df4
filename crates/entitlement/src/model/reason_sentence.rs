//! Each reason as a sentence that an operator or a support person understands without the code beside it.

use std::fmt;

use crate::model::clock::Timestamp;
use crate::model::reason::Reason;
use crate::model::until::Until;

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence())
    }
}

impl Reason {
    /// The reason as a sentence without its full stop. It names a source and a destination by these words alone.
    // longer than other functions, so that a variant without a sentence does not compile
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            // why a level is given, or a step is sent
            Self::Paid { chain, end } => format!("`{chain}` is paid to {} and renews", time(*end)),
            Self::PaidAndEnds { chain, end } => format!("`{chain}` is paid to {} and ends then", time(*end)),
            Self::Trial { chain, end } => format!("`{chain}` is on trial to {}", time(*end)),
            Self::AwaitingPayment { chain, invoice, paid_end } => {
                held(chain, *paid_end, &format!("the next invoice `{invoice}` is not paid yet"))
            }
            Self::NotBilledYet { chain, paid_end } => held(chain, *paid_end, "the next invoice is not made yet"),
            Self::Grace { chain, unpaid_since } => format!(
                "the payment of `{chain}` failed; access continues for `policy.past_due_grace` from {}, when the unpaid \
                 period began",
                time(*unpaid_since)
            ),
            Self::CollectionPaused { chain, end } => format!(
                "payments of `{chain}` are paused; access stays until its period ends at {} \
                 (`policy.pause_collection = \"keep\"`)",
                time(*end)
            ),
            Self::Waived { chain, invoice, end } => format!(
                "invoice `{invoice}` of `{chain}` was closed by a pause before anybody tried to collect it; access stays to \
                 {} (`policy.pause_collection = \"keep\"`)",
                time(*end)
            ),
            Self::Processing { chain, invoice, until } => format!(
                "the payment of invoice `{invoice}` of `{chain}` is on its way; access stays to {} at most \
                 (`policy.processing_grace`)",
                time(*until)
            ),
            Self::SentInvoiceTrusted { chain, invoice } => format!(
                "invoice `{invoice}` of `{chain}` was sent and is not paid yet; access is given meanwhile \
                 (`policy.unpaid_invoice_subscription = \"grant\"`)"
            ),
            Self::BoughtOnce { payment, until } => format!("bought once with `{payment}`, lasting {}", lasting(*until)),
            Self::Promotion { promotion, until } => {
                format!("given without a payment as promotion `{promotion}`, lasting {}", lasting(*until))
            }
            Self::AttributesChanged => "the attributes of the user have changed".into(),

            // why a level is withheld
            Self::NotPaidYet { chain, status } => {
                format!("the first payment of `{chain}` is not made (status `{status}`), so it gives nothing")
            }
            Self::PaymentFailedForGood { chain } => format!("the source gave up charging for `{chain}`"),
            Self::Paused { chain } => format!("`{chain}` is paused, so it gives nothing until it is resumed"),
            Self::CollectionPausedWithholds { chain } => {
                format!("payments of `{chain}` are paused, and `policy.pause_collection = \"revoke\"`")
            }
            Self::Ended { chain, at } => format!("`{chain}` ended at {}", time(*at)),
            Self::PaidTimeOver { chain, at } => {
                format!("access from `{chain}` ended at {} (paid time, with slack or grace)", time(*at))
            }
            Self::InvoiceNotPaid { chain, invoice } => {
                format!("invoice `{invoice}` of `{chain}` is not paid, so its period gives nothing")
            }
            Self::Refunded { payment } => format!("`{payment}` was refunded in full"),
            Self::RefundedPartly { payment } => {
                format!("`{payment}` was refunded in part, and `policy.partial_refund = \"revoke\"`")
            }
            Self::DisputeLost { payment } => format!("the dispute of `{payment}` was lost"),
            Self::DisputeOpen { payment } => {
                format!("`{payment}` is disputed, and `policy.dispute_opened = \"revoke\"`")
            }
            Self::NothingOrdered { chain } => format!("the quantity of `{chain}` is 0, so it gives nothing"),
            Self::NothingGivesIt => "no subscription or purchase of this user gives this level now".into(),
            Self::PromotionEnded { promotion } => format!("promotion `{promotion}` was ended"),
            Self::Blocked => {
                "an operator blocked this level; lift the block with `grantsync unblock USER LEVEL`".into()
            }

            // why an attribute is left out
            Self::AttributeTooLong { name, most } => {
                format!("attribute `{name}` is left out, since its value is longer than {most} characters")
            }
            Self::TooManyAttributes { name, most } => {
                format!("attribute `{name}` is left out, since there are more than {most} attributes")
            }
            Self::AttributeUnfit { name, write } => {
                format!("attribute `{name}` is left out, since its value is not {write}")
            }

            // why nobody can say what is given
            Self::OtherMode => "this account is of the other mode (test or live) than the key of its source, so its \
                                access is left as it is"
                .into(),
            Self::SimulatedTime { chain } => format!(
                "`{chain}` is on a test clock of the source, so it gives nothing new and what it gave before stays; count it with \
                 `policy.test_clocks = \"allow\"`"
            ),
            Self::UnknownStatus { chain, status } => unheard(&format!("`{chain}` has the status `{status}`")),
            Self::UnknownDispute { payment, status } => {
                unheard(&format!("the dispute of `{payment}` has the status `{status}`"))
            }
            Self::UnmappedPrice { chain, price, product } => format!(
                "price `{price}` of product `{product}`, which `{chain}` sells, is not listed under [[catalog]], so it \
                 is not known which level it gives"
            ),
            Self::NoDuration { payment, price } => format!(
                "`{payment}` bought price `{price}` once, and its [[catalog]] entry has no `duration`, so it is not \
                 known how long access lasts"
            ),
            Self::NotRead { what } => {
                format!("grantsync could not read {what}; access is neither taken nor extended until it can be read")
            }
            Self::MoneyBackNotRead { what } => format!(
                "grantsync could not read {what}; until it can, access goes on as if nothing had been refunded, and \
                 what was taken back is not given again"
            ),

            // why nothing is sent, or not now
            Self::AlreadyThere => "the destination already shows this; nothing to send".into(),
            Self::PaidTwice { store, chain } => format!(
                "double subscription: `{store}` and `{chain}` are both paid for this level; one of the two should be \
                 cancelled"
            ),
            Self::OtherStoreLasts { store, until } => {
                format!("already unlocked through `{store}` {}, so nothing is sent", lasting(*until))
            }
            Self::LeftToStore { store, until, because, refund_unreported } => {
                let refund = if *refund_unreported { "; the refund is not reported" } else { "" };
                let lasting = lasting(*until);
                format!(
                    "{because}; `{store}` is paid for this level {lasting}, so it ends then and is not revoked{refund}"
                )
            }
            Self::OtherStoreKeeps { store } => {
                format!("this access comes from `{store}`; grantsync did not give it and does not remove it")
            }
            Self::Unknown { because } => format!("the user keeps exactly what they have, because {because}"),
            Self::WaitsForProfile => {
                "the destination accepted the last request moments ago, and its profile may take up \
                                      to `policy.profile_lag` to show it; there is nothing to do"
                    .into()
            }
            Self::AcceptedButNotShown { times } => format!(
                "the destination accepted it {times} times and does not show it; check whether another integration \
                 writes this level"
            ),
            Self::WaitsForRetry { due } => format!("the last request failed; it is tried again at {}", time(*due)),
            Self::Refusal { why } => format!("the destination refused it: {why}"),
            Self::WaitsForReplacement { level } => {
                format!("this level is taken once `{level}`, which replaces it, is confirmed")
            }
        }
    }
}

fn held(chain: &str, paid_end: Timestamp, missing: &str) -> String {
    format!(
        "`{chain}` was paid to {}; {missing}, and access is held for `policy.renewal_slack` meanwhile",
        time(paid_end)
    )
}

fn unheard(what: &str) -> String {
    format!("{what}, which this version does not know; access is left as it is; update grantsync")
}

fn lasting(until: Until) -> String {
    match until {
        Until::At(_) => format!("until {until}"),
        Until::Lifetime => until.to_string(),
    }
}

fn time(at: Timestamp) -> String {
    Until::At(at).to_string()
}
