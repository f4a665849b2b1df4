//! Connections that read SQLite's file.
//!
//! A file does not go away as a server does, so no connection is pinged: sqlx's own pool pings after each use, which
//! wakes the connection's thread once more and costs as much as a short read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// The longest wait for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// A few connections, made when they are needed; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct SqliteReads(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: SqliteConnectOptions,
    /// How many connections may be in use at once.
    count: u32,
    permits: Semaphore,
    /// Connections that are not in use.
    free: Mutex<Vec<SqliteConnection>>,
}

impl SqliteReads {
    pub(crate) fn new(options: SqliteConnectOptions, count: u32) -> Self {
        let permits = Semaphore::new(usize::try_from(count).unwrap_or(usize::MAX));
        Self(Arc::new(Inner { options, count, permits, free: Mutex::default() }))
    }

    /// Reads on a connection of its own. One on which a read fails, or is cancelled, is closed.
    pub(crate) async fn read<T>(
        &self,
        read: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let permit = timeout(ACQUIRE_TIMEOUT, self.0.permits.acquire()).await.map_err(|_| sqlx::Error::PoolTimedOut)?;
        let _permit = permit.map_err(|_| sqlx::Error::PoolClosed)?;
        let free = self.free().pop();
        let mut connection = match free {
            Some(connection) => connection,
            None => self.0.options.connect().await?,
        };
        let found = read(&mut connection).await?;
        self.free().push(connection);
        Ok(found)
    }

    /// Waits for reads under way and closes every connection; later reads are refused.
    pub(crate) async fn close(&self) {
        let all = self.0.permits.acquire_many(self.0.count).await;
        self.0.permits.close();
        drop(all);
        let connections = std::mem::take(&mut *self.free());
        for connection in connections {
            if let Err(error) = connection.close().await {
                tracing::debug!(%error, "a reading connection did not close cleanly");
            }
        }
    }

    fn free(&self) -> MutexGuard<'_, Vec<SqliteConnection>> {
        self.0.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
