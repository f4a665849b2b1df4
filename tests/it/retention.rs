//! What has been remembered for long enough is forgotten, and nothing is done again for it.

use std::time::Duration;

use serde_json::Value;
use simulator::fault::{Fault, Match, What};

use crate::harness::daemon::PATIENCE;
use crate::harness::final_checks::finish;
use crate::harness::world::{Bought, SLACK, World};

/// How long events and settled steps are remembered here.
const SPAN: Duration = Duration::from_secs(1);

/// The next term is paid and granted.
async fn renewed(world: &World, bought: &Bought) {
    world.deliver(&world.simulator.stripe.renew(&bought.subscription)).await;
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    world.daemon.until_idle().await;
}

/// Starts the daemon again as if the last clean-up were long ago.
async fn cleans_up(world: &mut World) {
    assert_eq!(world.daemon.terminate().await.code(), Some(0));
    world.tamper("DELETE FROM daemon_state WHERE name = 'clean_up'; DELETE FROM task_leases").await;
    world.daemon.restart(&[]).await;
}

#[tokio::test]
async fn old_events_and_ledger_entries_are_forgotten_and_the_last_of_a_chain_stays() {
    let mut world = World::with(&[("RETENTION__INBOX", "1s"), ("RETENTION__LEDGER", "1s")]).await;
    // else what is forgotten would be fetched again: Stripe still lists it
    let refused = What::Status(403, Vec::new(), r#"{"error":{"type":"invalid_request_error"}}"#.to_owned());
    world.simulator.stripe.faults.inject(Fault::always(Match::on("GET", "/v1/events"), refused));
    let bought = world.granted("u-1", "price_premium", "premium").await;
    for _ in 0..3 {
        renewed(&world, &bought).await;
    }
    let ledger = world.daemon.listed(&["ledger"]).await;
    assert_eq!(ledger.len(), 4);
    tokio::time::sleep(SPAN).await;
    cleans_up(&mut world).await;
    until_forgotten(&world, &ledger[0]).await;

    world.deliver_and_settle(&bought.events).await;
    assert_eq!(world.written("/grant/"), 4, "nothing is sent again for what was forgotten");
    renewed(&world, &bought).await;
    assert_eq!(world.written("/grant/"), 5);
    assert_eq!(world.transaction_ids("u-1").len(), 5);
    assert_eq!(world.daemon.listed(&["ledger"]).await.len(), 2);
    assert_eq!(world.parked().await, []);
    finish(world).await;
}

/// Waits until no event is left, and of the ledger only its last entry.
async fn until_forgotten(world: &World, last: &Value) {
    let forgotten = async {
        while !world.daemon.listed(&["events"]).await.is_empty() || world.daemon.listed(&["ledger"]).await.len() > 1 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, forgotten).await.is_ok(), "not forgotten:\n{}", world.daemon.log());
    assert_eq!(world.daemon.listed(&["ledger"]).await, std::slice::from_ref(last));
}
