//! Deletes what is older than the retention: once an hour for all processes, in small batches.

use std::time::Duration;

use chrono::TimeDelta;
use entitlement::model::clock::Timestamp;
use operator::task_lease::TaskLeases;
use store::error::StoreError;
use store::expired::Expired;
use store::open::Store;
use store::task::Task;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::settings::background::Retention;

/// How often it is done, and the note of the last time.
const EVERY: TimeDelta = TimeDelta::hours(1);
const NOTE: &str = "clean_up";
/// The note of where in the ledger the next time begins.
const LEDGER_NOTE: &str = "clean_up of ledger";
/// How often it is asked whether it is time.
const ASK_EVERY: Duration = Duration::from_secs(30);
/// The pause between two batches, in which others may write.
const PAUSE: Duration = Duration::from_millis(50);
/// Batches of the ledger that are removed at a time; the next time continues behind them.
const MOST_BATCHES: u32 = 200;
/// A rate limit that nobody asked for in this time belongs to a key that is not used any more.
const UNUSED: TimeDelta = TimeDelta::days(1);

/// Runs until `stop`.
pub(crate) async fn run(store: Store, retention: Retention, task_leases: TaskLeases, stop: CancellationToken) {
    let mut tick = interval(ASK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            removed = task_leases.with(Task::CleanUp, remove_if_due(&store, &retention)) => {
                if let Some(Err(error)) = removed {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "deleting old events and ledger entries failed; tried again later");
                }
            }
        }
    }
}

async fn remove_if_due(store: &Store, retention: &Retention) -> Result<(), StoreError> {
    if is_due(store).await? { remove_all(store, retention).await } else { Ok(()) }
}

async fn is_due(store: &Store) -> Result<bool, StoreError> {
    let last: Option<Timestamp> = store.daemon_state(NOTE).await?.and_then(|text| text.parse().ok());
    Ok(last.is_none_or(|last| clock::now() - last >= EVERY))
}

async fn remove_all(store: &Store, retention: &Retention) -> Result<(), StoreError> {
    let now = clock::now();
    let events = remove(store, Expired::Inbox, before(now, retention.inbox), u32::MAX).await?.0;
    let after = store.daemon_state(LEDGER_NOTE).await?.and_then(|text| text.parse().ok()).unwrap_or(0);
    let before_ledger = before(now, retention.ledger);
    let (entries, next) = remove(store, Expired::Ledger { after }, before_ledger, MOST_BATCHES).await?;
    let next = match next {
        Some(Expired::Ledger { after }) => after,
        Some(Expired::Inbox | Expired::Limits) | None => 0,
    };
    store.set_daemon_state(LEDGER_NOTE, next.to_string()).await?;
    remove(store, Expired::Limits, now - UNUSED, 1).await?;
    store.set_daemon_state(NOTE, now.to_rfc3339()).await?;
    if events + entries > 0 {
        tracing::info!(events, entries, "deleted {events} old events and {entries} old ledger entries");
    }
    Ok(())
}

/// Removes batch by batch; answers how many rows were removed, and where the next batch would begin.
async fn remove(
    store: &Store,
    expired: Expired,
    before: Timestamp,
    batches: u32,
) -> Result<(u64, Option<Expired>), StoreError> {
    let mut rows = 0;
    let mut next = Some(expired);
    for _ in 0..batches {
        let Some(expired) = next else { break };
        let removed = store.remove_expired(expired, before).await?;
        rows += removed.rows;
        next = removed.next;
        if next.is_some() {
            sleep(PAUSE).await;
        }
    }
    Ok((rows, next))
}

fn before(now: Timestamp, span: Duration) -> Timestamp {
    let span = TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX);
    now.checked_sub_signed(span).unwrap_or(Timestamp::MIN_UTC)
}
