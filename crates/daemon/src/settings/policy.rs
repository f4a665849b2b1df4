//! `[policy]`: the rules that a merchant may choose.

use std::time::Duration;

use super::choice::choice;
use super::duration::{DAY, HOUR, SECOND};
use super::reader::Reader;

/// The section `[policy]`.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    /// How long access outlives a failed payment, from the start of the unpaid period; default 3 days.
    pub(crate) past_due_grace: Duration,
    /// How long access outlives a paid period while the payment of the next is on its way, from the start of the unpaid
    /// period; default 7 days.
    pub(crate) processing_grace: Duration,
    /// How long access outlives a paid period that will renew; default 2 hours.
    pub(crate) renewal_slack: Duration,
    /// Default `keep`.
    pub(crate) pause_collection: PauseCollection,
    /// Default `keep`.
    pub(crate) partial_refund: PartialRefund,
    /// Default `revoke`.
    pub(crate) full_refund: FullRefund,
    /// Default `keep`.
    pub(crate) dispute_opened: DisputeOpened,
    /// Default `wait`.
    pub(crate) unpaid_invoice_subscription: UnpaidInvoiceSubscription,
    /// Default `enforce`.
    pub(crate) mode: Mode,
    /// How long a destination may take to show what was written; default 30 s.
    pub(crate) profile_lag: Duration,
    /// Default `refuse`.
    pub(crate) test_clocks: TestClocks,
}

choice! {
    /// What becomes of access while the collection of payments is paused.
    PauseCollection {
        /// Access stays.
        Keep = "keep",
        /// Access ends.
        Revoke = "revoke",
    }
}

choice! {
    /// What becomes of access when part of a payment goes back.
    PartialRefund {
        /// Access stays.
        Keep = "keep",
        /// Access ends.
        Revoke = "revoke",
    }
}

choice! {
    /// What becomes of access when the whole payment goes back.
    FullRefund {
        /// Access ends.
        Revoke = "revoke",
        /// Access stays.
        Keep = "keep",
    }
}

choice! {
    /// What becomes of access while a dispute is open; a lost one is a full refund.
    DisputeOpened {
        /// Access stays.
        Keep = "keep",
        /// Access is withheld.
        Revoke = "revoke",
    }
}

choice! {
    /// What a subscription that is paid by invoice gives before the invoice is paid.
    UnpaidInvoiceSubscription {
        /// Nothing.
        Wait = "wait",
        /// Access.
        Grant = "grant",
    }
}

choice! {
    /// Whether decisions are carried out.
    Mode {
        /// They are.
        Enforce = "enforce",
        /// They are recorded, and nothing is written to a destination.
        Observe = "observe",
    }
}

choice! {
    /// Whether customers on a Stripe test clock count.
    TestClocks {
        /// They are not.
        Refuse = "refuse",
        /// They are.
        Allow = "allow",
    }
}

impl Policy {
    pub(super) fn read(reader: &mut Reader<'_>) -> Policy {
        Policy {
            past_due_grace: reader.span("policy.past_due_grace", 3 * DAY),
            processing_grace: reader.span("policy.processing_grace", 7 * DAY),
            renewal_slack: reader.span("policy.renewal_slack", 2 * HOUR),
            pause_collection: reader.choice("policy.pause_collection"),
            partial_refund: reader.choice("policy.partial_refund"),
            full_refund: reader.choice("policy.full_refund"),
            dispute_opened: reader.choice("policy.dispute_opened"),
            unpaid_invoice_subscription: reader.choice("policy.unpaid_invoice_subscription"),
            mode: reader.choice("policy.mode"),
            profile_lag: reader.span("policy.profile_lag", 30 * SECOND),
            test_clocks: reader.choice("policy.test_clocks"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{DisputeOpened, FullRefund, Mode, TestClocks, UnpaidInvoiceSubscription};
    use crate::settings::fixture::read;

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let policy = read("", &[]).unwrap().policy;
        assert_eq!(policy.past_due_grace, Duration::from_secs(3 * 86_400));
        assert_eq!(policy.renewal_slack, Duration::from_secs(7_200));
        assert_eq!(policy.full_refund, FullRefund::Revoke);
        assert_eq!(policy.dispute_opened, DisputeOpened::Keep);
        assert_eq!(policy.unpaid_invoice_subscription, UnpaidInvoiceSubscription::Wait);
        assert_eq!(policy.mode, Mode::Enforce);
        assert_eq!(policy.test_clocks, TestClocks::Refuse);
    }

    #[test]
    fn a_grace_of_nothing_is_allowed() {
        let policy = read("[policy]\npast_due_grace = \"0s\"\nmode = \"observe\"", &[]).unwrap().policy;
        assert_eq!(policy.past_due_grace, Duration::ZERO);
        assert_eq!(policy.mode, Mode::Observe);
    }
}
