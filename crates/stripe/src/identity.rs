//! Where the app's own user id stands in Stripe.

pub(crate) mod finder;

use std::fmt;
use std::str::FromStr;

/// A place where the user id may stand; the first of the configured order that answers wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserIdPlace {
    /// `subscription.metadata.<key>`
    SubscriptionMetadata(String),
    /// `checkout_session.client_reference_id`
    CheckoutClientReference,
    /// `checkout_session.metadata.<key>`
    CheckoutMetadata(String),
    /// `customer.metadata.<key>`
    CustomerMetadata(String),
    /// `customer.email`; of a guest, the address they checked out with
    CustomerEmail,
    /// `customer.id`
    CustomerId,
}

impl UserIdPlace {
    /// Whether checkout sessions must be read for it.
    pub(crate) fn is_of_session(&self) -> bool {
        match self {
            Self::CheckoutClientReference | Self::CheckoutMetadata(_) => true,
            Self::SubscriptionMetadata(_) | Self::CustomerMetadata(_) | Self::CustomerEmail | Self::CustomerId => false,
        }
    }
}

impl fmt::Display for UserIdPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SubscriptionMetadata(key) => write!(f, "subscription.metadata.{key}"),
            Self::CheckoutClientReference => f.write_str("checkout_session.client_reference_id"),
            Self::CheckoutMetadata(key) => write!(f, "checkout_session.metadata.{key}"),
            Self::CustomerMetadata(key) => write!(f, "customer.metadata.{key}"),
            Self::CustomerEmail => f.write_str("customer.email"),
            Self::CustomerId => f.write_str("customer.id"),
        }
    }
}

impl FromStr for UserIdPlace {
    type Err = NotAPlace;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "checkout_session.client_reference_id" => return Ok(Self::CheckoutClientReference),
            "customer.email" => return Ok(Self::CustomerEmail),
            "customer.id" => return Ok(Self::CustomerId),
            _ => {}
        }
        match text.split_once(".metadata.") {
            Some(("subscription", key)) if !key.is_empty() => Ok(Self::SubscriptionMetadata(key.to_owned())),
            Some(("checkout_session", key)) if !key.is_empty() => Ok(Self::CheckoutMetadata(key.to_owned())),
            Some(("customer", key)) if !key.is_empty() => Ok(Self::CustomerMetadata(key.to_owned())),
            _ => Err(NotAPlace(text.to_owned())),
        }
    }
}

/// The text names no place where a user id may stand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` names no place of a user id; write `subscription.metadata.<key>`, `checkout_session.client_reference_id`, \
     `checkout_session.metadata.<key>`, `customer.metadata.<key>`, `customer.email` or `customer.id`"
)]
pub struct NotAPlace(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_read_as_it_is_written() {
        for text in [
            "subscription.metadata.customer_user_id",
            "checkout_session.client_reference_id",
            "checkout_session.metadata.uid",
            "customer.metadata.a.b",
            "customer.email",
            "customer.id",
        ] {
            assert_eq!(text.parse::<UserIdPlace>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_place_that_does_not_exist_is_answered_with_those_that_do() {
        for text in ["", "customer", "customer.metadata.", "invoice.metadata.x", "customer.name"] {
            let error = text.parse::<UserIdPlace>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{text}` names no place")) && error.contains("`customer.id`"));
        }
    }
}
