//! Payment intents, charges, refunds and disputes as they are when made.

use serde_json::{Value, json};

/// What is to be paid, by whom and for what.
pub(in crate::stripe) struct Due<'a> {
    pub(in crate::stripe) amount: i64,
    pub(in crate::stripe) currency: &'a Value,
    pub(in crate::stripe) customer: &'a Value,
    /// The invoice, which only the old shape shows.
    pub(in crate::stripe) invoice: Value,
    pub(in crate::stripe) now: i64,
    pub(in crate::stripe) livemode: bool,
}

pub(in crate::stripe) fn intent(id: &str, due: &Due<'_>) -> Value {
    json!({
        "id": id,
        "object": "payment_intent",
        "amount": due.amount,
        "amount_capturable": 0,
        "amount_received": 0,
        "application": null,
        "automatic_payment_methods": null,
        "canceled_at": null,
        "cancellation_reason": null,
        "capture_method": "automatic",
        "client_secret": format!("{id}_secret_sandbox"),
        "confirmation_method": "automatic",
        "created": due.now,
        "currency": due.currency,
        "customer": due.customer,
        "description": null,
        "invoice": due.invoice,
        "last_payment_error": null,
        "latest_charge": null,
        "livemode": due.livemode,
        "metadata": {},
        "next_action": null,
        "payment_method": "pm_card_visa",
        "payment_method_types": ["card"],
        "receipt_email": null,
        "review": null,
        "setup_future_usage": null,
        "shipping": null,
        "status": "requires_payment_method",
        "transfer_group": null,
    })
}

/// How a charge stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::stripe) enum ChargeState {
    Succeeded,
    /// The bank has it, and answers in some days.
    Pending,
    Failed,
}

impl ChargeState {
    pub(in crate::stripe) fn status(self) -> &'static str {
        match self {
            ChargeState::Succeeded => "succeeded",
            ChargeState::Pending => "pending",
            ChargeState::Failed => "failed",
        }
    }
}

/// By a card; one that is pending is a bank debit.
pub(in crate::stripe) fn charge(id: &str, intent: &Value, state: ChargeState, now: i64) -> Value {
    let paid = state == ChargeState::Succeeded;
    let captured = state != ChargeState::Failed;
    let failure = (state == ChargeState::Failed).then_some("card_declined");
    let details = match state {
        ChargeState::Pending => {
            json!({ "sepa_debit": { "bank_code": "37040044", "country": "DE", "last4": "3000" }, "type": "sepa_debit" })
        }
        ChargeState::Succeeded | ChargeState::Failed => {
            json!({ "card": { "brand": "visa", "last4": "4242" }, "type": "card" })
        }
    };
    json!({
        "id": id,
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": if captured { intent["amount"].clone() } else { 0.into() },
        "amount_refunded": 0,
        "balance_transaction": paid.then(|| id.replace("ch_", "txn_")),
        "billing_details": { "address": null, "email": null, "name": null, "phone": null },
        "captured": captured,
        "created": now,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": null,
        "dispute": null,
        "disputed": false,
        "failure_code": failure,
        "failure_message": failure.map(|_| "Your card was declined."),
        "fraud_details": {},
        "invoice": intent["invoice"],
        "livemode": intent["livemode"],
        "metadata": {},
        "outcome": {
            "network_status": if captured { "approved_by_network" } else { "declined_by_network" },
            "reason": failure,
            "risk_level": "normal",
            "type": if captured { "authorized" } else { "issuer_declined" },
        },
        "paid": paid,
        "payment_intent": intent["id"],
        "payment_method": intent["payment_method"],
        "payment_method_details": details,
        "receipt_email": null,
        "receipt_url": null,
        "refunded": false,
        "review": null,
        "shipping": null,
        "status": state.status(),
    })
}

pub(in crate::stripe) fn refund(id: &str, charge: &Value, amount: i64, status: &str, now: i64) -> Value {
    json!({
        "id": id,
        "object": "refund",
        "amount": amount,
        "balance_transaction": null,
        "charge": charge["id"],
        "created": now,
        "currency": charge["currency"],
        "destination_details": { "card": { "type": "refund" }, "type": "card" },
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "reason": "requested_by_customer",
        "receipt_number": null,
        "source_transfer_reversal": null,
        "status": status,
        "transfer_reversal": null,
    })
}

pub(in crate::stripe) fn dispute(id: &str, charge: &Value, status: &str, now: i64) -> Value {
    json!({
        "id": id,
        "object": "dispute",
        "amount": charge["amount"],
        "balance_transactions": [],
        "charge": charge["id"],
        "created": now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {},
        "evidence_details": { "due_by": now + 604_800, "has_evidence": false, "past_due": false, "submission_count": 0 },
        "is_charge_refundable": status.starts_with("warning_"),
        "livemode": charge["livemode"],
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": { "card": { "brand": "visa", "case_type": "chargeback" }, "type": "card" },
        "reason": "fraudulent",
        "status": status,
    })
}
