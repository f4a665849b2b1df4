//! Reconciles every night, and whenever one is asked for; once for all processes.

use std::time::Duration;

use chrono::{NaiveTime, TimeDelta};
use entitlement::model::clock::Timestamp;
use operator::error::OperatorError;
use operator::operator::Operator;
use store::error::StoreError;
use store::open::Store;
use store::task::Task;
use sync::controller::PolicyMode;
use sync::reconciliation::Repair;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::clock;

/// The note of the first start: its first night is the next one.
const FIRST_START: &str = "first_start";
/// How often it is asked whether it is time.
const ASK_EVERY: Duration = Duration::from_secs(10);

/// Runs until `stop`: at `nightly_at` UTC, and whenever a reconciliation is asked for.
pub(crate) async fn run(operator: Operator, nightly_at: Option<NaiveTime>, stop: CancellationToken) {
    let mut tick = interval(ASK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            ended = operator.task_leases.with(Task::Reconciliation, reconcile_if_due(&operator, nightly_at)) => {
                if let Some(Err(error)) = ended {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "the reconciliation failed; it is tried again");
                }
            }
        }
    }
}

async fn reconcile_if_due(operator: &Operator, nightly_at: Option<NaiveTime>) -> Result<(), OperatorError> {
    if !is_due(operator, nightly_at, clock::now()).await? {
        return Ok(());
    }
    let repair = match operator.controller()?.policy_mode {
        PolicyMode::Enforce => Repair::Yes,
        PolicyMode::Observe => Repair::No,
    };
    tracing::info!("reconciliation of all accounts begins");
    let report = operator.reconcile(repair, |_| {}).await?;
    tracing::info!(
        accounts = report.accounts,
        differences = report.differences.len(),
        repaired = report.repaired,
        failed = report.failed,
        "reconciliation of all accounts ended"
    );
    Ok(())
}

async fn is_due(operator: &Operator, nightly_at: Option<NaiveTime>, now: Timestamp) -> Result<bool, OperatorError> {
    if operator.is_reconciliation_requested().await? {
        return Ok(true);
    }
    let Some(night) = nightly_at.map(|at| last_night(at, now)) else { return Ok(false) };
    let before = match operator.last_reconciliation().await? {
        Some(started_at) => started_at,
        None => first_start(&operator.store, now).await?,
    };
    Ok(before < night)
}

async fn first_start(store: &Store, now: Timestamp) -> Result<Timestamp, StoreError> {
    if let Some(since) = store.daemon_state(FIRST_START).await?.and_then(|text| text.parse().ok()) {
        return Ok(since);
    }
    store.set_daemon_state(FIRST_START, now.to_rfc3339()).await?;
    Ok(now)
}

/// The last time at or before `now` at which the clock showed `at`.
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
