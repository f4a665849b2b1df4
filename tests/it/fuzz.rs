//! Damaged requests to both sides of the running program: an answer or none, never a stumble.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use bolero::check;
use mangle::{Corpus, Damage, span};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::final_checks::finish;
use crate::harness::world::{SLACK, World};

/// How long an answer to a whole request is waited for, and to one that was damaged and may never come to its end.
const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(50);

/// Sends a request and answers the status that comes back, if one does.
async fn answered(side: &str, request: &[u8], patience: Duration) -> Option<u16> {
    let mut stream = TcpStream::connect(side.strip_prefix("http://").unwrap()).await.unwrap();
    let text: Vec<u8> =
        request.iter().flat_map(|byte| if *byte == b'\n' { vec![b'\r', b'\n'] } else { vec![*byte] }).collect();
    // a client that is refused may be cut off while writing
    drop(stream.write_all(&text).await);
    let mut head = [0; 12];
    tokio::time::timeout(patience, stream.read_exact(&mut head)).await.ok()?.ok()?;
    std::str::from_utf8(&head).ok()?.strip_prefix("HTTP/1.1 ")?.parse().ok()
}

#[test]
fn no_damaged_request_makes_the_program_fail() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let world = runtime.block_on(World::with(&[("SERVER__ADMIN_TOKEN", "a-token-of-the-tests")]));
    let corpus = Corpus::of("fuzz/requests");
    let mut statuses = Vec::new();
    for whole in corpus.whole() {
        let sides = [&world.daemon.front, &world.daemon.back];
        statuses.extend(sides.map(|side| runtime.block_on(answered(side, whole, LONG)).unwrap_or_default()));
    }
    // undamaged, they succeed: health on both sides, and on one side all that needs no user
    assert_eq!(statuses.iter().filter(|status| (200..300).contains(*status)).count(), 7, "{statuses:?}");
    let judge = AssertUnwindSafe(|(damage, back): &(Damage, bool)| {
        let side = if *back { &world.daemon.back } else { &world.daemon.front };
        let status = runtime.block_on(answered(side, &corpus.text(damage), SHORT));
        assert!(status.is_none_or(|status| status < 500), "{status:?}:\n{}", world.daemon.log());
    });
    check!().with_test_time(span()).with_type::<(Damage, bool)>().for_each(|drawn| judge(drawn));
    runtime.block_on(async {
        let bought = world.buys("u-2", "price_premium");
        world.deliver(&bought.events).await;
        world.until_held("u-2", "premium", world.period_end(&bought.subscription) + SLACK).await;
        assert!(!world.daemon.log().contains("panicked"), "{}", world.daemon.log());
        finish(world).await;
    });
}
