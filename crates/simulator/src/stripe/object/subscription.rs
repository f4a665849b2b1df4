//! Subscriptions and their items as they are when made.

use serde_json::{Value, json};

use super::catalog::plan;

/// A span of time in Unix seconds.
#[derive(Debug, Clone, Copy)]
pub(in crate::stripe) struct Period {
    pub(in crate::stripe) start: i64,
    pub(in crate::stripe) end: i64,
}

pub(in crate::stripe) fn item(id: &str, subscription: &str, price: &Value, quantity: u64, period: Period) -> Value {
    json!({
        "id": id,
        "object": "subscription_item",
        "billing_thresholds": null,
        "created": period.start,
        "current_period_end": period.end,
        "current_period_start": period.start,
        "discounts": [],
        "metadata": {},
        "plan": plan(price),
        "price": price,
        "quantity": quantity,
        "subscription": subscription,
        "tax_rates": [],
    })
}

/// What a new subscription is made from.
pub(in crate::stripe) struct Start<'a> {
    pub(in crate::stripe) customer: &'a str,
    pub(in crate::stripe) items: Vec<Value>,
    pub(in crate::stripe) metadata: Value,
    pub(in crate::stripe) currency: &'a str,
    pub(in crate::stripe) collection_method: &'static str,
    pub(in crate::stripe) status: &'static str,
    pub(in crate::stripe) trial: Option<Period>,
    pub(in crate::stripe) now: i64,
    pub(in crate::stripe) livemode: bool,
}

pub(in crate::stripe) fn subscription(id: &str, start: Start<'_>) -> Value {
    let mut subscription = fixed();
    let own = json!({
        "id": id,
        "billing_cycle_anchor": start.trial.map_or(start.now, |trial| trial.end),
        "collection_method": start.collection_method,
        "created": start.now,
        "currency": start.currency,
        "customer": start.customer,
        "days_until_due": (start.collection_method == "send_invoice").then_some(30),
        "items": start.items,
        "livemode": start.livemode,
        "metadata": start.metadata,
        "start_date": start.now,
        "status": start.status,
        "trial_end": start.trial.map(|trial| trial.end),
        "trial_start": start.trial.map(|trial| trial.start),
    });
    if let (Some(subscription), Value::Object(own)) = (subscription.as_object_mut(), own) {
        subscription.extend(own);
    }
    subscription
}

/// The fields that every new subscription begins with.
fn fixed() -> Value {
    json!({
        "object": "subscription",
        "application": null,
        "application_fee_percent": null,
        "automatic_tax": { "disabled_reason": null, "enabled": false, "liability": null },
        "billing_cycle_anchor_config": null,
        "billing_mode": { "flexible": { "proration_discounts": "included" }, "type": "flexible", "updated_at": null },
        "billing_schedules": [],
        "billing_thresholds": null,
        "cancel_at": null,
        "cancel_at_period_end": false,
        "canceled_at": null,
        "cancellation_details": { "comment": null, "feedback": null, "reason": null },
        "customer_account": null,
        "default_payment_method": null,
        "default_source": null,
        "default_tax_rates": [],
        "description": null,
        "discounts": [],
        "ended_at": null,
        "invoice_settings": { "account_tax_ids": null, "issuer": { "type": "self" } },
        "latest_invoice": null,
        "next_pending_invoice_item_invoice": null,
        "on_behalf_of": null,
        "pause_collection": null,
        "payment_settings": {
            "payment_method_options": null,
            "payment_method_types": null,
            "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": null,
        "pending_setup_intent": null,
        "pending_update": null,
        "schedule": null,
        "status_details": null,
        "test_clock": null,
        "transfer_data": null,
        "trial_settings": { "end_behavior": { "missing_payment_method": "create_invoice" } },
    })
}
