//! What `check` finds at a vendor or in the settings.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::model::catalog::Catalog;
use crate::model::clock::Clock;

/// What has to be known of the settings to check a source.
#[derive(Clone, Copy, Debug)]
pub struct CheckInput<'a> {
    /// What is sold, for whichever app.
    pub catalog: &'a Catalog,
    /// Sales are reported to some app, and not access alone, so that a second reporter would count revenue twice.
    pub reports_sales: bool,
    pub clock: Clock,
}

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub level: Level,
    pub area: Area,
    pub message: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It does not work.
    Error,
    /// It works, but perhaps not as it was meant.
    Warning,
    Ok,
}

/// What was checked, in the order in which findings are shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    Settings,
    Database,
    /// A source by its name: its key, and what that may read.
    Source(String),
    Webhooks,
    Catalog,
    /// A destination by its name.
    Destination(String),
    Clock,
    /// Others that turn the same purchases into access.
    Bridge,
}

impl Finding {
    /// All is well there.
    #[must_use]
    pub fn ok(area: Area, message: impl Into<String>) -> Self {
        Self { level: Level::Ok, area, message: message.into(), remedy: None }
    }

    #[must_use]
    pub fn warning(area: Area, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Warning, area, message: message.into(), remedy: Some(remedy.into()) }
    }

    #[must_use]
    pub fn error(area: Area, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Error, area, message: message.into(), remedy: Some(remedy.into()) }
    }

    /// It could not be checked.
    #[must_use]
    pub fn unchecked(area: Area, why: &str) -> Self {
        let remedy = "fix that, then run `grantsync check` again";
        Self::warning(area, format!("not checked, since {why}"), remedy)
    }

    /// The same, said of one of several apps.
    #[must_use]
    pub fn of_app(self, name: &str) -> Self {
        Self { message: format!("app `{name}`: {}", self.message), ..self }
    }

    /// The same with what may be done about it.
    #[must_use]
    pub fn with_remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    /// One line, and what to do below it.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let line = format!("{:<7}  {:<8}  {}", self.level.as_str(), self.area.to_string(), self.message);
        [line].into_iter().chain(self.remedy.as_ref().map(|remedy| format!("    -> {remedy}"))).collect()
    }
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Ok => "ok",
        }
    }
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Settings => "settings",
            Self::Database => "database",
            Self::Source(name) | Self::Destination(name) => name,
            Self::Webhooks => "webhooks",
            Self::Catalog => "catalog",
            Self::Clock => "clock",
            Self::Bridge => "bridge",
        })
    }
}

impl Serialize for Area {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// `1 price`, `2 prices`, `2 entries`.
#[must_use]
pub fn counted(number: usize, what: &str) -> String {
    match (number, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) => format!("{number} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line_with_what_to_do_below_it() {
        let found = Finding::warning(Area::Source("paddle".into()), "the key is old", "roll it");
        assert_eq!(found.lines(), ["warning  paddle    the key is old", "    -> roll it"]);
        assert_eq!(Finding::ok(Area::Clock, "right").lines(), ["ok       clock     right"]);
    }

    #[test]
    fn areas_are_shown_sources_first_and_destinations_after_the_catalog() {
        let mut areas = [Area::Clock, Area::Destination("adapty".into()), Area::Catalog, Area::Source("paddle".into())];
        areas.sort();
        assert_eq!(areas.map(|area| area.to_string()), ["paddle", "catalog", "adapty", "clock"]);
    }

    #[test]
    fn what_is_counted_takes_its_plural() {
        assert_eq!(
            [counted(1, "entry"), counted(2, "entry"), counted(0, "price")],
            ["1 entry", "2 entries", "0 prices"]
        );
    }
}
