//! Reads what an operator typed: accounts, users, keys, kinds and types.

use entitlement::model::account::Account;
use entitlement::model::user::User;
use store::inbox::KindFilter;
use store::record::AttentionKind;

use crate::error::OperatorError;

/// An account.
///
/// # Errors
/// Says what one looks like.
pub fn account(text: &str) -> Result<Account, OperatorError> {
    Account::parse(text).map_err(|error| OperatorError::Invalid(error.to_string()))
}

/// An app's user.
///
/// # Errors
/// When there is nothing but white space.
pub fn user(text: &str) -> Result<User, OperatorError> {
    User::new(text).ok_or_else(|| OperatorError::Invalid("the user id is empty".into()))
}

/// The key of a step, or its beginning.
///
/// # Errors
/// When it is shorter than six characters, or not hexadecimal.
pub fn step_key(text: &str) -> Result<String, OperatorError> {
    let key = text.trim().to_ascii_lowercase();
    if key.len() >= 6 && key.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(key);
    }
    let write = "write the key as listed, or at least its first six characters (0-9, a-f)";
    Err(OperatorError::Invalid(write.into()))
}

/// A kind of parked things.
///
/// # Errors
/// Names all kinds.
pub fn attention_kind(text: &str) -> Result<AttentionKind, OperatorError> {
    let found = AttentionKind::ALL.into_iter().find(|kind| kind.as_str() == text);
    let names = AttentionKind::ALL.map(AttentionKind::as_str).join(", ");
    found.ok_or_else(|| OperatorError::Invalid(format!("write one of {names}")))
}

/// A type of events, or with `*` at its end all that begin so.
///
/// # Errors
/// When it is empty, or `*` stands elsewhere.
pub fn event_type(text: &str) -> Result<KindFilter, OperatorError> {
    let (start, is_open) = text.strip_suffix('*').map_or((text, false), |start| (start, true));
    match (start, is_open) {
        (start, _) if start.contains('*') => Err(OperatorError::Invalid("`*` may only stand at the end".into())),
        ("", false) => Err(OperatorError::Invalid("write a type such as `invoice.paid`, or `invoice.*`".into())),
        (start, true) => Ok(KindFilter::Prefix(start.to_owned())),
        (whole, false) => Ok(KindFilter::Exact(whole.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_ends_with_a_star_or_has_none() {
        assert_eq!(event_type("invoice.paid").unwrap(), KindFilter::Exact("invoice.paid".into()));
        assert_eq!(event_type("invoice.*").unwrap(), KindFilter::Prefix("invoice.".into()));
        assert_eq!(event_type("*").unwrap(), KindFilter::Prefix(String::new()));
        for wrong in ["", "*.paid", "invoice.**"] {
            assert!(event_type(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_has_six_hexadecimal_digits_or_more() {
        assert_eq!(step_key(" 3F9C2a ").unwrap(), "3f9c2a");
        for wrong in ["3f9c2", "3f9c2g", ""] {
            assert!(step_key(wrong).is_err(), "{wrong}");
        }
    }
}
