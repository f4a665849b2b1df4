//! What must hold at the end of every test.

use std::time::Duration;

use super::daemon::PATIENCE;
use super::world::World;

/// Pieces that only a secret, an address of a person or a body has.
const UNSPEAKABLE: [&str; 13] = [
    "whsec_",
    "sk_test_",
    "sk_live_",
    "secret_live_",
    "Bearer",
    "Api-Key ",
    "@",
    "vendor_transaction_id",
    "vendor_product_id",
    "is_refund",
    "\"object\"",
    "\"customer_user_id\"",
    "\"expires_at\"",
];

/// Nothing is due, nothing was left half done, and the log holds no secret, e-mail address or body.
pub(crate) async fn finish(world: World) {
    world.daemon.until_idle().await;
    settled(&world).await;
    silent(&world.daemon.log());
}

/// Waits until no step in the ledger awaits its answer.
pub(crate) async fn settled(world: &World) {
    let settled = async {
        while world.daemon.listed(&["ledger"]).await.iter().any(|line| line["state"] == "intended") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, settled).await.is_ok(), "half done:\n{}", world.daemon.log());
}

/// The log holds no secret, no address and no body.
fn silent(log: &str) {
    for line in log.lines() {
        let said = UNSPEAKABLE.iter().find(|piece| line.contains(*piece));
        assert!(said.is_none(), "the log has {said:?}: {line}");
    }
}
