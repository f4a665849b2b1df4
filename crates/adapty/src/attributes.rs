//! Attributes of a user, in the two forms of Adapty's APIs.
//!
//! Fields of the profile stand beside `custom_attributes`, which v1 takes as a dictionary and v2 as a list of pairs. An
//! attribute with an empty text, and a field with null, is deleted.

use entitlement::model::attributes::{AttributeName, AttributeValue, SetAttributes};
use serde_json::{Map, Number, Value, json};

/// Attributes that one `PATCH` of v1 takes, and one profile.
pub const MOST_V1: usize = 10;
/// The same of v2.
pub const MOST_V2: usize = 30;

/// The body of v1's `PATCH`.
#[must_use]
pub(crate) fn v1(set: &SetAttributes) -> Value {
    body(set, dictionary)
}

/// The body of v2's `PATCH`.
#[must_use]
pub(crate) fn v2(set: &SetAttributes) -> Value {
    body(set, pairs)
}

fn body(set: &SetAttributes, write: fn(Vec<(String, Value)>) -> Value) -> Value {
    let mut body = fields(set);
    let attributes = attributes(set);
    if !attributes.is_empty() {
        body.insert("custom_attributes".to_owned(), write(attributes));
    }
    Value::Object(body)
}

fn dictionary(attributes: Vec<(String, Value)>) -> Value {
    attributes.into_iter().collect()
}

fn pairs(attributes: Vec<(String, Value)>) -> Value {
    attributes.into_iter().map(|(key, value)| json!({ "key": key, "value": value })).collect()
}

fn fields(set: &SetAttributes) -> Map<String, Value> {
    let values = sent(set).filter_map(|(name, value)| Some((name.field()?, value.as_str().into())));
    let gone = set.gone.iter().filter_map(|name| Some((name.field()?, Value::Null)));
    values.chain(gone).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What is to be gone first, so that a profile never has more than it may.
fn attributes(set: &SetAttributes) -> Vec<(String, Value)> {
    let gone = set.gone.iter().filter(|name| name.field().is_none()).map(|name| (name.to_string(), "".into()));
    let values = sent(set).filter(|(name, _)| name.field().is_none());
    gone.chain(values.map(|(name, value)| (name.to_string(), written(value)))).collect()
}

/// The values that the request carries.
fn sent(set: &SetAttributes) -> impl Iterator<Item = (&AttributeName, &AttributeValue)> {
    set.attributes.iter().filter(|_| !set.deletes_only)
}

/// The value as JSON: a text, or a number.
#[must_use]
pub fn written(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::Text(text) => text.as_str().into(),
        // what is no number after all, or none that JSON keeps, is a text
        AttributeValue::Number(text) if matches!(AttributeValue::read(text), AttributeValue::Text(_)) => {
            text.as_str().into()
        }
        AttributeValue::Number(text) => {
            serde_json::from_str::<Number>(text).map_or_else(|_| text.as_str().into(), Value::Number)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> SetAttributes {
        let name = |text: &str| AttributeName::parse(text).unwrap();
        let values = [
            ("plan", "gold"),
            ("seats", "12.50"),
            ("profile:email", "ann@example.com"),
            ("profile:phone_number", "123"),
        ];
        SetAttributes {
            attributes: values.map(|(of, value)| (name(of), AttributeValue::read(value))).into(),
            gone: ["zone", "profile:birthday"].map(name).into(),
            ..SetAttributes::default()
        }
    }

    #[test]
    fn v1_takes_a_dictionary_and_v2_a_list_and_both_an_empty_text_for_what_is_gone() {
        let fields = json!({ "email": "ann@example.com", "phone_number": "123", "birthday": null });
        let with = |attributes: Value| {
            let mut body = fields.clone();
            body["custom_attributes"] = attributes;
            body
        };
        assert_eq!(v1(&set()), with(json!({ "plan": "gold", "seats": 12.50, "zone": "" })));
        let list =
            json!([{"key": "zone", "value": ""}, {"key": "plan", "value": "gold"}, {"key": "seats", "value": 12.50}]);
        assert_eq!(v2(&set()), with(list));
    }

    #[test]
    fn a_request_that_only_deletes_carries_no_values() {
        let set = SetAttributes { deletes_only: true, ..set() };
        assert_eq!(v1(&set), json!({ "birthday": null, "custom_attributes": { "zone": "" } }));
        let pairs = json!([{ "key": "zone", "value": "" }]);
        assert_eq!(v2(&set), json!({ "birthday": null, "custom_attributes": pairs }));
    }

    #[test]
    fn where_there_are_no_attributes_none_are_sent() {
        assert_eq!((v1(&SetAttributes::default()), v2(&SetAttributes::default())), (json!({}), json!({})));
    }

    #[test]
    fn a_number_that_json_would_round_is_a_text() {
        let long = "1234567890123456789012345678";
        assert_eq!(written(&AttributeValue::Number(long.into())), json!(long));
        assert_eq!(written(&AttributeValue::read(long)), json!(long));
        assert_eq!(written(&AttributeValue::read("123456789012345")), json!(123_456_789_012_345_u64));
    }
}
