//! Opens a store: connects, migrates, and starts the tasks that write.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

use crate::connection::{Connection, Durability};
use crate::database::Database;
use crate::error::OpenError;
use crate::notify::Notifier;
use crate::open::{Options, Store, Tasks};
use crate::write::Pending;
use crate::write_health::WriteHealth;
use crate::writer::Writer;

impl Store {
    /// Where the database at `url` would be, if there is none: a file, or the name of a server's database that has none of our
    /// tables.
    ///
    /// # Errors
    /// When the address names no database, or its server does not answer.
    pub async fn missing(url: &str) -> Result<Option<String>, OpenError> {
        Database::parse(url)?.missing().await
    }

    /// Opens the database, and migrates its tables. A SQLite file is made if it does not exist.
    ///
    /// # Errors
    /// When the database cannot be opened, is none, or was written by a newer version.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        let database = Database::parse(&options.url)?;
        let first = database.connect_migrated().await?;
        let reads = database.pool();
        let notifier = Notifier::of(&reads);
        let health = WriteHealth::default();
        let checkpoints = Tasks::default();
        let starting = Starting { database, options, notifier, health, writers: Tasks::default() };
        let relaxed = match &first {
            Connection::Sqlite(_) => {
                let connection = starting.database.connect().await?;
                checkpoints.tracker.spawn(Database::checkpoint(connection, checkpoints.closing.clone()));
                None
            }
            Connection::Postgres(_) => {
                Some(starting.start_writer(starting.database.connect().await?, Durability::Relaxed))
            }
        };
        let durable = starting.start_writer(first, Durability::Full);
        let Starting { options, notifier, health, writers, .. } = starting;
        Ok(Self {
            reads,
            relaxed: relaxed.unwrap_or_else(|| durable.clone()),
            durable,
            slots: Arc::new(Semaphore::new(options.max_waiting)),
            notifier,
            clock: options.clock,
            health,
            checkpoints,
            writers,
        })
    }
}

/// What the writers of one store have in common.
struct Starting {
    database: Database,
    options: Options,
    notifier: Notifier,
    health: WriteHealth,
    writers: Tasks,
}

impl Starting {
    fn start_writer(&self, connection: Connection, durability: Durability) -> mpsc::UnboundedSender<Pending> {
        let (sender, pending) = mpsc::unbounded_channel();
        let writer = Writer {
            database: self.database.clone(),
            connection: Some(connection),
            durability,
            time: self.options.time,
            clock: self.options.clock,
            notifier: self.notifier.clone(),
            health: self.health.clone(),
            claims: Default::default(),
        };
        self.writers.tracker.spawn(writer.run(pending, self.writers.closing.clone()));
        sender
    }
}
