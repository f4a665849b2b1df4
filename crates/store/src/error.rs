//! What can go wrong with the memory.

use std::path::PathBuf;

/// The memory could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("`database.url` does not name a database; write `sqlite:grantsync.db` or `postgres://…`")]
    Url(#[source] sqlx::Error),
    #[error("opening the database `{file}`{hint}", file = .file.display(), hint = hint(.source))]
    Open { file: PathBuf, source: sqlx::Error },
    #[error("connecting to postgresql at `{to}`")]
    Connect { to: String, source: sqlx::Error },
    #[error(
        "the database was written by a newer grantsync (its schema is {version}, newer than this program knows); run that \
         version"
    )]
    Newer { version: i64 },
    #[error("bringing the database up to date")]
    Migrate(#[source] sqlx::migrate::MigrateError),
}

/// What SQLite's own words leave open.
fn hint(source: &sqlx::Error) -> &'static str {
    let code = source.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    // the primary code is the low byte; 10 is any input or output that failed
    match code.map(|code| code & 0xff) {
        Some(10) => " (see whether the disk is full, or may not be written)",
        _ => "",
    }
}

/// A read or write failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused; what was being written is not there.
    #[error("the database refused while {doing}")]
    Database { doing: &'static str, source: sqlx::Error },
    /// A row holds what this program never writes.
    #[error("the row of `{table}` is not readable: {what}")]
    Row { table: &'static str, what: String },
    /// The database cannot be reached.
    #[error("the database cannot be reached")]
    Away(#[source] OpenError),
    /// It took too long; whether what was being written is there is not known, and not assumed.
    #[error("the database did not answer in time")]
    Slow,
    /// The writer is gone: the program is shutting down.
    #[error("the database writer has stopped")]
    Stopped,
    /// A write failed together with others; its own cause was logged by the writer.
    #[error("the database did not take the write: {0}")]
    Refused(String),
}

/// What the database refused; `doing` where another statement failed than the one that was waited for.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) doing: Option<&'static str>,
    pub(crate) source: sqlx::Error,
}

impl From<sqlx::Error> for Failed {
    fn from(source: sqlx::Error) -> Self {
        Self { doing: None, source }
    }
}

impl StoreError {
    pub(crate) fn on<E: Into<Failed>>(doing: &'static str) -> impl FnOnce(E) -> Self {
        move |error| {
            let Failed { doing: other, source } = error.into();
            Self::Database { doing: other.unwrap_or(doing), source }
        }
    }
}
