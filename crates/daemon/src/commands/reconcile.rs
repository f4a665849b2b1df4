//! `reconcile`: a round now.

use sync::reconciliation::Repair;
use sync::reconciliation::report::{DoubleSubscription, Drift, Reconciliation};

use crate::cli::Reconcile;
use crate::command_error::CommandError;
use crate::progress::Progress;
use crate::settings::Settings;
use crate::settings::policy::Mode;
use crate::{output, rounds, wiring, workers};

pub(crate) async fn run(settings: &Settings, wanted: Reconcile) -> Result<(), CommandError> {
    let store = wiring::store(settings).await?;
    let sync = wiring::sync(settings, &store, &wiring::upstreams(settings, &store)?)?;
    let observes = settings.policy.mode == Mode::Observe;
    let mend = if wanted.report_only || observes { Repair::No } else { Repair::Yes };
    let mut progress = Progress::new("accounts compared");
    let share = settings.bulk.share_percent;
    let bulk = sync.with_rate_share(share);
    let store_reader = wiring::store_reader(settings, &store)?;
    let round = bulk.reconcile(mend, store_reader.as_ref(), |far| progress.tell(far.accounts, None));
    let report = match mend {
        Repair::Yes => workers::with_workers(&sync, share, round).await?,
        Repair::No => round.await,
    };
    let report = report.map_err(|error| CommandError::because("going round all accounts", error))?;
    progress.end();
    rounds::keep_report(&store, &report).await?;
    if wanted.json {
        output::json(&report)?
    } else {
        tell(&report)
    }
    if report.failed > 0 {
        return Err(CommandError::Silent);
    }
    if wanted.fail_on_drift && !report.drifts.is_empty() {
        return Err(CommandError::Silent);
    }
    Ok(())
}

fn tell(report: &Reconciliation) {
    if !report.drifts.is_empty() {
        let rows: Vec<Vec<String>> = report.drifts.iter().map(row).collect();
        let heads =
            ["account", "user", "app", "level", "expected until", "actual until", "right until", "action", "reason"];
        output::print(&heads, &rows);
    }
    for DoubleSubscription { account, user, level, store } in &report.double_subscriptions {
        let store = store.as_deref().unwrap_or("another store");
        output::say(&format!("double subscription: {user} ({account}) pays for `{level}` on the web and in `{store}`"));
    }
    if report.store_reads_failed > 0 {
        output::say(&format!("IAPHUB did not answer about {} users", report.store_reads_failed));
    }
    if report.store_reads_skipped > 0 {
        output::say(&format!("IAPHUB was not asked about {} users after that", report.store_reads_skipped));
    }
    for failure in &report.failures {
        output::say(&format!("could not be compared: {failure}"));
    }
    let Reconciliation { accounts, drifts, repaired, failed, unsettled, .. } = report;
    let found = drifts.len();
    output::say(&format!("{accounts} accounts compared: {found} differences, {repaired} repaired, {failed} failed"));
    if *unsettled > 0 {
        output::say(&format!(
            "{unsettled} accounts were being worked on, or had just been written, and are not judged"
        ));
    }
}

fn row(drift: &Drift) -> Vec<String> {
    let or_none = |until: &Option<String>| until.clone().unwrap_or_else(|| "-".to_owned());
    let since = drift.since.map_or_else(|| "-".to_owned(), |since| since.format("%Y-%m-%d %H:%M:%SZ").to_string());
    vec![
        drift.account.clone(),
        drift.user.clone(),
        drift.app.clone(),
        drift.level.clone(),
        or_none(&drift.expected_until),
        or_none(&drift.actual_until),
        since,
        drift.action.clone(),
        drift.reason.clone(),
    ]
}
