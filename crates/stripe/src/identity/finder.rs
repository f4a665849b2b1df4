//! Finds the user behind a customer or a guest.

use entitlement::model::failure::Failure;
use entitlement::model::reading::Identity;
use entitlement::model::user::User;

use crate::checkout::Session;
use crate::identity::UserIdPlace;
use crate::reading::customer_objects::CustomerObjects;
use crate::subscription::{self, Subscription};

/// Whom the places name.
pub(crate) enum Found {
    User(Identity),
    /// The place that names several.
    SeveralUsers(String),
    Nobody,
}

/// The user of a customer: the first of `places` that names one. Objects are read only for a place that is reached.
pub(crate) async fn of_customer(objects: &mut CustomerObjects<'_>, places: &[UserIdPlace]) -> Result<Found, Failure> {
    for place in places {
        let user = match place {
            UserIdPlace::SubscriptionMetadata(key) if names_several(&objects.subscriptions, key) => {
                return Ok(Found::SeveralUsers(place.to_string()));
            }
            UserIdPlace::SubscriptionMetadata(key) => {
                subscription::newest(&objects.subscriptions, |read| read.metadata.get(key).and_then(User::new))
            }
            UserIdPlace::CheckoutClientReference | UserIdPlace::CheckoutMetadata(_) => {
                objects.sessions().await?.iter().find_map(|session| of_session(place, session))
            }
            UserIdPlace::CustomerMetadata(key) => objects.customer().await?.metadata.get(key).and_then(User::new),
            UserIdPlace::CustomerEmail => objects.customer().await?.email.as_deref().and_then(User::new),
            UserIdPlace::CustomerId => User::new(objects.id),
        };
        if let Some(user) = user {
            return Ok(Found::User(Identity { user, origin: place.to_string() }));
        }
    }
    Ok(Found::Nobody)
}

/// The user of a guest, who has no customer object, but may have left an address.
pub(crate) fn of_guest(session: &Session, places: &[UserIdPlace]) -> Option<Identity> {
    places.iter().find_map(|place| {
        let user = match place {
            UserIdPlace::CustomerEmail => session.email().and_then(User::new),
            UserIdPlace::SubscriptionMetadata(_)
            | UserIdPlace::CheckoutClientReference
            | UserIdPlace::CheckoutMetadata(_)
            | UserIdPlace::CustomerMetadata(_)
            | UserIdPlace::CustomerId => of_session(place, session),
        };
        Some(Identity { user: user?, origin: place.to_string() })
    })
}

/// Whether running subscriptions name different users: choosing one would take the other's access.
fn names_several(subscriptions: &[Subscription], key: &str) -> bool {
    let running = subscriptions.iter().filter(|read| !subscription::has_ended(&read.billing.status));
    let mut users = running.filter_map(|read| read.metadata.get(key).and_then(User::new));
    users.next().is_some_and(|first| users.any(|other| other != first))
}

fn of_session(place: &UserIdPlace, session: &Session) -> Option<User> {
    let text = match place {
        UserIdPlace::CheckoutClientReference => session.client_reference_id.as_deref(),
        UserIdPlace::CheckoutMetadata(key) => session.metadata.get(key),
        UserIdPlace::SubscriptionMetadata(_)
        | UserIdPlace::CustomerMetadata(_)
        | UserIdPlace::CustomerEmail
        | UserIdPlace::CustomerId => None,
    };
    text.and_then(User::new)
}
