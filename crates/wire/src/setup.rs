//! How an upstream is set up: its address, its key, its limits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::call::Call;
use crate::limit::LimitScope;

/// How an upstream is set up.
pub struct Setup {
    /// For errors, logs and metrics: `adapty`.
    pub name: Arc<str>,
    /// Where its paths begin: `https://api.adapty.io`.
    pub base: String,
    /// Headers of every request, the key among them. The values are secrets.
    pub headers: Vec<(&'static str, String)>,
    /// Requests a second, with a burst of half a second's worth; 0 is no limit.
    pub per_second: u32,
    /// Whether this process may send that many, or all that use the same key together.
    pub limit: LimitScope,
    /// Longest time from sending a request to the last byte of its answer.
    pub timeout: Duration,
    /// A cheap read, about nobody, that shows whether it serves: sent while that is in doubt.
    pub probe: Call,
    /// Codes of errors that say the key is wrong, where the status alone (401) does not.
    pub key_codes: &'static [&'static str],
}

impl Setup {
    /// The same with a limit of another scope.
    #[must_use]
    pub fn with_limit(self, limit: LimitScope) -> Self {
        Self { limit, ..self }
    }
}

impl fmt::Debug for Setup {
    /// The headers hold the key, and a base may hold one by mistake.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup").field("name", &self.name).finish_non_exhaustive()
    }
}
