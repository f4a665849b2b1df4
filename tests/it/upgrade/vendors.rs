//! The vendors' past that the databases of the first edition know.
//!
//! `v1.sql` and `v2.sql` are dumps of its databases, made with `adapty.api` `v1` and `v2`; `v1.adapty.json` and `v2.adapty.json`
//! are all writes at Adapty that took effect. The same moves in the same order give the same ids, and every time is set to one of 2025, whenever this runs.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde_json::Value;
use simulator::simulator::Simulator;
use simulator::stripe::event::Event;
use simulator::stripe::moves::{NewPayment, NewPrice, NewSession, NewSubscription, metadata};

/// 2025-06-01T12:00:00Z: when the prices were made. Each move comes an hour after the one before.
pub(super) const BEGIN: i64 = 1_748_779_200;
const HOUR: i64 = 3600;
/// Terms of forty and of twenty years, so that nothing ends or renews while these tests are run.
pub(super) const LONG: i64 = 14_610 * 86_400;
pub(super) const SHORT: i64 = 7_305 * 86_400;
/// How far from now the simulator's times are: now, a session's end, a retry's day, the ends of terms.
const DISTANCES: [i64; 5] = [0, 86_400, 3 * 86_400, LONG, SHORT];
/// How long a move and its freezing take at most.
const NEAR: i64 = 900;

/// What the daemon sells.
pub(super) const CATALOG: &str = r#"
[[catalog]]
product = "prod_premium"
access_level = "premium"

[[catalog]]
product = "prod_gold"
access_level = "gold"

[[catalog]]
price = "price_basic"
access_level = "platinum"

[[catalog]]
price = "price_life"
access_level = "gold"
duration = "lifetime"
"#;

/// Where the user id of a purchase is.
#[derive(Clone, Copy)]
pub(super) enum Named {
    /// The subscription's metadata.
    Metadata,
    /// The session's `client_reference_id`.
    Checkout,
    /// Nowhere.
    Not,
}

/// What happened at Stripe.
#[derive(Clone, Copy)]
pub(super) enum Move {
    /// A new customer subscribes to a price.
    Buys(&'static str, Named),
    /// The same customer subscribes to one more price.
    BuysToo(&'static str),
    /// A guest pays once.
    PaysOnce(&'static str),
    /// The whole of the first (or only) purchase goes back.
    IsRefunded,
    /// The whole of the last purchase goes back.
    LastIsRefunded,
    /// The subscription ends at once.
    Cancels,
    /// The subscription is not to renew.
    StopsRenewing,
}

use Move::{Buys, BuysToo, Cancels, IsRefunded, LastIsRefunded, PaysOnce, StopsRenewing};
use Named::{Checkout, Metadata, Not};

/// What happened before `v1.sql`: who, and what.
pub(super) const V1: &[(&str, Move)] = &[
    ("ana", Buys("price_premium", Metadata)),
    ("ben", Buys("price_gold", Checkout)),
    ("ben", IsRefunded),
    ("cleo", Buys("price_premium", Metadata)),
    ("cleo", Cancels),
    ("dan", Buys("price_premium", Not)),
    ("fay", Buys("price_gold", Metadata)),
    ("ivy", Buys("price_basic", Metadata)),
    ("jon", Buys("price_unmapped", Metadata)),
    ("kid", Buys("price_premium", Not)),
    ("lea", Buys("price_gold", Not)),
    ("oli", PaysOnce("price_life")),
    ("pam", Buys("price_premium", Metadata)),
    ("pam", Cancels),
    ("lou", Buys("price_premium", Metadata)),
    ("hal", Buys("price_premium", Metadata)),
    ("ned", Buys("price_gold", Metadata)),
    ("gus", Buys("price_premium", Metadata)),
    ("kim", Buys("price_gold", Metadata)),
];

/// What happened before `v2.sql`.
pub(super) const V2: &[(&str, Move)] = &[
    ("ana", Buys("price_premium", Metadata)),
    ("ben", Buys("price_gold", Checkout)),
    ("ben", IsRefunded),
    ("cleo", Buys("price_premium", Metadata)),
    ("cleo", StopsRenewing),
    ("dot", Buys("price_premium", Metadata)),
    ("dot", BuysToo("price_short")),
    ("dot", LastIsRefunded),
    ("fay", Buys("price_gold", Metadata)),
    ("fay", Cancels),
    ("hal", Buys("price_premium", Metadata)),
    ("gus", Buys("price_gold", Metadata)),
];

/// The purchases of one user.
#[derive(Clone, Debug, Default)]
pub(super) struct Bought {
    /// `cus_…`, or the session of a guest.
    pub(super) customer: String,
    pub(super) subscriptions: Vec<String>,
    /// What can be refunded: an invoice, or a session.
    pub(super) paid: Vec<String>,
}

/// Plays the moves one after the other.
pub(super) struct Vendors {
    moves: &'static [(&'static str, Move)],
    played: usize,
    pub(super) bought: BTreeMap<&'static str, Bought>,
    /// All events so far.
    pub(super) events: Vec<Event>,
}

impl Vendors {
    /// Before the first move: there are prices and no purchases.
    pub(super) fn begin(simulator: &Simulator, moves: &'static [(&'static str, Move)]) -> Self {
        let span = |seconds| TimeDelta::seconds(seconds);
        simulator.stripe.add_price(NewPrice::recurring("price_premium", "prod_premium", 9900, span(LONG)));
        simulator.stripe.add_price(NewPrice::recurring("price_gold", "prod_gold", 19900, span(LONG)));
        simulator.stripe.add_price(NewPrice::recurring("price_basic", "prod_basic", 4900, span(LONG)));
        simulator.stripe.add_price(NewPrice::recurring("price_unmapped", "prod_unmapped", 500, span(LONG)));
        simulator.stripe.add_price(NewPrice::recurring("price_short", "prod_premium", 5000, span(SHORT)));
        simulator.stripe.add_price(NewPrice::one_time("price_life", "prod_life", 4999));
        for (product, level) in [("prod_premium", "premium"), ("prod_gold", "gold"), ("prod_life", "gold")] {
            simulator.adapty.set_product(product, Some(level));
        }
        freeze(simulator, BEGIN);
        Self { moves, played: 0, bought: BTreeMap::new(), events: Vec::new() }
    }

    /// All moves, as if no daemon had been there.
    pub(super) fn all(simulator: &Simulator, moves: &'static [(&'static str, Move)]) -> Self {
        let mut vendors = Self::begin(simulator, moves);
        for (who, _) in moves {
            vendors.next(simulator, who);
        }
        vendors
    }

    /// The next move, which must be one of `who`; its events, as they are delivered.
    pub(super) fn next(&mut self, simulator: &Simulator, who: &str) -> Vec<Event> {
        let (name, what) = self.moves[self.played];
        assert_eq!(name, who, "another's move is next");
        self.played += 1;
        let events = self.play(simulator, name, what);
        let hours = i64::try_from(self.played).unwrap();
        freeze(simulator, BEGIN + hours * HOUR);
        let events: Vec<Event> = events.into_iter().map(|event| as_stored(simulator, event)).collect();
        self.events.extend(events.clone());
        events
    }

    fn play(&mut self, simulator: &Simulator, who: &'static str, what: Move) -> Vec<Event> {
        let bought = self.bought.entry(who).or_default();
        let stripe = &simulator.stripe;
        match what {
            Buys(price, named) => {
                let new = of(price, who, named);
                let made = stripe.subscribe(new);
                bought.customer = made.customer;
                bought.subscriptions.push(made.subscription);
                bought.paid.push(made.invoice);
                made.events
            }
            BuysToo(price) => {
                let customer = Some(bought.customer.clone());
                let made = stripe.subscribe(NewSubscription { customer, ..of(price, who, Metadata) });
                bought.subscriptions.push(made.subscription);
                bought.paid.push(made.invoice);
                made.events
            }
            PaysOnce(price) => {
                let session = NewSession { client_reference_id: Some(who.to_owned()), ..NewSession::default() };
                let prices = vec![(price.to_owned(), 1)];
                let made = stripe.pay_once(NewPayment { prices, session, paid: true, ..NewPayment::default() });
                bought.customer = made.session.clone();
                bought.paid.push(made.session);
                made.events
            }
            IsRefunded => stripe.refund(&bought.paid[0], None, "succeeded").events,
            LastIsRefunded => stripe.refund(bought.paid.last().unwrap(), None, "succeeded").events,
            Cancels => stripe.cancel_now(&bought.subscriptions[0]),
            StopsRenewing => stripe.cancel_at_period_end(&bought.subscriptions[0], true),
        }
    }
}

fn of(price: &str, who: &str, named: Named) -> NewSubscription {
    let session = NewSession { client_reference_id: Some(who.to_owned()), ..NewSession::default() };
    NewSubscription {
        prices: vec![(price.to_owned(), 1)],
        metadata: match named {
            Metadata => metadata(&[("customer_user_id", who)]),
            Checkout | Not => metadata(&[]),
        },
        session: matches!(named, Checkout).then_some(session),
        ..NewSubscription::default()
    }
}

/// Sets every time that was made just now to `at`.
fn freeze(simulator: &Simulator, at: i64) {
    let now = simulator::clock::now().timestamp();
    const KINDS: [&str; 11] = [
        "product",
        "price",
        "customer",
        "subscription",
        "invoice",
        "invoice_payment",
        "payment_intent",
        "charge",
        "refund",
        "checkout.session",
        "event",
    ];
    for id in KINDS.iter().flat_map(|kind| simulator.stripe.ids(kind)) {
        simulator.stripe.edit(&id, |object| set(object, now, at));
    }
}

fn set(value: &mut Value, now: i64, at: i64) {
    match value {
        Value::Number(number) => {
            let Some(moment) = number.as_i64() else { return };
            let near = DISTANCES.iter().find(|far| (moment - now - **far).abs() <= NEAR);
            if let Some(far) = near {
                *value = (at + far).into();
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|value| set(value, now, at)),
        Value::Object(fields) => fields.values_mut().for_each(|value| set(value, now, at)),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

fn as_stored(simulator: &Simulator, event: Event) -> Event {
    let mut body = String::new();
    simulator.stripe.edit(&event.id, |stored| body = stored.to_string());
    Event { body, ..event }
}

/// Repeats the writes at Adapty: `requests` is the text of `v1.adapty.json` or `v2.adapty.json`.
pub(super) async fn write_at_adapty(simulator: &Simulator, requests: &str) {
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = reqwest::Client::new();
    for request in serde_json::from_str::<Vec<Value>>(requests).unwrap() {
        let text = |name: &str| request[name].as_str().unwrap_or_default();
        let url = format!("{}{}?{}", simulator.adapty.url(), text("path"), text("query"));
        let call = client.request(text("method").parse().unwrap(), url.trim_end_matches('?'));
        let call = call.header("authorization", "Api-Key secret_live_sandbox.key");
        let call = match request["user"].as_str() {
            Some(user) => call.header("adapty-customer-user-id", user),
            None => call,
        };
        let answer = call.json(&request["body"]).send().await.unwrap();
        assert!(answer.status().is_success(), "{request}: {}", answer.text().await.unwrap());
    }
    simulator.journal.clear();
}
