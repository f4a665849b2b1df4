//! What a customer object says of the user behind it.

use entitlement::model::failure::Failure;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use stripe_client_core::StripeRequest;
use stripe_core::customer::RetrieveCustomer;

use crate::api::Api;
use crate::shape::Metadata;

/// The Customer object (<https://docs.stripe.com/api/customers/object>); of a deleted one only id and `deleted` are left.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Customer {
    #[serde(default)]
    pub(crate) deleted: bool,
    #[serde(default)]
    pub(crate) email: Option<String>,
    #[serde(default)]
    pub(crate) metadata: Metadata,
    #[serde(default)]
    pub(crate) livemode: Option<bool>,
    #[serde(default)]
    test_clock: Option<IgnoredAny>,
    /// Read from what may stand there, since nothing hangs on it.
    #[serde(default)]
    name: Value,
    #[serde(default)]
    phone: Value,
    #[serde(default)]
    address: Value,
}

impl Customer {
    pub(crate) fn on_test_clock(&self) -> bool {
        self.test_clock.is_some()
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_str()
    }

    pub(crate) fn phone(&self) -> Option<&str> {
        self.phone.as_str()
    }

    /// As it stands there.
    pub(crate) fn country(&self) -> Option<&str> {
        country_of(&self.address)
    }
}

/// The country of an address, as it stands there.
pub(crate) fn country_of(address: &Value) -> Option<&str> {
    address.get("country")?.as_str()
}

/// The country that `text` names in two letters, ISO 3166; an address may hold anything, or nothing.
pub(crate) fn coded(text: &str) -> Option<String> {
    let code = text.trim();
    let is_code = code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_code.then(|| code.to_ascii_uppercase())
}

/// The customer, for what no access hangs on; `None` where the key may not read customers.
pub(crate) async fn if_allowed(api: Api<'_>, id: &str) -> Result<Option<Customer>, Failure> {
    match by_id(api, id).await {
        Err(failure) if failure.status == Some(403) => Ok(None),
        customer => customer.map(Some),
    }
}

pub(crate) async fn by_id(api: Api<'_>, id: &str) -> Result<Customer, Failure> {
    api.get(&format!("customer `{id}`"), RetrieveCustomer::new(id).build()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_two_letters_and_anything_else_is_none() {
        for text in ["DE", "de", " De "] {
            assert_eq!(coded(text).as_deref(), Some("DE"));
        }
        for text in ["", " ", "D", "Germany", "D1", "DEU", "\u{e9}"] {
            assert_eq!(coded(text), None, "{text}");
        }
    }
}
