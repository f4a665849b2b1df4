//! What went wrong with a request, as far as it matters for what to do next.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A failed request to an upstream, classified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub class: Class,
    /// What was being done and what came back, in words; never a body, a secret or an e-mail address.
    pub what: String,
    /// HTTP status, when there was an answer.
    pub status: Option<u16>,
    /// The upstream's own code for the error, for example `profile_does_not_exist`.
    pub code: Option<String>,
    /// Whole seconds the upstream asked to wait.
    pub retry_after: Option<i64>,
    /// The name of the upstream, when a request to one failed: whose gate is waited for.
    #[serde(default)]
    pub upstream: Option<String>,
}

/// What a failure asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// It may work later: network, 408, 425, 429, 5xx, an unreadable answer.
    Transient,
    /// It will never work as it is: other 4xx.
    Permanent,
    /// The key is wrong or was revoked: 401, or a code that says so. Everything waits for the upstream's gate.
    Credentials,
    /// This request is not allowed: 403. It may be later, like what is transient.
    Forbidden,
    /// The object is not there: 404.
    Missing,
    /// The upstream's gate is closed: the request was not sent, or its failure is the upstream's and not its own.
    GateClosed,
}

impl Failure {
    /// A failure without an answer, shortened by [`brief`].
    #[must_use]
    pub fn new(class: Class, what: impl Into<String>) -> Self {
        Self { class, what: brief(what.into()), status: None, code: None, retry_after: None, upstream: None }
    }
}

impl Failure {
    /// Whether it is the upstream's failure: what failed is done when its gate opens.
    #[must_use]
    pub fn waits_for_gate(&self) -> bool {
        match self.class {
            Class::Credentials | Class::GateClosed => true,
            Class::Transient | Class::Permanent | Class::Forbidden | Class::Missing => false,
        }
    }

    /// Whether another try may help, now or when the gate opens.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self.class {
            Class::Transient | Class::Forbidden | Class::Credentials | Class::GateClosed => true,
            Class::Permanent | Class::Missing => false,
        }
    }
}

/// The longest sentence, in characters: far longer than ours, since a vendor's id may stand in it.
const LONGEST: usize = 500;

/// One line of bounded length without an e-mail address, whatever an upstream sent in the place of an id.
#[must_use]
pub fn brief(text: String) -> String {
    if text.len() <= LONGEST && !text.contains(|c: char| c.is_control() || c == '@') {
        return text;
    }
    let line = without_addresses(&text.replace(char::is_control, " "));
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Each word with an `@` is left out.
fn without_addresses(line: &str) -> String {
    let ends = [' ', '`'];
    let word = |word: &str| match word.contains('@') {
        true => format!("…{}", word.rfind(ends).map_or("", |end| &word[end..])),
        false => word.to_owned(),
    };
    line.split_inclusive(ends).map(word).collect()
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(status) = self.status {
            write!(f, " (status {status}")?;
            if let Some(code) = &self.code {
                write!(f, ", `{code}`")?;
            }
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line_of_bounded_length_that_names_nobody() {
        assert_eq!(brief("in_1\r\nin_2".to_owned()), "in_1  in_2");
        assert_eq!(brief("invoice `ann@example.com`: no ann@example.com".to_owned()), "invoice `…`: no …");
        assert_eq!(brief("é".repeat(501)), "é".repeat(500) + "…");
        assert_eq!(brief("é".repeat(500)), "é".repeat(500));
    }

    #[test]
    fn a_failure_says_what_was_done_and_what_came_back() {
        let bare = Failure::new(Class::Transient, "reading the profile: timed out");
        assert_eq!(bare.to_string(), "reading the profile: timed out");
        let answered = Failure { status: Some(400), code: Some("enum".into()), ..bare };
        assert_eq!(answered.to_string(), "reading the profile: timed out (status 400, `enum`)");
    }
}
