//! Why an operation was not carried out.

use entitlement::model::failure::Failure;
use ingest::catch_up::CatchUpError;
use store::error::StoreError;
use sync::backfill::BackfillError;
use sync::collect::CollectError;
use sync::reconciliation::ReconcileError;

/// Why an operation was not carried out. The texts say what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The request cannot be carried out as it is written.
    #[error("{0}")]
    Invalid(String),
    /// What it names is not known.
    #[error("{0}")]
    NotFound(String),
    /// It contradicts an earlier request, names several things, or another process is doing it.
    #[error("{0}")]
    Conflict(String),
    #[error("this process only takes in webhooks and has no keys; ask one that works")]
    NoKeys,
    #[error("{doing} failed: {source}")]
    Upstream { doing: &'static str, source: Failure },
    #[error("working on the database failed")]
    Store(#[from] StoreError),
    #[error("writing a note failed")]
    Note(#[from] serde_json::Error),
}

impl From<CollectError> for OperatorError {
    fn from(error: CollectError) -> Self {
        match error {
            CollectError::NoUser => Self::NotFound(error.to_string()),
            CollectError::Upstream(source) => Self::Upstream { doing: "reading the account", source },
            CollectError::Store(error) => Self::Store(error),
        }
    }
}

impl From<BackfillError> for OperatorError {
    fn from(error: BackfillError) -> Self {
        match error {
            BackfillError::Upstream(source) => Self::Upstream { doing: "listing the accounts", source },
            BackfillError::Store(error) => Self::Store(error),
            BackfillError::Note(error) => Self::Note(error),
        }
    }
}

impl From<ReconcileError> for OperatorError {
    fn from(error: ReconcileError) -> Self {
        match error {
            ReconcileError::Upstream(source) => Self::Upstream { doing: "listing the accounts", source },
            ReconcileError::Store(error) => Self::Store(error),
        }
    }
}

impl From<CatchUpError> for OperatorError {
    fn from(error: CatchUpError) -> Self {
        match error {
            CatchUpError::Upstream(source) => Self::Upstream { doing: "listing the events", source },
            CatchUpError::Store(error) => Self::Store(error),
        }
    }
}
