//! Products, prices and customers as they are when made.

use chrono::TimeDelta;
use serde_json::{Value, json};

pub(in crate::stripe) fn product(id: &str, now: i64, livemode: bool) -> Value {
    json!({
        "id": id,
        "object": "product",
        "active": true,
        "created": now,
        "default_price": null,
        "description": null,
        "images": [],
        "livemode": livemode,
        "marketing_features": [],
        "metadata": {},
        "name": id,
        "package_dimensions": null,
        "shippable": null,
        "statement_descriptor": null,
        "tax_code": null,
        "type": "service",
        "unit_label": null,
        "updated": now,
        "url": null,
    })
}

/// What a price costs and for how long.
pub(in crate::stripe) struct Terms<'a> {
    pub(in crate::stripe) product: &'a str,
    pub(in crate::stripe) amount: i64,
    pub(in crate::stripe) currency: &'a str,
    pub(in crate::stripe) every: Option<TimeDelta>,
}

pub(in crate::stripe) fn price(id: &str, terms: &Terms<'_>, now: i64, livemode: bool) -> Value {
    let recurring = terms.every.map(|every| {
        let (interval, count) = interval(every);
        json!({
            "interval": interval,
            "interval_count": count,
            "meter": null,
            "trial_period_days": null,
            "usage_type": "licensed",
        })
    });
    json!({
        "id": id,
        "object": "price",
        "active": true,
        "billing_scheme": "per_unit",
        "created": now,
        "currency": terms.currency,
        "custom_unit_amount": null,
        "livemode": livemode,
        "lookup_key": null,
        "metadata": {},
        "nickname": null,
        "product": terms.product,
        "recurring": recurring,
        "tax_behavior": "unspecified",
        "tiers_mode": null,
        "transform_quantity": null,
        "type": if terms.every.is_some() { "recurring" } else { "one_time" },
        "unit_amount": terms.amount,
        "unit_amount_decimal": terms.amount.to_string(),
    })
}

/// The old twin of a recurring price, still shown on items.
pub(in crate::stripe) fn plan(price: &Value) -> Value {
    json!({
        "id": price["id"],
        "object": "plan",
        "active": true,
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": "per_unit",
        "created": price["created"],
        "currency": price["currency"],
        "interval": price["recurring"]["interval"],
        "interval_count": price["recurring"]["interval_count"],
        "livemode": price["livemode"],
        "metadata": {},
        "nickname": null,
        "product": price["product"],
        "tiers_mode": null,
        "transform_usage": null,
        "trial_period_days": null,
        "usage_type": "licensed",
    })
}

/// Stripe has no interval below a day, so a term of seconds claims to be one.
fn interval(every: TimeDelta) -> (&'static str, i64) {
    match every.num_days() {
        365 | 366 => ("year", 1),
        28..=31 => ("month", 1),
        days if days > 0 && days % 7 == 0 => ("week", days / 7),
        days => ("day", days.max(1)),
    }
}

pub(in crate::stripe) fn customer(id: &str, email: Option<&str>, metadata: Value, now: i64, livemode: bool) -> Value {
    json!({
        "id": id,
        "object": "customer",
        "address": null,
        "balance": 0,
        "created": now,
        "currency": null,
        "default_source": null,
        "delinquent": false,
        "description": null,
        "discount": null,
        "email": email,
        "invoice_prefix": id.trim_start_matches("cus_").chars().take(8).collect::<String>().to_uppercase(),
        "invoice_settings": {
            "custom_fields": null,
            "default_payment_method": null,
            "footer": null,
            "rendering_options": null,
        },
        "livemode": livemode,
        "metadata": metadata,
        "name": null,
        "next_invoice_sequence": 1,
        "phone": null,
        "preferred_locales": [],
        "shipping": null,
        "tax_exempt": "none",
        "test_clock": null,
    })
}
