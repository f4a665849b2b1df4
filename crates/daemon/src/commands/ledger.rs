//! `ledger`: the book of steps.

use store::book::LedgerLine;

use crate::cli::Ledger;
use crate::commands::customer;
use crate::failed::Failed;
use crate::settings::Settings;
use crate::{table, wiring};

pub(crate) async fn run(settings: &Settings, ledger: Ledger) -> Result<(), Failed> {
    let Ledger::List { user, limit, json } = ledger;
    let user = user.as_deref().map(customer).transpose()?;
    let store = wiring::store(settings).await?;
    let lines = store.ledger_lines(user.as_ref(), limit).await?;
    if json {
        return table::json(&lines);
    }
    let rows: Vec<Vec<String>> = lines.iter().map(row).collect();
    table::print(&["intended", "account", "step", "level", "state", "tries", "because"], &rows);
    Ok(())
}

fn row(line: &LedgerLine) -> Vec<String> {
    let kind = line.step.as_object().and_then(|step| step.keys().next()).cloned().unwrap_or_default();
    vec![
        line.intended_at.format("%Y-%m-%d %H:%M:%SZ").to_string(),
        line.account.clone(),
        kind,
        line.subject.clone(),
        line.state.clone(),
        line.attempts.to_string(),
        line.why.clone().unwrap_or_else(|| line.because.clone()),
    ]
}
