//! What could be read, and what could not.

use entitlement::model::billing::Gap;
use entitlement::model::failure::Failure;

/// What was found, beside gaps for what could not be read or understood.
#[derive(Clone, Debug, Default)]
pub(crate) struct Partial<T> {
    pub(crate) found: T,
    pub(crate) gaps: Vec<Gap>,
}

/// Why one object is not known.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// A request failed, which makes the whole picture doubtful.
    Failed(Failure),
    /// It was answered with something that we cannot read: a gap, which hides nothing else. Says what, in words.
    Unreadable(String),
}

impl From<Failure> for ReadError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<String> for ReadError {
    fn from(why: String) -> Self {
        Self::Unreadable(why)
    }
}

impl<T> Partial<Vec<T>> {
    /// Adds what one object is, or the gap that it leaves.
    pub(crate) fn add(&mut self, read: Result<T, Gap>) {
        match read {
            Ok(found) => self.found.push(found),
            Err(gap) => self.gaps.push(gap),
        }
    }
}
