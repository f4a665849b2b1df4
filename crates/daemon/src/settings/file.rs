//! The settings file: which one, and each value in it with its line.
//!
//! The tree is flattened to dotted keys (`policy.mode`, `catalog[0].price`), so that the file and the
//! environment are one list, in which the environment simply replaces.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::error::{Origin, SettingError};
use super::reader::{Entries, Entry, Raw};

/// The file that is read when none is named, in the working directory.
const DEFAULT_FILE: &str = "grantsync.toml";
/// The variable that names a file.
const FILE_VARIABLE: &str = "GRANTSYNC_CONFIG";

/// Reads the named file, or the default one if it exists, into flat entries.
pub(super) fn read(path: Option<&Path>, environment: &BTreeMap<String, String>) -> Result<Entries, SettingError> {
    let named = named(path, environment);
    let path = named.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
    match fs::read_to_string(&path) {
        Ok(text) => parse(&path.display().to_string(), &text),
        Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(Entries::new()),
        Err(error) => Err(SettingError::File {
            path: path.display().to_string(),
            reason: error.kind().to_string(),
            write: match named {
                Some(_) => "name a readable text file with `--config` or `GRANTSYNC_CONFIG`",
                None => "make it readable, or name another with `--config`",
            },
        }),
    }
}

/// The folder of the file that is named; `None` where none is, so that the working directory counts.
pub(super) fn folder(path: Option<&Path>, environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    let file = named(path, environment)?;
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).map(Path::to_path_buf)
}

fn named(path: Option<&Path>, environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    let variable = environment.get(FILE_VARIABLE).filter(|path| !path.is_empty());
    path.map(Path::to_path_buf).or_else(|| variable.map(PathBuf::from))
}

/// Reads `text` as TOML; `path` only says where a value was written.
pub(super) fn parse(path: &str, text: &str) -> Result<Entries, SettingError> {
    let line_of = |offset: usize| 1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
    // The parser's own rendering quotes the line, which may hold a secret; its message does not.
    let tree = DeTable::parse(text).map_err(|error| SettingError::Syntax {
        path: path.to_owned(),
        line: error.span().map_or(1, |span| line_of(span.start)),
        reason: error.message().replace('\n', ", "),
    })?;
    let origin = |offset: usize| Origin::File { path: path.to_owned(), line: line_of(offset) };
    let mut entries = Entries::new();
    flatten_table("", tree.get_ref(), &origin, &mut entries);
    Ok(entries)
}

fn flatten_table(prefix: &str, table: &DeTable<'_>, origin: &dyn Fn(usize) -> Origin, entries: &mut Entries) {
    for (key, value) in table {
        let name = key.get_ref().escape_debug();
        let key_path = if prefix.is_empty() { name.to_string() } else { format!("{prefix}.{name}") };
        flatten(&key_path, value.get_ref(), key.span().start, origin, entries);
    }
}

/// Adds the value at `key`, and below it what a table or an array of tables holds.
pub(super) fn flatten(
    key: &str,
    value: &DeValue<'_>,
    offset: usize,
    origin: &dyn Fn(usize) -> Origin,
    entries: &mut Entries,
) {
    if let DeValue::Table(table) = value {
        flatten_table(key, table, origin, entries);
    }
    if let Some(array) = value.as_array().filter(|array| array.iter().any(|item| item.get_ref().is_table())) {
        for (index, item) in array.iter().enumerate() {
            flatten(&format!("{key}[{index}]"), item.get_ref(), item.span().start, origin, entries);
        }
        return;
    }
    entries.insert(key.to_owned(), Entry { raw: raw(value), origin: origin(offset) });
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(number) => Raw::Text(match i128::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => number.to_string(),
            Err(_) => number.as_str().to_owned(),
        }),
        DeValue::Float(number) => Raw::Text(number.as_str().to_owned()),
        DeValue::Boolean(yes) => Raw::Text(yes.to_string()),
        DeValue::Datetime(time) => Raw::Text(time.to_string()),
        DeValue::Array(items) => Raw::List(items.iter().map(|item| raw(item.get_ref())).collect()),
        DeValue::Table(_) => Raw::Table,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use crate::settings::Settings;
    use crate::settings::fixture::complaints;

    #[test]
    fn a_named_file_must_exist() {
        let faults = Settings::load(Some(Path::new("/nowhere/g.toml")), std::iter::empty()).unwrap_err();
        assert_eq!(
            faults.to_string(),
            "cannot read the settings file `/nowhere/g.toml`, entity not found: name a readable text file with `--config` or `GRANTSYNC_CONFIG`"
        );
    }

    #[test]
    fn the_variable_names_a_file_and_the_argument_outranks_it() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = ["one.toml", "two.toml"].map(|name| folder.path().join(name));
        fs::write(&one, "[server]\nmax_waiting = 1").unwrap();
        fs::write(&two, "[server]\nmax_waiting = 2").unwrap();
        let environment = || [("GRANTSYNC_CONFIG".to_owned(), one.display().to_string())].into_iter();
        assert_eq!(Settings::load(None, environment()).unwrap().server.max_waiting, 1);
        assert_eq!(Settings::load(Some(&two), environment()).unwrap().server.max_waiting, 2);
    }

    #[test]
    fn broken_toml_is_reported_by_line_without_quoting_it() {
        let faults = complaints("[stripe]\nsecret_key = sk_live_hush\n", &[]);
        assert_eq!(faults.len(), 1);
        assert!(faults[0].starts_with("cannot read `grantsync.toml` line 2 as TOML, "), "{faults:?}");
        assert!(!faults[0].contains("hush"), "{faults:?}");
    }
}
