//! What can go wrong with a PostgreSQL for tests.

use std::error::Error;
use std::sync::Arc;
use std::{fmt, io};

/// There is no server, or no database on it.
#[derive(thiserror::Error)]
pub enum ClusterError {
    #[error(
        "PostgreSQL is not on this machine and could not be installed: {why}; install Debian's package `postgresql`, \
         or set `DATABASE_URL` to a server whose user may create databases"
    )]
    Missing { why: String },
    #[error("preparing the directory of a server")]
    Directory(#[source] io::Error),
    #[error("running `{line}`")]
    Run { line: String, source: io::Error },
    #[error("`{line}` failed; the log ends with:\n{log}")]
    Failed { line: String, log: String },
    #[error("`DATABASE_URL` does not name a server; write `postgres://USER:PASSWORD@HOST/DATABASE`")]
    Url(#[source] sqlx::Error),
    #[error("making a database on `{server}`; a server that `DATABASE_URL` names must give its user `CREATEDB`")]
    Create { server: String, source: sqlx::Error },
    /// The server that all tests of the process share did not start; each of them gets this error.
    #[error(transparent)]
    Shared(Arc<ClusterError>),
}

/// In sentences, since tests unwrap.
impl fmt::Debug for ClusterError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self}")?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(out, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
