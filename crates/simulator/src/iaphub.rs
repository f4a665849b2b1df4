//! The IAPHUB: users with the products that are active for them, as its page "API - Get user" shows them, and, where a
//! test says by which paths, transactions of the web. Those paths are not public, so any will do.

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
    /// Where a transaction is created and changed, with places for user and transaction.
    paths: Option<[String; 2]>,
    /// What was written last of each, by its order id.
    transactions: BTreeMap<String, Value>,
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

    /// Takes transactions of the web from now on, by paths such as `/v1/app/app_1/user/{user}/transaction/{transaction}`.
    /// Where both are one, what is known is changed.
    pub fn take_transactions(&self, create: &str, update: &str) {
        self.world().paths = Some([create, update].map(str::to_owned));
    }

    /// What was written last of each transaction of a user, by its order id.
    #[must_use]
    pub fn transactions(&self, user: &str) -> Vec<Value> {
        self.world().transactions.values().filter(|of| of["userId"] == user).cloned().collect()
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
    let mut world = iaphub.world();
    let key = call.authorization.as_deref().and_then(|value| value.strip_prefix("ApiKey "));
    if !key.is_some_and(|key| world.keys.contains(key)) {
        return Answer::json(401, &json!({ "error": "unauthorized" }));
    }
    if call.method == "POST" {
        return match write(&mut world, call) {
            Ok(()) => Answer::json(200, &json!({})),
            Err((status, error)) => Answer::json(status, &json!({ "error": error })),
        };
    }
    let segments: Vec<&str> = call.path.trim_start_matches('/').split('/').collect();
    let ["v1", "app", "app_1", "user", user] = segments[..] else {
        return Answer::json(404, &json!({ "error": "not_found" }));
    };
    let (user, is_new) = (percent_decoded(user), call.param("returnNew") == Some("true"));
    match world.users.get(&user) {
        Some(products) => Answer::json(200, &user_object(products)),
        None if is_new => Answer::json(200, &user_object(&[])),
        // an error inside an answer with status 200
        None => Answer::json(200, &json!({ "error": "user_not_found" })),
    }
}

/// Records a transaction of the web.
fn write(world: &mut World, call: &Call) -> Result<(), (u16, &'static str)> {
    let body: Value = serde_json::from_slice(&call.body).map_err(|_| (400, "not_json"))?;
    let fields = body.as_object().ok_or((400, "no_object"))?;
    if fields.values().any(Value::is_null) {
        return Err((400, "null_field"));
    }
    let text = |name: &str| body[name].as_str().filter(|text| !text.is_empty()).ok_or((400, "missing_field"));
    for field in ["environment", "platform", "productSku", "purchaseDate"] {
        text(field)?;
    }
    let (user, id) = (text("userId")?.to_owned(), text("orderId")?.to_owned());
    let [create, update] = world.paths.as_ref().ok_or((404, "not_found"))?;
    let is_known = world.transactions.contains_key(&id);
    let is_by = |path: &str| fits(path, &call.path, &user, &id);
    match (is_by(create), is_by(update)) {
        (false, false) => return Err((404, "not_found")),
        (true, false) if is_known => return Err((409, "already_exists")),
        (false, true) if !is_known => return Err((404, "transaction_not_found")),
        _ => {}
    }
    world.transactions.insert(id, body);
    Ok(())
}

/// Whether `path` is `pattern` for this user and transaction.
fn fits(pattern: &str, path: &str, user: &str, transaction: &str) -> bool {
    let (pattern, path) = (pattern.split('/'), path.split('/'));
    let same = |(pattern, found): (&str, &str)| match pattern {
        "{user}" => percent_decoded(found) == user,
        "{transaction}" => percent_decoded(found) == transaction,
        plain => plain == found,
    };
    pattern.clone().count() == path.clone().count() && pattern.zip(path).all(same)
}

fn user_object(products: &[Value]) -> Value {
    json!({ "tags": {}, "productsForSale": [], "activeProducts": products })
}
