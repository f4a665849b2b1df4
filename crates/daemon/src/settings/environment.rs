//! The variables that replace what the file says.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::error::Origin;
use super::file;
use super::reader::{Entries, Entry, Raw};

/// What every variable that sets a key begins with.
const PREFIX: &str = "GRANTSYNC__";
/// The conventional name of the database's address, read when nothing else gives one.
const DATABASE_VARIABLE: &str = "DATABASE_URL";

/// Lays the `GRANTSYNC__SECTION__KEY` variables over the entries of the file.
pub(super) fn overlay(entries: &mut Entries, environment: &BTreeMap<String, String>) {
    for (name, value) in environment {
        if let Some(rest) = name.strip_prefix(PREFIX) {
            let key = rest.to_lowercase().replace("__", ".");
            let items = format!("{key}[");
            entries.retain(|old, _| !old.starts_with(&items));
            insert(entries, &key, name, value);
        }
    }
    if let Some(url) = environment.get(DATABASE_VARIABLE).filter(|url| !url.is_empty()) {
        let origin = Origin::Variable(DATABASE_VARIABLE.to_owned());
        entries.entry("database.url".to_owned()).or_insert(Entry { raw: Raw::Text(url.clone()), origin });
    }
}

/// A value in brackets is read as a TOML array if it is one; anything else is text.
fn insert(entries: &mut Entries, key: &str, name: &str, value: &str) {
    let origin = Origin::Variable(name.to_owned());
    if value.starts_with('[')
        && let Ok(array) = DeValue::parse(value)
    {
        file::flatten(key, array.get_ref(), 0, &|_| origin.clone(), entries);
        return;
    }
    entries.insert(key.to_owned(), Entry { raw: Raw::Text(value.to_owned()), origin });
}

/// Whether a variable is of the form that sets a key, known or not.
pub(super) fn sets_a_key(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// The variable that sets `key`; what is in a list of tables is set by the variable of the whole list.
pub(super) fn variable(key: &str) -> String {
    let key = key.split('[').next().unwrap_or(key);
    format!("{PREFIX}{}", key.to_uppercase().replace('.', "__"))
}

#[cfg(test)]
mod tests {
    use crate::settings::fixture::{complaints, read};
    use crate::settings::secret::Secret;

    #[test]
    fn the_environment_overrides_the_file() {
        let file = "[server]\nmax_waiting = 1\nlisten = \"127.0.0.1:1\"";
        let variables = [("GRANTSYNC__SERVER__MAX_WAITING", "2"), ("GRANTSYNC__SERVER__LISTEN", "[::1]:2")];
        let settings = read(file, &variables).unwrap();
        assert_eq!(settings.server.max_waiting, 2);
        assert_eq!(settings.server.listen, "[::1]:2".parse().unwrap());
    }

    #[test]
    fn a_list_is_an_array_or_separated_by_commas() {
        for value in ["whsec_a, whsec_b", "[\"whsec_a\", 'whsec_b']", "env:BOTH"] {
            let variables = [("GRANTSYNC__STRIPE__WEBHOOK_SECRETS", value), ("BOTH", "whsec_a,whsec_b")];
            let settings = read("", &variables).unwrap();
            let secrets: Vec<&str> =
                settings.stripe.webhook_secrets.require().unwrap().iter().map(Secret::expose).collect();
            assert_eq!(secrets, ["whsec_a", "whsec_b"], "{value}");
        }
    }

    #[test]
    fn the_database_url_of_convention_comes_last() {
        let convention = ("DATABASE_URL", "postgres://h/d");
        assert_eq!(read("", &[]).unwrap().database.url, "sqlite:grantsync.db");
        assert_eq!(read("", &[convention]).unwrap().database.url, "postgres://h/d");
        let own = ("GRANTSYNC__DATABASE__URL", "sqlite:own.db");
        assert_eq!(read("", &[convention, own]).unwrap().database.url, "sqlite:own.db");
        assert_eq!(read("[database]\nurl = \"sqlite:f.db\"", &[convention]).unwrap().database.url, "sqlite:f.db");
    }

    #[test]
    fn a_variable_of_no_key_is_an_error_and_its_neighbour_is_named() {
        let variables = [("GRANTSYNC__POLICY__MOD", "observe"), ("GRANTSYNC_LOG", "debug"), ("GRANTSYNC_X", "")];
        assert_eq!(
            complaints("", &variables),
            ["unknown variable `GRANTSYNC__POLICY__MOD`: write `GRANTSYNC__POLICY__MODE`"]
        );
        let faults = complaints("", &[("GRANTSYNC__CATALOG__0__PRICE", "p")]);
        assert_eq!(faults, ["unknown variable `GRANTSYNC__CATALOG__0__PRICE`: write `GRANTSYNC__CATALOG`"]);
    }
}
