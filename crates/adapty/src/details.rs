//! What is told about a customer, in the two forms of Adapty's APIs: fields of the profile beside `custom_attributes`,
//! which v1 takes as a dictionary and v2 as a list of pairs. An attribute without a text, and a field without a value,
//! is deleted.

use entitlement::details::{Describe, DetailName, DetailValue};
use serde_json::{Map, Number, Value, json};

/// The body of v1's `PATCH`.
#[must_use]
pub(crate) fn v1(describe: &Describe) -> Value {
    let attributes: Map<String, Value> = attributes(describe).collect();
    body(describe, Value::Object(attributes))
}

/// The body of v2's `PATCH`.
#[must_use]
pub(crate) fn v2(describe: &Describe) -> Value {
    let pair = |(key, value): (String, Value)| json!({ "key": key, "value": value });
    body(describe, attributes(describe).map(pair).collect())
}

fn body(describe: &Describe, attributes: Value) -> Value {
    let fields = describe.details.iter().filter_map(|(name, value)| Some((name.field()?, value.as_str().into())));
    let gone = describe.gone.iter().filter_map(|name| Some((name.field()?, Value::Null)));
    let mut body: Map<String, Value> = fields.chain(gone).map(|(name, value)| (name.to_owned(), value)).collect();
    let is_empty = match &attributes {
        Value::Array(pairs) => pairs.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        _ => true,
    };
    if !is_empty {
        body.insert("custom_attributes".to_owned(), attributes);
    }
    Value::Object(body)
}

fn attributes(describe: &Describe) -> impl Iterator<Item = (String, Value)> + '_ {
    let is_attribute = |name: &DetailName| name.field().is_none();
    let told = describe.details.iter().filter(move |(name, _)| is_attribute(name));
    let gone = describe.gone.iter().filter(move |name| is_attribute(name));
    let told = told.map(|(name, value)| (name.to_string(), written(value)));
    told.chain(gone.map(|name| (name.to_string(), Value::from(""))))
}

/// The value as JSON: a text, or a number.
#[must_use]
pub fn written(value: &DetailValue) -> Value {
    match value {
        DetailValue::Text(text) => text.as_str().into(),
        // what is no number after all is a text
        DetailValue::Number(text) => {
            serde_json::from_str::<Number>(text).map_or_else(|_| text.as_str().into(), Value::Number)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn describe() -> Describe {
        let name = |text: &str| DetailName::parse(text).unwrap();
        let told = [
            ("plan", "gold"),
            ("seats", "12.50"),
            ("profile:email", "ann@example.com"),
            ("profile:phone_number", "123"),
        ];
        Describe {
            details: told.map(|(of, value)| (name(of), DetailValue::read(value))).into(),
            gone: ["zone", "profile:birthday"].map(name).into(),
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
        assert_eq!(v1(&describe()), with(json!({ "plan": "gold", "seats": 12.50, "zone": "" })));
        let list =
            json!([{"key": "plan", "value": "gold"}, {"key": "seats", "value": 12.50}, {"key": "zone", "value": ""}]);
        assert_eq!(v2(&describe()), with(list));
    }
}
