//! Catches up on events at start and every few minutes; once for all processes.

use std::time::Duration;

use ingest::catch_up::{Begun, CatchUp};
use operator::task_lease::TaskLeases;
use store::task::Task;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often it is asked whether it is time: what the death of the process that holds the lease costs.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// Runs until `stop`: at once when there is a time before this start, then every few minutes.
pub(crate) async fn run(
    catch_up: CatchUp,
    begun: Begun,
    every: Duration,
    task_leases: TaskLeases,
    stop: CancellationToken,
) {
    let mut tick = interval(ASK_EVERY.min(every));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut at_once = begun == Begun::Before;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        if !at_once && !catch_up.is_due(every).await.unwrap_or(false) {
            continue;
        }
        at_once = false;
        tokio::select! {
            () = stop.cancelled() => return,
            caught = task_leases.with(Task::CatchUp, catch_up.run()) => if let Some(Err(error)) = caught {
                let every_text = humantime::format_duration(every);
                tracing::warn!(%error, "catching up on events failed; tried again in {every_text}");
                wait(every, &stop).await;
            }
        }
    }
}

async fn wait(span: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(span) => {}
    }
}
