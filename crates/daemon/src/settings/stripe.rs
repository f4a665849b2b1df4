//! `[stripe]`: the Stripe account that is read.

use std::time::Duration;

use super::duration::SECOND;
use super::reader::Reader;
use super::secret::{Needed, Secret};

/// The section `[stripe]`.
#[derive(Debug, Clone)]
pub(crate) struct Stripe {
    /// Secret or restricted key; by default `STRIPE_SECRET_KEY`.
    pub(crate) secret_key: Needed<Secret>,
    /// The mode where the key does not show it, or where there is no key: in an ingester.
    pub(crate) mode: Option<Mode>,
    /// Signing secrets of the webhook endpoints, any of which may have signed; by default `STRIPE_WEBHOOK_SECRET`.
    pub(crate) webhook_secrets: Needed<Vec<Secret>>,
    /// Default `https://api.stripe.com`; never ends in a slash.
    pub(crate) api_base: String,
    /// Requests a second, at least 1; default 20.
    pub(crate) requests_per_second: u32,
    /// Longest wait for one answer; default 20 s.
    pub(crate) timeout: Duration,
}

/// The mode of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Test data, no money.
    Test,
    /// Live data.
    Live,
}

impl Mode {
    fn of(text: &str) -> Option<Self> {
        match text {
            "live" => Some(Self::Live),
            "test" => Some(Self::Test),
            _ => None,
        }
    }
}

impl Stripe {
    pub(super) fn read(reader: &mut Reader<'_>) -> Stripe {
        let stripe = Stripe {
            secret_key: reader.needed_secret("stripe.secret_key", "STRIPE_SECRET_KEY"),
            mode: reader.parsed("stripe.mode", "`live` or `test`", Mode::of),
            webhook_secrets: reader.needed_secrets("stripe.webhook_secrets", "STRIPE_WEBHOOK_SECRET"),
            api_base: reader.api_base("stripe.api_base", "https://api.stripe.com"),
            requests_per_second: reader.count("stripe.requests_per_second", 20),
            timeout: reader.span_above_zero("stripe.timeout", 20 * SECOND),
        };
        stripe.warn(reader);
        stripe
    }

    fn warn(&self, reader: &mut Reader<'_>) {
        if let (Some(set), Some(of_key)) = (self.mode, self.mode_of_key())
            && set != of_key
        {
            reader.warn("`stripe.mode` is not the mode of `stripe.secret_key`; the key's mode is used".to_owned());
        }
        let key = self.secret_key.present().map(Secret::expose);
        if key.is_some_and(|key| !key.starts_with("sk_") && !key.starts_with("rk_")) {
            reader
                .warn("`stripe.secret_key` begins neither with `sk_` nor with `rk_`: is it the right key?".to_owned());
        }
        for (index, secret) in self.webhook_secrets.present().into_iter().flatten().enumerate() {
            if !secret.expose().starts_with("whsec_") {
                reader.warn(format!(
                    "`stripe.webhook_secrets[{index}]` does not begin with `whsec_`: is it the right secret?"
                ));
            }
        }
    }

    /// The mode of `secret_key`, else `mode`.
    pub(crate) fn mode(&self) -> Option<Mode> {
        self.mode_of_key().or(self.mode)
    }

    /// The mode that `secret_key` shows; `None` without a key, or where it does not show one.
    pub(crate) fn mode_of_key(&self) -> Option<Mode> {
        let key = self.secret_key.present()?.expose();
        let mode = key.strip_prefix("sk_").or_else(|| key.strip_prefix("rk_"))?;
        if mode.starts_with("test_") {
            Some(Mode::Test)
        } else if mode.starts_with("live_") {
            Some(Mode::Live)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Mode;
    use crate::settings::fixture::{complaints, read};

    #[test]
    fn the_key_shows_the_mode() {
        let mode = |key: &str| read("", &[("STRIPE_SECRET_KEY", key)]).unwrap().stripe.mode();
        assert_eq!(mode("sk_test_1"), Some(Mode::Test));
        assert_eq!(mode("rk_live_1"), Some(Mode::Live));
        assert_eq!(mode("sk_1"), None);
        assert_eq!(mode("test_1"), None);
        assert_eq!(mode(""), None);
    }

    #[test]
    fn odd_credentials_are_warned_of_without_showing_them() {
        let variables = [("STRIPE_SECRET_KEY", "pk_live_hush"), ("STRIPE_WEBHOOK_SECRET", "whsec_1,hush")];
        let warnings = read("", &variables).unwrap().warnings;
        assert_eq!(warnings.len(), 2);
        assert!(warnings[1].starts_with("`stripe.webhook_secrets[1]` does not begin with `whsec_`"));
        assert!(!warnings.concat().contains("hush"));
    }

    #[test]
    fn a_written_reference_to_nothing_is_reported_when_the_key_is_needed() {
        let file = "[stripe]\nsecret_key = \"env:NOPE\"\nwebhook_secrets = []";
        let stripe = read(file, &[]).unwrap().stripe;
        let faults = stripe.secret_key.require().unwrap_err().to_string();
        assert!(faults.starts_with("`stripe.secret_key` names `env:NOPE` (`grantsync.toml` line 2)"), "{faults}");
        let faults = stripe.webhook_secrets.require().unwrap_err().to_string();
        assert!(faults.starts_with("`stripe.webhook_secrets` is missing, the list is empty (`gr"), "{faults}");
    }

    #[test]
    fn an_api_base_is_an_http_address_without_a_slash_at_its_end() {
        let base = |base: &str| read("", &[("GRANTSYNC__STRIPE__API_BASE", base)]).map(|s| s.stripe.api_base);
        assert_eq!(base("http://127.0.0.1:4242/").unwrap(), "http://127.0.0.1:4242");
        assert!(base("api.stripe.com").is_err());
        let faults = complaints("[stripe]\napi_base = \"https://u:hush@h\"", &[]);
        assert!(faults[0].starts_with("`stripe.api_base` is a value that is not shown (`"), "{faults:?}");
    }
}
