//! Why a command failed, and its exit status.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use operator::error::OperatorError;

use crate::printable;
use crate::settings::error::SettingsError;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum CommandError {
    /// The settings or the command line are wrong: exit status 2.
    Usage(String),
    /// What was being done, and why it did not work: exit status 1.
    Doing(&'static str, Box<dyn Error + Send + Sync>),
    /// A plain sentence: exit status 1.
    Sentence(String),
    /// The output has said it already: exit status 1.
    Silent,
}

impl CommandError {
    pub(crate) fn because(doing: &'static str, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Doing(doing, error.into())
    }

    /// Prints the failure on standard error, if somebody reads it. Answers the exit status.
    pub(crate) fn report(&self) -> ExitCode {
        if !matches!(self, Self::Silent) {
            drop(writeln!(std::io::stderr().lock(), "{}", printable::lines(&self.text())));
        }
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Silent | Self::Sentence(_) | Self::Doing(..) => ExitCode::FAILURE,
        }
    }

    /// The text; empty when the output has said it already.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Usage(text) | Self::Sentence(text) => text.clone(),
            Self::Doing(doing, error) => format!("{doing} failed: {}", chain(&**error)),
            Self::Silent => String::new(),
        }
    }
}

fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // some errors repeat their cause
        let why = error.to_string();
        if !text.ends_with(&why) {
            text.push_str(": ");
            text.push_str(&why);
        }
        cause = error.source();
    }
    text
}

impl From<SettingsError> for CommandError {
    fn from(error: SettingsError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<OperatorError> for CommandError {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::Invalid(text) => Self::Usage(text),
            OperatorError::NotFound(text) | OperatorError::Conflict(text) => Self::Sentence(text),
            OperatorError::NoKeys | OperatorError::Upstream { .. } => Self::Sentence(error.to_string()),
            OperatorError::Store(error) => error.into(),
            OperatorError::Note(error) => Self::because("writing a note", error),
        }
    }
}

impl From<store::error::StoreError> for CommandError {
    fn from(error: store::error::StoreError) -> Self {
        Self::because("working on the database", error)
    }
}
