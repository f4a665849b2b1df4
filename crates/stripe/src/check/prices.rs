//! What Stripe sells: prices and products (<https://docs.stripe.com/api/prices>).

use entitlement::model::failure::{Class, Failure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stripe_client_core::{RequestBuilder, StripeMethod};

use crate::api::Api;
use crate::check::endpoints::Page;
use crate::client::Stripe;
use crate::shape::{Ref, read};

/// Pages of 100 after which a list of prices is long enough.
const MOST_PAGES: usize = 20;

/// A price, as far as it says what it is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    pub id: String,
    pub product: String,
    pub billed: Billed,
    /// It can be bought.
    pub active: bool,
}

/// How often a price is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Billed {
    Recurring,
    Once,
}

/// The prices that can be bought, the newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prices {
    pub prices: Vec<Price>,
    /// There are more, which were not read.
    pub cut_off: bool,
}

/// <https://docs.stripe.com/api/prices/object>.
#[derive(Debug, Deserialize)]
struct PriceObject {
    id: String,
    #[serde(default)]
    product: Ref,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    active: Option<bool>,
}

/// <https://docs.stripe.com/api/products/object>.
#[derive(Debug, Deserialize)]
struct ProductObject {
    #[serde(default)]
    active: Option<bool>,
}

#[derive(Serialize)]
struct Active {
    active: bool,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    page: Page,
}

impl Stripe {
    /// The prices that can be bought and are billed so; at most two thousand.
    ///
    /// # Errors
    /// The failed request; a price that cannot be read is left out.
    pub async fn active_prices(&self, billed: Billed) -> Result<Prices, Failure> {
        let kind = match billed {
            Billed::Recurring => "recurring",
            Billed::Once => "one_time",
        };
        let request = |starting_after| {
            let page = Page { limit: 100, starting_after };
            RequestBuilder::new(StripeMethod::Get, "/prices").query(&Active { active: true, kind, page })
        };
        let api = Api::new(&self.upstream, None);
        let list = api.finish("prices", crate::shape::List::unread(), MOST_PAGES, request, |_| false).await?;
        let prices = list.data.iter().filter_map(|object| read::<PriceObject>(object).ok()).map(Price::from);
        Ok(Prices { prices: prices.collect(), cut_off: list.has_more })
    }

    /// The price `id`; `None` when Stripe has none.
    ///
    /// # Errors
    /// The failed request.
    pub async fn price(&self, id: &str) -> Result<Option<Price>, Failure> {
        Ok(self.one::<PriceObject>("price", "/prices", id).await?.map(Price::from))
    }

    /// Whether the product `id` can be bought; `None` when Stripe has none.
    ///
    /// # Errors
    /// The failed request.
    pub async fn product_is_active(&self, id: &str) -> Result<Option<bool>, Failure> {
        let product = self.one::<ProductObject>("product", "/products", id).await?;
        Ok(product.map(|product| product.active != Some(false)))
    }

    async fn one<T: DeserializeOwned>(&self, what: &str, path: &str, id: &str) -> Result<Option<T>, Failure> {
        // no id of Stripe's has anything else; a slash would ask for something else
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) {
            return Ok(None);
        }
        let request = RequestBuilder::new(StripeMethod::Get, format!("{path}/{id}"));
        match Api::new(&self.upstream, None).get(&format!("{what} `{id}`"), request).await {
            Ok(found) => Ok(Some(found)),
            Err(failure) if failure.class == Class::Missing => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

impl From<PriceObject> for Price {
    fn from(written: PriceObject) -> Self {
        Self {
            id: written.id,
            product: written.product.owned().unwrap_or_default(),
            billed: if written.kind.as_deref() == Some("one_time") { Billed::Once } else { Billed::Recurring },
            active: written.active != Some(false),
        }
    }
}

#[cfg(test)]
mod tests;
