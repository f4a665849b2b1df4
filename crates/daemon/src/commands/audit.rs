//! `audit`: lists the audit log.

use operator::audit::AuditEntry;
use operator::input;
use operator::time::absolute;

use crate::cli::overrides::Audit;
use crate::command_error::CommandError;
use crate::settings::Settings;
use crate::{output, wiring};

pub(crate) async fn run(settings: &Settings, asked: Audit) -> Result<(), CommandError> {
    let user = asked.user.as_deref().map(input::user).transpose()?;
    let entries = wiring::operator(settings).await?.audit_log(user, None, asked.limit).await?;
    if asked.json {
        return output::json(&entries);
    }
    let rows: Vec<Vec<String>> = entries.into_iter().map(row).collect();
    output::print(&["at", "user", "app", "override", "of", "by", "why"], &rows);
    Ok(())
}

fn row(entry: AuditEntry) -> Vec<String> {
    let AuditEntry { user, app, kind, subject, promotion, by, why, at, .. } = entry;
    let subject = promotion.map_or_else(|| subject.clone(), |id| format!("{subject} ({id})"));
    vec![absolute(at), user, app, kind, subject, by, why]
}
