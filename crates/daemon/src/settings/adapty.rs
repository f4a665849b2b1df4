//! `[adapty]`: the app that is written to.

use std::time::Duration;

use super::choice::choice;
use super::reader::Reader;
use super::secret::{Needed, Secret};
use super::span::SECOND;

/// The section `[adapty]`.
#[derive(Debug, Clone)]
pub(crate) struct Adapty {
    /// Secret API key; by default `ADAPTY_SECRET_KEY`.
    pub(crate) secret_key: Needed<Secret>,
    /// The server-side API that is spoken; default `v1`.
    pub(crate) api: AdaptyApi,
    /// Default `https://api.adapty.io`; never ends in a slash.
    pub(crate) api_base: String,
    /// The name under which Adapty files what we report; default `stripe`.
    pub(crate) store: String,
    /// Requests a second, at least 1; default 10.
    pub(crate) requests_per_second: u32,
    /// Longest wait for one answer; default 10 s.
    pub(crate) timeout: Duration,
    /// What `store_product_id` carries; default the product.
    pub(crate) product_id: ProductId,
    /// Country of a customer whose own is unknown, two letters; default `US`.
    pub(crate) default_country: String,
}

choice! {
    /// Which of Adapty's server-side APIs is spoken, and how.
    AdaptyApi {
        /// Rights are granted and revoked.
        V1 = "v1",
        /// Transactions are reported.
        V2 = "v2",
        /// Rights are granted and revoked through the second API.
        V2Access = "v2-access",
    }
}

choice! {
    /// What `store_product_id` carries.
    ProductId {
        /// The product alone.
        Product = "product",
        /// The product, a colon and the price.
        ProductAndPrice = "product:price",
    }
}

impl Adapty {
    pub(super) fn read(reader: &mut Reader<'_>) -> Adapty {
        let adapty = Adapty {
            secret_key: reader.needed_secret("adapty.secret_key", "ADAPTY_SECRET_KEY"),
            api: reader.choice("adapty.api"),
            api_base: reader.api_base("adapty.api_base", "https://api.adapty.io"),
            store: reader
                .parsed("adapty.store", "a store other than `adapty`, which is Adapty's own", store)
                .unwrap_or_else(|| "stripe".to_owned()),
            requests_per_second: reader.count("adapty.requests_per_second", 10),
            timeout: reader.span_above_zero("adapty.timeout", 10 * SECOND),
            product_id: reader.choice("adapty.product_id"),
            default_country: reader
                .parsed("adapty.default_country", "two capital letters such as `US`", country)
                .unwrap_or_else(|| "US".to_owned()),
        };
        let key = adapty.secret_key.present().map(Secret::expose);
        if key.is_some_and(|key| !key.starts_with("secret_")) {
            reader.warn("`adapty.secret_key` does not begin with `secret_`: is it the right key?".to_owned());
        }
        adapty
    }
}

fn store(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty() && text != "adapty").then(|| text.to_owned())
}

fn country(text: &str) -> Option<String> {
    let code = text.len() == 2 && text.chars().all(|c| c.is_ascii_uppercase());
    code.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{AdaptyApi, ProductId};
    use crate::settings::trial::{complaints, read};

    #[test]
    fn a_key_that_is_not_secret_is_warned_of_without_showing_it() {
        let warnings = |key: &str| read("", &[("ADAPTY_SECRET_KEY", key)]).unwrap().warnings;
        assert!(warnings("secret_live_hush").is_empty());
        let told = warnings("public_live_hush");
        assert!(
            told.len() == 1 && told[0].starts_with("`adapty.secret_key` does not begin with `secret_`"),
            "{told:?}"
        );
        assert!(!told.concat().contains("hush"));
    }

    #[test]
    fn the_api_is_one_of_three_words() {
        assert_eq!(read("", &[]).unwrap().adapty.api, AdaptyApi::V1);
        let adapty = read("[adapty]\napi = \"v2-access\"\nproduct_id = \"product:price\"", &[]).unwrap().adapty;
        assert_eq!((adapty.api, adapty.product_id), (AdaptyApi::V2Access, ProductId::ProductAndPrice));
        assert_eq!(adapty.api.to_string(), "v2-access");
        assert_eq!(
            complaints("[adapty]\napi = 2\ndefault_country = \"usa\"", &[]),
            [
                "`adapty.api` is `2` (`grantsync.toml` line 2): write `v1` or `v2` or `v2-access`",
                "`adapty.default_country` is `usa` (`grantsync.toml` line 3): write two capital letters such as `US`",
            ]
        );
    }
}
