//! `reconcile`: compares all accounts now.

use operator::reconcile::{DoubleSubscription, Drift, ReconciliationReport};
use operator::time::absolute;
use sync::reconciliation::Repair;

use crate::cli::sync::Reconcile;
use crate::command_error::CommandError;
use crate::progress::Progress;
use crate::settings::Settings;
use crate::settings::policy::Mode;
use crate::{output, wiring, workers};

pub(crate) async fn run(settings: &Settings, asked: Reconcile) -> Result<(), CommandError> {
    let operator = wiring::operator_with_keys(settings).await?;
    let observes = settings.policy.mode == Mode::Observe;
    let repair = if asked.report_only || observes { Repair::No } else { Repair::Yes };
    let mut progress = Progress::new("accounts compared");
    let comparing = operator.reconcile(repair, |accounts| progress.show(accounts, None));
    let report = match repair {
        Repair::Yes => workers::with_workers(operator.controller()?, settings.bulk.share_percent, comparing).await?,
        Repair::No => comparing.await,
    };
    progress.end();
    let report = report?;
    if asked.json {
        output::json(&report)?;
    } else {
        print(&report);
    }
    let has_drift = asked.fail_on_drift && !report.differences.is_empty();
    if report.failed > 0 || has_drift { Err(CommandError::Silent) } else { Ok(()) }
}

fn print(report: &ReconciliationReport) {
    if !report.differences.is_empty() {
        let rows: Vec<Vec<String>> = report.differences.iter().map(row).collect();
        let heads =
            ["account", "user", "app", "level", "expected until", "actual until", "right until", "action", "reason"];
        output::print(&heads, &rows);
    }
    for DoubleSubscription { account, user, level, store } in &report.double_subscriptions {
        let store = store.as_deref().unwrap_or("another store");
        output::say(&format!("double subscription: {user} ({account}) pays for `{level}` on the web and in `{store}`"));
    }
    if report.store_reads_failed > 0 {
        let users = report.store_reads_failed;
        output::say(&format!("what {users} users bought in the app's stores could not be read from IAPHUB"));
    }
    if report.store_reads_skipped > 0 {
        let users = report.store_reads_skipped;
        output::say(&format!("after so many failures IAPHUB was not asked about {users} more users"));
    }
    for failure in &report.failures {
        output::say(&format!("could not be compared: {failure}"));
    }
    let ReconciliationReport { accounts, differences, repaired, failed, unsettled, .. } = report;
    let found = differences.len();
    output::say(&format!("{accounts} accounts compared: {found} differences, {repaired} repaired, {failed} failed"));
    if *unsettled > 0 {
        output::say(&format!(
            "{unsettled} accounts were being synced, or had just been written, and were not compared"
        ));
    }
}

fn row(drift: &Drift) -> Vec<String> {
    let or_none = |until: &Option<String>| until.clone().unwrap_or_else(|| "-".to_owned());
    vec![
        drift.account.clone(),
        drift.user.clone(),
        drift.app.clone(),
        drift.level.clone(),
        or_none(&drift.expected_until),
        or_none(&drift.actual_until),
        drift.since.map_or_else(|| "-".to_owned(), absolute),
        drift.action.clone(),
        drift.reason.clone(),
    ]
}
