//! The Adapty: profiles, access levels and transactions.
//!
//! The server-side APIs v1 and v2 are played, of v2 all that concerns purchases. The state (`world`) knows nothing of
//! HTTP, so that both generations speak of the same profiles.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::clock;
use crate::fault::Faults;
use crate::journal::TimedOut;
use crate::server::{Answer, Call};

mod body;
mod date;
mod grant;
mod report;
mod v1;
mod v2;
mod view;
mod view_v2;
pub mod world;

use world::{Level, Profile, Transaction, World};

/// A handle on the Adapty; clones share its state.
#[derive(Debug, Clone)]
pub struct Adapty {
    /// What goes wrong.
    pub faults: Faults,
    address: SocketAddr,
    world: Arc<Mutex<World>>,
    changed: Arc<watch::Sender<u64>>,
}

impl Adapty {
    pub(crate) fn new(address: SocketAddr) -> Adapty {
        Adapty {
            faults: Faults::default(),
            address,
            world: Arc::new(Mutex::new(World::new())),
            changed: Arc::new(watch::Sender::new(0)),
        }
    }

    /// `http://127.0.0.1:port`; the APIs are below `/api/v1/sdk` and `/api/v2/server-side-api`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds a secret key that is accepted.
    pub fn add_key(&self, key: &str) {
        self.write(|world| world.keys.insert(key.to_owned()));
    }

    /// Takes a secret key away, as a rotation does.
    pub fn remove_key(&self, key: &str) {
        self.write(|world| world.keys.remove(key));
    }

    /// Sets the access levels that the app has.
    pub fn set_levels(&self, levels: &[&str]) {
        let levels: BTreeSet<String> = levels.iter().map(|&level| level.to_owned()).collect();
        self.write(|world| world.levels = levels);
    }

    /// Sets the level that a product gives, or that it gives none.
    pub fn set_product(&self, product: &str, level: Option<&str>) {
        self.write(|world| world.products.insert(product.to_owned(), level.map(str::to_owned)));
    }

    /// The events that Adapty's integrations were sent, oldest first; only v2's set-transaction makes any.
    #[must_use]
    pub fn events(&self) -> Vec<String> {
        self.read(|world| world.events.clone())
    }

    /// Says whether an unknown key in a body is refused (the default) or ignored.
    pub fn refuse_unknown_keys(&self, refuse: bool) {
        self.write(|world| world.refuse_unknown_keys = refuse);
    }

    /// Makes a profile for a user, if there is none, and returns its id.
    pub fn create_profile(&self, user: &str) -> String {
        self.write(|world| world.ensure(user))
    }

    /// What is stored of a user, by customer user id or profile id.
    #[must_use]
    pub fn profile(&self, user: &str) -> Option<Profile> {
        self.read(|world| world.find(user).cloned())
    }

    /// How many profiles there are.
    #[must_use]
    pub fn profile_count(&self) -> usize {
        self.read(|world| world.profiles.len())
    }

    /// An access level of a user, active or not.
    #[must_use]
    pub fn level(&self, user: &str, level: &str) -> Option<Level> {
        self.read(|world| world.find(user)?.facts.levels.get(level).cloned())
    }

    /// Whether a user has an access level now.
    #[must_use]
    pub fn has(&self, user: &str, level: &str) -> bool {
        self.level(user, level).is_some_and(|level| level.is_active(clock::now()))
    }

    /// The transactions of a user, in the order they were recorded.
    #[must_use]
    pub fn transactions(&self, user: &str) -> Vec<Transaction> {
        self.profile(user).map(|profile| profile.facts.transactions).unwrap_or_default()
    }

    /// What the transactions of a user add up to per currency; a refunded one counts nothing.
    #[must_use]
    pub fn revenue(&self, user: &str) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        for row in self.transactions(user).iter().filter(|row| !row.refunded) {
            *sums.entry(row.currency.clone()).or_insert(0.0) += row.price;
        }
        for sum in sums.values_mut() {
            *sum = (*sum * 100.0).round() / 100.0;
        }
        sums
    }

    /// Gives a user a level by another way than the API: a purchase in a store, or in the dashboard.
    pub fn put_level(&self, user: &str, level: &str, store: &str, expires_at: Option<DateTime<Utc>>) {
        let put = Level::from_store(level, store, expires_at, clock::now());
        self.edit(user, |facts| {
            if store != "adapty" {
                facts.of_stores.insert(level.to_owned(), put.clone());
            }
            facts.levels.insert(level.to_owned(), put);
        });
    }

    /// Takes a level out of a profile, as if it had never been.
    pub fn forget(&self, user: &str, level: &str) {
        self.edit(user, |facts| {
            facts.levels.remove(level);
            facts.of_stores.remove(level);
        });
    }

    /// Deletes a user's profile, as in the dashboard.
    pub fn delete_profile(&self, user: &str) {
        self.write(|world| world.delete(user));
    }

    /// Changes anything in a user's profile, which is made if there is none.
    pub fn edit(&self, user: &str, change: impl FnOnce(&mut world::Facts)) {
        self.write(|world| {
            let id = world.ensure(user);
            world.change(&id, clock::now(), change);
        });
    }

    /// Waits until a user's level is so; looked at after every write, and when the level ends. `None` stands for a level
    /// never given.
    pub async fn wait_for_level(
        &self,
        user: &str,
        level: &str,
        timeout: Duration,
        mut is_so: impl FnMut(Option<&Level>) -> bool,
    ) -> Result<Option<Level>, TimedOut> {
        let mut changes = self.changed.subscribe();
        let until_so = async {
            loop {
                changes.borrow_and_update();
                let current = self.level(user, level);
                if is_so(current.as_ref()) {
                    return;
                }
                let end = current.and_then(|level| level.expires_at);
                let left = end.and_then(|end| (end - clock::now()).to_std().ok()).filter(|left| !left.is_zero());
                // an end writes nothing
                let _ = tokio::time::timeout(left.unwrap_or(timeout), changes.changed()).await;
            }
        };
        let ended = tokio::time::timeout(timeout, until_so).await.is_ok();
        let last = self.level(user, level);
        let seen = format!("{user} {level}: {last:?}");
        if ended { Ok(last) } else { Err(TimedOut { after: timeout, seen }) }
    }

    fn read<T>(&self, read: impl FnOnce(&World) -> T) -> T {
        read(&self.world.lock().expect("no holder of the world panics"))
    }

    fn write<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let done = act(&mut self.world.lock().expect("no holder of the world panics"));
        self.changed.send_modify(|count| *count += 1);
        done
    }
}

/// Answers one request.
pub(crate) fn answer(adapty: &Adapty, call: &Call) -> Answer {
    let key = call.authorization.as_deref().and_then(|value| value.strip_prefix("Api-Key "));
    if !key.is_some_and(|key| adapty.read(|world| world.keys.contains(key))) {
        let refusal = Refusal::new(401, "not_authenticated", None, "Authentication credentials were not provided.");
        return refusal.into_answer();
    }
    let (one, two) = (call.path.strip_prefix("/api/v1/sdk/"), call.path.strip_prefix("/api/v2/server-side-api/"));
    let result = match (call.method.as_str(), one, two) {
        // A read must not wake those who wait for a write.
        ("GET", Some(path), _) => adapty.read(|world| v1::read(world, path, call)),
        ("GET", None, Some(path)) => adapty.read(|world| v2::read(world, path, call)),
        (_, Some(path), _) => adapty.write(|world| v1::write(world, path, call)),
        (_, None, Some(path)) => adapty.write(|world| v2::write(world, path, call)),
        (_, None, None) => Err(Refusal::no_such_path()),
    };
    result.unwrap_or_else(Refusal::into_answer)
}

/// An error answer: v1 documents no shape of its own, so it takes that of v2.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: u16,
    code: &'static str,
    source: Option<String>,
    message: String,
}

impl Refusal {
    fn new(status: u16, code: &'static str, source: Option<&str>, message: &str) -> Refusal {
        Refusal { status, code, source: source.map(str::to_owned), message: message.to_owned() }
    }

    fn invalid(code: &'static str, field: &str, message: &str) -> Refusal {
        Refusal::new(400, code, Some(field), message)
    }

    fn no_such_path() -> Refusal {
        Refusal::new(404, "not_found", None, "Not found.")
    }

    fn no_such_profile() -> Refusal {
        Refusal::new(404, "profile_does_not_exist", None, "Profile not found")
    }

    fn into_answer(self) -> Answer {
        let error: Value = json!({ "source": self.source, "errors": [self.message] });
        let body = json!({ "errors": [error], "error_code": self.code, "status_code": self.status });
        Answer::json(self.status, &body)
    }
}
