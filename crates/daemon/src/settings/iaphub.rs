//! `[iaphub]`: an app that is only read, if there is one.

use std::collections::BTreeMap;
use std::time::Duration;

use super::error::SettingError;
use super::reader::Reader;
use super::secret::{Needed, Secret};
use super::span::SECOND;

/// The section `[iaphub]`.
#[derive(Debug, Clone)]
pub(crate) struct Iaphub {
    /// API key; by default `IAPHUB_API_KEY`.
    pub(crate) api_key: Needed<Secret>,
    /// The app; has no default.
    pub(crate) app_id: String,
    /// Default `production`.
    pub(crate) environment: String,
    /// Default `https://api.iaphub.com`; never ends in a slash.
    pub(crate) api_base: String,
    /// Requests a second, at least 1; default 5, which is what its page allows.
    pub(crate) requests_per_second: u32,
    /// Longest wait for one answer; default 5 s.
    pub(crate) timeout: Duration,
    /// How long an answer is good; default 1 minute.
    pub(crate) good_for: Duration,
    /// Which product of the stores opens which level: `[iaphub.levels]`, by sku or name of its group.
    pub(crate) levels: BTreeMap<String, String>,
}

impl Iaphub {
    /// `None` unless the section or one of its keys was written.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Iaphub> {
        if !reader.has_section("iaphub") {
            reader.know(&KEYS);
            return None;
        }
        let named = reader.has_section("iaphub.app_id");
        let iaphub = Iaphub {
            api_key: reader.needed_secret("iaphub.api_key", "IAPHUB_API_KEY"),
            app_id: reader.name("iaphub.app_id").unwrap_or_default(),
            environment: reader.name("iaphub.environment").unwrap_or_else(|| "production".to_owned()),
            api_base: reader.api_base("iaphub.api_base", "https://api.iaphub.com"),
            requests_per_second: reader.count("iaphub.requests_per_second", 5),
            timeout: reader.span_above_zero("iaphub.timeout", 5 * SECOND),
            good_for: reader.span("iaphub.good_for", 60 * SECOND),
            levels: levels(reader),
        };
        if iaphub.levels.is_empty() {
            reader.warn("`[iaphub.levels]` maps no product of the stores, so nothing of IAPHUB is seen".to_owned());
        }
        if !named {
            reader.note(SettingError::Missing {
                key: "iaphub.app_id".to_owned(),
                found: "though the section `[iaphub]` is written".to_owned(),
                write: "write the id of the app, or remove the section".to_owned(),
            });
        }
        Some(iaphub)
    }
}

const KEYS: [&str; 7] = [
    "iaphub.api_key",
    "iaphub.app_id",
    "iaphub.environment",
    "iaphub.api_base",
    "iaphub.requests_per_second",
    "iaphub.timeout",
    "iaphub.good_for",
];

fn levels(reader: &mut Reader<'_>) -> BTreeMap<String, String> {
    let products = reader.keys_of("iaphub.levels");
    let level = |product: String| Some((reader.name(&format!("iaphub.levels.{product}"))?, product));
    products.into_iter().filter_map(level).map(|(level, product)| (product, level)).collect()
}

#[cfg(test)]
mod tests {
    use crate::settings::trial::{complaints, read};

    #[test]
    fn the_section_is_there_when_it_is_written() {
        assert!(read("", &[("IAPHUB_API_KEY", "k k")]).unwrap().iaphub.is_none());
        let variables = [("GRANTSYNC__IAPHUB__APP_ID", "app"), ("IAPHUB_API_KEY", "k")];
        let iaphub = read("", &variables).unwrap().iaphub.unwrap();
        assert_eq!((iaphub.app_id.as_str(), iaphub.environment.as_str()), ("app", "production"));
        assert!(iaphub.levels.is_empty());
        let file = "[iaphub]\napp_id = \"a\"\n[iaphub.levels]\n\"com.app.monthly\" = \"premium\"";
        let mapped = read(file, &[]).unwrap().iaphub.unwrap().levels;
        assert_eq!(mapped.get("com.app.monthly").map(String::as_str), Some("premium"));
        assert_eq!(iaphub.api_key.require().unwrap().expose(), "k");
        assert_eq!(
            complaints("[iaphub]", &[]),
            [
                "`iaphub.app_id` is missing, though the section `[iaphub]` is written: write the id of the app, or remove the section"
            ]
        );
    }
}
