//! What retention removes.

/// Rows that may be removed once they are old enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expired {
    /// Events.
    Inbox,
    /// Settled entries with a number above `after` that a newer confirmed entry of their chain has followed: the last
    /// confirmed entry of each chain stays, and whatever came after it.
    Ledger { after: i64 },
    /// Rate limits of keys that are no longer used.
    Limits,
}

/// What one batch removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    pub rows: u64,
    /// Where the next batch begins, if there is one.
    pub next: Option<Expired>,
}
