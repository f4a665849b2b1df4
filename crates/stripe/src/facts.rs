//! What else Stripe says of a customer, for attributes of the user at the destination.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use entitlement::model::attributes::Fact;

use crate::customer::Customer;
use crate::subscription::{self, Subscription};

/// A place where an attribute of the user may stand.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FactPlace {
    /// `subscription.metadata.<key>`
    SubscriptionMetadata(String),
    /// `customer.metadata.<key>`
    CustomerMetadata(String),
    /// `customer.email`
    CustomerEmail,
    /// `customer.name`
    CustomerName,
    /// `customer.phone`
    CustomerPhone,
    /// `customer.address.country`
    CustomerCountry,
}

/// How a place is written.
pub const FORMS: &str = "`subscription.metadata.<key>`, `customer.metadata.<key>`, `customer.email`, `customer.name`, \
                         `customer.phone` or `customer.address.country`";

impl fmt::Display for FactPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SubscriptionMetadata(key) => write!(f, "subscription.metadata.{key}"),
            Self::CustomerMetadata(key) => write!(f, "customer.metadata.{key}"),
            Self::CustomerEmail => f.write_str("customer.email"),
            Self::CustomerName => f.write_str("customer.name"),
            Self::CustomerPhone => f.write_str("customer.phone"),
            Self::CustomerCountry => f.write_str("customer.address.country"),
        }
    }
}

impl FromStr for FactPlace {
    type Err = NotAFact;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text, text.split_once(".metadata.")) {
            ("customer.email", _) => Ok(Self::CustomerEmail),
            ("customer.name", _) => Ok(Self::CustomerName),
            ("customer.phone", _) => Ok(Self::CustomerPhone),
            ("customer.address.country", _) => Ok(Self::CustomerCountry),
            (_, Some(("subscription", key))) if !key.is_empty() => Ok(Self::SubscriptionMetadata(key.to_owned())),
            (_, Some(("customer", key))) if !key.is_empty() => Ok(Self::CustomerMetadata(key.to_owned())),
            _ => Err(NotAFact),
        }
    }
}

/// The text names no such place; see [`FORMS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it names no place; write {FORMS}")]
pub struct NotAFact;

impl FactPlace {
    /// Whether the customer itself must be read for it.
    pub(crate) fn is_of_customer(&self) -> bool {
        !matches!(self, Self::SubscriptionMetadata(_))
    }
}

/// What stands at `places`, by their names; an empty text where nothing stands, and no entry where that cannot be said: when
/// some subscriptions could not be read (`all_read` is false), or the customer could not, or was deleted.
pub(crate) fn read(
    places: &[FactPlace],
    subscriptions: &[Subscription],
    all_read: bool,
    customer: Option<&Customer>,
) -> BTreeMap<String, Fact> {
    let customer = customer.filter(|customer| !customer.deleted);
    let mut facts = BTreeMap::new();
    for place in places {
        let text = match place {
            FactPlace::SubscriptionMetadata(key) => of_subscriptions(key, subscriptions, all_read),
            FactPlace::CustomerMetadata(_)
            | FactPlace::CustomerEmail
            | FactPlace::CustomerName
            | FactPlace::CustomerPhone
            | FactPlace::CustomerCountry => customer.map(|customer| of_customer(place, customer).unwrap_or_default()),
        };
        if let Some(text) = text {
            facts.insert(place.to_string(), Fact(text.trim().to_owned()));
        }
    }
    facts
}

fn of_subscriptions<'a>(key: &str, subscriptions: &'a [Subscription], all_read: bool) -> Option<&'a str> {
    let newest = subscription::newest(subscriptions, |subscription| subscription.metadata.get(key));
    newest.or_else(|| all_read.then_some(""))
}

fn of_customer<'a>(place: &FactPlace, customer: &'a Customer) -> Option<&'a str> {
    match place {
        FactPlace::CustomerMetadata(key) => customer.metadata.get(key),
        FactPlace::CustomerEmail => customer.email.as_deref(),
        FactPlace::CustomerName => customer.name(),
        FactPlace::CustomerPhone => customer.phone(),
        FactPlace::CustomerCountry => customer.country(),
        FactPlace::SubscriptionMetadata(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_read_as_it_is_written() {
        for text in [
            "subscription.metadata.plan",
            "customer.metadata.a.b",
            "customer.email",
            "customer.name",
            "customer.phone",
            "customer.address.country",
        ] {
            assert_eq!(text.parse::<FactPlace>().unwrap().to_string(), text);
        }
        for text in ["", "customer", "customer.metadata.", "invoice.metadata.x", "customer.address"] {
            assert!(text.parse::<FactPlace>().unwrap_err().to_string().contains("`customer.phone`"), "{text}");
        }
    }
}
