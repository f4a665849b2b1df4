//! What the Adapty knows: profiles with their levels and transactions.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

use crate::clock;

/// An access level in a profile, as Adapty keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// The id of the level.
    pub id: String,
    /// It never ends.
    pub is_lifetime: bool,
    /// Its end; `None` only for a lifetime.
    pub expires_at: Option<DateTime<Utc>>,
    /// Its begin, when that was given.
    pub starts_at: Option<DateTime<Utc>>,
    /// The store says that it renews.
    pub will_renew: bool,
    /// The product it came from.
    pub product: String,
    /// The base plan or the Stripe price.
    pub base_plan: Option<String>,
    /// The last transaction.
    pub transaction: Option<String>,
    /// The first transaction of the chain.
    pub original: Option<String>,
    /// Where it was bought.
    pub store: String,
    /// When it was first given.
    pub activated_at: DateTime<Utc>,
    /// When it was last given.
    pub renewed_at: DateTime<Utc>,
    /// When it was revoked, or its renewal switched off.
    pub unsubscribed_at: Option<DateTime<Utc>>,
    /// The introductory offer in force.
    pub offer: Option<String>,
}

impl Level {
    /// Its end, to be compared: a lifetime ends last.
    pub(super) fn end(&self) -> DateTime<Utc> {
        self.expires_at.unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// Whether it opens anything at a time.
    #[must_use]
    pub fn is_active(&self, now: DateTime<Utc>) -> bool {
        let begun = self.starts_at.is_none_or(|start| start <= now);
        let lasting = self.is_lifetime || self.expires_at.is_some_and(|end| end > now);
        begun && lasting
    }

    pub(super) fn from_store(id: &str, store: &str, expires_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Level {
        let transaction = format!("{store}-{id}-{}", now.timestamp());
        Level {
            id: id.to_owned(),
            is_lifetime: expires_at.is_none(),
            expires_at,
            starts_at: None,
            will_renew: expires_at.is_some(),
            product: format!("{store}.{id}"),
            base_plan: None,
            transaction: Some(transaction.clone()),
            original: Some(transaction),
            store: store.to_owned(),
            activated_at: now,
            renewed_at: now,
            unsubscribed_at: None,
            offer: None,
        }
    }
}

/// A transaction row: what Adapty's charts are made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Transaction {
    /// `vendor_product_id`.
    pub product: String,
    /// `base_plan_id`.
    pub base_plan: Option<String>,
    /// `vendor_transaction_id`.
    pub id: String,
    /// `vendor_original_transaction_id`; the same as `id` when it was not given.
    pub original: String,
    /// `store`.
    pub store: String,
    /// `price`; 0 when it was not given.
    pub price: f64,
    /// `proceeds`.
    pub proceeds: Option<f64>,
    /// `price_locale`.
    pub currency: String,
    /// `introductory_offer_type`.
    pub offer: Option<String>,
    /// `is_sandbox`.
    pub is_sandbox: bool,
    /// A revoke with `is_refund` has hit it.
    pub refunded: bool,
    /// The end of what it paid for; `None` for a lifetime.
    pub expires_at: Option<DateTime<Utc>>,
    /// The level that was granted with it.
    pub level: String,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// What v2's set-transaction says besides; `None` for one of v1.
    pub reported: Option<Reported>,
}

/// The state of a transaction, as v2's set-transaction reported it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reported {
    /// `purchase_type` is `subscription`, not `one_time_purchase`.
    pub is_subscription: bool,
    /// `price.country`.
    pub country: String,
    /// `purchased_at`.
    pub purchased_at: DateTime<Utc>,
    /// `originally_purchased_at`.
    pub originally_purchased_at: Option<DateTime<Utc>>,
    /// `renew_status`.
    pub renews: Option<bool>,
    /// `renew_status_changed_at`.
    pub renew_status_changed_at: Option<DateTime<Utc>>,
    /// `billing_issue_detected_at`.
    pub billing_issue_detected_at: Option<DateTime<Utc>>,
    /// `grace_period_expires_at`.
    pub grace_period_expires_at: Option<DateTime<Utc>>,
    /// `refunded_at`.
    pub refunded_at: Option<DateTime<Utc>>,
    /// `cancellation_reason`.
    pub cancellation_reason: Option<String>,
    /// `offer.category`.
    pub offer_category: Option<String>,
    /// `offer.id`.
    pub offer_id: Option<String>,
    /// `variation_id`.
    pub variation_id: Option<String>,
}

/// The part of a profile that changes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// What PATCH has set.
    pub attributes: Map<String, Value>,
    /// Access levels by id, as the APIs show them.
    pub levels: BTreeMap<String, Level>,
    /// What stores gave besides: the level of a profile while it lasts longest.
    pub of_stores: BTreeMap<String, Level>,
    /// Transactions in the order they were recorded.
    pub transactions: Vec<Transaction>,
}

/// A profile.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// The UUID that Adapty gives.
    pub id: String,
    /// `customer_user_id`.
    pub user: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// What it holds.
    pub facts: Facts,
    /// When it was last written, and what it held before; `None` inside: it was not there.
    before: (DateTime<Utc>, Option<Facts>),
}

impl Profile {
    /// What a reader sees who is served from a copy up to `age` old; `None`: no such profile yet.
    pub(super) fn as_seen(&self, age: Option<std::time::Duration>) -> Option<&Facts> {
        let age = age.and_then(|age| TimeDelta::from_std(age).ok());
        let (written_at, before) = &self.before;
        match age {
            Some(age) if *written_at + age > clock::now() => before.as_ref(),
            _ => Some(&self.facts),
        }
    }
}

/// The whole state of one app.
#[derive(Debug)]
pub(crate) struct World {
    pub(super) keys: BTreeSet<String>,
    pub(super) levels: BTreeSet<String>,
    pub(super) refuse_unknown_keys: bool,
    /// The level that each product gives, where it was set.
    pub(super) products: BTreeMap<String, Option<String>>,
    /// The events that Adapty's integrations were sent, oldest first.
    pub(super) events: Vec<String>,
    pub(super) profiles: BTreeMap<String, Profile>,
    users: BTreeMap<String, String>,
    minted: u64,
}

impl World {
    pub(super) fn new() -> World {
        World {
            keys: BTreeSet::from(["secret_live_sandbox.key".to_owned()]),
            levels: ["premium", "gold", "basic"].map(str::to_owned).into(),
            refuse_unknown_keys: true,
            products: BTreeMap::new(),
            events: Vec::new(),
            profiles: BTreeMap::new(),
            users: BTreeMap::new(),
            minted: 0,
        }
    }

    /// A profile by customer user id or by profile id.
    pub(super) fn find(&self, user: &str) -> Option<&Profile> {
        let id = self.users.get(user).map_or(user, String::as_str);
        self.profiles.get(id)
    }

    /// The id of a user's profile, made if there is none.
    pub(super) fn ensure(&mut self, user: &str) -> String {
        if let Some(profile) = self.find(user) {
            return profile.id.clone();
        }
        self.minted += 1;
        let id = format!("77112400-89f1-4465-b9c9-{:012x}", self.minted);
        let now = clock::now();
        let profile = Profile {
            id: id.clone(),
            user: Some(user.to_owned()),
            created_at: now,
            facts: Facts::default(),
            before: (now, None),
        };
        self.users.insert(user.to_owned(), id.clone());
        self.profiles.insert(id.clone(), profile);
        id
    }

    /// Deletes a user's profile.
    pub(super) fn delete(&mut self, user: &str) {
        let id = self.users.remove(user);
        drop(id.and_then(|id| self.profiles.remove(&id)));
    }

    /// Changes a profile and keeps what it held before.
    pub(super) fn change(&mut self, id: &str, now: DateTime<Utc>, change: impl FnOnce(&mut Facts)) {
        let profile = self.profiles.get_mut(id).expect("the caller has found this profile");
        profile.before = (now, Some(profile.facts.clone()));
        change(&mut profile.facts);
    }

    pub(super) fn remove(&mut self, id: &str) {
        self.profiles.remove(id);
        self.users.retain(|_, profile| profile != id);
    }

    /// All transactions of the app.
    pub(super) fn transactions(&self) -> impl Iterator<Item = &Transaction> {
        self.profiles.values().flat_map(|profile| &profile.facts.transactions)
    }

    /// The level that a product gives; one that Adapty does not know gives `premium`, as the newest page says.
    pub(super) fn level_of_product(&self, product: &str) -> Option<String> {
        self.products.get(product).cloned().unwrap_or_else(|| Some("premium".to_owned()))
    }

    /// Whether the app has a transaction of this product, id and store.
    pub(super) fn has_transaction(&self, product: &str, id: &str, store: &str) -> bool {
        self.transactions().any(|row| row.product == product && row.id == id && row.store == store)
    }
}
