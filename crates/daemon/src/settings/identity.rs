//! `[identity]`: where a user id is looked for.

use std::fmt;

use super::error::SettingError;
use super::reader::Reader;

/// The section `[identity]`.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// The places in order; the first that answers wins. Never empty. By default the metadata key
    /// `customer_user_id` of the subscription, the session's reference, then that key of session and customer.
    pub(crate) user_id: Vec<UserIdSource>,
}

/// A place where a user id may stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum UserIdSource {
    /// `subscription.metadata.<key>`
    SubscriptionMetadata(String),
    /// `checkout_session.client_reference_id`
    CheckoutSessionReference,
    /// `checkout_session.metadata.<key>`
    CheckoutSessionMetadata(String),
    /// `customer.metadata.<key>`
    CustomerMetadata(String),
    /// `customer.email`
    CustomerEmail,
    /// `customer.id`
    CustomerId,
}

const FORMS: &str = "`subscription.metadata.<key>`, `checkout_session.client_reference_id`, \
                     `checkout_session.metadata.<key>`, `customer.metadata.<key>`, `customer.email` or `customer.id`";

const DEFAULT_KEY: &str = "customer_user_id";

impl UserIdSource {
    fn of(text: &str) -> Option<UserIdSource> {
        match text {
            "checkout_session.client_reference_id" => return Some(UserIdSource::CheckoutSessionReference),
            "customer.email" => return Some(UserIdSource::CustomerEmail),
            "customer.id" => return Some(UserIdSource::CustomerId),
            _ => {}
        }
        let (object, key) = text.split_once(".metadata.")?;
        let key = Some(key.to_owned()).filter(|key| !key.is_empty())?;
        match object {
            "subscription" => Some(UserIdSource::SubscriptionMetadata(key)),
            "checkout_session" => Some(UserIdSource::CheckoutSessionMetadata(key)),
            "customer" => Some(UserIdSource::CustomerMetadata(key)),
            _ => None,
        }
    }
}

impl fmt::Display for UserIdSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UserIdSource::SubscriptionMetadata(key) => write!(f, "subscription.metadata.{key}"),
            UserIdSource::CheckoutSessionReference => f.write_str("checkout_session.client_reference_id"),
            UserIdSource::CheckoutSessionMetadata(key) => write!(f, "checkout_session.metadata.{key}"),
            UserIdSource::CustomerMetadata(key) => write!(f, "customer.metadata.{key}"),
            UserIdSource::CustomerEmail => f.write_str("customer.email"),
            UserIdSource::CustomerId => f.write_str("customer.id"),
        }
    }
}

impl Identity {
    pub(super) fn read(reader: &mut Reader<'_>) -> Identity {
        let Some(texts) = reader.list("identity.user_id") else {
            return Identity { user_id: by_default() };
        };
        let mut user_id = Vec::new();
        for text in &texts {
            match UserIdSource::of(&text.value) {
                Some(source) => user_id.push(source),
                None => reader.refuse_value(text, &format!("one of {FORMS}")),
            }
        }
        if texts.is_empty() {
            reader.note(SettingError::Missing {
                key: "identity.user_id".to_owned(),
                found: "the list is empty".to_owned(),
                write: format!("write at least one of {FORMS}"),
            });
        }
        Identity { user_id }
    }
}

fn by_default() -> Vec<UserIdSource> {
    let key = || DEFAULT_KEY.to_owned();
    vec![
        UserIdSource::SubscriptionMetadata(key()),
        UserIdSource::CheckoutSessionReference,
        UserIdSource::CheckoutSessionMetadata(key()),
        UserIdSource::CustomerMetadata(key()),
    ]
}

#[cfg(test)]
mod tests {
    use crate::settings::trial::{complaints, read};

    #[test]
    fn the_order_of_the_places_is_kept() {
        let file = "[identity]\nuser_id = [\"customer.id\", \"subscription.metadata.uid\", \"customer.email\"]";
        let user_id = read(file, &[]).unwrap().identity.user_id;
        let places: Vec<String> = user_id.iter().map(ToString::to_string).collect();
        assert_eq!(places, ["customer.id", "subscription.metadata.uid", "customer.email"]);
        assert_eq!(read("", &[]).unwrap().identity.user_id.len(), 4);
    }

    #[test]
    fn an_unknown_place_is_answered_with_the_allowed_forms() {
        let told =
            complaints("[identity]\nuser_id = [\"customer.id\", \"invoice.metadata.x\", \"customer.metadata.\"]", &[]);
        assert_eq!(told.len(), 2);
        assert!(told[0].starts_with(
            "`identity.user_id` is `invoice.metadata.x` (`grantsync.toml` line 2): write one of `subscription.metadata.<key>`, "
        ));
        assert_eq!(complaints("[identity]\nuser_id = []", &[]).len(), 1);
    }
}
