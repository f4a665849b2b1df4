//! The IAPHUB: users with the products that are active for them, as its page "API - Get user" shows them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::fault::Faults;
use crate::server::{Answer, Call, percent_decoded};

/// A handle on the IAPHUB; clones share its state.
#[derive(Debug, Clone)]
pub struct Iaphub {
    /// What goes wrong.
    pub faults: Faults,
    address: SocketAddr,
    world: Arc<Mutex<World>>,
}

#[derive(Debug, Default)]
struct World {
    keys: BTreeSet<String>,
    /// The active products of each user who is known.
    users: BTreeMap<String, Vec<Value>>,
}

impl Iaphub {
    pub(crate) fn new(address: SocketAddr) -> Iaphub {
        let world = World { keys: BTreeSet::from(["iaphub_sandbox_key".to_owned()]), ..World::default() };
        Iaphub { faults: Faults::default(), address, world: Arc::new(Mutex::new(world)) }
    }

    /// `http://127.0.0.1:port`; the API is below `/v1`. The app is `app_1`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sets the products that are active for a user.
    pub fn set_products(&self, user: &str, products: &[Value]) {
        self.world().users.insert(user.to_owned(), products.to_vec());
    }

    /// Takes the key away.
    pub fn remove_keys(&self) {
        self.world().keys.clear();
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers a request.
pub(crate) fn answer(iaphub: &Iaphub, call: &Call) -> Answer {
    let world = iaphub.world();
    let key = call.authorization.as_deref().and_then(|value| value.strip_prefix("ApiKey "));
    if !key.is_some_and(|key| world.keys.contains(key)) {
        return Answer::json(401, &json!({ "error": "unauthorized" }));
    }
    let segments: Vec<&str> = call.path.trim_start_matches('/').split('/').collect();
    let ["v1", "app", "app_1", "user", user] = segments[..] else {
        return Answer::json(404, &json!({ "error": "not_found" }));
    };
    let (user, is_new) = (percent_decoded(user), call.param("returnNew") == Some("true"));
    match world.users.get(&user) {
        Some(products) => Answer::json(200, &shown(products)),
        None if is_new => Answer::json(200, &shown(&[])),
        // an error inside an answer that looks well
        None => Answer::json(200, &json!({ "error": "user_not_found" })),
    }
}

fn shown(products: &[Value]) -> Value {
    json!({ "tags": {}, "productsForSale": [], "activeProducts": products })
}
