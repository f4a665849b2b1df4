//! `reconcile`: a round now.

use sync::reconciliation::{Difference, Doubled, Reconciliation, Repair};

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
    if wanted.fail_on_drift && !report.differences.is_empty() {
        return Err(CommandError::Silent);
    }
    Ok(())
}

fn tell(report: &Reconciliation) {
    if !report.differences.is_empty() {
        let rows: Vec<Vec<String>> = report.differences.iter().map(row).collect();
        let heads = ["account", "user", "app", "level", "owed until", "shown until", "right until", "action", "reason"];
        output::print(&heads, &rows);
    }
    for Doubled { account, user, level, store } in &report.double_subscriptions {
        let store = store.as_deref().unwrap_or("another store");
        output::say(&format!("double subscription: {user} ({account}) pays for `{level}` on the web and in `{store}`"));
    }
    if report.not_witnessed > 0 {
        output::say(&format!("IAPHUB was asked in vain about {} users", report.not_witnessed));
    }
    if report.not_asked > 0 {
        output::say(&format!("IAPHUB was not asked about {} users after that", report.not_asked));
    }
    for failure in &report.failures {
        output::say(&format!("could not be compared: {failure}"));
    }
    let Reconciliation { accounts, differences, repaired, failed, in_motion, .. } = report;
    let found = differences.len();
    output::say(&format!("{accounts} accounts compared: {found} differences, {repaired} repaired, {failed} failed"));
    if *in_motion > 0 {
        output::say(&format!(
            "{in_motion} accounts were being worked on, or had just been written, and are not judged"
        ));
    }
}

fn row(difference: &Difference) -> Vec<String> {
    let or_none = |until: &Option<String>| until.clone().unwrap_or_else(|| "-".to_owned());
    let since = difference.since.map_or_else(|| "-".to_owned(), |since| since.format("%Y-%m-%d %H:%M:%SZ").to_string());
    vec![
        difference.account.clone(),
        difference.user.clone(),
        difference.app.clone(),
        difference.level.clone(),
        or_none(&difference.owed_until),
        or_none(&difference.shown_until),
        since,
        difference.action.clone(),
        difference.reason.clone(),
    ]
}
