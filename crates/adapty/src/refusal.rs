//! What Adapty says when it refuses a request.
//!
//! Source: the pages of errors and the OpenAPI document, whose examples write `errors` as objects and as plain texts.

use std::fmt;

use serde_json::Value;

/// An error answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Refusal {
    /// For example `not_authenticated`.
    pub error_code: Option<String>,
    /// The HTTP status once more.
    pub status_code: Option<u16>,
    pub errors: Vec<Complaint>,
}

/// What is said against one field.
#[derive(Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The field, a path such as `offer.type`, `non_field_errors`, or nothing.
    pub source: Option<String>,
    /// In words; they may repeat what was sent, so they never print.
    pub errors: Vec<String>,
}

impl Refusal {
    /// Reads an error answer; `None` where it is none.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let error_code = body.get("error_code").and_then(Value::as_str).map(str::to_owned);
        let status_code = body.get("status_code").and_then(Value::as_u64);
        let status_code = status_code.and_then(|status| u16::try_from(status).ok());
        let errors: Vec<Complaint> = items(body.get("errors")).filter_map(complaint).collect();
        let is_refusal = error_code.is_some() || status_code.is_some() || !errors.is_empty();
        is_refusal.then_some(Self { error_code, status_code, errors })
    }
}

fn items(list: Option<&Value>) -> impl Iterator<Item = &Value> {
    list.and_then(Value::as_array).into_iter().flatten()
}

fn complaint(of: &Value) -> Option<Complaint> {
    if let Some(text) = of.as_str() {
        return Some(Complaint { source: None, errors: vec![text.to_owned()] });
    }
    let source = of.get("source").and_then(Value::as_str).map(str::to_owned);
    let errors: Vec<String> = items(of.get("errors")).filter_map(|text| Some(text.as_str()?.to_owned())).collect();
    (source.is_some() || !errors.is_empty()).then_some(Complaint { source, errors })
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (code, status) = (&self.error_code, &self.status_code);
        f.debug_struct("Refusal").field("error_code", code).field("status_code", status).finish_non_exhaustive()
    }
}

impl fmt::Debug for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Complaint").field("source", &self.source).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: Value) -> Option<Refusal> {
        Refusal::read(body.to_string().as_bytes())
    }

    #[test]
    fn both_forms_of_the_documents_are_read_and_neither_prints_its_words() {
        let words = "Authentication credentials of ann@example.com were not provided.";
        let objects = json!({ "errors": [{ "source": "non_field_errors", "errors": [words] }],
            "error_code": "not_authenticated", "status_code": 401 });
        let read_one = read(objects).unwrap();
        assert_eq!((read_one.error_code.as_deref(), read_one.status_code), (Some("not_authenticated"), Some(401)));
        let expected = Complaint { source: Some("non_field_errors".into()), errors: vec![words.into()] };
        assert_eq!(read_one.errors, [expected]);
        assert!(!format!("{read_one:?} {:?}", read_one.errors).contains("ann@"));
        let texts = read(json!({ "errors": ["Profile not found"], "status_code": 404 })).unwrap();
        assert_eq!(texts.errors, [Complaint { source: None, errors: vec!["Profile not found".into()] }]);
    }

    #[test]
    fn what_is_no_refusal_is_none() {
        for body in [json!({ "data": {} }), json!([]), json!({ "errors": [{}, 7, null], "status_code": 99_999 })] {
            assert_eq!(read(body.clone()), None, "{body}");
        }
        assert_eq!(Refusal::read(b"<html>"), None);
    }
}
