//! Whether the money behind a term went back.

use crate::billing::{DisputeState, MoneyBack};
use crate::plan::Refund;
use crate::reason::Reason;
use crate::rules::{Choice, Policy};

/// What money that went back, or may, does to the right it paid for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    Stands,
    /// The right stands, but an operator should know.
    StandsBut(Reason),
    Withheld(Refund, Reason),
}

/// Judges a payment of `total` (smallest unit) of which `back` went back.
///
/// Refunds and lost disputes add up; together they are full when they reach the total. A lost dispute is a full refund
/// whatever its amount, since the customer took the payment back.
#[must_use]
pub fn effect(id: &str, total: i64, back: &MoneyBack, policy: &Policy) -> Effect {
    let of = |state: &DisputeState| back.disputes.iter().find(|dispute| &dispute.state == state);
    if of(&DisputeState::Lost).is_some() {
        return withheld(policy.full_refund, Refund::Yes, Reason::DisputeLost { payment: id.into() });
    }
    if total > 0 && back.refunded >= total {
        return withheld(policy.full_refund, Refund::Yes, Reason::Refunded { payment: id.into() });
    }
    if back.refunded > 0 && policy.partial_refund == Choice::Revoke {
        return withheld(Choice::Revoke, Refund::Yes, Reason::RefundedPartly { payment: id.into() });
    }
    if of(&DisputeState::Open).is_some() && policy.dispute_opened == Choice::Revoke {
        return withheld(Choice::Revoke, Refund::No, Reason::DisputeOpen { payment: id.into() });
    }
    match unknown(back) {
        Some(status) => Effect::StandsBut(Reason::UnknownDispute { payment: id.into(), status }),
        None => Effect::Stands,
    }
}

fn withheld(choice: Choice, refund: Refund, because: Reason) -> Effect {
    match choice {
        Choice::Keep => Effect::Stands,
        Choice::Revoke => Effect::Withheld(refund, because),
    }
}

fn unknown(back: &MoneyBack) -> Option<String> {
    back.disputes.iter().find_map(|dispute| match &dispute.state {
        DisputeState::Unknown(status) => Some(status.clone()),
        DisputeState::Warning | DisputeState::Open | DisputeState::Won | DisputeState::Lost => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::billing::Dispute;

    fn judge(total: i64, refunded: i64, states: &[DisputeState], policy: &Policy) -> Effect {
        let disputes = states.iter().map(|state| Dispute { state: state.clone(), amount: total }).collect();
        effect("in_1", total, &MoneyBack { refunded, disputes }, policy)
    }

    #[test]
    fn only_a_full_refund_withholds_by_default() {
        let policy = Policy::default();
        assert_eq!(judge(999, 998, &[], &policy), Effect::Stands);
        assert!(matches!(judge(999, 999, &[], &policy), Effect::Withheld(Refund::Yes, _)));
        assert_eq!(judge(0, 0, &[], &policy), Effect::Stands);
    }

    #[test]
    fn a_policy_about_partial_refunds_needs_a_refund() {
        let policy = Policy { partial_refund: Choice::Revoke, ..Policy::default() };
        assert_eq!(judge(999, 0, &[], &policy), Effect::Stands);
        assert!(matches!(judge(999, 1, &[], &policy), Effect::Withheld(Refund::Yes, _)));
    }

    #[test]
    fn a_lost_dispute_is_a_refund_and_an_open_one_is_policy() {
        let mut policy = Policy::default();
        assert!(matches!(judge(999, 0, &[DisputeState::Lost], &policy), Effect::Withheld(Refund::Yes, _)));
        assert_eq!(judge(999, 0, &[DisputeState::Open], &policy), Effect::Stands);
        assert_eq!(judge(999, 0, &[DisputeState::Warning, DisputeState::Won], &policy), Effect::Stands);
        policy.dispute_opened = Choice::Revoke;
        assert!(matches!(judge(999, 0, &[DisputeState::Open], &policy), Effect::Withheld(Refund::No, _)));
    }

    #[test]
    fn a_dispute_status_newer_than_us_only_alarms() {
        let unknown = DisputeState::Unknown("appeal_needs_response".into());
        assert!(matches!(judge(999, 0, &[unknown], &Policy::default()), Effect::StandsBut(_)));
    }
}
