//! Invoices, their lines and their payments as they are when made.

use serde_json::{Value, json};

use super::subscription::Period;

/// What a new line is made from.
pub(in crate::stripe) struct Charged<'a> {
    pub(in crate::stripe) price: &'a Value,
    pub(in crate::stripe) amount: i64,
    pub(in crate::stripe) quantity: i64,
    pub(in crate::stripe) period: Period,
    pub(in crate::stripe) origin: Origin<'a>,
}

/// What a line comes from.
#[derive(Clone, Copy)]
pub(in crate::stripe) enum Origin<'a> {
    /// A term of a subscription's item.
    Term { subscription: &'a str, item: &'a str },
    /// A change within a term, by an invoice item.
    Proration { subscription: &'a str, item: &'a str, invoice_item: &'a str },
    /// An invoice item that is no proration, of a subscription or by itself.
    InvoiceItem { invoice_item: &'a str, subscription: Option<&'a str> },
}

impl Origin<'_> {
    fn parent(self) -> Value {
        let of_item = |subscription: &str, item: &str, invoice_item: Option<&str>| {
            json!({
                "invoice_item_details": null,
                "subscription_item_details": {
                    "invoice_item": invoice_item,
                    "proration": invoice_item.is_some(),
                    "proration_details": { "credited_items": null },
                    "subscription": subscription,
                    "subscription_item": item,
                },
                "type": "subscription_item_details",
            })
        };
        match self {
            Origin::Term { subscription, item } => of_item(subscription, item, None),
            Origin::Proration { subscription, item, invoice_item } => of_item(subscription, item, Some(invoice_item)),
            Origin::InvoiceItem { invoice_item, subscription } => json!({
                "invoice_item_details": {
                    "invoice_item": invoice_item,
                    "proration": false,
                    "proration_details": { "credited_items": null },
                    "subscription": subscription,
                },
                "subscription_item_details": null,
                "type": "invoice_item_details",
            }),
        }
    }
}

pub(in crate::stripe) fn line(id: &str, charged: &Charged<'_>) -> Value {
    json!({
        "id": id,
        "object": "line_item",
        "amount": charged.amount,
        "currency": charged.price["currency"],
        "description": charged.price["product"],
        "discount_amounts": [],
        "discountable": !matches!(charged.origin, Origin::Proration { .. }),
        "discounts": [],
        "invoice": null,
        "livemode": charged.price["livemode"],
        "metadata": {},
        "parent": charged.origin.parent(),
        "period": { "end": charged.period.end, "start": charged.period.start },
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": { "price": charged.price["id"], "product": charged.price["product"] },
            "type": "price_details",
            "unit_amount_decimal": charged.price["unit_amount_decimal"],
        },
        "quantity": charged.quantity,
        "subtotal": charged.amount,
        "taxes": [],
    })
}

/// What a new invoice is made from.
pub(in crate::stripe) struct Bill<'a> {
    pub(in crate::stripe) customer: Value,
    pub(in crate::stripe) reason: &'a str,
    pub(in crate::stripe) collection_method: &'a str,
    pub(in crate::stripe) currency: &'a str,
    pub(in crate::stripe) lines: Vec<Value>,
    pub(in crate::stripe) parent: Value,
    pub(in crate::stripe) period: Period,
    pub(in crate::stripe) now: i64,
    pub(in crate::stripe) livemode: bool,
}

pub(in crate::stripe) fn invoice(id: &str, mut bill: Bill<'_>) -> Value {
    let total: i64 = bill.lines.iter().map(|line| line["amount"].as_i64().unwrap_or_default()).sum();
    let due = total.max(0);
    for line in &mut bill.lines {
        line["invoice"] = id.into();
    }
    let mut invoice = fixed();
    let own = json!({
        "id": id,
        "amount_due": due,
        "amount_remaining": due,
        "billing_reason": bill.reason,
        "collection_method": bill.collection_method,
        "created": bill.now,
        "currency": bill.currency,
        "customer": bill.customer,
        "due_date": (bill.collection_method == "send_invoice").then_some(bill.now + 30 * 86_400),
        "lines": bill.lines,
        "livemode": bill.livemode,
        "parent": bill.parent,
        "period_end": bill.period.end,
        "period_start": bill.period.start,
        "subtotal": total,
        "subtotal_excluding_tax": total,
        "total": total,
        "total_excluding_tax": total,
        // A credit is kept on the customer's balance for the next invoice.
        "ending_balance": total.min(0),
    });
    if let (Some(invoice), Value::Object(own)) = (invoice.as_object_mut(), own) {
        invoice.extend(own);
    }
    invoice
}

/// The fields that every draft begins with.
fn fixed() -> Value {
    json!({
        "object": "invoice",
        "account_country": "US",
        "account_name": "Sandbox",
        "account_tax_ids": null,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_shipping": 0,
        "application": null,
        "attempt_count": 0,
        "attempted": false,
        "auto_advance": true,
        "automatic_tax": { "disabled_reason": null, "enabled": false, "liability": null, "provider": null, "status": null },
        "customer_email": null,
        "customer_name": null,
        "default_payment_method": null,
        "description": null,
        "discounts": [],
        "effective_at": null,
        "footer": null,
        "from_invoice": null,
        "hosted_invoice_url": null,
        "invoice_pdf": null,
        "issuer": { "type": "self" },
        "last_finalization_error": null,
        "latest_revision": null,
        "metadata": {},
        "next_payment_attempt": null,
        "number": null,
        "on_behalf_of": null,
        "payment_settings": { "default_mandate": null, "payment_method_options": null, "payment_method_types": null },
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": null,
        "starting_balance": 0,
        "statement_descriptor": null,
        "status": "draft",
        "status_transitions": { "finalized_at": null, "marked_uncollectible_at": null, "paid_at": null, "voided_at": null },
        "test_clock": null,
        "total_discount_amounts": [],
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": null,
    })
}

pub(in crate::stripe) fn parent(subscription: &str, metadata: &Value) -> Value {
    json!({
        "quote_details": null,
        "subscription_details": { "metadata": metadata, "subscription": subscription },
        "type": "subscription_details",
    })
}

pub(in crate::stripe) fn payment(id: &str, invoice: &Value, intent: &str, now: i64) -> Value {
    json!({
        "id": id,
        "object": "invoice_payment",
        "amount_paid": null,
        "amount_requested": invoice["amount_due"],
        "created": now,
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": true,
        "livemode": invoice["livemode"],
        "payment": { "payment_intent": intent, "type": "payment_intent" },
        "status": "open",
        "status_transitions": { "canceled_at": null, "paid_at": null },
    })
}

/// An invoice item that waits for the next invoice, of a subscription or by itself.
pub(in crate::stripe) fn item(
    id: &str,
    customer: &str,
    subscription: Option<&str>,
    price: &Value,
    quantity: i64,
    now: i64,
) -> Value {
    let parent = subscription.map(|subscription| {
        json!({
            "subscription_details": { "subscription": subscription, "subscription_item": null },
            "type": "subscription_details",
        })
    });
    let amount = price["unit_amount"].as_i64().unwrap_or_default() * quantity;
    json!({
        "id": id,
        "object": "invoiceitem",
        "amount": amount,
        "currency": price["currency"],
        "customer": customer,
        "date": now,
        "description": price["product"],
        "discountable": true,
        "discounts": [],
        "invoice": null,
        "livemode": price["livemode"],
        "metadata": {},
        "net_amount": amount,
        "parent": parent,
        "period": { "end": now, "start": now },
        "pricing": {
            "price_details": { "price": price["id"], "product": price["product"] },
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        "proration": false,
        "quantity": quantity,
        "tax_rates": [],
        "test_clock": null,
    })
}

/// A credit note on an invoice that is not paid yet: it lowers what is due.
pub(in crate::stripe) fn credit_note(id: &str, invoice: &Value, amount: i64, now: i64) -> Value {
    json!({
        "id": id,
        "object": "credit_note",
        "amount": amount,
        "amount_shipping": 0,
        "created": now,
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "customer_balance_transaction": null,
        "discount_amount": 0,
        "discount_amounts": [],
        "effective_at": now,
        "invoice": invoice["id"],
        "livemode": invoice["livemode"],
        "memo": null,
        "metadata": {},
        "number": format!("{}-CN-01", invoice["number"].as_str().unwrap_or_default()),
        "out_of_band_amount": null,
        "post_payment_amount": 0,
        "pre_payment_amount": amount,
        "reason": "order_change",
        "refunds": [],
        "shipping_cost": null,
        "status": "issued",
        "subtotal": amount,
        "total": amount,
        "type": "pre_payment",
        "voided_at": null,
    })
}
