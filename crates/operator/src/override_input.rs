//! What an override may hold: its term, its level, its texts and values.

use chrono::TimeDelta;
use entitlement::model::access_level::AccessLevel;
use entitlement::model::attributes::{AttributeName, AttributeValue};
use entitlement::model::clock::Timestamp;
use entitlement::model::until::Until;

use crate::error::OperatorError;
use crate::operator::App;

/// The longest promotional grant, in days: a century.
const LONGEST_DAYS: i64 = 36_500;
/// The longest level, id or reason, in characters.
const LONGEST_TEXT: usize = 500;

/// How long a promotional grant lasts, as it was asked for: exactly one of the three.
#[derive(Clone, Copy, Debug, Default)]
pub struct Term {
    pub days: Option<i64>,
    pub until: Option<Timestamp>,
    pub lifetime: bool,
}

/// Whether `app` takes `value` under `name`.
pub(crate) fn accepts(app: &App, name: &AttributeName, value: &AttributeValue) -> Result<(), OperatorError> {
    let length = value.length();
    let most = app.limits.characters;
    if let Some(write) = name.unfit(value) {
        return Err(OperatorError::Invalid(format!("`{name}` is not {write}")));
    }
    if name.field().is_none() && length > most as usize {
        return Err(OperatorError::Invalid(format!("`{name}` is {length} characters long: at most {most} are taken")));
    }
    if name.field().is_some() && length > LONGEST_TEXT {
        let text = format!("`{name}` is too long: at most {LONGEST_TEXT} characters are taken");
        return Err(OperatorError::Invalid(text));
    }
    Ok(())
}

impl Term {
    /// When a grant that is made at `now` ends.
    pub(crate) fn end(self, now: Timestamp) -> Result<Until, OperatorError> {
        match (self.days, self.until, self.lifetime) {
            (Some(days), None, false) if (1..=LONGEST_DAYS).contains(&days) => {
                Ok(Until::At(now + TimeDelta::days(days)))
            }
            (Some(_), None, false) => {
                Err(OperatorError::Invalid(format!("a promotional grant lasts 1 to {LONGEST_DAYS} days")))
            }
            (None, Some(until), false) if until > now && until - now <= TimeDelta::days(LONGEST_DAYS) => {
                Ok(Until::At(until))
            }
            (None, Some(_), false) => {
                let text = format!("a promotional grant ends in the future, within {LONGEST_DAYS} days");
                Err(OperatorError::Invalid(text))
            }
            (None, None, true) => Ok(Until::Lifetime),
            _ => Err(OperatorError::Invalid("write exactly one of `days`, `until` and `lifetime`".into())),
        }
    }
}

/// An access level.
pub(crate) fn level(text: &str) -> Result<AccessLevel, OperatorError> {
    match text.trim() {
        "" => Err(OperatorError::Invalid("the access level is empty".into())),
        level => Ok(AccessLevel(bounded("the access level", level.to_owned())?)),
    }
}

/// The id under which a request grants once.
pub(crate) fn request_id(text: String) -> Result<String, OperatorError> {
    if text.trim().is_empty() {
        return Err(OperatorError::Invalid("the request id is empty: leave it out, or write one".into()));
    }
    bounded("the request id", text)
}

/// `text`, unless it is too long; `what` it is.
pub(crate) fn bounded(what: &str, text: String) -> Result<String, OperatorError> {
    if text.chars().count() <= LONGEST_TEXT {
        return Ok(text);
    }
    Err(OperatorError::Invalid(format!("{what} is longer than {LONGEST_TEXT} characters")))
}
