//! Catches up on events at start and every few minutes.

use std::time::Duration;

use ingest::catch_up::{Begun, CatchUp};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

/// Runs until `stop`: at once when there is a time before this start, then every few minutes.
pub(crate) async fn keep(catch_up: CatchUp, begun: Begun, every: Duration, stop: CancellationToken) {
    let first = match begun {
        Begun::Before => Instant::now(),
        Begun::Now => Instant::now() + every,
    };
    let mut tick = interval_at(first, every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            caught = catch_up.run() => if let Err(error) = caught {
                tracing::warn!(%error, "catching up on events failed; tried again in {}", humantime::format_duration(every));
            }
        }
    }
}
