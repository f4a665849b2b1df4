//! `[iaphub]`: an app that is read, where the section stands, and written to where a path is set.

use std::collections::BTreeMap;
use std::time::Duration;

use ::iaphub::write::{Path, Route};

use super::duration::SECOND;
use super::error::SettingError;
use super::reader::Reader;
use super::secret::{Needed, Secret};

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
    /// How long an answer is used; default 1 minute.
    pub(crate) good_for: Duration,
    /// Which product of the stores gives which level: `[iaphub.levels]`, by sku or name of its group.
    pub(crate) levels: BTreeMap<String, String>,
    /// Where sales of the web are written to; by default nowhere.
    pub(crate) route: Option<Route>,
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
            route: route(reader),
        };
        if iaphub.levels.is_empty() {
            reader.warn("`[iaphub.levels]` maps no product of the stores, so nothing is read from IAPHUB".to_owned());
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

const KEYS: [&str; 9] = [
    "iaphub.api_key",
    "iaphub.app_id",
    "iaphub.environment",
    "iaphub.api_base",
    "iaphub.requests_per_second",
    "iaphub.timeout",
    "iaphub.good_for",
    "iaphub.create_path",
    "iaphub.update_path",
];

/// The path of an update is that of a creation, unless it is written.
fn route(reader: &mut Reader<'_>) -> Option<Route> {
    let [creates, updates] = ["iaphub.create_path", "iaphub.update_path"].map(|key| reader.has_section(key));
    let create = reader.parsed("iaphub.create_path", Path::FORM, Path::parse);
    let update = reader.parsed("iaphub.update_path", Path::FORM, Path::parse);
    if updates && !creates {
        reader.note(SettingError::Missing {
            key: "iaphub.create_path".to_owned(),
            found: "though `iaphub.update_path` is written".to_owned(),
            write: "write both, or none, so that nothing is written to IAPHUB".to_owned(),
        });
    }
    let create = create?;
    Some(Route { update: update.unwrap_or_else(|| create.clone()), create })
}

fn levels(reader: &mut Reader<'_>) -> BTreeMap<String, String> {
    let products = reader.keys_of("iaphub.levels");
    let level = |product: String| Some((reader.name(&format!("iaphub.levels.{product}"))?, product));
    products.into_iter().filter_map(level).map(|(level, product)| (product, level)).collect()
}

#[cfg(test)]
mod tests {
    use super::Path;
    use crate::settings::fixture::{complaints, read};

    #[test]
    fn nothing_is_written_unless_a_path_is_set_and_an_update_goes_there_too() {
        let route = |file: &str| read(&format!("[iaphub]\napp_id = \"a\"\n{file}"), &[]).unwrap().iaphub.unwrap().route;
        assert_eq!(route(""), None);
        let alone = route("create_path = \"/v1/app/{app}/transaction\"").unwrap();
        assert_eq!(alone.create, alone.update);
        let both = route("create_path = \"/v1/t\"\nupdate_path = \"/v1/t/{transaction}\"").unwrap();
        assert_eq!(Some(both.update), Path::parse("/v1/t/{transaction}"));
    }

    #[test]
    fn a_path_that_cannot_be_filled_is_refused_by_its_key() {
        let faults_of = |file: &str| complaints(&format!("[iaphub]\napp_id = \"a\"\n{file}"), &[]);
        assert_eq!(
            faults_of("create_path = \"/v1/{customer}\""),
            [
                "`iaphub.create_path` is `/v1/{customer}` (`grantsync.toml` line 3): write a path such as `/v1/app/{app}/user/{user}/transaction`, with no places but `{app}`, `{user}` and `{transaction}`"
            ]
        );
        assert_eq!(
            faults_of("update_path = \"/v1/{transaction}\""),
            [
                "`iaphub.create_path` is missing, though `iaphub.update_path` is written: write both, or none, so that nothing is written to IAPHUB"
            ]
        );
    }

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
