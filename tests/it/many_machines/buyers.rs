//! Buyers, as many as one likes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, Utc};
use simulator::fault::What;
use simulator::journal::Request;
use simulator::stripe::event::Event;

use crate::harness::world::{Bought, SLACK, World};

/// A placeholder for a number of as many digits that identifies a buyer.
const MARK: &str = "#####";

/// What one of many users bought.
#[derive(Clone)]
pub(crate) struct Purchase {
    pub(crate) user: String,
    pub(crate) subscription: String,
    /// What is granted ends here.
    pub(crate) end: DateTime<Utc>,
    /// Two of the events it makes; either is enough to find out.
    pub(crate) events: [Event; 2],
}

/// Buyers who are alike but for their names. The simulator's Stripe, which goes through all its objects for each list,
/// knows one of them; for the others its answers are made from that one's.
pub(crate) struct Crowd {
    model: Purchase,
    customer: String,
    subscriptions: String,
    charges: String,
    /// How many of them are in the list of all subscriptions.
    listed: usize,
}

/// Objects of one page.
const PAGE: usize = 100;

/// `count` purchases that the simulator's Stripe knows.
pub(crate) fn purchases(world: &World, count: usize) -> Vec<Purchase> {
    let user = |number| format!("u-{number:05}");
    (0..count).map(|number| purchase(world, &user(number), &world.buys(&user(number), "price_premium"))).collect()
}

fn purchase(world: &World, user: &str, bought: &Bought) -> Purchase {
    let of = |kind: &str| bought.events.iter().find(|event| event.kind == kind).unwrap().clone();
    Purchase {
        user: user.to_owned(),
        subscription: bought.subscription.clone(),
        end: world.period_end(&bought.subscription) + SLACK,
        events: [of("customer.subscription.created"), of("invoice.paid")],
    }
}

impl Crowd {
    /// An empty crowd.
    pub(crate) async fn at(world: &World) -> Self {
        let user = format!("u-{MARK}");
        let bought = world.buys(&user, "price_premium");
        let model = purchase(world, &user, &bought);
        let query = format!("customer={}&limit=100", bought.customer);
        let subscriptions =
            read(world, &format!("subscriptions?{query}&status=all&expand[]=data.latest_invoice")).await;
        let charges = read(world, &format!("charges?{query}")).await;
        let charge = world.simulator.stripe.charge_of(&bought.invoice).unwrap();
        let intent = world.simulator.stripe.object(&charge).unwrap()["payment_intent"].as_str().unwrap().to_owned();
        let [first, second] = &model.events;
        let names = [&bought.customer, &model.subscription, &bought.item, &bought.invoice, &charge, &intent];
        let names: Vec<&str> = names.into_iter().chain([&first.id, &second.id]).map(String::as_str).collect();
        let marked = |text: &str| names.iter().fold(text.to_owned(), |text, name| text.replace(name, &mark(name)));
        Self {
            listed: 0,
            customer: mark(&bought.customer),
            subscriptions: marked(&subscriptions),
            charges: marked(&charges),
            model: Purchase {
                subscription: mark(&model.subscription),
                events: model.events.clone().map(|event| named(event, marked)),
                ..model.clone()
            },
        }
    }

    /// `count` purchases of it.
    pub(crate) fn purchases(&self, count: usize) -> Vec<Purchase> {
        (0..count).map(|number| self.purchase(&format!("{number:05}"))).collect()
    }

    fn purchase(&self, number: &str) -> Purchase {
        let numbered = |text: &str| text.replace(MARK, number);
        let Purchase { user, subscription, end, events } = self.model.clone();
        let (user, subscription) = (numbered(&user), numbered(&subscription));
        Purchase { user, subscription, end, events: events.map(|event| named(event, numbered)) }
    }

    /// Puts the first `count` into the list of all subscriptions.
    pub(crate) fn listed(self, count: usize) -> Self {
        Self { listed: count, ..self }
    }

    /// Has the simulator answer for it from now on; answers the count of grants that reach the simulator.
    pub(crate) fn serve(self, world: &World) -> Arc<AtomicUsize> {
        let grants = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&grants);
        world.simulator.journal.on_request(Box::new(move |request| {
            counted.fetch_add(usize::from(granted(request).is_some()), Ordering::Relaxed);
            self.answer(request)
        }));
        grants
    }

    fn answer(&self, request: &Request) -> Option<What> {
        let asked = |name: &str| request.query.split('&').find_map(|pair| pair.strip_prefix(name));
        let page = match request.path.as_str() {
            "/v1/subscriptions" if asked("customer=").is_none() => return self.page_behind(asked("starting_after=")),
            "/v1/subscriptions" => &self.subscriptions,
            "/v1/charges" => &self.charges,
            _ => return None,
        };
        let customer = asked("customer=")?;
        let number = customer.strip_prefix(self.customer.strip_suffix(MARK)?)?;
        Some(What::Status(200, Vec::new(), page.replace(MARK, number)))
    }
}

impl Crowd {
    /// A page of the list of all subscriptions; there is none when it is empty.
    fn page_behind(&self, last: Option<&str>) -> Option<What> {
        let number = |id: &str| id[id.len() - MARK.len()..].parse::<usize>().ok();
        let from = last.and_then(number).map_or(0, |number| number + 1);
        let some = from..self.listed.min(from + PAGE);
        let list: serde_json::Value = serde_json::from_str(&self.subscriptions).unwrap();
        let model = list["data"][0].to_string();
        let some: Vec<String> = some.map(|number| model.replace(MARK, &format!("{number:05}"))).collect();
        let (data, more) = (some.join(","), from + PAGE < self.listed);
        let page = format!(r#"{{"object":"list","url":"/v1/subscriptions","has_more":{more},"data":[{data}]}}"#);
        (self.listed > 0).then(|| What::Status(200, Vec::new(), page))
    }
}

/// The user whose level a request grants.
pub(crate) fn granted(request: &Request) -> Option<&str> {
    let wanted = request.method == "POST" && request.path.ends_with("/grant/");
    wanted.then(|| request.path.split('/').nth(5)).flatten()
}

/// A name of the model, with the mark at its end.
fn mark(name: &str) -> String {
    format!("{}{MARK}", &name[..name.len() - MARK.len()])
}

/// The same event with other names.
fn named(event: Event, name: impl Fn(&str) -> String) -> Event {
    Event {
        id: name(&event.id),
        body: name(&event.body),
        customer: event.customer.as_deref().map(&name),
        kind: event.kind,
    }
}

/// A page of the simulator's Stripe.
async fn read(world: &World, what: &str) -> String {
    let address = format!("{}/v1/{what}", world.simulator.stripe.url());
    let answer = reqwest::Client::new().get(address).bearer_auth("sk_test_sandbox").send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200, "{what}");
    answer.text().await.unwrap()
}
