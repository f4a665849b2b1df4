//! `migrate`: updates the database's schema, and copies a database from SQLite to PostgreSQL.

use std::time::{Duration, Instant};

use store::import::{self, Progress};

use crate::cli::Migrate;
use crate::command_error::CommandError;
use crate::settings::Settings;
use crate::{clock, output, wiring};

/// How often progress is shown.
const SHOW_EVERY: Duration = Duration::from_secs(2);

pub(crate) async fn run(settings: &Settings, migrate: Migrate) -> Result<(), CommandError> {
    match migrate.from {
        Some(from) => copy(&from, settings).await,
        None => {
            wiring::store(settings).await?;
            output::say("the database is up to date");
            Ok(())
        }
    }
}

async fn copy(from: &str, settings: &Settings) -> Result<(), CommandError> {
    let mut shown = Instant::now();
    let show = |progress: Progress| {
        if shown.elapsed() >= SHOW_EVERY {
            shown = Instant::now();
            output::say(&format!("{}: {} of {}", progress.table, progress.copied, progress.of));
        }
    };
    let copied = import::copy(from, &settings.database.url, clock::now, show).await;
    let copied = copied.map_err(|error| CommandError::because("copying the database", error))?;
    let rows: Vec<Vec<String>> = copied.iter().map(row).collect();
    output::print(&["table", "in sqlite", "in postgresql"], &rows);
    output::say("everything was copied; start `grantsync serve` on PostgreSQL, and keep the file until you trust it");
    Ok(())
}

fn row(of: &Progress) -> Vec<String> {
    vec![of.table.to_owned(), of.of.to_string(), of.copied.to_string()]
}
