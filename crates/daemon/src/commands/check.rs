//! `check`: connects to everything and reports what is wrong. It writes nothing at the vendors.

mod adapty;
mod database;
mod iaphub;
mod settings;

use entitlement::model::finding::{CheckInput, Finding, Level};
use source::kind::SourceKind;
use source::source::Source;
use wire::limit::LimitScope;

use crate::cli::Check;
use crate::command_error::CommandError;
use crate::settings::Settings;
use crate::settings::adapty::AdaptyApi;
use crate::{clock, output, rules, sources, wiring};

pub(crate) async fn run(settings: &Settings, wanted: Check) -> Result<(), CommandError> {
    let (database, sources, adapty, iaphub) =
        tokio::join!(database::check(settings), of_sources(settings), adapty::check(settings), iaphub::check(settings));
    let mut findings = [settings::check(settings), database, sources, adapty, iaphub].concat();
    findings.sort_by(|one, other| one.area.cmp(&other.area));
    if wanted.json {
        output::json(&findings)?;
    } else {
        findings.iter().flat_map(Finding::lines).for_each(|line| output::say(&line));
    }
    let failed = findings.iter().any(|finding| finding.level == Level::Error);
    if failed { Err(CommandError::Silent) } else { Ok(()) }
}

/// Everything that the sources' keys can read.
async fn of_sources(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    for kind in SourceKind::ALL {
        findings.extend(of_source(kind, settings).await);
    }
    findings
}

async fn of_source(kind: SourceKind, settings: &Settings) -> Vec<Finding> {
    if !sources::has_key(kind, settings) {
        return kind.without_key();
    }
    let source = match source(kind, settings) {
        Ok(source) => source,
        Err(failed) => return kind.with_broken_settings(&failed.text()),
    };
    let catalog = rules::whole_catalog(settings);
    let reports_sales = settings.adapty.iter().any(|app| app.api != AdaptyApi::V2Access);
    source.check(&CheckInput { catalog: &catalog, reports_sales, clock: clock::now }).await
}

/// Its requests are limited by this process alone, so that no database is needed.
fn source(kind: SourceKind, settings: &Settings) -> Result<Source, CommandError> {
    sources::one(kind, settings, &wiring::client(settings)?, LimitScope::Process)
}
