//! What a destination knows of a user beside their levels: custom attributes and fields of the profile.
//!
//! Source: Adapty's page "API objects" (`custom_attributes`) and its `PATCH` of a profile.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// The name of a detail: that of a custom attribute, or `profile:` and that of a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttributeName(String);

/// Fields of a profile that may be set.
pub const FIELDS: [&str; 7] = ["birthday", "email", "first_name", "gender", "ip_country", "last_name", "phone_number"];

/// What stands before the name of a field; no attribute's name holds a colon.
const PROFILE: &str = "profile:";

/// The longest name of an attribute, in characters.
const LONGEST_NAME: usize = 30;

impl AttributeName {
    /// Reads the name of an attribute, or `profile:` and that of a field.
    ///
    /// # Errors
    /// Says what a name looks like when `text` is none.
    pub fn parse(text: &str) -> Result<Self, NotAnAttribute> {
        let sound = match text.strip_prefix(PROFILE) {
            Some(field) => FIELDS.contains(&field),
            None => {
                let part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
                (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(part)
            }
        };
        if sound { Ok(Self(text.to_owned())) } else { Err(NotAnAttribute(text.to_owned())) }
    }

    /// The field of the profile it is; `None` for an attribute.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        self.0.strip_prefix(PROFILE)
    }

    /// What to write instead, when `value` is none that the field takes.
    #[must_use]
    pub fn unfit(&self, value: &AttributeValue) -> Option<&'static str> {
        let text = value.as_str();
        match self.field() {
            Some("birthday") if !is_date(text) => Some("a day such as 1990-12-31"),
            Some("gender") if !matches!(text, "f" | "m" | "o") => Some("f, m or o"),
            Some("ip_country") if !is_country(text) => Some("two letters such as DE"),
            Some(_) | None => None,
        }
    }

    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AttributeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text names no detail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAnAttribute(String);

impl fmt::Display for NotAnAttribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = FIELDS.join("`, `profile:");
        write!(
            f,
            "`{}` is no attribute; write at most {LONGEST_NAME} letters, digits, `-`, `.` and `_`, or `profile:{fields}`",
            self.0
        )
    }
}

impl std::error::Error for NotAnAttribute {}

impl NotAnAttribute {
    /// What would have been right.
    #[must_use]
    pub fn write(&self) -> String {
        let fields = FIELDS.join("`, `");
        format!(
            "at most {LONGEST_NAME} letters, digits, `-`, `.` and `_`; for a field of the profile one of `{fields}`"
        )
    }
}

/// Whether it is a day that there is, as year, month and day.
fn is_date(text: &str) -> bool {
    text.len() == "1990-12-31".len() && NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
}

/// Whether it may be a country, ISO 3166.
fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// What a detail says; it may be personal, so it never prints.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttributeValue {
    Text(String),
    /// As decimal text, exact.
    Number(String),
}

impl AttributeValue {
    /// What was written: a number where it is one in plain decimals, such as `12` or `-0.5`, and no longer than what every
    /// reader of JSON keeps exactly; a longer one is an id, and so a text.
    #[must_use]
    pub fn read(text: &str) -> Self {
        if is_decimal(text) { Self::Number(text.to_owned()) } else { Self::Text(text.to_owned()) }
    }

    /// What it says, as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Text(text) | Self::Number(text) => text,
        }
    }

    /// Its length in characters.
    #[must_use]
    pub fn length(&self) -> usize {
        self.as_str().chars().count()
    }
}

/// The digits that a floating-point number of JSON keeps.
const EXACT_DIGITS: usize = 15;

/// Whether it is a number as JSON writes it, without an exponent.
fn is_decimal(text: &str) -> bool {
    let few = text.bytes().filter(u8::is_ascii_digit).count() <= EXACT_DIGITS;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = plain.split_once('.').map_or((plain, None), |(whole, part)| (whole, Some(part)));
    few && digits(whole) && part.is_none_or(digits) && (whole == "0" || !whole.starts_with('0'))
}

impl fmt::Debug for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DetailValue(…)")
    }
}

/// What a source says of a customer; it may be personal, so it never prints. Empty: nothing stands there.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fact(pub String);

impl fmt::Debug for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fact(…)")
    }
}

/// Details by name.
pub type Attributes = BTreeMap<AttributeName, AttributeValue>;

/// What operators said of details; `None`: it is to be gone, also when the source says otherwise.
pub type AttributeOverrides = BTreeMap<AttributeName, Option<AttributeValue>>;

/// Set attributes and fields of a profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAttributes {
    /// All that is ours to set, so that the last confirmed one is all that was set.
    #[serde(alias = "details")]
    pub attributes: Attributes,
    /// To be gone, and may stand there.
    pub gone: BTreeSet<AttributeName>,
    /// Overridden to be gone, and deleted before: not sent again.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub stays_gone: BTreeSet<AttributeName>,
    /// Only the deletions are sent, since one request does not hold all; `attributes` were set before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deletes_only: bool,
}

/// A detail that the source fills.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcedAttribute {
    pub name: AttributeName,
    /// The place at the source, for example `customer.metadata.plan`; see [`crate::model::billing::Billing::facts`].
    pub from: String,
}

/// What a destination takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeLimits {
    /// Attributes of one customer.
    pub attributes: u32,
    /// Characters of an attribute's value.
    pub characters: u32,
}

impl Default for AttributeLimits {
    /// Those on which all of Adapty's pages agree for its second API: 30 attributes of 30 characters.
    fn default() -> Self {
        Self { attributes: 30, characters: 30 }
    }
}
