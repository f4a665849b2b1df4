//! Forgets what has been remembered for long enough, once an hour for all processes, in small batches.

use std::time::Duration;

use chrono::TimeDelta;
use entitlement::clock::Timestamp;
use store::error::StoreError;
use store::open::Store;
use store::retention::Old;
use store::task_leases::Task;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::settings::background::Retention;
use crate::turns::Turns;

/// How often it is done, and where the last time is kept.
const EVERY: TimeDelta = TimeDelta::hours(1);
const NOTE: &str = "clean_up";
/// Where in the ledger the next time begins.
const LEDGER_NOTE: &str = "clean_up of ledger";
/// How often it is asked whether it is time.
const ASK_EVERY: Duration = Duration::from_secs(30);
/// Left between two batches to whoever has work to do.
const PAUSE: Duration = Duration::from_millis(50);
/// Batches of the ledger that are looked through at a time; the next time goes on behind them.
const STRETCH: u32 = 200;
/// A rate limit that was not asked for in this time belongs to a key that is used no more.
const UNUSED: TimeDelta = TimeDelta::days(1);

/// Runs until `stop`.
pub(crate) async fn run(store: Store, retention: Retention, turns: Turns, stop: CancellationToken) {
    let mut tick = interval(ASK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        let cleaned = async {
            match is_due(&store).await {
                Ok(false) => Ok(()),
                Ok(true) => clean_up(&store, &retention).await,
                Err(error) => Err(error),
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            cleaned = turns.take(Task::CleanUp, cleaned) => if let Some(Err(error)) = cleaned {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "cleaning up failed; tried again later");
            }
        }
    }
}

async fn is_due(store: &Store) -> Result<bool, StoreError> {
    let last: Option<Timestamp> = store.note(NOTE).await?.and_then(|text| text.parse().ok());
    Ok(last.is_none_or(|last| clock::now() - last >= EVERY))
}

async fn clean_up(store: &Store, retention: &Retention) -> Result<(), StoreError> {
    let now = clock::now();
    let events = sweep(store, Old::Inbox, before(now, retention.inbox), u32::MAX).await?.0;
    let after = store.note(LEDGER_NOTE).await?.and_then(|text| text.parse().ok()).unwrap_or(0);
    let (entries, next) = sweep(store, Old::Ledger { after }, before(now, retention.ledger), STRETCH).await?;
    let next = match next {
        Some(Old::Ledger { after }) => after,
        Some(Old::Inbox | Old::Limits) | None => 0,
    };
    store.keep_note(LEDGER_NOTE, next.to_string()).await?;
    sweep(store, Old::Limits, now - UNUSED, 1).await?;
    store.keep_note(NOTE, now.to_rfc3339()).await?;
    if events + entries > 0 {
        tracing::info!(events, entries, "forgot {events} old events and {entries} old ledger entries");
    }
    Ok(())
}

/// Sweeps batch by batch; answers how many rows went, and where the next one would begin.
async fn sweep(store: &Store, old: Old, before: Timestamp, batches: u32) -> Result<(u64, Option<Old>), StoreError> {
    let (mut removed, mut next) = (0, Some(old));
    for _ in 0..batches {
        let Some(old) = next else { break };
        let swept = store.sweep(old, before).await?;
        (removed, next) = (removed + swept.removed, swept.next);
        if next.is_some() {
            sleep(PAUSE).await;
        }
    }
    Ok((removed, next))
}

fn before(now: Timestamp, span: Duration) -> Timestamp {
    let span = TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX);
    now.checked_sub_signed(span).unwrap_or(Timestamp::MIN_UTC)
}
