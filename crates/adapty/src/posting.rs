//! A request that changes something.

use serde_json::Value;
use wire::upstream::Call;

/// Where it goes, and what it says.
pub(crate) struct Posting {
    pub(crate) call: Call,
    pub(crate) body: Value,
}
