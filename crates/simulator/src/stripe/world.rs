//! What the Stripe knows: objects by id, kept as JSON.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use serde_json::Value;

use super::event::{self, Event};
use super::shape::{self, Shape};
use crate::clock;

/// The whole state of one account.
#[derive(Debug)]
pub(crate) struct World {
    pub(super) keys: BTreeSet<String>,
    /// What restricted keys may not read.
    pub(super) closed: BTreeMap<String, BTreeSet<String>>,
    pub(super) shape: Shape,
    pub(super) embedded_page: usize,
    pub(super) account: Option<String>,
    pub(super) livemode: bool,
    /// How long a term of a recurring price lasts.
    pub(super) terms: BTreeMap<String, TimeDelta>,
    /// Events of the move under way.
    pub(super) outbox: Vec<Event>,
    rows: BTreeMap<String, Vec<Value>>,
    places: BTreeMap<String, (String, usize)>,
    minted: u64,
}

impl World {
    pub(super) fn new() -> World {
        World {
            keys: BTreeSet::from(["sk_test_sandbox".to_owned()]),
            closed: BTreeMap::new(),
            shape: Shape::Current,
            embedded_page: 10,
            account: None,
            livemode: false,
            terms: BTreeMap::new(),
            outbox: Vec::new(),
            rows: BTreeMap::new(),
            places: BTreeMap::new(),
            minted: 0,
        }
    }

    pub(super) fn now(&self) -> i64 {
        clock::now().timestamp()
    }

    /// A new id of the length that Stripe's have.
    pub(super) fn mint(&mut self, prefix: &str) -> String {
        self.minted += 1;
        let length = match prefix {
            "cus" | "prod" => 14,
            "cs_test" => 58,
            _ => 24,
        };
        let tail = base36(self.minted);
        let mut state = self.minted;
        let mut body = String::with_capacity(length);
        while body.len() + tail.len() < length {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            body.push(digit((state >> 33) % 36));
        }
        format!("{prefix}_{body}{tail}")
    }

    /// Keeps a new object and returns its id.
    pub(super) fn put(&mut self, object: Value) -> String {
        let id = text(&object, "/id").to_owned();
        let kind = text(&object, "/object").to_owned();
        let shelf = self.rows.entry(kind.clone()).or_default();
        self.places.insert(id.clone(), (kind, shelf.len()));
        shelf.push(object);
        id
    }

    pub(super) fn get(&self, id: &str) -> Option<&Value> {
        let (kind, place) = self.places.get(id)?;
        self.rows.get(kind)?.get(*place)
    }

    /// An object that a move names; a wrong id is a mistake in the test.
    pub(super) fn need(&self, id: &str) -> &Value {
        self.get(id).unwrap_or_else(|| panic!("the simulator has no object `{id}`"))
    }

    pub(super) fn get_mut(&mut self, id: &str) -> &mut Value {
        let place = self.places.get(id);
        let row = place.and_then(|(kind, place)| self.rows.get_mut(kind)?.get_mut(*place));
        row.unwrap_or_else(|| panic!("the simulator has no object `{id}`"))
    }

    pub(super) fn set(&mut self, id: &str, field: &str, value: impl Into<Value>) {
        self.get_mut(id)[field] = value.into();
    }

    /// All objects of a kind, oldest first.
    pub(super) fn all(&self, kind: &str) -> &[Value] {
        self.rows.get(kind).map_or(&[], Vec::as_slice)
    }

    /// All objects of a kind whose field is so, oldest first.
    pub(super) fn having<'a>(
        &'a self,
        kind: &str,
        pointer: &'a str,
        wanted: &'a str,
    ) -> impl DoubleEndedIterator<Item = &'a Value> {
        self.all(kind).iter().filter(move |row| text(row, pointer) == wanted)
    }

    /// The payment that pays what remains of an invoice.
    pub(super) fn payment_of<'a>(&'a self, invoice: &'a str) -> Option<&'a Value> {
        self.having("invoice_payment", "/invoice", invoice).find(|payment| payment["is_default"] == true)
    }

    /// The payment intent of an invoice, a charge, a session, or itself.
    pub(super) fn intent_of(&self, id: &str) -> Option<String> {
        let object = self.get(id)?;
        let intent = match text(object, "/object") {
            "payment_intent" => id,
            "invoice" => text(self.payment_of(id)?, "/payment/payment_intent"),
            "checkout.session" if object["payment_intent"].is_null() => {
                return self.intent_of(object["invoice"].as_str()?);
            }
            _ => object["payment_intent"].as_str()?,
        };
        Some(intent.to_owned())
    }

    /// The last charge behind an invoice, a payment intent or a session, or itself.
    pub(super) fn charge_of(&self, id: &str) -> Option<String> {
        if text(self.get(id)?, "/object") == "charge" {
            return Some(id.to_owned());
        }
        let intent = self.intent_of(id)?;
        self.get(&intent)?["latest_charge"].as_str().map(str::to_owned)
    }

    /// Sends an event about an object as it is now.
    pub(super) fn emit(&mut self, kind: &str, id: &str) {
        self.emit_with(kind, id, None);
    }

    /// Changes an object and sends an event that says what it was before.
    pub(super) fn update(&mut self, kind: &str, id: &str, change: impl FnOnce(&mut Value)) {
        let before = shape::render(self, self.need(id));
        change(self.get_mut(id));
        let after = shape::render(self, self.need(id));
        let fields = before.as_object().into_iter().flatten();
        let changed = fields.filter(|(name, value)| after.get(name) != Some(value));
        let previous = changed.map(|(name, value)| (name.clone(), value.clone())).collect();
        self.emit_with(kind, id, Some(Value::Object(previous)));
    }

    fn emit_with(&mut self, kind: &str, id: &str, previous: Option<Value>) {
        let event_id = self.mint("evt");
        let request = self.mint("req");
        let stored = event::snapshot(self, &event_id, &request, kind, self.need(id), previous);
        self.outbox.push(event::of(&stored));
        self.put(stored);
    }
}

/// The string at a pointer; empty when there is none.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The number at a pointer; 0 when there is none.
pub(super) fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()
}

/// The array in a field; empty when there is none.
pub(super) fn rows<'a>(object: &'a Value, field: &str) -> &'a [Value] {
    object[field].as_array().map_or(&[], Vec::as_slice)
}

fn digit(value: u64) -> char {
    let value = u32::try_from(value).expect("below 36");
    char::from_digit(value, 36).expect("below 36")
}

fn base36(mut value: u64) -> String {
    let mut digits = Vec::new();
    while value > 0 {
        digits.push(digit(value % 36));
        value /= 36;
    }
    digits.iter().rev().collect()
}
