//! The class of a status, and what broke in a connection.

use std::error::Error;
use std::io;
use std::time::Duration;

use entitlement::model::failure::Class;
use serde_json::Value;

use crate::client::CONNECT;

/// The class of a status that is not 2xx.
///
/// A redirect is transient: it is not followed, and comes from a proxy or a maintenance page rather than from the API.
#[must_use]
pub fn status(status: u16) -> Class {
    match status {
        401 => Class::Credentials,
        403 => Class::Forbidden,
        404 => Class::Missing,
        // 407 is a proxy's own, and says nothing of the request
        407 | 408 | 425 | 429 => Class::Transient,
        400..=499 => Class::Permanent,
        _ => Class::Transient,
    }
}

/// The machine code of an error body: Adapty's `error_code`, Stripe's `error.code`, else `error.type`, else the first
/// `code` of a JSON:API list of `errors`.
///
/// Only what looks like a code (up to 64 of `a-z 0-9 _ . -`) is taken: messages name users.
#[must_use]
pub fn code(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let single = ["/error_code", "/error/code", "/error/type"].iter().filter_map(|pointer| body.pointer(pointer));
    let listed = body.get("errors").and_then(Value::as_array).into_iter().flatten();
    let codes = single.chain(listed.filter_map(|error| error.get("code")));
    codes.filter_map(Value::as_str).find(|text| is_code(text)).map(ToOwned::to_owned)
}

fn is_code(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.-".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

/// Describes what broke, without addresses; `timeout` is the limit of the request.
#[must_use]
pub fn describe(error: &reqwest::Error, timeout: Duration) -> String {
    let kind = io_kind(error);
    match (error.is_connect(), error.is_timeout()) {
        (true, true) => format!("no connection within {CONNECT:?}"),
        (false, true) => format!("timed out after {timeout:?}"),
        (true, false) if is_untrusted(error) => {
            "its certificate is not trusted; add your authority to the system's, or name a file in SSL_CERT_FILE"
                .to_owned()
        }
        (true, false) if error.is_dns() => "the host's name cannot be resolved".to_owned(),
        (true, false) if kind == Some(io::ErrorKind::ConnectionRefused) => "connection refused".to_owned(),
        (true, false) => kind.map_or_else(|| "no connection".to_owned(), |kind| format!("no connection: {kind}")),
        (false, false) => match kind {
            Some(kind) => format!("the connection broke: {kind}"),
            None => "the connection broke".to_owned(),
        },
    }
}

/// The kind of the operating system's error at the root, if it is one.
fn io_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    let mut found = None;
    let mut next = Some(error);
    while let Some(error) = next {
        found = error.downcast_ref::<io::Error>().map(io::Error::kind).or(found);
        next = error.source();
    }
    found.filter(|kind| *kind != io::ErrorKind::Other)
}

/// Whether the host's certificate was refused.
fn is_untrusted(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if matches!(error.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))) {
            return true;
        }
        // an `io::Error` is not the source of what it wraps, but in its place
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = wrapped.map(|wrapped| wrapped as &(dyn Error + 'static)).or_else(|| error.source());
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_class() {
        let table = [
            (Class::Credentials, vec![401]),
            (Class::Forbidden, vec![403]),
            (Class::Missing, vec![404]),
            (Class::Transient, vec![301, 302, 304, 307, 308, 407, 408, 425, 429, 500, 502, 503, 504, 520, 524, 599]),
            (Class::Permanent, vec![400, 402, 405, 409, 410, 413, 418, 422, 451]),
        ];
        for (class, statuses) in table {
            for number in statuses {
                assert_eq!(status(number), class, "{number}");
            }
        }
    }

    #[test]
    fn the_code_is_read_from_every_form_of_body() {
        let read = |body: &str| code(body.as_bytes());
        assert_eq!(read(r#"{"error_code":"profile_does_not_exist"}"#).as_deref(), Some("profile_does_not_exist"));
        assert_eq!(read(r#"{"error":{"code":"resource_missing","type":"x"}}"#).as_deref(), Some("resource_missing"));
        assert_eq!(read(r#"{"error":{"type":"api_error"}}"#).as_deref(), Some("api_error"));
        let listed = r#"{"errors":[{"status":"404"},{"status":"404","code":"profile_does_not_exist"}]}"#;
        assert_eq!(read(listed).as_deref(), Some("profile_does_not_exist"));
    }

    #[test]
    fn nothing_but_a_code_is_taken_from_a_body() {
        let long = format!(r#"{{"error_code":"{}"}}"#, "a".repeat(65));
        for body in [
            r#"{"error_code":"no profile for ann@example.com"}"#,
            r#"{"error_code":"ann@example.com"}"#,
            r#"{"error_code":""}"#,
            r#"{"error_code":7}"#,
            r#"{"error":"unauthorized"}"#,
            r#"["error_code"]"#,
            r#"{"errors":[{"code":"no ann@example.com"},"code",{"code":404}]}"#,
            "<html>",
            "",
            &long,
        ] {
            assert_eq!(code(body.as_bytes()), None, "{body}");
        }
    }
}
