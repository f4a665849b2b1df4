//! The end of a right.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::clock::Timestamp;

/// When a right ends, if it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    At(Timestamp),
    /// Never ends; sorts after every moment.
    Lifetime,
}

impl Until {
    /// Whether the end lies after `moment`.
    #[must_use]
    pub fn is_after(self, moment: Timestamp) -> bool {
        match self {
            Self::At(at) => at > moment,
            Self::Lifetime => true,
        }
    }

    /// The moment, unless it never ends.
    #[must_use]
    pub fn at(self) -> Option<Timestamp> {
        match self {
            Self::At(at) => Some(at),
            Self::Lifetime => None,
        }
    }

    /// Whether two ends are the same to the second, which is what destinations keep.
    #[must_use]
    pub fn is_same_second(self, other: Self) -> bool {
        self.at().map(|at| at.timestamp()) == other.at().map(|at| at.timestamp())
    }
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(at) => write!(f, "{}", at.format("%Y-%m-%dT%H:%M:%SZ")),
            Self::Lifetime => f.write_str("for life"),
        }
    }
}
