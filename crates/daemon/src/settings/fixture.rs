//! Settings made from a text and a few variables, for tests.

use std::collections::BTreeMap;

use super::Settings;
use super::error::SettingsError;
use super::{environment, file};

/// Reads `text` as if it were `grantsync.toml`.
pub(super) fn read(text: &str, variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
    let variables: BTreeMap<String, String> = variables.iter().map(owned).collect();
    let mut entries = file::parse("grantsync.toml", text)?;
    environment::overlay(&mut entries, &variables);
    Settings::from_entries(entries, &variables)
}

/// The lines that settings which must be refused are refused with.
pub(super) fn complaints(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let refused = read(text, variables).expect_err("these settings must be refused");
    refused.to_string().lines().map(str::to_owned).collect()
}
