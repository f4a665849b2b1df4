//! A small Stripe for tests, which remembers what was requested.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::test_server::reply::Reply;
use entitlement::model::mode::Mode;
use entitlement::model::reading::{AccountReading, Scope};
use serde_json::{Value, json};
use wire::client::Client;
use wire::upstream::Upstream;

use crate::account;
use crate::client::Stripe;
use crate::identity::UserIdPlace;

/// Status and body.
type Answer = (u16, Vec<u8>);

/// Answers by path and query, brackets decoded; a key without `?` answers every query of that path.
#[derive(Clone, Default)]
pub(crate) struct TestServer {
    answers: Arc<Mutex<BTreeMap<String, Answer>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl TestServer {
    pub(crate) fn new() -> Self {
        let empty = list(&[]);
        let paths = ["/v1/subscriptions", "/v1/charges", "/v1/invoices"];
        paths.iter().fold(Self::default(), |server, path| server.with(path, empty.clone()))
    }

    pub(crate) fn with(self, path: &str, answer: Value) -> Self {
        self.status(path, 200, answer)
    }

    pub(crate) fn status(self, path: &str, status: u16, answer: Value) -> Self {
        self.set(path, status, answer.to_string().into_bytes());
        self
    }

    /// Changes an answer while requests may come.
    pub(crate) fn set(&self, path: &str, status: u16, answer: Vec<u8>) {
        self.answers.lock().unwrap().insert(path.to_owned(), (status, answer));
    }

    /// What was requested so far: path and query, and `@acct_…` after it for a connected account.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) async fn stripe(&self, identity: &[&str]) -> Stripe {
        let answers = self.clone();
        let server =
            ::test_server::server::TestServer::answering(move |request| answers.answer(request)).await.unwrap();
        let setup = crate::api::setup(server.base, "sk_test_1", 0, Duration::from_secs(5));
        let upstream = Upstream::new(&Client::new().unwrap(), setup).unwrap();
        let identity = identity.iter().map(|source| source.parse::<UserIdPlace>().unwrap()).collect();
        Stripe::new(upstream, Some(Mode::Test), identity)
    }

    /// Reads `cus_1` with these places of the user id.
    pub(crate) async fn read(&self, identity: &[&str], one_time: bool) -> AccountReading {
        let account = account::of(None, "cus_1");
        self.stripe(identity).await.read(&account, Scope { one_time }).await.unwrap()
    }

    fn answer(&self, request: &str) -> Reply {
        let path = request.split(' ').nth(1).unwrap().replace("%5B", "[").replace("%5D", "]");
        let header = |name: &str| {
            let mut lines = request.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
        };
        assert_eq!(header("authorization").as_deref(), Some("Bearer sk_test_1"));
        assert_eq!(header("stripe-version").as_deref(), Some("2026-09-30.endive"));
        let connect = header("stripe-account").map_or(String::new(), |acct| format!(" @{acct}"));
        self.requests.lock().unwrap().push(format!("{path}{connect}"));
        let bare = path.split('?').next().unwrap();
        let answers = self.answers.lock().unwrap();
        match answers.get(&path).or_else(|| answers.get(bare)) {
            Some((status, body)) => Reply::status(*status, body.clone()),
            None => Reply::status(404, r#"{"error":{"type":"invalid_request_error","code":"resource_missing"}}"#),
        }
    }
}

/// A whole list.
pub(crate) fn list(data: &[Value]) -> Value {
    json!({"object": "list", "data": data, "has_more": false})
}

/// A list with more to come.
pub(crate) fn page(data: &[Value]) -> Value {
    json!({"object": "list", "data": data, "has_more": true})
}

pub(crate) const START: i64 = 1_767_225_600;
pub(crate) const END: i64 = 1_769_904_000;

/// `base` with the fields of `change` in their place; null takes one out.
pub(crate) fn changed(mut base: Value, change: Value) -> Value {
    let Value::Object(fields) = change else { panic!("a change is an object") };
    for (key, value) in fields {
        if value.is_null() {
            base.as_object_mut().unwrap().remove(&key);
        } else {
            base[key] = value;
        }
    }
    base
}

/// An active monthly subscription, paid, in the shape of now.
pub(crate) fn subscription() -> Value {
    json!({
        "id": "sub_1", "object": "subscription", "status": "active", "customer": "cus_1", "livemode": false,
        "created": START, "start_date": START, "currency": "eur", "collection_method": "charge_automatically",
        "cancel_at_period_end": false, "cancel_at": null, "ended_at": null, "trial_start": null, "trial_end": null,
        "pause_collection": null, "test_clock": null, "metadata": {"uid": "user-1"}, "latest_invoice": invoice(),
        "items": {"object": "list", "has_more": false, "data": [{
            "id": "si_1", "object": "subscription_item", "quantity": 1,
            "current_period_start": START, "current_period_end": END,
            "price": {"id": "price_1", "object": "price", "product": "prod_1", "currency": "eur"}
        }]}
    })
}

/// Its first invoice, paid, in the shape of now.
pub(crate) fn invoice() -> Value {
    json!({
        "id": "in_1", "object": "invoice", "status": "paid", "billing_reason": "subscription_create",
        "created": START, "total": 999, "currency": "eur", "customer": "cus_1",
        "status_transitions": {"paid_at": START + 5},
        "parent": {"type": "subscription_details", "subscription_details": {"subscription": "sub_1"}},
        "lines": {"object": "list", "has_more": false, "data": [{
            "id": "il_1", "object": "line_item", "amount": 999, "period": {"start": START, "end": END},
            "discount_amounts": [], "taxes": [],
            "pricing": {"type": "price_details", "price_details": {"price": "price_1", "product": "prod_1"}},
            "parent": {"type": "subscription_item_details",
                "subscription_item_details": {"subscription_item": "si_1", "proration": false}}
        }]}
    })
}
