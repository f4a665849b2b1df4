//! One test's world: both vendors, a daemon, a scratch directory.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use sandbox::adapty::world::Level;
use sandbox::sandbox::Sandbox;
use sandbox::stripe::event::Event;
use sandbox::stripe::moves::{NewPrice, NewSubscription, metadata};
use sandbox::webhook::Webhooks;
use tempfile::TempDir;

use super::daemon::{Daemon, PATIENCE};

pub const SECRET: &str = "whsec_test_0123456789";
/// Access past a paid end while the next payment is awaited, as by default.
pub const SLACK: TimeDelta = TimeDelta::hours(2);

const CATALOG: &str = r#"
[[catalog]]
product = "prod_premium"
access_level = "premium"

[[catalog]]
price = "price_gold"
access_level = "gold"
"#;

/// Everything of one test; nothing is shared with others.
pub struct World {
    pub sandbox: Sandbox,
    pub daemon: Daemon,
    pub webhooks: Webhooks,
    pub directory: TempDir,
}

/// A subscription of the story.
pub struct Bought {
    pub customer: String,
    pub subscription: String,
    pub events: Vec<Event>,
}

impl World {
    /// A world with the default settings.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// A world with settings of the form `("POLICY__PROFILE_LAG", "1s")`.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        let sandbox = Sandbox::start().await.unwrap();
        let month = TimeDelta::days(30);
        sandbox.stripe.add_price(NewPrice::recurring("price_premium", "prod_premium", 999, month));
        sandbox.stripe.add_price(NewPrice::recurring("price_gold", "prod_gold", 1999, month));
        sandbox.stripe.add_price(NewPrice::recurring("price_unmapped", "prod_unmapped", 500, month));
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("grantsync.toml"), CATALOG).unwrap();
        let daemon = Daemon::start(directory.path(), environment(&sandbox, settings)).await;
        let webhooks = Webhooks::new(format!("{}/webhooks/stripe", daemon.front), SECRET);
        Self { sandbox, daemon, webhooks, directory }
    }

    /// Adds an entry to the catalog file; it counts from the next start.
    pub fn catalog(&self, entry: &str) {
        std::fs::write(self.directory.path().join("grantsync.toml"), format!("{CATALOG}\n[[catalog]]\n{entry}\n"))
            .unwrap();
    }

    /// `user` buys a month of `price`; nothing is delivered yet.
    pub fn buys(&self, user: &str, price: &str) -> Bought {
        self.subscribe(NewSubscription {
            prices: vec![(price.to_owned(), 1)],
            metadata: metadata(&[("customer_user_id", user)]),
            ..NewSubscription::default()
        })
    }

    pub fn subscribe(&self, new: NewSubscription) -> Bought {
        let made = self.sandbox.stripe.subscribe(new);
        Bought { customer: made.customer, subscription: made.subscription, events: made.events }
    }

    /// Delivers events in order; each must be answered with 200.
    pub async fn deliver(&self, events: &[Event]) {
        for event in events {
            let status = self.webhooks.deliver(event).await.unwrap();
            assert_eq!(status.as_u16(), 200, "{}", event.kind);
        }
    }

    /// Delivers events, and waits until all that follows from them is done.
    pub async fn deliver_and_rest(&self, events: &[Event]) {
        self.deliver(events).await;
        self.daemon.calm().await;
    }

    /// Waits until `user` holds `level` exactly to `end`.
    pub async fn until_held(&self, user: &str, level: &str, end: DateTime<Utc>) -> Level {
        let held = |shown: Option<&Level>| shown.and_then(|shown| shown.expires_at).is_some_and(|at| same(at, end));
        let waited = self.sandbox.adapty.wait_for_level(user, level, PATIENCE, held).await;
        let shown = waited.unwrap_or_else(|late| panic!("wanted {level} to {end}: {late}\n{}", self.daemon.log()));
        shown.expect("a level that is held is shown")
    }

    /// Waits until `user` does not hold `level` any more.
    pub async fn until_gone(&self, user: &str, level: &str) {
        let gone = |shown: Option<&Level>| shown.is_none_or(|shown| !runs(shown));
        let waited = self.sandbox.adapty.wait_for_level(user, level, PATIENCE, gone).await;
        assert!(waited.is_ok(), "{level} is still held\n{}", self.daemon.log());
    }

    /// Whether `user` holds `level` now.
    pub fn holds(&self, user: &str, level: &str) -> bool {
        self.sandbox.adapty.level(user, level).is_some_and(|shown| runs(&shown))
    }

    /// The end of a subscription's running period.
    pub fn period_end(&self, subscription: &str) -> DateTime<Utc> {
        let object = self.sandbox.stripe.object(subscription).unwrap();
        let pointers = ["/items/data/0/current_period_end", "/current_period_end"];
        let end = pointers.iter().find_map(|pointer| object.pointer(pointer)?.as_i64());
        DateTime::from_timestamp(end.unwrap(), 0).unwrap()
    }

    /// Requests to Adapty whose path ends so.
    pub fn written(&self, path_end: &str) -> usize {
        self.sandbox.journal.count(|request| request.method == "POST" && request.path.ends_with(path_end))
    }
}

fn runs(level: &Level) -> bool {
    level.is_lifetime || level.expires_at.is_some_and(|at| at > sandbox::clock::now())
}

/// The same second: Stripe counts no finer.
pub fn same(a: DateTime<Utc>, b: DateTime<Utc>) -> bool {
    a.timestamp() == b.timestamp()
}

fn environment(sandbox: &Sandbox, settings: &[(&str, &str)]) -> BTreeMap<String, String> {
    let own = [
        ("DATABASE__URL", "sqlite:grantsync.db".to_owned()),
        ("STRIPE__SECRET_KEY", "sk_test_sandbox".to_owned()),
        ("STRIPE__WEBHOOK_SECRETS", SECRET.to_owned()),
        ("STRIPE__API_BASE", sandbox.stripe.url()),
        ("STRIPE__REQUESTS_PER_SECOND", "500".to_owned()),
        ("ADAPTY__SECRET_KEY", "secret_live_sandbox.key".to_owned()),
        ("ADAPTY__API_BASE", sandbox.adapty.url()),
        ("ADAPTY__REQUESTS_PER_SECOND", "500".to_owned()),
    ];
    let changed = settings.iter().map(|(key, value)| (*key, (*value).to_owned()));
    own.into_iter().chain(changed).map(|(key, value)| (format!("GRANTSYNC__{key}"), value)).collect()
}
