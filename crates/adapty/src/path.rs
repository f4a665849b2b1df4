//! How names stand in Adapty's paths.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use entitlement::model::access_level::AccessLevel;
use entitlement::model::user::User;

/// A user id in a path.
#[derive(PartialEq, Eq)]
pub(crate) struct UserPath {
    /// The path segment.
    pub(crate) segment: String,
    /// The query that belongs to it; empty when the id stands as it is.
    pub(crate) query: &'static str,
}

/// The path segment of a user id, from Adapty's page "Working with customer user ID".
///
/// An id of RFC 3986's unreserved characters stands as it is. Any other is Base64URL, padding kept, and a flag in the
/// query says so; the flag on an id that is not encoded would be answered with 400. `.` and `..` are encoded too, since
/// every URL parser takes them for steps in the path.
pub(crate) fn user(user: &User) -> UserPath {
    let id = user.as_str();
    if id.bytes().all(is_unreserved) && !is_dots(id) {
        return UserPath { segment: id.to_owned(), query: "" };
    }
    UserPath { segment: URL_SAFE.encode(id), query: "?is_user_id_base64url_encoded=1" }
}

/// The path segment of an access level, percent-encoded where it must be; `None` when it cannot be one.
pub(crate) fn level(level: &AccessLevel) -> Option<String> {
    if level.0.is_empty() || is_dots(&level.0) {
        return None;
    }
    let mut segment = String::with_capacity(level.0.len());
    for byte in level.0.bytes() {
        if is_unreserved(byte) {
            segment.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(segment, "%{byte:02X}");
        }
    }
    Some(segment)
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn is_dots(segment: &str) -> bool {
    matches!(segment, "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(id: &str) -> String {
        let UserPath { segment, query } = user(&User::new(id).unwrap());
        format!("{segment}/{query}")
    }

    #[test]
    fn the_examples_of_adaptys_page_hold() {
        assert_eq!(path("123"), "123/");
        assert_eq!(path("abc"), "abc/");
        assert_eq!(path("3c410419-9959-447a-84b5-be7cb6a308d9"), "3c410419-9959-447a-84b5-be7cb6a308d9/");
        assert_eq!(path("123+456"), "MTIzKzQ1Ng==/?is_user_id_base64url_encoded=1");
        assert_eq!(path("abc/def"), "YWJjL2RlZg==/?is_user_id_base64url_encoded=1");
        assert_eq!(path("012?012"), "MDEyPzAxMg==/?is_user_id_base64url_encoded=1");
    }

    #[test]
    fn an_id_is_encoded_exactly_when_it_has_something_reserved() {
        assert_eq!(path("A-z_0.9~"), "A-z_0.9~/");
        for id in ["ann@example.com", "auth0|1", "a b", "a%2Fb", "é", "a#b", "a:b", ".", ".."] {
            assert!(path(id).ends_with("/?is_user_id_base64url_encoded=1"), "{id}");
        }
        // The URL alphabet, not the plain one: `+` and `/` never occur.
        assert_eq!(path("??>>"), "Pz8-Pg==/?is_user_id_base64url_encoded=1");
    }

    #[test]
    fn a_level_is_one_segment_or_none() {
        let level = |name: &str| level(&AccessLevel(name.to_owned()));
        assert_eq!(level("premium").as_deref(), Some("premium"));
        assert_eq!(level("pro/plus é").as_deref(), Some("pro%2Fplus%20%C3%A9"));
        assert_eq!((level(""), level("."), level("..")), (None, None, None));
    }
}
