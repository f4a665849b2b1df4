//! What else Stripe says of a customer, for attributes of the user at the destination.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use entitlement::attributes::Fact;

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

/// What the places say, by their names; an empty text where nothing stands, and no word where that cannot be said: when
/// some subscriptions could not be read (`whole` is false), or the customer could not, or was deleted.
pub(crate) fn read(
    sources: &[FactPlace],
    subscriptions: &[Subscription],
    whole: bool,
    customer: Option<&Customer>,
) -> BTreeMap<String, Fact> {
    let customer = customer.filter(|customer| !customer.deleted);
    let of_customer =
        |of: &dyn Fn(&Customer) -> Option<&str>| customer.map(|customer| of(customer).unwrap_or_default().to_owned());
    let fact = |source: &FactPlace| match source {
        FactPlace::SubscriptionMetadata(key) => {
            let newest = subscription::newest(subscriptions, |read| read.metadata.get(key).map(str::to_owned));
            newest.or_else(|| whole.then(String::new))
        }
        FactPlace::CustomerMetadata(key) => of_customer(&|customer| customer.metadata.get(key)),
        FactPlace::CustomerEmail => of_customer(&|customer| customer.email.as_deref()),
        FactPlace::CustomerName => of_customer(&|customer| customer.name()),
        FactPlace::CustomerPhone => of_customer(&|customer| customer.phone()),
        FactPlace::CustomerCountry => of_customer(&|customer| customer.country()),
    };
    let named = |source: &FactPlace| Some((source.to_string(), Fact(fact(source)?.trim().to_owned())));
    sources.iter().filter_map(named).collect()
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
