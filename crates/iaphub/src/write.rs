//! Writes transactions of the web, by a route that is not public: its paths are settings, its fields are those of a
//! purchase as IAPHUB's other pages show it. Nothing of it was verified against IAPHUB.

use std::fmt::Write;

use chrono::SecondsFormat;
use entitlement::billing::Stop;
use entitlement::clock::Timestamp;
use entitlement::failure::{Class, Failure};
use entitlement::names::User;
use entitlement::plan::{GrantAccess, Offer, ReportSale, SaleEvent, SaleStatus, Until};
use serde_json::{Map, Number, Value};
use wire::upstream::{Call, Method};

use crate::iaphub::{Iaphub, encoded};
use crate::read;

const TELLING: &str = "telling the transaction";

/// Where transactions are written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// One that IAPHUB was not told of.
    pub create: Path,
    /// One that it was told of before.
    pub update: Path,
}

/// A path with places for names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    App,
    User,
    Sale,
}

impl Path {
    /// What a path has to look like, in words.
    pub const FORM: &str = "a path such as `/v1/app/{app}/user/{user}/transaction`, with no places but `{app}`, `{user}` and `{transaction}`";

    /// Reads `/v1/app/{app}/user/{user}`; `None` when it is no path, or names an unknown place.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '{' | '}' | '#' | '\\' | '"' | '<' | '>');
        if !text.starts_with('/') {
            return None;
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            let (place, after) = behind.split_once('}')?;
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(match place {
                "app" => Piece::App,
                "user" => Piece::User,
                "transaction" => Piece::Sale,
                _ => return None,
            });
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        let is_path = |piece: &Piece| !matches!(piece, Piece::Text(text) if !text.chars().all(is_plain));
        pieces.iter().all(is_path).then_some(Self(pieces))
    }

    fn filled(&self, app: &str, user: &str, sale: &str) -> String {
        self.0.iter().fold(String::new(), |mut path, piece| {
            // writing to a string cannot fail
            let _ = match piece {
                Piece::Text(text) => path.write_str(text),
                Piece::App => path.write_str(&encoded(app)),
                Piece::User => path.write_str(&encoded(user)),
                Piece::Sale => path.write_str(&encoded(sale)),
            };
            path
        })
    }
}

impl Iaphub {
    /// Tells of one transaction; what says nothing that could be told is told by nothing. `is_known`: IAPHUB was told of it
    /// before.
    ///
    /// # Errors
    /// [`Failure`]; an error inside an answer with 200 is transient, as is an answer that cannot be read. After a
    /// [`Class::Transient`] it may have arrived.
    pub async fn tell(&self, route: &Route, user: &User, report: &ReportSale, is_known: bool) -> Result<(), Failure> {
        let Some(body) = self.purchase(user, report) else { return Ok(()) };
        let path = if is_known { &route.update } else { &route.create };
        let path = path.filled(&self.app, user.as_str(), &report.id());
        let call = Call { what: TELLING.to_owned(), path, headers: Vec::new() };
        let answer = self.upstream.send(Method::Post, call, &body).await?;
        if answer.body.is_empty() {
            return Ok(());
        }
        let unread = |why| Failure {
            status: Some(answer.status),
            ..Failure::new(Class::Transient, format!("{TELLING} at iaphub: {why}"))
        };
        read::answer(&answer.body).map(drop).map_err(unread)
    }

    /// The purchase as IAPHUB names its fields; what is not known is left out, never null.
    fn purchase(&self, user: &User, report: &ReportSale) -> Option<Value> {
        let GrantAccess { store, sale, sandbox, .. } = &*report.grant;
        let status = sale.status.as_ref()?;
        let mut body = Map::new();
        let mut add = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
        add("userId", user.as_str().into());
        add("environment", (*self.environment).into());
        add("platform", store.as_str().into());
        add("productSku", sale.product.as_str().into());
        add("orderId", status.id.as_str().into());
        add("originalPurchase", status.original.as_str().into());
        add("purchaseDate", date(status.bought_at));
        add("isSandbox", (*sandbox).into());
        if let Some(price) = &sale.price {
            add("currency", price.code().into());
            add("price", serde_json::from_str::<Number>(&price.major()).ok()?.into());
        }
        if let Some(country) = &status.country {
            add("country", country.as_str().into());
        }
        if let Some(end) = end(report.word(), status) {
            add("expirationDate", date(end));
        }
        add("isRefunded", matches!(report.word(), SaleEvent::Refunded(_)).into());
        if let SaleEvent::Refunded(at) = report.word() {
            add("refundDate", date(at));
        }
        let is_subscription = status.paid_until != Until::Lifetime;
        add("isSubscription", is_subscription.into());
        if is_subscription {
            let is_trial = sale.offer == Some(Offer::FreeTrial);
            add("isSubscriptionRenewable", (report.word() == SaleEvent::Sold && status.renews).into());
            add("subscriptionState", state(report.word(), status).into());
            add("subscriptionPeriodType", if is_trial { "trial" } else { "normal" }.into());
        }
        if let Some(reason) = cancel_reason(report.word(), status).filter(|_| is_subscription) {
            add("subscriptionCancelReason", reason.into());
        }
        Some(Value::Object(body))
    }
}

fn end(word: SaleEvent, status: &SaleStatus) -> Option<Timestamp> {
    match word {
        SaleEvent::Sold | SaleEvent::Refunded(_) => status.paid_until.at(),
        SaleEvent::Ended(at) => Some(at),
    }
}

fn state(word: SaleEvent, status: &SaleStatus) -> &'static str {
    match word {
        SaleEvent::Refunded(_) | SaleEvent::Ended(_) => "expired",
        SaleEvent::Sold if status.payment_failed_at.is_some() => "grace_period",
        SaleEvent::Sold => "active",
    }
}

/// As far as it is known.
fn cancel_reason(word: SaleEvent, status: &SaleStatus) -> Option<&'static str> {
    match (word, status.stop) {
        (SaleEvent::Refunded(_), _) => Some("refunded"),
        (_, Some(Stop::Asked)) => Some("customer_canceled"),
        (_, Some(Stop::PaymentFailed)) => Some("billing_error"),
        (_, Some(Stop::PaymentDisputed | Stop::Unknown)) => Some("unknown"),
        (SaleEvent::Ended(_), None) if status.payment_failed_at.is_some() => Some("billing_error"),
        (SaleEvent::Ended(_) | SaleEvent::Sold, None) => None,
    }
}

fn date(at: Timestamp) -> Value {
    at.to_rfc3339_opts(SecondsFormat::Millis, true).into()
}

#[cfg(test)]
mod tests;
