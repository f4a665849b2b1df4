//! What can be wrong with the settings, one line each.
//!
//! A line says the key, what was found and what to write. A value is only repeated after
//! [`super::reader`] has judged that it is no secret.

use std::fmt;

/// Everything that is wrong with the settings; one line each when printed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.errors))]
pub(crate) struct SettingsError {
    /// The faults in the order in which they were met; never empty.
    pub(crate) errors: Vec<SettingError>,
}

impl From<SettingError> for SettingsError {
    fn from(error: SettingError) -> SettingsError {
        SettingsError { errors: vec![error] }
    }
}

fn lines(errors: &[SettingError]) -> String {
    let lines: Vec<String> = errors.iter().map(|error| one_line(&error.to_string())).collect();
    lines.join("\n")
}

/// The longest line, in characters.
const LONGEST: usize = 1000;

/// A key or value may hold line breaks, and be of any length; of a long line the middle is left out.
fn one_line(text: &str) -> String {
    let text = text.replace(char::is_control, " ");
    let count = text.chars().count();
    if count <= LONGEST {
        return text;
    }
    let begin = text.chars().take(LONGEST / 2);
    let end = text.chars().skip(count - LONGEST / 2 + 1);
    begin.chain(['…']).chain(end).collect()
}

/// One fault in the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SettingError {
    /// The settings file was named and cannot be read, or exists and cannot be read.
    #[error("cannot read the settings file `{path}`, {reason}: {write}")]
    File { path: String, reason: String, write: &'static str },
    /// The settings file is not TOML.
    #[error("cannot read `{path}` line {line} as TOML, {reason}: fix the line")]
    Syntax { path: String, line: usize, reason: String },
    /// The file has a key that nothing reads.
    #[error("unknown key `{key}` ({origin}): write {write}")]
    UnknownKey { key: String, origin: Origin, write: String },
    /// The environment has a `GRANTSYNC__…` variable that nothing reads.
    #[error("unknown variable `{name}`: write {write}")]
    UnknownVariable { name: String, write: String },
    /// A key has no value and no default.
    #[error("`{key}` is missing, {found}: {write}")]
    Missing { key: String, found: String, write: String },
    /// A key has a value that cannot be used.
    #[error("`{key}` is {found} ({origin}): write {write}")]
    Invalid { key: String, origin: Origin, found: String, write: String },
    /// A value `env:NAME` names a variable that is not set or is empty.
    #[error("`{key}` names {name} ({origin}), which is not set or empty: set the variable, or write another value")]
    UnsetVariable { key: String, origin: Origin, name: String },
    /// A value `file:PATH` names a file that cannot be read.
    #[error(
        "`{key}` names the file {path} ({origin}), which cannot be read, {reason}: write the path of a readable text file"
    )]
    UnreadableFile { key: String, origin: Origin, path: String, reason: String },
}

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nowhere: it is the default.
    Default,
    /// In the settings file, on this line counted from 1.
    File { path: String, line: usize },
    /// In this variable of the environment.
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("the default"),
            Origin::File { path, line } => write!(f, "`{path}` line {line}"),
            Origin::Variable(name) => write!(f, "`{name}`"),
        }
    }
}
