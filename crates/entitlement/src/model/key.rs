//! The key under which a step is known for ever.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::content::Content;
use crate::model::mode::Mode;
use crate::model::step::Step;
use crate::model::user::User;

/// Hash of destination, environment, user, subject, content, and the key of the last confirmed step on that subject.
///
/// A retry anywhere finds the same entry; wanting old content again later is a new link with a new key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepKey(String);

impl StepKey {
    /// The key of `step` for `user`, following `previous`.
    #[must_use]
    pub fn of(destination: &str, mode: Mode, user: &User, step: &Step, previous: Option<&Self>) -> Self {
        let content = Content::of_step(step);
        let whose = [destination, mode.as_str(), user.as_str()];
        let fields = whose.into_iter().chain(content.fields()).chain([previous.map_or("", Self::as_str)]);
        Self(hex::encode(&hash(fields)[..16]))
    }

    /// A key as the database keeps it.
    #[must_use]
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// The key in hexadecimal.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A number in `0..span` that depends on the key and `salt` alone: jitter without chance.
    #[must_use]
    pub fn spread(&self, salt: u32, span: u64) -> u64 {
        let digest = hash([self.0.as_str(), &salt.to_string()]);
        let number = digest.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
        number.checked_rem(span).unwrap_or(0)
    }
}

impl fmt::Display for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Fields hashed with their lengths, so that no two lists of fields read alike.
fn hash<'a>(fields: impl IntoIterator<Item = &'a str>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for field in fields {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field.as_bytes());
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::access_level::AccessLevel;
    use crate::model::expected::Refund;
    use crate::model::step::RevokeAccess;

    fn revoke(level: &str) -> Step {
        Step::RevokeAccess(RevokeAccess { level: AccessLevel(level.into()), refund: Refund::No })
    }

    #[test]
    fn the_same_step_after_another_confirmation_has_a_new_key() {
        let user = User::new("u1").unwrap();
        let key = |previous| StepKey::of("adapty", Mode::Live, &user, &revoke("premium"), previous);
        let first = key(None);
        assert_eq!(first, key(None));
        assert_ne!(first, key(Some(&first)));
        assert_ne!(first, StepKey::of("adapty", Mode::Test, &user, &revoke("premium"), None));
        assert_ne!(first, StepKey::of("adapty", Mode::Live, &user, &revoke("gold"), None));
        assert_eq!(first.as_str().len(), 32);
    }

    #[test]
    fn spread_stays_in_its_span() {
        let key = StepKey::stored("k".into());
        assert!((0..100).all(|salt| key.spread(salt, 7) < 7));
        assert_eq!(key.spread(1, 0), 0);
        let spread: std::collections::BTreeSet<_> = (0..100).map(|salt| key.spread(salt, 7)).collect();
        assert_eq!((spread.len(), key.to_string().as_str()), (7, "k"));
    }
}
