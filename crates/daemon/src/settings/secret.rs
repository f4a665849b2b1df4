//! Values that may be used but never shown.

use std::fmt;

use super::error::{SettingError, SettingsError};

/// A key, token or signing secret; printing it gives `[redacted]`.
#[derive(Clone)]
pub(crate) struct Secret(String);

impl Secret {
    /// Takes `value` unless it is empty or cannot stand in an HTTP header.
    pub(super) fn new(value: String) -> Result<Secret, SecretFault> {
        if value.is_empty() {
            Err(SecretFault::Empty)
        } else if value.contains(char::is_whitespace) {
            Err(SecretFault::Whitespace)
        } else if !value.chars().all(|c| c.is_ascii_graphic()) {
            Err(SecretFault::NotAscii)
        } else {
            Ok(Secret(value))
        }
    }

    /// The value itself, for a header or a signature and nothing else.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Why a value cannot be a secret; worded to follow "is".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SecretFault {
    /// It has no characters.
    Empty,
    /// It contains a space, a tab or a line break.
    Whitespace,
    /// It contains a character beyond printable ASCII.
    NotAscii,
}

impl fmt::Display for SecretFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SecretFault::Empty => "empty",
            SecretFault::Whitespace => "a value with a space or line break in it",
            SecretFault::NotAscii => "a value with characters in it that no header can carry",
        })
    }
}

/// A credential that some commands need and others do without.
#[derive(Debug, Clone)]
pub(crate) enum Needed<T> {
    /// It was found.
    Present(T),
    /// It was not; the error says what was found and what to write.
    Missing(SettingError),
}

impl<T> Needed<T> {
    /// The credential, or the error to end the command with.
    pub(crate) fn require(&self) -> Result<&T, SettingsError> {
        match self {
            Needed::Present(value) => Ok(value),
            Needed::Missing(error) => Err(error.clone().into()),
        }
    }

    /// The credential if there is one.
    pub(crate) fn present(&self) -> Option<&T> {
        match self {
            Needed::Present(value) => Some(value),
            Needed::Missing(_) => None,
        }
    }

    /// The error if there is none.
    pub(super) fn missing(&self) -> Option<&SettingError> {
        match self {
            Needed::Present(_) => None,
            Needed::Missing(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Secret, SecretFault};

    #[test]
    fn a_secret_is_neither_empty_nor_spaced_nor_beyond_ascii() {
        let fault = |value: &str| Secret::new(value.to_owned()).unwrap_err();
        assert_eq!(fault(""), SecretFault::Empty);
        assert_eq!(fault("a b"), SecretFault::Whitespace);
        assert_eq!(fault("a\n"), SecretFault::Whitespace);
        assert_eq!(fault("clé"), SecretFault::NotAscii);
        assert_eq!(Secret::new("whsec_1".to_owned()).unwrap().expose(), "whsec_1");
    }
}
