//! One request to an upstream, and its answer.

use std::fmt;

use bytes::Bytes;
use entitlement::model::clock::Timestamp;
use entitlement::model::failure::{Class, Failure};
use serde::de::DeserializeOwned;

/// One request, without its body.
#[derive(Clone)]
pub struct Call {
    /// What is being done, for errors: `reading the profile`. Never names a user.
    pub what: String,
    /// Path and query, encoded, beginning with `/`.
    pub path: String,
    /// The account or user that it is about, so that the failures of one are not taken for everybody's. Never logged.
    pub about: Option<String>,
    /// Headers besides the upstream's own; they replace those of the same name.
    pub headers: Vec<(&'static str, String)>,
}

/// The method of a request that changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Post,
    Patch,
    Delete,
}

/// A successful (2xx) answer, whole.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub body: Bytes,
    /// `Request-Id` or `X-Request-Id`, as the upstream's support asks for it.
    pub request_id: Option<String>,
    /// The upstream's clock, to a second.
    pub date: Option<Timestamp>,
}

impl Answer {
    /// Reads the body as JSON; `what` is what was being done.
    ///
    /// # Errors
    /// [`Class::Transient`] when it cannot be read, with the place of the error, never with content.
    pub fn json<T: DeserializeOwned>(&self, what: &str) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|fault| {
            let (line, column) = (fault.line(), fault.column());
            let text = format!("{what}: the answer cannot be read (line {line}, column {column})");
            Failure { status: Some(self.status), ..Failure::new(Class::Transient, text) }
        })
    }
}

impl fmt::Debug for Call {
    /// Paths and headers name users and keys, so neither is printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("what", &self.what).finish_non_exhaustive()
    }
}

impl fmt::Debug for Answer {
    /// Bodies hold personal data, so only the size is printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (status, bytes) = (self.status, self.body.len());
        f.debug_struct("Answer").field("status", &status).field("bytes", &bytes).finish_non_exhaustive()
    }
}
