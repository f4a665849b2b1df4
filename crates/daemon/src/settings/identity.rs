//! `[identity]`: where the user id is read.

use stripe::identity::UserIdPlace;

use super::error::SettingError;
use super::reader::Reader;

/// The section `[identity]`.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// The places in order; the first that answers wins. Never empty. By default the metadata key
    /// `customer_user_id` of the subscription, the session's reference, then that key of session and customer.
    pub(crate) user_id: Vec<UserIdPlace>,
}

const FORMS: &str = "`subscription.metadata.<key>`, `checkout_session.client_reference_id`, \
                     `checkout_session.metadata.<key>`, `customer.metadata.<key>`, `customer.email` or `customer.id`";

const DEFAULT_KEY: &str = "customer_user_id";

impl Identity {
    pub(super) fn read(reader: &mut Reader<'_>) -> Identity {
        let Some(texts) = reader.list("identity.user_id") else {
            return Identity { user_id: by_default() };
        };
        let mut user_id = Vec::new();
        for text in &texts {
            match text.value.parse() {
                Ok(source) => user_id.push(source),
                Err(_) => reader.refuse_value(text, &format!("one of {FORMS}")),
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

fn by_default() -> Vec<UserIdPlace> {
    let key = || DEFAULT_KEY.to_owned();
    vec![
        UserIdPlace::SubscriptionMetadata(key()),
        UserIdPlace::CheckoutClientReference,
        UserIdPlace::CheckoutMetadata(key()),
        UserIdPlace::CustomerMetadata(key()),
    ]
}

#[cfg(test)]
mod tests {
    use crate::settings::fixture::{complaints, read};

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
        let faults =
            complaints("[identity]\nuser_id = [\"customer.id\", \"invoice.metadata.x\", \"customer.metadata.\"]", &[]);
        assert_eq!(faults.len(), 2);
        assert!(faults[0].starts_with(
            "`identity.user_id` is `invoice.metadata.x` (`grantsync.toml` line 2): write one of `subscription.metadata.<key>`, "
        ));
        assert_eq!(complaints("[identity]\nuser_id = []", &[]).len(), 1);
    }
}
