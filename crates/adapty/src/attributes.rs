//! What is told about a customer, in the two forms of Adapty's APIs: fields of the profile beside `custom_attributes`,
//! which v1 takes as a dictionary and v2 as a list of pairs. An attribute without a text, and a field without a value,
//! is deleted.

use entitlement::attributes::{AttributeName, AttributeValue, SetAttributes};
use serde_json::{Map, Number, Value, json};

/// Attributes that one `PATCH` of v1 takes, and one profile.
pub const MOST_V1: usize = 10;
/// The same of v2.
pub const MOST_V2: usize = 30;

/// The bodies of v1's `PATCH`: one, or several where there is more to say than one takes.
#[must_use]
pub(crate) fn v1(describe: &SetAttributes) -> Vec<Value> {
    bodies(describe, MOST_V1, |attributes| Value::Object(attributes.iter().cloned().collect()))
}

/// The bodies of v2's `PATCH`.
#[must_use]
pub(crate) fn v2(describe: &SetAttributes) -> Vec<Value> {
    let pair = |(key, value): &(String, Value)| json!({ "key": key, "value": value });
    bodies(describe, MOST_V2, |attributes| attributes.iter().map(pair).collect())
}

fn bodies(describe: &SetAttributes, most: usize, write: impl Fn(&[(String, Value)]) -> Value) -> Vec<Value> {
    let attributes = attributes(describe);
    let mut parts = attributes.chunks(most).map(write);
    let with = |mut body: Map<String, Value>, attributes: Option<Value>| {
        body.extend(attributes.map(|attributes| ("custom_attributes".to_owned(), attributes)));
        Value::Object(body)
    };
    let first = with(fields(describe), parts.next());
    std::iter::once(first).chain(parts.map(|part| with(Map::new(), Some(part)))).collect()
}

fn fields(describe: &SetAttributes) -> Map<String, Value> {
    let told = describe.attributes.iter().filter_map(|(name, value)| Some((name.field()?, value.as_str().into())));
    let gone = describe.gone.iter().filter_map(|name| Some((name.field()?, Value::Null)));
    told.chain(gone).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What is to be gone first, so that a profile never has more than it may.
fn attributes(describe: &SetAttributes) -> Vec<(String, Value)> {
    let is_attribute = |name: &AttributeName| name.field().is_none();
    let gone = describe.gone.iter().filter(|name| is_attribute(name)).map(|name| (name.to_string(), "".into()));
    let told = describe.attributes.iter().filter(|(name, _)| is_attribute(name));
    gone.chain(told.map(|(name, value)| (name.to_string(), written(value)))).collect()
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

    fn describe() -> SetAttributes {
        let name = |text: &str| AttributeName::parse(text).unwrap();
        let told = [
            ("plan", "gold"),
            ("seats", "12.50"),
            ("profile:email", "ann@example.com"),
            ("profile:phone_number", "123"),
        ];
        SetAttributes {
            attributes: told.map(|(of, value)| (name(of), AttributeValue::read(value))).into(),
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
        assert_eq!(v1(&describe()), [with(json!({ "plan": "gold", "seats": 12.50, "zone": "" }))]);
        let list =
            json!([{"key": "zone", "value": ""}, {"key": "plan", "value": "gold"}, {"key": "seats", "value": 12.50}]);
        assert_eq!(v2(&describe()), [with(list)]);
    }

    #[test]
    fn what_one_request_cannot_hold_is_said_in_several_with_deletions_first() {
        let name = |number: usize| AttributeName::parse(&format!("a{number:02}")).unwrap();
        let attributes = (12..22).map(|number| (name(number), AttributeValue::read("1"))).collect();
        let all = SetAttributes { attributes, gone: (0..12).map(name).collect(), ..SetAttributes::default() };
        let parts = v1(&all);
        let sizes: Vec<_> = parts.iter().map(|part| part["custom_attributes"].as_object().unwrap().len()).collect();
        assert_eq!(sizes, [10, 10, 2]);
        assert_eq!(
            (&parts[0]["custom_attributes"]["a00"], &parts[2]["custom_attributes"]["a21"]),
            (&json!(""), &json!(1))
        );
        assert_eq!(v2(&all).len(), 1);
        assert_eq!(v1(&SetAttributes::default()), [json!({})]);
    }

    #[test]
    fn a_number_that_json_would_round_is_a_text() {
        let long = "1234567890123456789012345678";
        assert_eq!(written(&AttributeValue::Number(long.into())), json!(long));
        assert_eq!(written(&AttributeValue::read(long)), json!(long));
        assert_eq!(written(&AttributeValue::read("123456789012345")), json!(123_456_789_012_345_u64));
    }
}
