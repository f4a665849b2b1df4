//! Takes values by key out of the entries and gathers every fault.
//!
//! A fault does not stop the reading: the default stands in for the value until [`Reader::finish`] refuses
//! the whole. A value is only repeated in an error when it is short, was written as such and does not resemble a secret.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::choice::Choice;
use super::duration;
use super::environment;
use super::error::{Origin, SettingError, SettingsError};
use super::near_miss;
use super::reference::{Reference, Unresolved};
use super::secret::{Needed, Secret};
use super::suggestion;

/// Values by dotted key, as the file and the environment gave them.
pub(super) type Entries = BTreeMap<String, Entry>;

/// One value and where it was written. Not `Debug`, nor is anything that holds one: it may be a secret.
pub(super) struct Entry {
    pub(super) raw: Raw,
    pub(super) origin: Origin,
}

/// A value before anything is made of it; numbers and booleans are their text.
pub(super) enum Raw {
    Text(String),
    List(Vec<Raw>),
    /// A table; its keys are entries of their own.
    Table,
}

/// A single value with its reference resolved.
#[derive(Clone)]
pub(super) struct Text {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) origin: Origin,
    /// The value as an error may show it.
    shown: String,
}

/// Reads the entries once.
pub(super) struct Reader<'a> {
    entries: Entries,
    environment: &'a BTreeMap<String, String>,
    known: BTreeSet<String>,
    /// The variables that values refer to.
    referred: BTreeSet<String>,
    errors: Vec<SettingError>,
    warnings: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(entries: Entries, environment: &'a BTreeMap<String, String>) -> Reader<'a> {
        let referred = entries.values().flat_map(|entry| referred(&entry.raw)).collect();
        Reader { entries, environment, known: BTreeSet::new(), referred, errors: Vec::new(), warnings: Vec::new() }
    }

    /// Answers the warnings, or every fault, unknown keys last.
    pub(super) fn finish(mut self) -> Result<Vec<String>, SettingsError> {
        let known = &self.known;
        let is_section = |key: &str| known.iter().any(|known| known.starts_with(&format!("{key}.")));
        for (key, entry) in &self.entries {
            let below = format!("{key}.");
            let has_keys = self.entries.keys().any(|other| other.starts_with(&below));
            if matches!(entry.raw, Raw::Table) && (has_keys || is_section(key)) {
                continue;
            }
            self.errors.push(unknown(key, &entry.origin, known));
        }
        let near = self.near_misses();
        self.errors.extend(near);
        if self.errors.is_empty() { Ok(self.warnings) } else { Err(SettingsError { errors: self.errors }) }
    }

    /// Variables that set nothing, and were meant to.
    fn near_misses(&self) -> Vec<SettingError> {
        let set = self.environment.iter().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name);
        let is_ours = |name: &str| near_miss::OTHERS.contains(&name) || self.referred.contains(name);
        // those that begin right are entries, known or not
        let others = set.filter(|name| !environment::sets_a_key(name) && !is_ours(name));
        let near = others.filter_map(|name| Some((name, near_miss::meant(name, &self.known, environment::variable)?)));
        near.map(|(name, write)| SettingError::UnknownVariable { name: name.clone(), write }).collect()
    }

    /// Whether the section or anything in it was written.
    pub(super) fn has_section(&self, name: &str) -> bool {
        let below = format!("{name}.");
        self.entries.keys().any(|key| key == name || key.starts_with(&below))
    }

    /// The keys that are written in a section whose keys are names.
    pub(super) fn keys_of(&mut self, section: &str) -> Vec<String> {
        let below = format!("{section}.");
        // what is no table stays among the entries, and so is refused
        if self.entries.get(section).is_some_and(|entry| matches!(entry.raw, Raw::Table)) {
            self.entries.remove(section);
        }
        self.entries.keys().filter_map(|key| key.strip_prefix(&below)).map(str::to_owned).collect()
    }

    /// Makes keys known that are not read this time, so that a misspelt one is recognised.
    pub(super) fn know(&mut self, keys: &[&str]) {
        self.known.extend(keys.iter().map(ToString::to_string));
    }

    /// Takes the raw entry of `key`, which is a known key from now on.
    pub(super) fn take(&mut self, key: &str) -> Option<Entry> {
        self.known.insert(key.to_owned());
        let entry = self.entries.remove(key)?;
        if matches!(entry.raw, Raw::Table) {
            let below = format!("{key}.");
            self.entries.retain(|other, _| !other.starts_with(&below));
        }
        Some(entry)
    }

    /// Takes the entry without making the key known or touching what is below it: for list items.
    pub(super) fn take_item(&mut self, key: &str) -> Option<Entry> {
        self.entries.remove(key)
    }

    /// Takes one value; a fault is noted and answered with `None`.
    pub(super) fn text(&mut self, key: &str) -> Option<Text> {
        let entry = self.take(key)?;
        let text = self.resolve(key, entry);
        self.noting(text)
    }

    /// Takes one value and makes something of it; `write` says what would have been right.
    pub(super) fn parsed<T>(&mut self, key: &str, write: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.text(key)?;
        let parsed = parse(&text.value);
        if parsed.is_none() {
            self.refuse_value(&text, write);
        }
        parsed
    }

    /// Takes one word of a closed set; the set's first word is the default.
    pub(super) fn choice<C: Choice + Default>(&mut self, key: &str) -> C {
        self.parsed(key, &C::words(), C::of).unwrap_or_default()
    }

    /// Takes a duration that may be zero.
    pub(super) fn span(&mut self, key: &str, default: Duration) -> Duration {
        self.parsed(key, duration::HOW_TO_WRITE, duration::duration).unwrap_or(default)
    }

    /// Takes a duration that may not be zero.
    pub(super) fn span_above_zero(&mut self, key: &str, default: Duration) -> Duration {
        let above_zero = |text: &str| duration::duration(text).filter(|span| !span.is_zero());
        let write = format!("{} and above zero", duration::HOW_TO_WRITE);
        self.parsed(key, &write, above_zero).unwrap_or(default)
    }

    /// Takes a whole number of at least 1.
    pub(super) fn count(&mut self, key: &str, default: u32) -> u32 {
        let at_least_one = |text: &str| text.parse().ok().filter(|count| *count > 0);
        self.parsed(key, "a whole number of at least 1", at_least_one).unwrap_or(default)
    }

    /// Takes a text that is not empty.
    pub(super) fn name(&mut self, key: &str) -> Option<String> {
        let filled = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        self.parsed(key, "a text that is not empty", filled)
    }

    /// Takes the address of an HTTP API, without a slash at its end.
    pub(super) fn api_base(&mut self, key: &str, default: &str) -> String {
        let write = format!("an address such as `{default}`");
        self.parsed(key, &write, http_address).unwrap_or_else(|| default.to_owned())
    }

    /// Takes a list: an array, or one text separated by commas, and so what a reference in it holds.
    /// `None` when nothing is written.
    pub(super) fn list(&mut self, key: &str) -> Option<Vec<Text>> {
        let entry = self.take(key)?;
        let texts = self.resolve_list(key, entry);
        self.noting(texts)
    }

    /// Takes a credential that some commands need; `variable` is its conventional name.
    pub(super) fn needed_secret(&mut self, key: &str, variable: &str) -> Needed<Secret> {
        let entry = self.take(key).unwrap_or_else(|| by_convention(variable));
        let secret = self.resolve(key, entry).and_then(secret);
        self.needed(key, variable, secret)
    }

    /// Takes a list of credentials, at least one of which some commands need.
    pub(super) fn needed_secrets(&mut self, key: &str, variable: &str) -> Needed<Vec<Secret>> {
        let entry = self.take(key).unwrap_or_else(|| by_convention(variable));
        let origin = entry.origin.clone();
        let texts = self.resolve_list(key, entry);
        let secrets = texts.and_then(|texts| texts.into_iter().map(secret).collect::<Result<Vec<_>, _>>());
        let secrets = secrets.and_then(|secrets| match secrets.is_empty() {
            true => Err(missing(key, variable, format!("the list is empty ({origin})"))),
            false => Ok(secrets),
        });
        self.needed(key, variable, secrets)
    }

    /// Takes a credential that may be absent by default, but not once it is written.
    pub(super) fn optional_secret(&mut self, key: &str, variable: &str) -> Option<Secret> {
        let entry = self.take(key).unwrap_or_else(|| by_convention(variable));
        match self.resolve(key, entry).and_then(secret) {
            Err(SettingError::UnsetVariable { origin: Origin::Default, .. }) => None,
            secret => self.noting(secret),
        }
    }

    /// Notes that `text` cannot be used: what was found in its place, and what to write.
    pub(super) fn refuse(&mut self, text: &Text, found: &str, write: &str) {
        self.errors.push(invalid(&text.key, &text.origin, found, write));
    }

    /// Notes that the value of `text`, shown as far as it may be, cannot be used.
    pub(super) fn refuse_value(&mut self, text: &Text, write: &str) {
        self.refuse(text, &text.shown, write);
    }

    /// A variable of the environment.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str)
    }

    /// Notes a fault.
    pub(super) fn note(&mut self, error: SettingError) {
        self.errors.push(error);
    }

    fn noting<T>(&mut self, value: Result<T, SettingError>) -> Option<T> {
        value.map_err(|error| self.note(error)).ok()
    }

    /// Notes what is suspicious but not refused.
    pub(super) fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// What is not there waits for the command that needs it; what is there and wrong is refused now.
    fn needed<T>(&mut self, key: &str, variable: &str, value: Result<T, SettingError>) -> Needed<T> {
        match value {
            Ok(value) => Needed::Present(value),
            Err(SettingError::UnsetVariable { origin: Origin::Default, .. }) => {
                Needed::Missing(missing(key, variable, format!("`{variable}` is not set or empty")))
            }
            Err(error) => {
                if matches!(error, SettingError::Invalid { .. }) {
                    self.errors.push(error.clone());
                }
                Needed::Missing(error)
            }
        }
    }

    fn resolve(&self, key: &str, entry: Entry) -> Result<Text, SettingError> {
        let origin = entry.origin;
        let written = match entry.raw {
            Raw::Text(text) => text,
            Raw::List(_) => return Err(invalid(key, &origin, "a list", "a single value")),
            Raw::Table => return Err(invalid(key, &origin, "a table", "a single value")),
        };
        let key = key.to_owned();
        let Some(reference) = Reference::of(&written) else {
            return Ok(Text { key, shown: presentable(&written), value: written, origin });
        };
        match reference.resolve(self.environment) {
            Ok(value) => Ok(Text { key, value, origin, shown: format!("what {} holds", name(reference)) }),
            Err(Unresolved::Unset) => Err(SettingError::UnsetVariable { key, origin, name: name(reference) }),
            Err(Unresolved::Unreadable(error)) => Err(SettingError::UnreadableFile {
                key,
                origin,
                path: name(reference),
                reason: error.kind().to_string(),
            }),
        }
    }

    fn resolve_list(&self, key: &str, entry: Entry) -> Result<Vec<Text>, SettingError> {
        let origin = entry.origin;
        let items = match entry.raw {
            Raw::List(items) => items,
            Raw::Text(text) if text.starts_with('[') => {
                let write = "an array such as `[\"a\", \"b\"]`, or `a,b` without brackets";
                return Err(invalid(key, &origin, "not an array in spite of its bracket", write));
            }
            Raw::Text(text) => parts(&text).map(Raw::Text).collect(),
            Raw::Table => return Err(invalid(key, &origin, "a table", "a list")),
        };
        let mut texts = Vec::new();
        for raw in items {
            let referred = matches!(&raw, Raw::Text(text) if Reference::of(text).is_some());
            let text = self.resolve(key, Entry { raw, origin: origin.clone() })?;
            if referred {
                texts.extend(parts(&text.value).map(|value| Text { value, ..text.clone() }));
            } else {
                texts.push(text);
            }
        }
        Ok(texts)
    }
}

/// The items of a text that is separated by commas.
fn parts(text: &str) -> impl Iterator<Item = String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned)
}

fn referred(raw: &Raw) -> Vec<String> {
    match raw {
        Raw::Text(text) => match Reference::of(text) {
            Some(Reference::Variable(name)) => vec![name.to_owned()],
            Some(Reference::File(_)) | None => Vec::new(),
        },
        Raw::List(items) => items.iter().flat_map(referred).collect(),
        Raw::Table => Vec::new(),
    }
}

fn by_convention(variable: &str) -> Entry {
    Entry { raw: Raw::Text(format!("env:{variable}")), origin: Origin::Default }
}

fn secret(text: Text) -> Result<Secret, SettingError> {
    let Text { key, value, origin, .. } = text;
    Secret::new(value).map_err(|fault| invalid(&key, &origin, &fault.to_string(), "the secret as it was issued"))
}

fn invalid(key: &str, origin: &Origin, found: &str, write: &str) -> SettingError {
    let [found, write] = [found, write].map(str::to_owned);
    SettingError::Invalid { key: key.to_owned(), origin: origin.clone(), found, write }
}

fn missing(key: &str, variable: &str, found: String) -> SettingError {
    let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
    let write = format!("set `{variable}`, or write `{name}` under `[{section}]`");
    SettingError::Missing { key: key.to_owned(), found, write }
}

fn unknown(key: &str, origin: &Origin, known: &BTreeSet<String>) -> SettingError {
    match origin {
        Origin::Variable(name) => SettingError::UnknownVariable {
            name: name.clone(),
            // `GRANTSYNC__LOG` names no key
            write: near_miss::nearest(name, known, environment::variable)
                .map_or_else(|| suggestion::advice(key, known, environment::variable), |right| format!("`{right}`")),
        },
        Origin::File { .. } | Origin::Default => SettingError::UnknownKey {
            key: key.to_owned(),
            origin: origin.clone(),
            write: suggestion::advice(key, known, str::to_owned),
        },
    }
}

/// An address of HTTP without user, query or fragment, and without a slash at its end.
fn http_address(text: &str) -> Option<String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let is_odd = |c: char| c.is_whitespace() || matches!(c, '@' | '?' | '#');
    let has_host = !rest.is_empty() && !rest.starts_with(['/', ':']) && !rest.contains(is_odd);
    has_host.then(|| text.trim_end_matches('/').to_owned())
}

/// The reference as an error may show it: a secret may have been written where its name belongs.
fn name(reference: Reference<'_>) -> String {
    match reference {
        Reference::Variable(name) => {
            let plain = name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
            if plain { format!("`env:{name}`") } else { "a variable whose name is not shown".to_owned() }
        }
        Reference::File(path) => presentable(path),
    }
}

/// The value as an error may show it.
fn presentable(value: &str) -> String {
    let marks = ["sk_", "rk_", "whsec_", "secret_", "@"];
    if value.is_empty() {
        "empty".to_owned()
    } else if marks.iter().any(|mark| value.contains(mark)) {
        "a value that is not shown".to_owned()
    } else if value.len() > 100 || value.contains(char::is_control) {
        format!("a text of {} characters", value.chars().count())
    } else {
        format!("`{value}`")
    }
}
