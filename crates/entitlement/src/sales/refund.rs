//! Whether the money of a payment went back: decided here, once, for access and for reports.

use std::collections::BTreeMap;

use crate::model::billing::{Billing, DisputeState, Invoice, InvoiceStatus, MoneyBack, Purchase, Subscription};
use crate::model::expected::{Refund, RefundedSale};
use crate::model::reason::Reason;
use crate::model::rules::{Choice, Policy};
use crate::sales::sale_of;
use crate::sorted::sorted;

/// What became of the money of each payment, by chain and payment.
#[derive(Clone, Debug, Default)]
pub struct Refunds(BTreeMap<(String, String), Effect>);

/// What money that went back, or may, does to the right it paid for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Effect {
    #[default]
    Stands,
    /// The right stands, but an operator should know.
    StandsBut(Reason),
    Withheld(Refund, Reason),
}

impl Refunds {
    /// Judges every payment of `billing`.
    #[must_use]
    pub fn of(billing: &Billing, policy: &Policy) -> Self {
        let mut refunds = BTreeMap::new();
        for subscription in &billing.subscriptions {
            for Invoice { id, total, money_back, .. } in &subscription.invoices {
                let payment = (subscription.id.clone(), id.clone());
                refunds.insert(payment, effect(id, total.minor, money_back, policy));
            }
        }
        for Purchase { id, total, money_back, .. } in &billing.purchases {
            refunds.insert((id.clone(), id.clone()), effect(id, total.minor, money_back, policy));
        }
        Self(refunds)
    }

    /// What became of the money of `invoice` of `subscription`.
    #[must_use]
    pub fn of_invoice(&self, subscription: &Subscription, invoice: &Invoice) -> &Effect {
        self.effect(&subscription.id, &invoice.id)
    }

    /// What became of the money of `purchase`.
    #[must_use]
    pub fn of_purchase(&self, purchase: &Purchase) -> &Effect {
        self.effect(&purchase.id, &purchase.id)
    }

    fn effect(&self, chain: &str, payment: &str) -> &Effect {
        const STANDS: &Effect = &Effect::Stands;
        self.0.get(&(chain.to_owned(), payment.to_owned())).unwrap_or(STANDS)
    }

    /// The sales of `billing` whose money went back, in order.
    #[must_use]
    pub fn sales(&self, billing: &Billing) -> Vec<RefundedSale> {
        let mut sales = Vec::new();
        for subscription in &billing.subscriptions {
            let invoices = sorted(&subscription.invoices, |invoice| &invoice.id);
            for invoice in invoices.into_iter().filter(|invoice| invoice.status == InvoiceStatus::Paid) {
                let id = sale_of::transaction_id(subscription, invoice);
                sales.extend(refunded_sale(&subscription.id, &id, self.of_invoice(subscription, invoice)));
            }
        }
        for purchase in &billing.purchases {
            sales.extend(refunded_sale(&purchase.id, &purchase.id, self.of_purchase(purchase)));
        }
        sales.sort_by(|one, other| (&one.chain, &one.id).cmp(&(&other.chain, &other.id)));
        sales.dedup_by(|one, other| (&one.chain, &one.id) == (&other.chain, &other.id));
        sales
    }
}

fn refunded_sale(chain: &str, id: &str, effect: &Effect) -> Option<RefundedSale> {
    match effect {
        Effect::Withheld(Refund::Yes, because) => {
            Some(RefundedSale { chain: chain.to_owned(), id: id.to_owned(), because: because.clone() })
        }
        Effect::Withheld(Refund::No, _) | Effect::Stands | Effect::StandsBut(_) => None,
    }
}

/// Judges a payment of `total` (smallest unit) of which `back` went back.
///
/// Refunds add up; they are full when they reach the money that was received, which credit and balance make less than the
/// total. A lost dispute is a full refund whatever its amount, since the payer took the payment back.
fn effect(id: &str, total: i64, back: &MoneyBack, policy: &Policy) -> Effect {
    let has_dispute = |state: &DisputeState| back.disputes.iter().any(|dispute| &dispute.state == state);
    if has_dispute(&DisputeState::Lost) {
        return withheld(policy.full_refund, Refund::Yes, Reason::DisputeLost { payment: id.into() });
    }
    let received = back.received.unwrap_or(total);
    if received > 0 && back.refunded >= received {
        return withheld(policy.full_refund, Refund::Yes, Reason::Refunded { payment: id.into() });
    }
    if back.refunded > 0 && policy.partial_refund == Choice::Revoke {
        return withheld(Choice::Revoke, Refund::Yes, Reason::RefundedPartly { payment: id.into() });
    }
    if has_dispute(&DisputeState::Open) && policy.dispute_opened == Choice::Revoke {
        return withheld(Choice::Revoke, Refund::No, Reason::DisputeOpen { payment: id.into() });
    }
    match unknown_status(back) {
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

fn unknown_status(back: &MoneyBack) -> Option<String> {
    back.disputes.iter().find_map(|dispute| match &dispute.state {
        DisputeState::Unknown(status) => Some(status.clone()),
        DisputeState::Warning | DisputeState::Open | DisputeState::Won | DisputeState::Lost => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::billing::Dispute;

    fn judge(total: i64, refunded: i64, states: &[DisputeState], policy: &Policy) -> Effect {
        let disputes = states.iter().map(|state| Dispute { state: state.clone(), amount: total }).collect();
        effect("in_1", total, &MoneyBack { refunded, disputes, received: None }, policy)
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
