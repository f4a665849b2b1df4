//! Values that stand elsewhere: `env:NAME` and `file:PATH`.

use std::collections::BTreeMap;
use std::fs;
use std::io;

/// Where a value is to be read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reference<'a> {
    /// A variable of the environment.
    Variable(&'a str),
    /// A text file; one that ends in a line break gives the text before it.
    File(&'a str),
}

/// Why a reference gave no value.
#[derive(Debug)]
pub(super) enum Unresolved {
    /// The variable is not set, or is set and empty.
    Unset,
    /// The file cannot be read as text.
    Unreadable(io::Error),
}

impl<'a> Reference<'a> {
    /// Reads `text` as a reference; `None` when it is a plain value.
    pub(super) fn of(text: &'a str) -> Option<Reference<'a>> {
        if let Some(name) = text.strip_prefix("env:") {
            Some(Reference::Variable(name.trim()))
        } else {
            text.strip_prefix("file:").map(Reference::File)
        }
    }

    /// Fetches the value. It is not itself read as a reference again.
    pub(super) fn resolve(self, environment: &BTreeMap<String, String>) -> Result<String, Unresolved> {
        match self {
            Reference::Variable(name) => match environment.get(name) {
                Some(value) if !value.is_empty() => Ok(value.clone()),
                _ => Err(Unresolved::Unset),
            },
            Reference::File(path) => {
                let text = fs::read_to_string(path).map_err(Unresolved::Unreadable)?;
                Ok(text.trim_end_matches(['\r', '\n']).to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::settings::fixture::{complaints, read};

    #[test]
    fn a_file_reference_loses_its_trailing_newline() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "sk_test_f\n").unwrap();
        let file = format!("[stripe]\nsecret_key = \"file:{}\"", path.display());
        let settings = read(&file, &[]).unwrap();
        assert_eq!(settings.stripe.secret_key.require().unwrap().expose(), "sk_test_f");
    }

    #[test]
    fn any_value_may_be_a_reference() {
        let file = "[database]\nurl = \"env:DATABASE\"\n[server]\nmax_waiting = \"env:WAITING\"";
        let settings = read(file, &[("DATABASE", "sqlite:b.db"), ("WAITING", "7")]).unwrap();
        assert_eq!(settings.database.url, "sqlite:b.db");
        assert_eq!(settings.server.max_waiting, 7);
    }

    #[test]
    fn an_unset_variable_and_an_absent_file_are_named() {
        let file = "[database]\nurl = \"env:DATABASE\"\n[adapty]\nstore = \"file:/nowhere/store\"";
        assert_eq!(
            complaints(file, &[("DATABASE", "")]),
            [
                "`database.url` names `env:DATABASE` (`grantsync.toml` line 2), which is not set or empty: set the variable, or write another value",
                "`adapty.store` names the file `/nowhere/store` (`grantsync.toml` line 4), which cannot be read, entity not found: write the path of a readable text file",
            ]
        );
    }

    #[test]
    fn what_a_reference_holds_is_not_repeated() {
        let faults = complaints("[policy]\nmode = \"env:MODE\"", &[("MODE", "hush")]);
        assert_eq!(
            faults,
            ["`policy.mode` is what `env:MODE` holds (`grantsync.toml` line 2): write `enforce` or `observe`"]
        );
    }
}
