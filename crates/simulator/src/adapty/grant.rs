//! Grant and revoke, as v1 documents them.

use chrono::{DateTime, TimeDelta, Utc};

use super::Refusal;
use super::body::Body;
use super::world::{Facts, Level, Transaction, World};

const KNOWN: [&str; 14] = [
    "expires_at",
    "duration_days",
    "is_lifetime",
    "starts_at",
    "vendor_product_id",
    "base_plan_id",
    "vendor_original_transaction_id",
    "vendor_transaction_id",
    "store",
    "introductory_offer_type",
    "price",
    "price_locale",
    "proceeds",
    "is_sandbox",
];

const OFFERS: [&str; 3] = ["free_trial", "pay_as_you_go", "pay_up_front"];

/// The body of a grant, read.
struct Grant {
    expires_at: Option<DateTime<Utc>>,
    duration: Option<TimeDelta>,
    is_lifetime: bool,
    starts_at: Option<DateTime<Utc>>,
    product: Option<String>,
    base_plan: Option<String>,
    original: Option<String>,
    transaction: Option<String>,
    store: Option<String>,
    offer: Option<String>,
    price: Option<f64>,
    currency: Option<String>,
    proceeds: Option<f64>,
    is_sandbox: bool,
}

impl Grant {
    fn read(body: &Body) -> Result<Grant, Refusal> {
        let days = body.whole("duration_days")?;
        Ok(Grant {
            expires_at: body.time("expires_at")?,
            duration: days.map(in_days).transpose()?,
            is_lifetime: body.flag("is_lifetime")?.unwrap_or(false),
            starts_at: body.time("starts_at")?,
            product: body.text("vendor_product_id")?,
            base_plan: body.text("base_plan_id")?,
            original: body.text("vendor_original_transaction_id")?,
            transaction: body.text("vendor_transaction_id")?,
            store: body.text("store")?,
            offer: body.word_or_null("introductory_offer_type", &OFFERS)?,
            price: body.number("price")?,
            currency: body.text("price_locale")?,
            proceeds: body.number("proceeds")?,
            is_sandbox: body.flag("is_sandbox")?.unwrap_or(false),
        })
    }

    /// The end of the access: lifetime before date before days; `Ok(None)` for a lifetime.
    fn end(&self, current: Option<&Level>, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, Refusal> {
        if self.is_lifetime {
            return Ok(None);
        }
        if self.expires_at.is_some() {
            return Ok(self.expires_at);
        }
        let Some(duration) = self.duration else {
            let message = "One of expires_at, duration_days, is_lifetime is required.";
            return Err(Refusal::invalid("validation_error", "non_field_errors", message));
        };
        // Days are added to what is left; one who has nothing left counts from now.
        let left = current.filter(|level| level.is_active(now)).and_then(|level| level.expires_at);
        Ok(Some(self.starts_at.or(left).unwrap_or(now) + duration))
    }

    fn level(&self, id: &str, end: Option<DateTime<Utc>>, current: Option<&Level>, now: DateTime<Utc>) -> Level {
        Level {
            id: id.to_owned(),
            is_lifetime: end.is_none(),
            expires_at: end,
            starts_at: self.starts_at,
            will_renew: false,
            product: self.product.clone().unwrap_or_else(|| "adapty_server_side_product".to_owned()),
            base_plan: self.base_plan.clone(),
            transaction: self.transaction.clone(),
            original: self.original.clone().or_else(|| self.transaction.clone()),
            store: self.store.clone().unwrap_or_else(|| "adapty".to_owned()),
            activated_at: current.map_or(now, |level| level.activated_at),
            renewed_at: now,
            unsubscribed_at: None,
            offer: self.offer.clone(),
        }
    }

    /// The row to record: only with product, transaction and store together.
    fn row(&self, level: &str, end: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<Transaction> {
        let id = self.transaction.clone()?;
        Some(Transaction {
            product: self.product.clone()?,
            base_plan: self.base_plan.clone(),
            original: self.original.clone().unwrap_or_else(|| id.clone()),
            id,
            store: self.store.clone()?,
            price: self.price.unwrap_or(0.0),
            proceeds: self.proceeds,
            currency: self.currency.clone().unwrap_or_else(|| "USD".to_owned()),
            offer: self.offer.clone(),
            is_sandbox: self.is_sandbox,
            refunded: false,
            expires_at: end,
            level: level.to_owned(),
            recorded_at: now,
            reported: None,
        })
    }
}

fn in_days(days: i64) -> Result<TimeDelta, Refusal> {
    let positive = TimeDelta::try_days(days).filter(|_| days > 0);
    positive.ok_or_else(|| Refusal::invalid("value_error", "duration_days", "ensure this value is greater than 0"))
}

/// Gives a level and records the transaction, once.
pub(super) fn grant(
    world: &mut World,
    profile: &str,
    level: &str,
    body: &Body,
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    if world.refuse_unknown_keys {
        body.refuse_unknown(&KNOWN)?;
    }
    let grant = Grant::read(body)?;
    let current = world.profiles.get(profile).and_then(|profile| profile.facts.levels.get(level));
    let end = grant.end(current, now)?;
    let given = grant.level(level, end, current, now);
    let row = grant.row(level, end, now);
    let row = row.filter(|row| !world.has_transaction(&row.product, &row.id, &row.store));
    world.change(profile, now, |facts| {
        facts.levels.insert(level.to_owned(), given);
        facts.transactions.extend(row);
    });
    Ok(())
}

/// Ends a level now, or at its start if that is still to come, and the transaction with it.
pub(super) fn revoke(
    world: &mut World,
    profile: &str,
    level: &str,
    body: &Body,
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    if world.refuse_unknown_keys {
        body.refuse_unknown(&["is_refund"])?;
    }
    let Some(is_refund) = body.flag("is_refund")? else {
        return Err(Refusal::invalid("value_error.missing", "is_refund", "field required"));
    };
    let held = world.profiles.get(profile).is_some_and(|profile| profile.facts.levels.contains_key(level));
    if !held {
        let message = "The profile has no such access level.";
        return Err(Refusal::invalid("profile_paid_access_level_does_not_exist", "access_level", message));
    }
    world.change(profile, now, |facts| end_level(facts, level, is_refund, now));
    Ok(())
}

fn end_level(facts: &mut Facts, level: &str, is_refund: bool, now: DateTime<Utc>) {
    let Some(level) = facts.levels.get_mut(level) else {
        return;
    };
    let end = level.starts_at.map_or(now, |start| start.max(now));
    level.unsubscribed_at = Some(now);
    level.expires_at = Some(end);
    level.is_lifetime = false;
    let attached = facts.transactions.iter_mut().filter(|row| {
        Some(&row.id) == level.transaction.as_ref() && row.product == level.product && row.store == level.store
    });
    for row in attached {
        row.expires_at = Some(end);
        row.refunded |= is_refund;
    }
}
