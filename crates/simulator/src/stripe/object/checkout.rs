//! Checkout sessions as they are when completed.

use serde_json::{Value, json};

/// What a session is made from.
pub(in crate::stripe) struct Checkout<'a> {
    pub(in crate::stripe) mode: &'a str,
    pub(in crate::stripe) client_reference_id: Option<&'a str>,
    pub(in crate::stripe) metadata: Value,
    pub(in crate::stripe) customer: Value,
    pub(in crate::stripe) email: Value,
    pub(in crate::stripe) currency: Value,
    pub(in crate::stripe) line_items: Vec<Value>,
    pub(in crate::stripe) now: i64,
    pub(in crate::stripe) livemode: bool,
}

pub(in crate::stripe) fn line_item(id: &str, price: &Value, quantity: u64) -> Value {
    let total = price["unit_amount"].as_u64().unwrap_or_default() * quantity;
    json!({
        "id": id,
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": total,
        "amount_tax": 0,
        "amount_total": total,
        "currency": price["currency"],
        "description": price["product"],
        "price": price,
        "quantity": quantity,
    })
}

pub(in crate::stripe) fn session(id: &str, checkout: Checkout<'_>) -> Value {
    let total: i64 = checkout.line_items.iter().filter_map(|item| item["amount_total"].as_i64()).sum();
    let mut session = fixed();
    let details = json!({
        "address": null,
        "email": checkout.email,
        "name": null,
        "phone": null,
        "tax_exempt": "none",
        "tax_ids": [],
    });
    let own = json!({
        "id": id,
        "amount_subtotal": total,
        "amount_total": total,
        "client_reference_id": checkout.client_reference_id,
        "created": checkout.now,
        "currency": checkout.currency,
        "customer": checkout.customer,
        "customer_details": details,
        "expires_at": checkout.now + 86_400,
        "line_items": checkout.line_items,
        "livemode": checkout.livemode,
        "metadata": checkout.metadata,
        "mode": checkout.mode,
    });
    if let (Some(session), Value::Object(own)) = (session.as_object_mut(), own) {
        session.extend(own);
    }
    session
}

/// The fields that every session begins with.
fn fixed() -> Value {
    json!({
        "object": "checkout.session",
        "after_expiration": null,
        "allow_promotion_codes": null,
        "automatic_tax": { "enabled": false, "liability": null, "provider": null, "status": null },
        "billing_address_collection": null,
        "cancel_url": null,
        "consent": null,
        "custom_fields": [],
        "customer_creation": "always",
        "customer_email": null,
        "discounts": [],
        "invoice": null,
        "invoice_creation": null,
        "locale": null,
        "payment_intent": null,
        "payment_link": null,
        "payment_method_collection": "always",
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "recovered_from": null,
        "setup_intent": null,
        "shipping_options": [],
        "status": "open",
        "subscription": null,
        "success_url": "https://example.com/success",
        "total_details": { "amount_discount": 0, "amount_shipping": 0, "amount_tax": 0 },
        "ui_mode": "hosted",
        "url": null,
    })
}
