//! The database: that it opens and takes a write, and what waits in it.

use std::path::Path;
use std::time::Duration;

use entitlement::model::finding::{Area, Finding, counted};

use crate::command_error::CommandError;
use crate::settings::Settings;
use crate::{clock, wiring};

/// Longer than any migration of a database that is fit for use.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn check(settings: &Settings) -> Vec<Finding> {
    match tokio::time::timeout(PATIENCE, findings(settings)).await {
        Ok(Ok(findings)) => findings,
        Ok(Err(failed)) => {
            let remedy = "fix `database.url`, or what it names: does the server run, may the folder be written, has the disk room?";
            vec![Finding::error(Area::Database, failed.text(), remedy)]
        }
        Err(_) => {
            let text = format!("the database did not answer within {} s", PATIENCE.as_secs());
            vec![Finding::error(Area::Database, text, "see what holds its locks, and its load")]
        }
    }
}

async fn findings(settings: &Settings) -> Result<Vec<Finding>, CommandError> {
    match wiring::missing_database(settings).await? {
        // one that cannot be made is not just missing
        Some(file) if file.starts_with('/') && !has_folder(&file) => {}
        Some(place) => return Ok(vec![not_there(&place)]),
        None => {}
    }
    let store = wiring::store(settings).await?;
    store.set_daemon_state("checked", clock::now().to_rfc3339()).await?;
    store.probe().await?;
    let name = if store.is_shared() { "PostgreSQL" } else { "SQLite" };
    let due = usize::try_from(store.backlog().await?.due).unwrap_or_default();
    let is_due = if due == 1 { "is" } else { "are" };
    let works = format!("{name} opens and takes writes; {} {is_due} due", counted(due, "account"));
    let mut findings = vec![Finding::ok(Area::Database, works)];
    if !store.is_durable().await? {
        findings.push(not_durable());
    }
    let parked = store.parked_counts().await?;
    if !parked.is_empty() {
        let kinds: Vec<String> = parked.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let waits = Finding::ok(Area::Database, format!("parked: {}", kinds.join(", ")));
        findings.push(waits.with_remedy("`grantsync parked list` says what to do"));
    }
    Ok(findings)
}

fn has_folder(file: &str) -> bool {
    Path::new(file).parent().is_some_and(Path::is_dir)
}

fn not_there(place: &str) -> Finding {
    let remedy = "`grantsync serve` makes it; if there is one elsewhere, name its settings with `--config`";
    Finding::warning(Area::Database, format!("no database at `{place}` yet"), remedy)
}

fn not_durable() -> Finding {
    let text = "PostgreSQL runs with `fsync = off`: a power cut may lose events that were answered with 200";
    Finding::warning(Area::Database, text, "set `fsync = on` in postgresql.conf and restart PostgreSQL")
}
