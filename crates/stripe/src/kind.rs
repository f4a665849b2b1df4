//! What kind of object an id or an object's name stands for.

/// The kinds of Stripe objects that lead to a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Customer,
    Subscription,
    SubscriptionItem,
    Invoice,
    InvoicePayment,
    CreditNote,
    Charge,
    PaymentIntent,
    Refund,
    Dispute,
    CheckoutSession,
}

impl Kind {
    /// From an object's `object`, or a thin event's `related_object.type`.
    pub(crate) fn of_object(name: &str) -> Option<Self> {
        Some(match name {
            "customer" => Self::Customer,
            "subscription" => Self::Subscription,
            "subscription_item" => Self::SubscriptionItem,
            "invoice" => Self::Invoice,
            "invoice_payment" => Self::InvoicePayment,
            "credit_note" => Self::CreditNote,
            "charge" => Self::Charge,
            "payment_intent" => Self::PaymentIntent,
            "refund" => Self::Refund,
            "dispute" => Self::Dispute,
            "checkout.session" => Self::CheckoutSession,
            _ => return None,
        })
    }

    /// From an id's prefix; several objects have a second one (`py_`, `pyr_`, `du_`).
    pub(crate) fn of_id(id: &str) -> Option<Self> {
        let (prefix, _) = id.split_once('_')?;
        Some(match prefix {
            "cus" => Self::Customer,
            "sub" => Self::Subscription,
            "si" => Self::SubscriptionItem,
            "in" => Self::Invoice,
            "inpay" => Self::InvoicePayment,
            "cn" => Self::CreditNote,
            "ch" | "py" => Self::Charge,
            "pi" => Self::PaymentIntent,
            "re" | "pyr" => Self::Refund,
            "dp" | "du" | "pdp" => Self::Dispute,
            "cs" => Self::CheckoutSession,
            _ => return None,
        })
    }
}
