//! How a command ends when it does not end well.

use std::error::Error;
use std::process::ExitCode;

use crate::settings::error::SettingsError;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Something to mend in the settings or on the command line: exit status 2.
    Usage(String),
    /// What was being done, and why it did not work: exit status 1.
    Doing(&'static str, Box<dyn Error + Send + Sync>),
    /// A plain sentence: exit status 1.
    Sentence(String),
    /// It was told in the output already: exit status 1.
    Silent,
}

impl Failed {
    pub(crate) fn because(doing: &'static str, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Doing(doing, error.into())
    }

    /// Tells the failure on standard error, and how to exit.
    #[expect(clippy::print_stderr, reason = "the last word of a command belongs to the person who typed it")]
    pub(crate) fn tell(&self) -> ExitCode {
        match self {
            Self::Usage(text) => {
                eprintln!("{text}");
                ExitCode::from(2)
            }
            Self::Silent => ExitCode::FAILURE,
            Self::Sentence(text) => {
                eprintln!("{text}");
                ExitCode::FAILURE
            }
            Self::Doing(doing, error) => {
                eprintln!("{doing} failed: {}", chain(&**error));
                ExitCode::FAILURE
            }
        }
    }
}

fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl From<SettingsError> for Failed {
    fn from(error: SettingsError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<store::error::StoreError> for Failed {
    fn from(error: store::error::StoreError) -> Self {
        Self::because("working on the database", error)
    }
}
