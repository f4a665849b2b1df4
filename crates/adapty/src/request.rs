//! A request that changes something.

use serde_json::Value;
use wire::call::{Call, Method};

/// Where it goes, and what it says.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) call: Call,
    pub(crate) body: Value,
}
