//! The human at the destination.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The same human as the *destination* knows it: the app's own user id (`customer_user_id`).
///
/// It may be an e-mail address, so it is kept out of logs; [`User::as_str`] is for requests and the database.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct User(String);

impl User {
    /// `None` when nothing but white space is left of `id`.
    #[must_use]
    pub fn new(id: &str) -> Option<Self> {
        let id = id.trim();
        (!id.is_empty()).then(|| Self(id.to_owned()))
    }

    /// A customer who is nobody, for cases that leave the house.
    #[must_use]
    pub fn nobody() -> Self {
        Self("nobody".to_owned())
    }

    /// The id itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("User(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_never_prints() {
        let user = User::new(" ann@example.com ").unwrap();
        assert_eq!(user.as_str(), "ann@example.com");
        assert_eq!(format!("{user:?}"), "User(…)");
        assert_eq!(User::new("  "), None);
    }
}
