//! Tasks that one process at a time does for all.

/// A background task of which only one may run on a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    Backfill,
    CatchUp,
    CleanUp,
    Reconciliation,
}

impl Task {
    /// The name that the database stores.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Backfill => "backfill",
            Self::CatchUp => "catch_up",
            Self::CleanUp => "clean_up",
            Self::Reconciliation => "reconciliation",
        }
    }
}
