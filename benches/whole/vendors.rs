//! What Stripe and Adapty say: what the simulator says of one purchase, with other numbers in it. The simulator itself
//! searches all that was ever bought and keeps every request, so that soon it would be what is measured.

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use simulator::simulator::Simulator;
use simulator::stripe::moves::{NewPrice, NewSubscription, metadata};

/// Stands wherever the number of an account goes.
pub(crate) const NUMBER: &str = "##########";
/// Who buys in the simulator, what, and until when access is granted there.
const USER: &str = "member-0000000000";
const PRICE: &str = "price_1WholeMonthOfPremium00";
const READ: &str = "GET /api/v1/sdk/profiles/";
const GRANT: &str = "POST /api/v1/sdk/profiles/member-";
const END: &str = "2099-01-01T00:00:00.000000+0000";

/// Every customer has just paid for a month.
#[derive(Clone)]
pub(crate) struct Vendors {
    pub(crate) event: String,
    /// What stands before the number of a customer.
    customer: String,
    /// How many subscriptions there are, for whoever walks over all of them.
    listed: u64,
    /// How requests begin, and the whole answers to them, head and body.
    answers: Vec<(&'static str, Template)>,
}

impl Vendors {
    /// Asks a simulator for what the daemon will ask for, and remembers the answers. `known`: Adapty knows everybody before
    /// they buy. `listed`: how many subscriptions there are.
    pub(crate) async fn rehearse(known: bool, listed: u64) -> Self {
        let Simulator { stripe, adapty, .. } = &Simulator::start().await.unwrap();
        stripe.add_price(NewPrice::recurring(PRICE, "prod_premium", 999, chrono::TimeDelta::days(30)));
        let (prices, metadata) = (vec![(PRICE.to_owned(), 1)], metadata(&[("customer_user_id", USER)]));
        let bought = stripe.subscribe(NewSubscription { prices, metadata, ..NewSubscription::default() });
        let event = stripe.event("customer.subscription.updated", &bought.subscription);
        let ids = [&bought.customer, &bought.subscription, &bought.invoice, &bought.items[0], &event.id, USER];
        let of_any = |text: String| ids.iter().fold(text, |text, id| text.replace(id, &numbered(id)));
        // reqwest asks for one even when it only speaks plain HTTP on loopback
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = Client::new();
        let billed = |path: &str| {
            let request = client.get(format!("{}/v1/{path}&customer={}", stripe.url(), bought.customer));
            request.bearer_auth("sk_test_sandbox")
        };
        let profiles = format!("{}/api/v1/sdk/profiles/", adapty.url());
        let keyed = |request: RequestBuilder| request.header("authorization", "Api-Key secret_live_sandbox.key");
        let grant = json!({
            "expires_at": END, "vendor_product_id": "prod_premium", "vendor_transaction_id": bought.subscription,
            "vendor_original_transaction_id": bought.subscription, "store": "stripe", "is_sandbox": true,
        });
        let post = |path: &str, body: Value| keyed(client.post(format!("{profiles}{path}")).json(&body));
        let asked = [
            ("GET /v1/subscriptions?", billed("subscriptions?status=all&limit=100&expand[]=data.latest_invoice")),
            ("GET /v1/charges?", billed("charges?limit=100")),
            ("GET /v1/events?", billed("subscriptions?status=canceled")),
            (if known { "" } else { READ }, keyed(client.get(format!("{profiles}{USER}/")))),
            ("POST /api/v1/sdk/profiles/ ", post("", json!({ "customer_user_id": USER }))),
            (if known { READ } else { "" }, keyed(client.get(format!("{profiles}{USER}/")))),
            (GRANT, post(&format!("{USER}/paid-access-levels/premium/grant/"), grant)),
        ];
        let mut answers = Vec::new();
        for (start, request) in asked {
            let answer = request.send().await.unwrap();
            let (status, body) = (answer.status(), of_any(answer.text().await.unwrap()));
            let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}", body.len());
            if start.is_empty() {
                continue;
            }
            answers.push((start, Template::new(format!("{head}\r\n\r\n{body}"), &[NUMBER, END])));
        }
        // Stripe writes its events over several lines
        let event = of_any(format!("{:#}", serde_json::from_str::<Value>(&event.body).unwrap()));
        Self { event, customer: numbered(&bought.customer).replace(NUMBER, ""), listed, answers }
    }

    /// Writes the answer to `request`; returns whose grant it was, if it was one.
    pub(crate) fn answer(&self, request: &[u8], to: &mut Vec<u8>) -> Option<u64> {
        let line = request.split(|byte| *byte == b'\r').next().unwrap();
        if let Some(page) = self.page(line) {
            let head = format!("HTTP/1.1 200\r\ncontent-type: application/json\r\ncontent-length: {}", page.len());
            *to = format!("{head}\r\n\r\n{page}").into_bytes();
            return None;
        }
        let Some((start, answer)) = self.answers.iter().find(|(start, _)| line.starts_with(start.as_bytes())) else {
            panic!("nothing is played in answer to `{}`", String::from_utf8_lossy(line));
        };
        let number = number_after(&self.customer, line).or_else(|| number_after(&USER[..7], request));
        let end = find("\"expires_at\":\"", request).map_or(END.as_bytes(), |at| &request[at..at + END.len()]);
        answer.write(&[format!("{:010}", number.unwrap_or_default()).as_bytes(), end], to);
        number.filter(|_| *start == GRANT)
    }
}

impl Vendors {
    /// A hundred of all subscriptions, if they are asked for.
    fn page(&self, line: &[u8]) -> Option<String> {
        if !line.starts_with(b"GET /v1/subscriptions?") || find("customer=", line).is_some() {
            return None;
        }
        let first = number_after("starting_after=sub_walk", line).map_or(0, |last| last + 1);
        let end = (first + 100).min(self.listed);
        let customer = &self.customer;
        let one = |number| format!(r#"{{"id":"sub_walk{number:010}","customer":"{customer}{number:010}"}}"#);
        let all = (first..end).map(one).collect::<Vec<_>>().join(",");
        Some(format!(r#"{{"object":"list","has_more":{},"data":[{all}]}}"#, end < self.listed))
    }
}

fn numbered(id: &str) -> String {
    format!("{}{NUMBER}", &id[..id.len() - NUMBER.len()])
}

/// A message of which a few places change, all of a fixed width.
#[derive(Clone)]
pub(crate) struct Template {
    text: Vec<u8>,
    places: Vec<(usize, usize)>,
}

impl Template {
    /// `text` with each of `markers` to be replaced by a value as long as itself.
    pub(crate) fn new(text: String, markers: &[&str]) -> Self {
        let mut places = Vec::new();
        for (which, marker) in markers.iter().enumerate() {
            places.extend(text.match_indices(marker).map(|(at, _)| (at, which)));
        }
        Self { text: text.into_bytes(), places }
    }

    /// Writes the text with `values` in place of the markers over `to`.
    pub(crate) fn write(&self, values: &[&[u8]], to: &mut Vec<u8>) {
        to.clear();
        to.extend_from_slice(&self.text);
        for (at, which) in &self.places {
            to[*at..at + values[*which].len()].copy_from_slice(values[*which]);
        }
    }
}

/// The number behind the first `name` in `text`.
pub(crate) fn number_after(name: &str, text: &[u8]) -> Option<u64> {
    let at = find(name, text)?;
    std::str::from_utf8(text.get(at..at + NUMBER.len())?).ok()?.parse().ok()
}

/// Where `text` goes on behind the first `name`, in whatever case that is written.
pub(crate) fn find(name: &str, text: &[u8]) -> Option<usize> {
    let found = text.windows(name.len()).position(|here| here.eq_ignore_ascii_case(name.as_bytes()));
    found.map(|at| at + name.len())
}

/// Whether a message of HTTP/1.1 is there with all of its body.
pub(crate) fn is_whole(message: &[u8]) -> bool {
    let Some(head) = find("\r\n\r\n", message) else { return false };
    let length = find("\r\ncontent-length: ", &message[..head]).map_or(&[][..], |at| &message[at..head]);
    let digits = length.iter().take_while(|byte| byte.is_ascii_digit());
    message.len() >= head + digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'))
}
