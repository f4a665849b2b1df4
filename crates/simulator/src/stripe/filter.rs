//! Which lists there are and what they can be filtered by.

use serde_json::Value;

use super::route::Refusal;
use super::world::{number, rows, text};
use crate::server::Call;

/// A list of all objects of a kind.
pub(super) struct Listing {
    /// Below `/v1/`.
    pub(super) path: &'static str,
    /// The `object` of what it lists.
    pub(super) kind: &'static str,
    /// Query parameters, and where the object holds what they ask for.
    pub(super) filters: &'static [(&'static str, &'static str)],
}

const fn listing(path: &'static str, kind: &'static str, filters: &'static [(&'static str, &'static str)]) -> Listing {
    Listing { path, kind, filters }
}

const CUSTOMER: (&str, &str) = ("customer", "/customer");
const INTENT: (&str, &str) = ("payment_intent", "/payment_intent");
const STATUS: (&str, &str) = ("status", "/status");
const CHARGE: (&str, &str) = ("charge", "/charge");

/// Every list of a kind.
pub(super) const LISTINGS: [Listing; 14] = [
    // `status` and `price` are compared in `fits`.
    listing("subscriptions", "subscription", &[CUSTOMER, ("status", ""), ("price", "")]),
    listing("invoices", "invoice", &[CUSTOMER, STATUS, ("subscription", "/parent/subscription_details/subscription")]),
    listing(
        "invoice_payments",
        "invoice_payment",
        &[
            ("invoice", "/invoice"),
            STATUS,
            ("payment[type]", "/payment/type"),
            ("payment[payment_intent]", "/payment/payment_intent"),
        ],
    ),
    listing("credit_notes", "credit_note", &[CUSTOMER, ("invoice", "/invoice")]),
    listing("customers", "customer", &[("email", "/email")]),
    listing("checkout/sessions", "checkout.session", &[CUSTOMER, INTENT, STATUS, ("subscription", "/subscription")]),
    listing("charges", "charge", &[CUSTOMER, INTENT]),
    listing("refunds", "refund", &[CHARGE, INTENT]),
    listing("disputes", "dispute", &[CHARGE, INTENT]),
    listing("payment_intents", "payment_intent", &[CUSTOMER]),
    listing("events", "event", &[("type", "/type"), ("types", "")]),
    // `active` is compared in `fits`.
    listing("prices", "price", &[("product", "/product"), ("type", "/type"), ("active", "")]),
    listing("products", "product", &[]),
    listing("webhook_endpoints", "webhook_endpoint", &[]),
];

/// Parameters that every list takes.
const COMMON: [&str; 8] = [
    "limit",
    "starting_after",
    "ending_before",
    "created[gte]",
    "created[gt]",
    "created[lte]",
    "created[lt]",
    "created",
];

/// The paths of `expand[]`, however the client numbers them.
pub(super) fn expansions(call: &Call) -> impl Iterator<Item = &str> {
    let asked = call.query.iter().filter(|(name, _)| base(name) == "expand");
    asked.map(|(_, path)| path.as_str())
}

/// `types` out of `types[]` and `types[0]`; other brackets belong to the name.
fn base(name: &str) -> &str {
    let (base, index) = name.split_once('[').unwrap_or((name, ""));
    let is_index = index.strip_suffix(']').is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    if is_index { base } else { name }
}

/// Stripe refuses a parameter that it does not know.
pub(super) fn refuse_unknown(call: &Call, known: &[&str]) -> Result<(), Refusal> {
    let unknown = call.query.iter().map(|(name, _)| name).find(|name| {
        let name = base(name);
        name != "expand" && !known.contains(&name)
    });
    unknown.map_or(Ok(()), |name| {
        let message = format!("Received unknown parameter: {name}");
        Err(Refusal::of_param("parameter_unknown", name, message))
    })
}

/// The same for a list, which takes the paging parameters besides its own.
pub(super) fn refuse_unknown_in_list(call: &Call, own: &[&str]) -> Result<(), Refusal> {
    let known: Vec<&str> = COMMON.iter().chain(own).copied().collect();
    refuse_unknown(call, &known)
}

/// Whether an object is one of those that a list call asks for.
pub(super) fn fits(call: &Call, listing: &Listing, object: &Value) -> bool {
    let plain = listing.filters.iter().filter(|(_, pointer)| !pointer.is_empty());
    let plain_fit =
        plain.into_iter().all(|(name, pointer)| call.param(name).is_none_or(|wanted| text(object, pointer) == wanted));
    let own_fit = match listing.kind {
        "subscription" => subscription_fits(call, object),
        "event" => event_fits(call, object),
        "price" => call.param("active").is_none_or(|wanted| object["active"] == (wanted == "true")),
        // A deleted customer can be fetched, but is in no list.
        "customer" => object["deleted"] != true,
        _ => true,
    };
    plain_fit && own_fit && created_fits(call, number(object, "/created"))
}

fn subscription_fits(call: &Call, object: &Value) -> bool {
    let status = text(object, "/status");
    let status_fits = match call.param("status") {
        None => status != "canceled",
        Some("all") => true,
        Some("ended") => ["canceled", "incomplete_expired"].contains(&status),
        Some(wanted) => status == wanted,
    };
    let of_price = |price: &str| rows(object, "items").iter().any(|item| text(item, "/price/id") == price);
    status_fits && call.param("price").is_none_or(of_price)
}

fn event_fits(call: &Call, object: &Value) -> bool {
    let mut wanted = call.query.iter().filter(|(name, _)| base(name) == "types").peekable();
    wanted.peek().is_none() || wanted.any(|(_, kind)| text(object, "/type") == kind)
}

fn created_fits(call: &Call, created: i64) -> bool {
    let bound = |name: &str| call.param(name).and_then(|value| value.parse::<i64>().ok());
    bound("created").is_none_or(|at| created == at)
        && bound("created[gte]").is_none_or(|from| created >= from)
        && bound("created[gt]").is_none_or(|after| created > after)
        && bound("created[lte]").is_none_or(|to| created <= to)
        && bound("created[lt]").is_none_or(|before| created < before)
}
