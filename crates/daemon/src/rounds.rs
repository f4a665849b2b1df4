//! Rounds: every night, when the catch-up reached its horizon, and by hand; the last ones are kept.

use std::time::Duration;

use chrono::{NaiveTime, TimeDelta};
use entitlement::clock::Timestamp;
use store::error::StoreError;
use store::open::Store;
use store::task::Task;
use sync::controller::{Controller, PolicyMode};
use sync::reconciliation::report::Reconciliation;
use sync::reconciliation::{ReconcileError, Repair};
use sync::store_reader::StoreReader;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::turns::Turns;

/// Where the last rounds are kept, and how many of them with how many of their differences.
const NOTE: &str = "rounds";
const KEPT: usize = 10;
const KEPT_DIFFERENCES: usize = 200;
/// When nights began to count: the first start.
const SINCE: &str = "rounds since";
/// A round that somebody wants as soon as possible.
pub(crate) const WANTED: &str = ingest::catch_up::RECONCILIATION_WANTED;
/// How often it is asked whether it is time.
const ASK_EVERY: Duration = Duration::from_secs(10);

/// Makes rounds until `stop`: at `nightly_at` UTC, and whenever one is wanted.
pub(crate) async fn keep(
    sync: Controller,
    store_reader: Option<StoreReader>,
    nightly_at: Option<NaiveTime>,
    turns: Turns,
    stop: CancellationToken,
) {
    let mut tick = interval(ASK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        let made = async {
            if is_due(&sync.store, nightly_at, clock::now()).await? {
                make(&sync, store_reader.as_ref()).await.map(Some)
            } else {
                Ok(None)
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            made = turns.take(Task::Reconciliation, made) => if let Some(Err(error)) = made {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "the round failed; it is made again");
            }
        }
    }
}

/// A round of the daemon: mends, unless it only observes.
async fn make(sync: &Controller, store_reader: Option<&StoreReader>) -> Result<Reconciliation, ReconcileError> {
    let mend = match sync.policy_mode {
        PolicyMode::Enforce => Repair::Yes,
        PolicyMode::Observe => Repair::No,
    };
    tracing::info!("a round over all accounts begins");
    let report = sync.reconcile(mend, store_reader, |_| {}).await?;
    keep_report(&sync.store, &report).await?;
    tracing::info!(
        accounts = report.accounts,
        differences = report.drifts.len(),
        repaired = report.repaired,
        failed = report.failed,
        "the round over all accounts ended"
    );
    Ok(report)
}

/// Keeps a round for `/v1/rounds`, and tells the metrics.
pub(crate) async fn keep_report(store: &Store, report: &Reconciliation) -> Result<(), StoreError> {
    let mut all = last(store).await?;
    let mut kept = report.clone();
    kept.drifts.truncate(KEPT_DIFFERENCES);
    all.insert(0, kept);
    all.truncate(KEPT);
    let text =
        serde_json::to_string(&all).map_err(|error| StoreError::Row { table: "notes", what: error.to_string() })?;
    store.set_daemon_state(NOTE, text).await?;
    if store.daemon_state(WANTED).await?.is_some_and(|wanted| !wanted.is_empty()) {
        store.set_daemon_state(WANTED, String::new()).await?;
    }
    measure(report);
    Ok(())
}

/// The last rounds, the newest first.
pub(crate) async fn last(store: &Store) -> Result<Vec<Reconciliation>, StoreError> {
    let text = store.daemon_state(NOTE).await?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; counts stay far below 2^52")]
fn measure(report: &Reconciliation) {
    metrics::gauge!("grantsync_round_finished_timestamp_seconds").set(report.finished_at.timestamp() as f64);
    metrics::gauge!("grantsync_round_accounts").set(report.accounts as f64);
    metrics::gauge!("grantsync_round_differences").set(report.drifts.len() as f64);
    metrics::gauge!("grantsync_round_repaired").set(report.repaired as f64);
    metrics::gauge!("grantsync_round_failed").set(report.failed as f64);
}

async fn is_due(store: &Store, nightly_at: Option<NaiveTime>, now: Timestamp) -> Result<bool, StoreError> {
    if store.daemon_state(WANTED).await?.is_some_and(|wanted| !wanted.is_empty()) {
        return Ok(true);
    }
    let Some(night) = nightly_at.map(|at| last_night(at, now)) else { return Ok(false) };
    let before = match last(store).await?.first() {
        Some(report) => report.started_at,
        None => first_start(store, now).await?,
    };
    Ok(before < night)
}

/// When this memory was first worked on: its first night is the next one.
async fn first_start(store: &Store, now: Timestamp) -> Result<Timestamp, StoreError> {
    if let Some(since) = store.daemon_state(SINCE).await?.and_then(|text| text.parse().ok()) {
        return Ok(since);
    }
    store.set_daemon_state(SINCE, now.to_rfc3339()).await?;
    Ok(now)
}

/// The last moment at or before `now` at which the clock showed `at`.
fn last_night(at: NaiveTime, now: Timestamp) -> Timestamp {
    let today = now.date_naive().and_time(at).and_utc();
    if today <= now { today } else { today - TimeDelta::days(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_night_is_today_s_or_yesterday_s() {
        let at = NaiveTime::from_hms_opt(3, 0, 0).unwrap();
        let night = |now: &str| last_night(at, now.parse().unwrap()).to_rfc3339();
        assert_eq!(night("2026-03-02T03:00:00Z"), "2026-03-02T03:00:00+00:00");
        assert_eq!(night("2026-03-02T02:59:59Z"), "2026-03-01T03:00:00+00:00");
    }
}
