//! Prometheus metrics, and the gauges that are read from the database.

use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use store::open::Store;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::command_error::CommandError;

/// How often the gauges are read.
const EVERY: Duration = Duration::from_secs(5);

/// Bounds of all histograms, in seconds: from a millisecond to five minutes.
const BOUNDS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// Installs the recorder of the process.
pub(crate) fn install() -> Result<PrometheusHandle, CommandError> {
    let builder = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &BOUNDS);
    let builder = builder.map_err(|error| CommandError::because("setting up metrics", error))?;
    let handle = builder.install_recorder().map_err(|error| CommandError::because("setting up metrics", error))?;
    describe();
    Ok(handle)
}

fn describe() {
    metrics::describe_counter!("grantsync_events_total", "Webhook events taken in, by type and outcome.");
    metrics::describe_counter!("grantsync_webhooks_refused_total", "Webhook requests refused, by reason.");
    metrics::describe_histogram!(
        "grantsync_event_to_grant_seconds",
        "From the trigger of a sync to the confirmed step."
    );
    metrics::describe_counter!("grantsync_steps_total", "Steps sent to a destination, by kind and outcome.");
    metrics::describe_counter!(
        "grantsync_double_subscriptions_total",
        "Syncs that found a level paid for in a store of the app and on the web."
    );
    metrics::describe_counter!("grantsync_syncs_total", "Syncs of accounts, by outcome.");
    metrics::describe_counter!(
        "grantsync_profile_reads_saved_total",
        "Syncs that read no profile, since the answer to our own last write had just shown it."
    );
    metrics::describe_histogram!("grantsync_sync_seconds", "How long a sync took.");
    metrics::describe_counter!("grantsync_upstream_requests_total", "Requests to upstreams, by status.");
    metrics::describe_histogram!("grantsync_upstream_seconds", "How long upstreams took to answer.");
    metrics::describe_counter!("grantsync_log_lines_lost_total", "Log lines that standard error did not take.");
    metrics::describe_gauge!("grantsync_gate_closed", "1 while an upstream's gate is closed: nothing is sent to it.");
    metrics::describe_gauge!("grantsync_gate_waiting_accounts", "Accounts that wait for an upstream's gate.");
    metrics::describe_gauge!("grantsync_due_accounts", "Accounts that are due and not settled.");
    metrics::describe_gauge!("grantsync_oldest_due_seconds", "How long the oldest due account has waited.");
    metrics::describe_gauge!(
        "grantsync_reconciliation_finished_timestamp_seconds",
        "When the last reconciliation ended, in seconds since 1970."
    );
    metrics::describe_gauge!("grantsync_reconciliation_accounts", "Accounts that the last reconciliation compared.");
    metrics::describe_gauge!("grantsync_reconciliation_differences", "Differences that the last reconciliation found.");
    metrics::describe_gauge!("grantsync_reconciliation_repaired", "Differences that the last reconciliation repaired.");
    metrics::describe_gauge!(
        "grantsync_reconciliation_failed",
        "Accounts that the last reconciliation could not compare, and differences that it could not repair."
    );
    metrics::describe_gauge!("grantsync_parked", "Parked things, which need a human, by kind.");
}

/// Reads the gauges until `stop`.
pub(crate) async fn run(store: Store, handle: PrometheusHandle, stop: CancellationToken) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        handle.run_upkeep();
        if let Err(error) = read(&store).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "the gauges could not be read");
        }
    }
}

/// Reads the gauges once.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; counts stay far below 2^52")]
pub(crate) async fn read(store: &Store) -> Result<(), store::error::StoreError> {
    let backlog = store.backlog().await?;
    let waited = backlog.oldest.and_then(|oldest| (clock::now() - oldest).to_std().ok());
    metrics::gauge!("grantsync_due_accounts").set(backlog.due as f64);
    metrics::gauge!("grantsync_oldest_due_seconds").set(waited.unwrap_or_default().as_secs_f64());
    let parked = store.parked_counts().await?;
    for kind in store::record::AttentionKind::ALL {
        let count = parked.get(kind.as_str()).copied().unwrap_or(0);
        metrics::gauge!("grantsync_parked", "kind" => kind.as_str()).set(count as f64);
    }
    Ok(())
}
