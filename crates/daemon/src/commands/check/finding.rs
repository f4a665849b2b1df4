//! What a check finds, and how it is told.

use std::fmt;

use serde::Serialize;

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    pub(super) level: Level,
    pub(super) what: Area,
    message: String,
    /// What to do about it.
    mend: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Error,
    Warning,
    Ok,
}

/// What was looked at, in the order in which it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Area {
    Settings,
    Database,
    Stripe,
    Webhooks,
    Catalog,
    Adapty,
    Iaphub,
    Clock,
    Bridge,
}

impl Finding {
    /// The same, said of one of several apps.
    pub(super) fn of_app(self, name: &str) -> Self {
        Self { message: format!("app `{name}`: {}", self.message), ..self }
    }
}

/// All is well there.
pub(super) fn ok(what: Area, message: impl Into<String>) -> Finding {
    Finding { level: Level::Ok, what, message: message.into(), mend: None }
}

/// It works, but perhaps not as it was meant.
pub(super) fn warning(what: Area, message: impl Into<String>, mend: impl Into<String>) -> Finding {
    Finding { level: Level::Warning, what, message: message.into(), mend: Some(mend.into()) }
}

/// It does not work.
pub(super) fn error(what: Area, message: impl Into<String>, mend: impl Into<String>) -> Finding {
    Finding { level: Level::Error, what, message: message.into(), mend: Some(mend.into()) }
}

/// It could not be looked at.
pub(super) fn unchecked(what: Area, why: &str) -> Finding {
    warning(what, format!("not checked, since {why}"), "mend that, then run `grantsync check` again")
}

impl Finding {
    /// The same with what may be done about it.
    pub(super) fn but(self, mend: impl Into<String>) -> Self {
        Self { mend: Some(mend.into()), ..self }
    }

    /// One line, and what to do below it.
    pub(super) fn lines(&self) -> Vec<String> {
        let line = format!("{:<7}  {:<8}  {}", self.level.to_string(), self.what.to_string(), self.message);
        [line].into_iter().chain(self.mend.as_ref().map(|mend| format!("    -> {mend}"))).collect()
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Ok => "ok",
        })
    }
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Settings => "settings",
            Self::Database => "database",
            Self::Stripe => "stripe",
            Self::Webhooks => "webhooks",
            Self::Catalog => "catalog",
            Self::Adapty => "adapty",
            Self::Iaphub => "iaphub",
            Self::Clock => "clock",
            Self::Bridge => "bridge",
        })
    }
}

/// `1 price`, `2 prices`, `2 entries`.
pub(super) fn counted(number: usize, what: &str) -> String {
    match (number, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) => format!("{number} {what}s"),
    }
}
