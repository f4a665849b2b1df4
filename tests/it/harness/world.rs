//! One test's world: both vendors, a daemon, a scratch directory.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use cluster::database::Database;
use serde_json::Value;
use simulator::adapty::world::Level;
use simulator::journal::Request;
use simulator::simulator::Simulator;
use simulator::stripe::event::Event;
use simulator::stripe::moves::{NewPrice, NewSubscription, metadata};
use simulator::webhook::Webhooks;
use tempfile::TempDir;

use super::daemon::{Daemon, PATIENCE};

pub(crate) const SECRET: &str = "whsec_test_0123456789";
/// Access past a paid end while the next payment is awaited, as by default.
pub(crate) const SLACK: TimeDelta = TimeDelta::hours(2);

const CATALOG: &str = r#"
[[catalog]]
product = "prod_premium"
access_level = "premium"

[[catalog]]
price = "price_gold"
access_level = "gold"
"#;

/// Which level each product brings, where products do.
const BROUGHT: [(&str, &str); 4] =
    [("prod_premium", "premium"), ("prod_gold", "gold"), ("prod_pass", "premium"), ("prod_life", "gold")];

/// What is sold once, where a test asks for it: `price_pass` opens premium for a month, `price_life` gold for good.
const SOLD_ONCE: &str = r#"
[[catalog]]
price = "price_pass"
access_level = "premium"
duration = "30d"

[[catalog]]
price = "price_life"
access_level = "gold"
duration = "lifetime"
"#;

/// Everything of one test; nothing is shared with others.
pub(crate) struct World {
    pub(crate) simulator: Simulator,
    pub(crate) daemon: Daemon,
    pub(crate) webhooks: Webhooks,
    pub(crate) directory: TempDir,
    /// Dropped last, when no process works on it any more.
    _database: Option<Database>,
}

/// How the daemon speaks to Adapty, unless a test says otherwise.
#[derive(Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "each test program speaks one of them")]
pub(crate) enum Api {
    V1,
    /// The products bring their levels, as in Adapty's dashboard.
    V2,
}

/// Whether a revocation was reported as a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refund {
    Yes,
    No,
}

const SET: &str = "/purchase/set/transaction/";

/// Where the daemon keeps its memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    #[allow(dead_code, reason = "each of the two test programs is on one of them")]
    Sqlite,
    #[allow(dead_code, reason = "each of the two test programs is on one of them")]
    Postgres,
}

/// A subscription of the story.
pub(crate) struct Bought {
    pub(crate) customer: String,
    pub(crate) subscription: String,
    /// The first item.
    pub(crate) item: String,
    /// The first invoice.
    pub(crate) invoice: String,
    pub(crate) events: Vec<Event>,
}

impl World {
    /// A placeholder for the address of the simulator's IAPHUB, which is not known before it is started.
    pub(crate) const IAPHUB: &str = "(iaphub)";

    /// A world with the default settings.
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// A world with settings of the form `("POLICY__PROFILE_LAG", "1s")`.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        Self::selling(CATALOG, settings).await
    }

    /// A world that also sells what is paid once.
    pub(crate) async fn selling_once() -> Self {
        Self::selling_once_with(&[]).await
    }

    /// The same with settings.
    pub(crate) async fn selling_once_with(settings: &[(&str, &str)]) -> Self {
        Self::selling(&format!("{CATALOG}{SOLD_ONCE}"), settings).await
    }

    /// A world with a catalog of its own.
    pub(crate) async fn selling(catalog: &str, settings: &[(&str, &str)]) -> Self {
        let database = match crate::DATABASE {
            Kind::Sqlite => None,
            Kind::Postgres => Some(Database::fresh().await.unwrap()),
        };
        let url = database.as_ref().map_or("sqlite:grantsync.db", Database::url).to_owned();
        Self { _database: database, ..Self::on(&url, &["serve"], catalog, settings).await }
    }

    /// A world whose first process is started with `arguments` and works on the database at `url`.
    #[allow(dead_code, reason = "only many machines ask for it")]
    pub(crate) async fn beginning_with(url: &str, arguments: &[&str], settings: &[(&str, &str)]) -> Self {
        Self::on(url, arguments, CATALOG, settings).await
    }

    async fn on(url: &str, arguments: &[&str], catalog: &str, settings: &[(&str, &str)]) -> Self {
        let simulator = Simulator::start().await.unwrap();
        let month = TimeDelta::days(30);
        simulator.stripe.add_price(NewPrice::recurring("price_premium", "prod_premium", 999, month));
        simulator.stripe.add_price(NewPrice::recurring("price_gold", "prod_gold", 1999, month));
        simulator.stripe.add_price(NewPrice::recurring("price_unmapped", "prod_unmapped", 500, month));
        simulator.stripe.add_price(NewPrice::recurring("price_yearly", "prod_premium", 9999, TimeDelta::days(365)));
        simulator.stripe.add_price(NewPrice::one_time("price_pass", "prod_pass", 499));
        simulator.stripe.add_price(NewPrice::one_time("price_life", "prod_life", 4999));
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("grantsync.toml"), catalog).unwrap();
        for (product, level) in BROUGHT.iter().filter(|_| crate::API == Api::V2) {
            simulator.adapty.set_product(product, Some(level));
        }
        let environment = environment(&simulator, url, settings);
        let daemon = Daemon::start_as(arguments, directory.path(), environment).await;
        let webhooks = Webhooks::new(format!("{}/webhooks/stripe", daemon.front), SECRET);
        Self { simulator, daemon, webhooks, directory, _database: None }
    }

    /// A world around a simulator that has a past, on what is in `directory`: settings, and a database.
    #[allow(dead_code, reason = "only the upgrade asks for it")]
    pub(crate) async fn between(
        simulator: Simulator,
        directory: TempDir,
        environment: BTreeMap<String, String>,
    ) -> Self {
        let daemon = Daemon::start_as(&["serve"], directory.path(), environment).await;
        let webhooks = Webhooks::new(format!("{}/webhooks/stripe", daemon.front), SECRET);
        Self { simulator, daemon, webhooks, directory, _database: None }
    }

    /// Adds an entry to the catalog file; it counts from the next start.
    pub(crate) fn catalog(&self, entry: &str) {
        std::fs::write(self.directory.path().join("grantsync.toml"), format!("{CATALOG}\n[[catalog]]\n{entry}\n"))
            .unwrap();
    }

    /// `user` buys a month of `price`; nothing is delivered yet.
    pub(crate) fn buys(&self, user: &str, price: &str) -> Bought {
        self.subscribe(NewSubscription {
            prices: vec![(price.to_owned(), 1)],
            metadata: metadata(&[("customer_user_id", user)]),
            ..NewSubscription::default()
        })
    }

    pub(crate) fn subscribe(&self, new: NewSubscription) -> Bought {
        let made = self.simulator.stripe.subscribe(new);
        let item = made.items[0].clone();
        let (customer, subscription, invoice) = (made.customer, made.subscription, made.invoice);
        Bought { customer, subscription, item, invoice, events: made.events }
    }

    /// `user` buys a month of `price` and holds `level` for it.
    pub(crate) async fn granted(&self, user: &str, price: &str, level: &str) -> Bought {
        let bought = self.buys(user, price);
        self.deliver(&bought.events).await;
        self.until_held(user, level, self.period_end(&bought.subscription) + SLACK).await;
        self.daemon.until_idle().await;
        bought
    }

    /// Delivers events in order; each must be answered with 200.
    pub(crate) async fn deliver(&self, events: &[Event]) {
        for event in events {
            let status = self.webhooks.deliver(event).await.unwrap();
            assert_eq!(status.as_u16(), 200, "{}:\n{}", event.kind, self.daemon.log());
        }
    }

    /// Delivers events, and waits until all that follows from them is done.
    pub(crate) async fn deliver_and_settle(&self, events: &[Event]) {
        self.deliver(events).await;
        self.daemon.until_idle().await;
    }

    /// Waits until `user` holds `level` exactly to `end`.
    pub(crate) async fn until_held(&self, user: &str, level: &str, end: DateTime<Utc>) -> Level {
        let held = |level: Option<&Level>| level.and_then(|level| level.expires_at).is_some_and(|at| same(at, end));
        let waited = self.simulator.adapty.wait_for_level(user, level, PATIENCE, held).await;
        let found = waited.unwrap_or_else(|late| panic!("wanted {level} to {end}: {late}\n{}", self.daemon.log()));
        found.expect("a level that is held is there")
    }

    /// Waits until `user` does not hold `level` any more.
    pub(crate) async fn until_gone(&self, user: &str, level: &str) {
        let gone = |level: Option<&Level>| level.is_none_or(|level| !runs(level));
        let waited = self.simulator.adapty.wait_for_level(user, level, PATIENCE, gone).await;
        assert!(waited.is_ok(), "{level} is still held\n{}", self.daemon.log());
    }

    /// Whether `user` holds `level` now.
    pub(crate) fn holds(&self, user: &str, level: &str) -> bool {
        self.simulator.adapty.level(user, level).is_some_and(|level| runs(&level))
    }

    /// The end of a subscription's running period.
    pub(crate) fn period_end(&self, subscription: &str) -> DateTime<Utc> {
        let object = self.simulator.stripe.object(subscription).unwrap();
        let pointers = ["/items/data/0/current_period_end", "/current_period_end"];
        let end = pointers.iter().find_map(|pointer| object.pointer(pointer)?.as_i64());
        DateTime::from_timestamp(end.unwrap(), 0).unwrap()
    }

    /// The end of the running period of the subscription that was made last.
    pub(crate) fn any_period_end(&self) -> DateTime<Utc> {
        let all = self.simulator.stripe.ids("subscription");
        self.period_end(all.last().expect("there is a subscription"))
    }

    /// Changes the database behind the program's back.
    pub(crate) async fn tamper(&self, text: &'static str) {
        use sqlx::Connection as _;
        match &self._database {
            Some(database) => {
                let mut connection = sqlx::PgConnection::connect(database.url()).await.unwrap();
                sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
            }
            None => {
                let file = self.directory.path().join("grantsync.db");
                let mut connection = sqlx::SqliteConnection::connect(&file.display().to_string()).await.unwrap();
                sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
            }
        }
    }

    /// The bodies of all requests to Adapty whose path ends so, oldest first.
    pub(crate) fn bodies(&self, path_end: &str) -> Vec<Value> {
        let all = self.simulator.journal.requests().into_iter();
        let wanted = all.filter(|request| request.method == "POST" && request.path.ends_with(path_end));
        wanted.map(|request| request.body).collect()
    }

    /// The prices of the sales reported to Adapty, oldest first, through either API.
    pub(crate) fn grants(&self) -> Vec<Value> {
        match crate::API {
            Api::V1 => self.bodies("/grant/").into_iter().map(|body| body["price"].clone()).collect(),
            Api::V2 => {
                let bought = self.bodies(SET).into_iter().filter(|body| body.get("refunded_at").is_none());
                bought.map(|body| body["price"]["value"].clone()).collect()
            }
        }
    }

    /// What was revoked at Adapty, oldest first, through either API.
    pub(crate) fn revokes(&self) -> Vec<Refund> {
        let refund = |yes: bool| if yes { Refund::Yes } else { Refund::No };
        match crate::API {
            Api::V1 => self.bodies("/revoke/").iter().map(|body| refund(body["is_refund"] == true)).collect(),
            Api::V2 => {
                let requests = self.simulator.journal.requests().into_iter().filter(|request| request.method == "POST");
                let output = |request: &Request| match &request.path {
                    path if path.ends_with(SET) => request.body.get("refunded_at").map(|_| Refund::Yes),
                    path if path.ends_with("/revoke/access-level/") => Some(Refund::No),
                    _ => None,
                };
                let mut taken: Vec<Refund> = requests.filter_map(|request| output(&request)).collect();
                // a refund in the second of the purchase counts from the next: what it left until then is revoked with it
                taken.dedup_by(|next, before| (*before, *next) == (Refund::Yes, Refund::No));
                taken
            }
        }
    }

    /// The ids of the transactions of `user` in Adapty, in the order they were recorded.
    pub(crate) fn transaction_ids(&self, user: &str) -> Vec<String> {
        self.simulator.adapty.transactions(user).into_iter().map(|row| row.id).collect()
    }

    /// What is parked: kind and account.
    pub(crate) async fn parked(&self) -> Vec<(String, String)> {
        let text = |row: &Value, field: &str| row[field].as_str().unwrap_or_default().to_owned();
        let rows = self.daemon.listed(&["parked"]).await;
        rows.iter().map(|row| (text(row, "kind"), text(row, "account"))).collect()
    }

    /// Requests to Adapty whose path ends so.
    pub(crate) fn written(&self, path_end: &str) -> usize {
        self.simulator.journal.count(|request| request.method == "POST" && request.path.ends_with(path_end))
    }
}

fn runs(level: &Level) -> bool {
    level.is_lifetime || level.expires_at.is_some_and(|at| at > simulator::clock::now())
}

/// The same second: Stripe counts no finer.
pub(crate) fn same(a: DateTime<Utc>, b: DateTime<Utc>) -> bool {
    a.timestamp() == b.timestamp()
}

pub(crate) fn environment(simulator: &Simulator, url: &str, settings: &[(&str, &str)]) -> BTreeMap<String, String> {
    let own = [
        ("DATABASE__URL", url.to_owned()),
        ("STRIPE__SECRET_KEY", "sk_test_sandbox".to_owned()),
        ("STRIPE__WEBHOOK_SECRETS", SECRET.to_owned()),
        ("STRIPE__API_BASE", simulator.stripe.url()),
        ("STRIPE__REQUESTS_PER_SECOND", "500".to_owned()),
        ("ADAPTY__SECRET_KEY", "secret_live_sandbox.key".to_owned()),
        ("ADAPTY__API_BASE", simulator.adapty.url()),
        ("ADAPTY__REQUESTS_PER_SECOND", "500".to_owned()),
        ("ADAPTY__API", if crate::API == Api::V2 { "v2" } else { "v1" }.to_owned()),
    ];
    // a list of apps takes the place of the one app
    let several = settings.iter().any(|(key, _)| *key == "ADAPTY");
    let own = own.into_iter().filter(|(key, _)| !several || !key.starts_with("ADAPTY__"));
    let changed = settings.iter().map(|(key, value)| match *value {
        World::IAPHUB => (*key, simulator.iaphub.url()),
        value => (*key, value.to_owned()),
    });
    let named = own.chain(changed).map(|(key, value)| (format!("GRANTSYNC__{key}"), value));
    // what must not be logged must not be logged however much is logged
    named.chain([("GRANTSYNC_LOG".to_owned(), "debug".to_owned())]).collect()
}
