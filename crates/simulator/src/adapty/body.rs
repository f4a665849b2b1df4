//! Bodies read as strictly as the documentation allows.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::{Refusal, date};
use crate::server::Call;

/// The fields of a JSON object body.
pub(super) struct Body(Map<String, Value>);

impl Body {
    /// Reads the body of a call that must carry a JSON object.
    pub(super) fn of(call: &Call) -> Result<Body, Refusal> {
        let kind = call.content_type.as_deref().unwrap_or_default();
        if !kind.starts_with("application/json") {
            let message = format!("Unsupported media type \"{kind}\" in request.");
            return Err(Refusal::new(415, "unsupported_media_type", None, &message));
        }
        match serde_json::from_slice(&call.body) {
            Ok(Value::Object(fields)) => Ok(Body(fields)),
            Ok(_) => Err(Refusal::invalid("value_error", "non_field_errors", "Expected an object.")),
            Err(error) => {
                let message = format!("JSON parse error - {error}");
                Err(Refusal::new(400, "parse_error", None, &message))
            }
        }
    }

    pub(super) fn refuse_unknown(&self, known: &[&str]) -> Result<(), Refusal> {
        let unknown = self.0.keys().find(|key| !known.contains(&key.as_str()));
        let refusal = |key: &String| Refusal::invalid("value_error.extra", key, "extra fields not permitted");
        unknown.map_or(Ok(()), |key| Err(refusal(key)))
    }

    pub(super) fn text(&self, field: &str) -> Result<Option<String>, Refusal> {
        self.typed(field, "value is not a valid string", |value| value.as_str().map(str::to_owned))
    }

    pub(super) fn is_null(&self, field: &str) -> bool {
        self.0.get(field).is_some_and(Value::is_null)
    }

    pub(super) fn flag(&self, field: &str) -> Result<Option<bool>, Refusal> {
        self.typed(field, "value could not be parsed to a boolean", Value::as_bool)
    }

    pub(super) fn whole(&self, field: &str) -> Result<Option<i64>, Refusal> {
        self.typed(field, "value is not a valid integer", Value::as_i64)
    }

    pub(super) fn number(&self, field: &str) -> Result<Option<f64>, Refusal> {
        self.typed(field, "value is not a valid float", Value::as_f64)
    }

    pub(super) fn time(&self, field: &str) -> Result<Option<DateTime<Utc>>, Refusal> {
        self.typed(field, "invalid datetime format", |value| value.as_str().and_then(date::read))
    }

    /// A time, or null as good as absent.
    pub(super) fn time_or_null(&self, field: &str) -> Result<Option<DateTime<Utc>>, Refusal> {
        if self.is_null(field) { Ok(None) } else { self.time(field) }
    }

    /// One of a few words.
    pub(super) fn word(&self, field: &str, words: &[&str]) -> Result<Option<String>, Refusal> {
        let known = |value: &Value| value.as_str().filter(|word| words.contains(word)).map(str::to_owned);
        self.typed(field, "value is not a valid enumeration member", known)
    }

    /// An object, or null as good as absent.
    pub(super) fn object(&self, field: &str) -> Result<Option<Body>, Refusal> {
        if self.is_null(field) {
            return Ok(None);
        }
        self.typed(field, "value is not a valid dict", |value| value.as_object().cloned().map(Body))
    }

    /// One of a few words, or null: the published sample sends null for a field said not to be nullable.
    pub(super) fn word_or_null(&self, field: &str, words: &[&str]) -> Result<Option<String>, Refusal> {
        if self.is_null(field) {
            return Ok(None);
        }
        self.word(field, words)
    }

    pub(super) fn into_fields(self) -> Map<String, Value> {
        self.0
    }

    /// Absent is fine; null or another type is not.
    fn typed<T>(
        &self,
        field: &str,
        complaint: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        let Some(value) = self.0.get(field) else {
            return Ok(None);
        };
        let read = read(value).ok_or_else(|| Refusal::invalid("value_error", field, complaint))?;
        Ok(Some(read))
    }
}
