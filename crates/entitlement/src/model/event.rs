//! What a source sent, as far as it matters to us.

use std::fmt;

use crate::model::account::Account;
use crate::model::clock::Timestamp;
use crate::model::mode::Mode;

/// An event of a source. What it says of an object is not believed: the object is read back later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceEvent {
    /// `source:event`, or `source:connect/event`: unique over all sources.
    pub id: String,
    /// The type as the source calls it, for example `invoice.paid`.
    pub kind: String,
    pub created: Timestamp,
    /// Whether real money moved; `None` when the event does not say.
    pub mode: Option<Mode>,
    /// The source's id of the object it is about.
    pub object: Option<String>,
    /// What it makes due: an account, or an object that leads to one. `None`: nobody's access can change by it.
    pub concerns: Option<Account>,
}

/// One page of a source's past events, the newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventPage {
    pub events: Vec<SourceEvent>,
    /// Where the next page begins, in the source's own terms; `None` at the end.
    pub next: Option<String>,
}

/// Why a request to a webhook route holds no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoEvent {
    /// The source did not sign these bytes at about this time. The text says what is wrong, for whoever sent it.
    BadSignature(String),
    /// Not a JSON object in UTF-8.
    NotJsonObject,
    /// Signed by the source, but no event that we can read.
    Unreadable(&'static str),
}

impl fmt::Display for NoEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadSignature(what) => f.write_str(what),
            Self::NotJsonObject => f.write_str("the body is not a JSON object"),
            Self::Unreadable(why) => write!(f, "the body is JSON but no event: {why}"),
        }
    }
}

impl std::error::Error for NoEvent {}
