//! `[adapty]`: the app that is written to; or `[[adapty]]`, several of them, each with a name.

use std::time::Duration;

use entitlement::model::attributes::AttributeName;
use stripe::facts::{FORMS, FactPlace};

use super::choice::choice;
use super::duration::SECOND;
use super::error::SettingError;
use super::reader::Reader;
use super::secret::{Needed, Secret};

/// The section `[adapty]`, or one of several.
#[derive(Debug, Clone)]
pub(crate) struct Adapty {
    /// The name in the ledger, which must not change; `adapty` when it is the only app.
    pub(crate) name: String,
    /// Secret API key; by default `ADAPTY_SECRET_KEY`, of one of several `ADAPTY_SECRET_KEY_NAME`.
    pub(crate) secret_key: Needed<Secret>,
    /// The server-side API that is used; default `v1`.
    pub(crate) api: AdaptyApi,
    /// Default `https://api.adapty.io`; never ends in a slash.
    pub(crate) api_base: String,
    /// The store under which Adapty shows the sales; default `stripe`.
    pub(crate) store: String,
    /// Requests a second, at least 1; default 10.
    pub(crate) requests_per_second: u32,
    /// Longest wait for one answer; default 10 s.
    pub(crate) timeout: Duration,
    /// What `store_product_id` carries; default the product.
    pub(crate) product_id: ProductId,
    /// Country of a user whose own is unknown, two letters; default `US`.
    pub(crate) default_country: String,
    /// Attributes that are filled from Stripe, and their places: `[adapty.attributes]` and `[adapty.profile]`.
    pub(crate) attributes: Vec<(AttributeName, FactPlace)>,
    /// The longest value of an attribute, in characters; default 30.
    pub(crate) attribute_length: u32,
}

choice! {
    /// Which of Adapty's server-side APIs is used, and how.
    AdaptyApi {
        /// Levels are granted and revoked, with their sales.
        V1 = "v1",
        /// Sales are reported.
        V2 = "v2",
        /// Levels are granted and revoked through the second API, without their sales.
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
    /// The one of `[adapty]`, or all of `[[adapty]]`.
    pub(super) fn read_all(reader: &mut Reader<'_>) -> Vec<Adapty> {
        let mut apps: Vec<Adapty> = Vec::new();
        for index in 0.. {
            let key = format!("adapty[{index}]");
            let Some(item) = reader.take_item(&key) else { break };
            let name_key = format!("{key}.name");
            let has_name = reader.has_section(&name_key);
            let name = reader.parsed(&name_key, NAME, name);
            let app = Adapty::read(reader, &key, name.unwrap_or_default());
            if let Some(found) = app.fault(has_name, &apps) {
                let found = found.to_owned();
                let write = "a name and a key of its own for each app".to_owned();
                reader.note(SettingError::Invalid { key, origin: item.origin, found, write });
            }
            apps.push(app);
        }
        if apps.is_empty() {
            apps.push(Adapty::read(reader, ALONE, ALONE.to_owned()));
        }
        apps
    }

    fn read(reader: &mut Reader<'_>, section: &str, name: String) -> Adapty {
        let key = |of: &str| format!("{section}.{of}");
        let variable = variable(&name);
        let adapty = Adapty {
            name,
            secret_key: reader.needed_secret(&key("secret_key"), &variable),
            api: reader.choice(&key("api")),
            api_base: reader.api_base(&key("api_base"), "https://api.adapty.io"),
            store: reader
                .parsed(&key("store"), "a store other than `adapty`, which is Adapty's own", store)
                .unwrap_or_else(|| "stripe".to_owned()),
            requests_per_second: reader.count(&key("requests_per_second"), 10),
            timeout: reader.span_above_zero(&key("timeout"), 10 * SECOND),
            product_id: reader.choice(&key("product_id")),
            default_country: reader
                .parsed(&key("default_country"), "two capital letters such as `US`", country)
                .unwrap_or_else(|| "US".to_owned()),
            attributes: [attributes(reader, &key("attributes"), ""), attributes(reader, &key("profile"), "profile:")]
                .concat(),
            attribute_length: reader.count(&key("attribute_length"), 30),
        };
        let key = adapty.secret_key.present().map(Secret::expose);
        if key.is_some_and(|key| !key.starts_with("secret_")) {
            reader.warn(format!("`{section}.secret_key` does not begin with `secret_`: is it the right key?"));
        }
        adapty
    }
}

impl Adapty {
    /// Why it cannot stand beside the apps before it.
    fn fault(&self, has_name: bool, before: &[Adapty]) -> Option<&'static str> {
        if !has_name {
            return Some("an app without `name`, beside which there may be others");
        }
        if !self.name.is_empty() && before.iter().any(|other| other.name == self.name) {
            return Some("an app of the same name as one before it");
        }
        before.iter().any(|other| self.is_same(other)).then_some("an app with the key of one before it")
    }

    /// Whether it is the same app as `other`, under another name.
    fn is_same(&self, other: &Adapty) -> bool {
        let keys = self.secret_key.present().zip(other.secret_key.present());
        self.api_base == other.api_base && keys.is_some_and(|(one, another)| one.expose() == another.expose())
    }
}

/// Every key of a section whose keys are names.
fn attributes(reader: &mut Reader<'_>, section: &str, prefix: &str) -> Vec<(AttributeName, FactPlace)> {
    let mut attributes = Vec::new();
    for name in reader.keys_of(section) {
        let Some(place) = reader.text(&format!("{section}.{name}")) else { continue };
        match (AttributeName::parse(&format!("{prefix}{name}")), place.value.parse()) {
            (Ok(name), Ok(source)) => attributes.push((name, source)),
            (Ok(_), Err(_)) => reader.refuse_value(&place, FORMS),
            (Err(error), _) => reader.refuse(&place, "under a name that Adapty does not take", &error.write()),
        }
    }
    attributes
}

/// The section, and the name, of an app that is the only one.
const ALONE: &str = "adapty";

/// What names are made of.
const NAME: &str = "letters, digits, `-` and `_`, at most 40 of them, other than `stripe` and `iaphub`";

/// Names of other upstreams.
const TAKEN: [&str; 2] = ["stripe", "iaphub"];

/// The conventional variable of an app's key.
fn variable(name: &str) -> String {
    match name {
        ALONE => "ADAPTY_SECRET_KEY".to_owned(),
        name => format!("ADAPTY_SECRET_KEY_{}", name.replace('-', "_").to_ascii_uppercase()),
    }
}

fn name(text: &str) -> Option<String> {
    let sound = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    (sound && (1..=40).contains(&text.len()) && !TAKEN.contains(&text)).then(|| text.to_owned())
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
    use crate::settings::fixture::{complaints, read};

    #[test]
    fn a_key_that_is_not_secret_is_warned_of_without_showing_it() {
        let warnings = |key: &str| read("", &[("ADAPTY_SECRET_KEY", key)]).unwrap().warnings;
        assert!(warnings("secret_live_hush").is_empty());
        let faults = warnings("public_live_hush");
        assert!(
            faults.len() == 1 && faults[0].starts_with("`adapty.secret_key` does not begin with `secret_`"),
            "{faults:?}"
        );
        assert!(!faults.concat().contains("hush"));
    }

    #[test]
    fn several_apps_have_a_name_each_and_keys_of_their_own() {
        let file = "[[adapty]]\nname = \"ios\"\nsecret_key = \"secret_live_a\"\n\
                    [[adapty]]\nname = \"tv\"\nsecret_key = \"env:TV\"\napi = \"v2\"\nstore = \"web\"";
        let apps = read(file, &[("TV", "secret_live_b")]).unwrap().adapty;
        let found: Vec<_> = apps.iter().map(|app| (app.name.as_str(), app.api, app.store.as_str())).collect();
        assert_eq!(found, [("ios", AdaptyApi::V1, "stripe"), ("tv", AdaptyApi::V2, "web")]);
        assert_eq!(apps[1].secret_key.require().unwrap().expose(), "secret_live_b");
        assert_eq!(read("", &[]).unwrap().adapty[0].name, "adapty");
        let file = "[[adapty]]\nname = \"a b\"\n[[adapty]]\nstore = \"web\"\n[[adapty]]\nname = \"x\"\n[[adapty]]\nname = \"x\"\nsotre = \"y\"";
        let faults = complaints(file, &[]);
        let expected = [
            "`adapty[0].name` is `a b` (`grantsync.toml` line 2): write letters, digits,",
            "`adapty[1]` is an app without `name`",
            "`adapty[3]` is an app of the same name as one before it",
            "unknown key `adapty[3].sotre` (`grantsync.toml` line 9): write `adapty[3].store`",
        ];
        assert_eq!(faults.len(), expected.len(), "{faults:#?}");
        assert!(faults.iter().zip(expected).all(|(fault, expected)| fault.starts_with(expected)), "{faults:#?}");
    }

    #[test]
    fn of_several_apps_each_needs_a_key_of_its_own() {
        let app = |name: &str, key: &str| format!("[[adapty]]\nname = \"{name}\"\n{key}\n");
        let faults = complaints(
            &format!("{}{}", app("a", "secret_key = \"secret_x\""), app("b", "secret_key = \"secret_x\"")),
            &[],
        );
        assert!(
            faults.len() == 1 && faults[0].starts_with("`adapty[1]` is an app with the key of one before it"),
            "{faults:?}"
        );
        assert!(!faults[0].contains("secret_x"));
        let keys = [("ADAPTY_SECRET_KEY", "secret_alone"), ("ADAPTY_SECRET_KEY_TV_2", "secret_tv")];
        let apps = read(&format!("{}{}", app("phone", ""), app("tv-2", "")), &keys).unwrap().adapty;
        assert_eq!(apps[1].secret_key.require().unwrap().expose(), "secret_tv");
        let missing = apps[0].secret_key.require().unwrap_err().to_string();
        assert!(missing.contains("ADAPTY_SECRET_KEY_PHONE"), "{missing}");
    }

    #[test]
    fn attributes_are_named_as_adapty_takes_them_and_filled_from_places_that_exist() {
        let file =
            "[adapty.attributes]\nplan = \"customer.metadata.plan\"\n[adapty.profile]\nemail = \"customer.email\"";
        let attributes = read(file, &[]).unwrap().adapty.remove(0).attributes;
        let read: Vec<_> = attributes.iter().map(|(name, place)| format!("{name} {place}")).collect();
        assert_eq!(read, ["plan customer.metadata.plan", "profile:email customer.email"]);
        let file = "[adapty.attributes]\n\"two words\" = \"customer.email\"\nplan = \"invoice.number\"\n\
                    [adapty.profile]\nemial = \"customer.email\"";
        let found = [
            "`adapty.attributes.plan` is `invoice.number` (`grantsync.toml` line 3): write `subscription.metadata.<key>`,",
            "`adapty.attributes.two words` is under a name that Adapty does not take (`grantsync.toml` line 2): write at most 30",
            "`adapty.profile.emial` is under a name that Adapty does not take (`grantsync.toml` line 5): write at most 30",
        ];
        let faults = complaints(file, &[]);
        assert_eq!(faults.len(), found.len(), "{faults:#?}");
        assert!(faults.iter().zip(found).all(|(fault, found)| fault.starts_with(found)), "{faults:#?}");
        let faults = complaints("[adapty]\nattributes = \"plan\"", &[]);
        assert!(faults.len() == 1 && faults[0].starts_with("unknown key `adapty.attributes`"), "{faults:?}");
    }

    #[test]
    fn the_api_is_one_of_three_words() {
        assert_eq!(read("", &[]).unwrap().adapty[0].api, AdaptyApi::V1);
        let adapty =
            read("[adapty]\napi = \"v2-access\"\nproduct_id = \"product:price\"", &[]).unwrap().adapty.remove(0);
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
