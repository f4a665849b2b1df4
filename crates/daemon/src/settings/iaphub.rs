//! `[iaphub]`: an app that is only read, if there is one.

use super::error::SettingError;
use super::reader::Reader;
use super::secret::{Needed, Secret};

/// The section `[iaphub]`.
#[derive(Debug, Clone)]
pub(crate) struct Iaphub {
    /// API key; by default `IAPHUB_API_KEY`.
    pub(crate) api_key: Needed<Secret>,
    /// The app; has no default.
    #[allow(dead_code, reason = "checked at start; IAPHUB is not read yet")]
    pub(crate) app_id: String,
    /// Default `production`.
    #[allow(dead_code, reason = "checked at start; IAPHUB is not read yet")]
    pub(crate) environment: String,
    /// Default `https://api.iaphub.com`; never ends in a slash.
    #[allow(dead_code, reason = "checked at start; IAPHUB is not read yet")]
    pub(crate) api_base: String,
}

impl Iaphub {
    /// `None` unless the section or one of its keys was written.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Iaphub> {
        if !reader.has_section("iaphub") {
            let keys = ["iaphub.api_key", "iaphub.app_id", "iaphub.environment", "iaphub.api_base"];
            reader.know(&keys);
            return None;
        }
        let named = reader.has_section("iaphub.app_id");
        let iaphub = Iaphub {
            api_key: reader.needed_secret("iaphub.api_key", "IAPHUB_API_KEY"),
            app_id: reader.name("iaphub.app_id").unwrap_or_default(),
            environment: reader.name("iaphub.environment").unwrap_or_else(|| "production".to_owned()),
            api_base: reader.api_base("iaphub.api_base", "https://api.iaphub.com"),
        };
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

#[cfg(test)]
mod tests {
    use crate::settings::trial::{complaints, read};

    #[test]
    fn the_section_is_there_when_it_is_written() {
        assert!(read("", &[("IAPHUB_API_KEY", "k k")]).unwrap().iaphub.is_none());
        let variables = [("GRANTSYNC__IAPHUB__APP_ID", "app"), ("IAPHUB_API_KEY", "k")];
        let iaphub = read("", &variables).unwrap().iaphub.unwrap();
        assert_eq!((iaphub.app_id.as_str(), iaphub.environment.as_str()), ("app", "production"));
        assert_eq!(iaphub.api_key.require().unwrap().expose(), "k");
        assert_eq!(
            complaints("[iaphub]", &[]),
            [
                "`iaphub.app_id` is missing, though the section `[iaphub]` is written: write the id of the app, or remove the section"
            ]
        );
    }
}
