//! Set transaction, as v2 documents it: its fields, its refusals, and what becomes of the access level.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::Refusal;
use super::body::Body;
use super::world::{Facts, Level, Reported, Transaction, World};

const KNOWN: [&str; 19] = [
    "purchase_type",
    "store",
    "environment",
    "store_product_id",
    "store_transaction_id",
    "store_original_transaction_id",
    "is_family_shared",
    "price",
    "purchased_at",
    "originally_purchased_at",
    "expires_at",
    "renew_status",
    "renew_status_changed_at",
    "billing_issue_detected_at",
    "grace_period_expires_at",
    "offer",
    "refunded_at",
    "cancellation_reason",
    "variation_id",
];

const CATEGORIES: [&str; 4] = ["introductory", "promotional", "offer_code", "win_back"];
const OFFERS: [&str; 3] = ["free_trial", "pay_as_you_go", "pay_up_front"];
const REASONS: [&str; 10] = [
    "voluntarily_cancelled",
    "billing_error",
    "price_increase",
    "product_was_not_available",
    "refund",
    "cancelled_by_developer",
    "new_subscription_replace",
    "upgraded",
    "unknown",
    "adapty_revoked",
];

/// The longest `store_transaction_id`.
const LONGEST_ID: usize = 50;

/// The body, read.
struct Report {
    row: Transaction,
    facts: Reported,
    family_shared: bool,
}

/// Records a transaction or changes the one of that id, and gives the level of its product.
pub(super) fn set(world: &mut World, profile: &str, body: &Body, now: DateTime<Utc>) -> Result<(), Refusal> {
    if world.refuse_unknown_keys {
        body.refuse_unknown(&KNOWN)?;
    }
    let mut report = Report::read(body, now)?;
    report.check()?;
    let level = world.level_of_product(&report.row.product);
    report.row.level = level.clone().unwrap_or_default();
    let known = world.transactions().any(|row| is_same(row, &report.row));
    let of_chain = |row: &&Transaction| row.original == report.row.original;
    let chain_is_known = world.transactions().any(|row| of_chain(&row));
    let was_free = world.transactions().filter(of_chain).all(|row| row.price == 0.0);
    let other_chain = world.transactions().any(|row| is_same(row, &report.row) && row.original != report.row.original);
    if other_chain {
        let message = "store_transaction_id belongs to another store_original_transaction_id.";
        return Err(Refusal::invalid("validation_error", "store_transaction_id", message));
    }
    let is_trial = report.row.offer.as_deref() == Some("free_trial") || report.row.price == 0.0;
    let event = match (known, chain_is_known, is_trial) {
        (true, _, _) => None,
        _ if !report.facts.is_subscription => Some("non_subscription_purchase"),
        (false, true, false) if was_free => Some("trial_converted"),
        (false, true, _) => Some("subscription_renewed"),
        (false, false, true) => Some("trial_started"),
        (false, false, false) => Some("subscription_started"),
    };
    world.events.extend(event.into_iter().chain(["access_level_updated"]).map(str::to_owned));
    world.change(profile, now, |facts| {
        let row = Transaction { reported: Some(report.facts), ..report.row };
        record(facts, row);
        if let Some(level) = level {
            give(facts, &level, now);
        }
    });
    Ok(())
}

fn is_same(one: &Transaction, other: &Transaction) -> bool {
    (&one.store, &one.id) == (&other.store, &other.id)
}

/// A known transaction keeps what was charged for it; its state is replaced.
fn record(facts: &mut Facts, row: Transaction) {
    // v1 distinguishes rows of one id by their product
    let same = |known: &&mut Transaction| is_same(known, &row);
    let of_product = facts.transactions.iter().any(|known| is_same(known, &row) && known.product == row.product);
    let mut found = facts.transactions.iter_mut().filter(same);
    match found.find(|known| !of_product || known.product == row.product) {
        Some(known) => {
            (known.reported, known.expires_at, known.refunded) = (row.reported, row.expires_at, row.refunded);
        }
        None => facts.transactions.push(row),
    }
}

/// The level as the newest transaction of each chain gives it, or another store: the one that lasts longest wins.
fn give(facts: &mut Facts, level: &str, now: DateTime<Utc>) {
    let mut newest: BTreeMap<&str, (&Transaction, &Reported)> = BTreeMap::new();
    for row in facts.transactions.iter().filter(|row| row.level == level) {
        let Some(reported) = row.reported.as_ref() else { continue };
        let known = newest.get(row.original.as_str());
        if known.is_none_or(|(_, known)| known.purchased_at <= reported.purchased_at) {
            newest.insert(&row.original, (row, reported));
        }
    }
    let given = newest.into_values().map(|(row, reported)| of_row(facts, level, row, reported, now));
    let longest = given.chain(facts.of_stores.get(level).cloned()).max_by_key(Level::end);
    facts.levels.extend(longest.map(|longest| (level.to_owned(), longest)));
}

fn of_row(facts: &Facts, level: &str, row: &Transaction, reported: &Reported, now: DateTime<Utc>) -> Level {
    let grace = reported.grace_period_expires_at.filter(|end| *end > now);
    let end = reported.refunded_at.or(grace).or(row.expires_at);
    let held = facts.levels.get(level);
    Level {
        id: level.to_owned(),
        is_lifetime: end.is_none(),
        expires_at: end,
        starts_at: None,
        will_renew: reported.renews == Some(true) && reported.refunded_at.is_none(),
        product: row.product.clone(),
        base_plan: row.base_plan.clone(),
        transaction: Some(row.id.clone()),
        original: Some(row.original.clone()),
        store: row.store.clone(),
        activated_at: held.map_or(now, |held| held.activated_at),
        renewed_at: reported.purchased_at,
        unsubscribed_at: reported.renew_status_changed_at.filter(|_| reported.renews == Some(false)),
        offer: row.offer.clone(),
    }
}

fn missing(field: &str) -> Refusal {
    Refusal::invalid("value_error.missing", field, "field required")
}

impl Report {
    fn read(body: &Body, now: DateTime<Utc>) -> Result<Report, Refusal> {
        let text = |field: &str| body.text(field)?.filter(|text| !text.is_empty()).ok_or_else(|| missing(field));
        let time = |field: &str| body.time(field)?.ok_or_else(|| missing(field));
        let kind = body.word("purchase_type", &["subscription", "one_time_purchase"])?;
        let is_subscription = kind.ok_or_else(|| missing("purchase_type"))? == "subscription";
        let price = body.object("price")?.ok_or_else(|| missing("price"))?;
        let price_text = |field: &str, length| {
            let text = price.text(field)?.ok_or_else(|| missing(&format!("price.{field}")))?;
            let sound = text.len() == length && text.bytes().all(|byte| byte.is_ascii_uppercase());
            if sound { Ok(text) } else { Err(Refusal::invalid("enum", &format!("price.{field}"), "unexpected value")) }
        };
        let (country, currency) = (price_text("country", 2)?, price_text("currency", 3)?);
        let offer = body.object("offer")?;
        let of_offer = |field: &str, words: &[&str]| match &offer {
            Some(offer) => Ok(Some(offer.word(field, words)?.ok_or_else(|| missing(&format!("offer.{field}")))?)),
            None => Ok(None),
        };
        let (category, offer_type) = (of_offer("category", &CATEGORIES)?, of_offer("type", &OFFERS)?);
        let environment = body.word("environment", &["Production", "Sandbox"])?;
        let needed = |field: &str| if is_subscription { time(field).map(Some) } else { body.time(field) };
        let (first, expires_at) = (needed("originally_purchased_at")?, needed("expires_at")?);
        let renews = body.flag("renew_status")?;
        if is_subscription && renews.is_none() {
            return Err(missing("renew_status"));
        }
        let facts = Reported {
            is_subscription,
            country,
            purchased_at: time("purchased_at")?,
            originally_purchased_at: first,
            renews,
            renew_status_changed_at: body.time_or_null("renew_status_changed_at")?,
            billing_issue_detected_at: body.time_or_null("billing_issue_detected_at")?,
            grace_period_expires_at: body.time_or_null("grace_period_expires_at")?,
            refunded_at: body.time_or_null("refunded_at")?,
            cancellation_reason: body.word_or_null("cancellation_reason", &REASONS)?,
            offer_category: category,
            // a null id is refused, as two of the pages say
            offer_id: offer.as_ref().map_or(Ok(None), |offer| offer.text("id"))?,
            variation_id: variation(body)?,
        };
        let row = Transaction {
            product: text("store_product_id")?,
            base_plan: None,
            id: text("store_transaction_id")?,
            original: text("store_original_transaction_id")?,
            store: text("store")?,
            price: price.number("value")?.ok_or_else(|| missing("price.value"))?,
            proceeds: None,
            currency,
            offer: offer_type,
            is_sandbox: environment.as_deref() == Some("Sandbox"),
            refunded: facts.refunded_at.is_some(),
            expires_at,
            level: String::new(),
            recorded_at: now,
            reported: None,
        };
        let family_shared = body.flag("is_family_shared")?.unwrap_or(false);
        Ok(Report { row, facts, family_shared })
    }

    /// The documented refusals; "later" is strict.
    fn check(&self) -> Result<(), Refusal> {
        self.check_ids()?;
        self.check_dates()?;
        self.check_offer()
    }

    fn check_ids(&self) -> Result<(), Refusal> {
        let Report { row, facts, .. } = self;
        refuse(
            row.id.chars().count() > LONGEST_ID,
            "validation_error",
            "store_transaction_id",
            "ensure this value has at most 50 characters",
        )?;
        let differs = !facts.is_subscription && row.id != row.original;
        let message = "store_transaction_id must be equal to store_original_transaction_id for purchase.";
        refuse(differs, "store_transaction_id_error", "store_transaction_id", message)
    }

    fn check_dates(&self) -> Result<(), Refusal> {
        let facts = &self.facts;
        let bought = facts.purchased_at;
        let not_later = |at: Option<DateTime<Utc>>| at.is_some_and(|at| at <= bought);
        refuse(
            not_later(facts.billing_issue_detected_at),
            "billing_issue_detected_at_date_comparison_error",
            "billing_issue_detected_at",
            "billing_issue_detected_at must be later than purchased_at.",
        )?;
        let message = "expires_at must be later than purchased_at.";
        refuse(not_later(self.row.expires_at), "expires_date_error", "expires_at", message)?;
        refuse(
            facts.grace_period_expires_at.is_some() && facts.billing_issue_detected_at.is_none(),
            "grace_period_billing_error",
            "grace_period_billing_error",
            "If grace_period_expires_at is specified, billing_issue_detected_at must also be specified.",
        )?;
        refuse(
            facts.grace_period_expires_at.zip(self.row.expires_at).is_some_and(|(grace, end)| grace < end),
            "grace_period_expires_date_error",
            "grace_period_expires_at",
            "grace_period_expires_at must be later or equal to expires_at.",
        )?;
        refuse(
            facts.originally_purchased_at.is_some_and(|first| first > bought),
            "originally_purchased_date_error",
            "originally_purchased_at",
            "originally_purchased_at must be earlier than or equal to purchased_at.",
        )?;
        let message = "refunded_at must be later than purchased_at.";
        refuse(not_later(facts.refunded_at), "refund_date_error", "refunded_at", message)?;
        let refund = facts.cancellation_reason.as_deref() == Some("refund");
        let message = "refunded_at and cancellation_reason=refund must be specified together.";
        refuse(facts.refunded_at.is_some() != refund, "refund_fields_error", "refunded_at", message)?;
        refuse(
            not_later(facts.renew_status_changed_at),
            "renew_status_changed_date_error",
            "renew_status_changed_at",
            "renew_status_changed_at must be later than purchased_at.",
        )
    }

    fn check_offer(&self) -> Result<(), Refusal> {
        let Report { row, facts, .. } = self;
        let (paid, is_trial) = (row.price != 0.0, row.offer.as_deref() == Some("free_trial"));
        let message = "If is_family_shared is true, price.value must be 0.";
        refuse(self.family_shared && paid, "family_share_price_error", "is_family_shared", message)?;
        let message = "If offer_type is 'free_trial', price.value must be 0.";
        refuse(is_trial && paid, "free_trial_price_error", "offer_type", message)?;
        let nameless =
            facts.offer_id.is_none() && facts.offer_category.as_deref().is_some_and(|of| of != "introductory");
        let message = "offer_id must be specified for all offer types except 'introductory'.";
        refuse(nameless, "missing_offer_id", "offer_category", message)?;
        let message = "One-time purchase cannot have a trial.";
        refuse(is_trial && !facts.is_subscription, "one_time_purchase_trial_error", "offer.type", message)
    }
}

fn refuse(wrong: bool, code: &'static str, source: &str, message: &str) -> Result<(), Refusal> {
    if wrong { Err(Refusal::invalid(code, source, message)) } else { Ok(()) }
}

/// The page marks it as nullable.
fn variation(body: &Body) -> Result<Option<String>, Refusal> {
    if body.is_null("variation_id") { Ok(None) } else { body.text("variation_id") }
}
