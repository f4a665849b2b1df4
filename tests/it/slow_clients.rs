//! Clients that are slow, silent or greedy harm only themselves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use simulator::webhook::Webhooks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::harness::final_checks::finish;
use crate::harness::world::{SECRET, SLACK, World};

/// Connections that say nothing.
const IDLE: usize = 10_000;
/// Memory that the daemon may take in all of this, in MB, and for each connection besides, in KB.
const MOST_MEMORY: u64 = 96;
const MOST_A_CONNECTION: u64 = 20;
const HEAD: &str = "POST /webhooks/stripe HTTP/1.1\r\nHost: here\r\n";
/// Connections that each send a body as large as one may be.
const LARGE: usize = 600;
const MEBIBYTE: usize = 1024 * 1024;

/// A signature of now by somebody else.
fn strange_signature() -> String {
    format!("Stripe-Signature: t={},v1={}\r\n", simulator::clock::now().timestamp(), "00".repeat(32))
}

async fn connect(world: &World) -> TcpStream {
    TcpStream::connect(world.daemon.front.strip_prefix("http://").unwrap()).await.unwrap()
}

/// The most memory that the daemon ever took, in MB.
pub(crate) fn memory(world: &World) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", world.daemon.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// The daemon still takes a purchase in and grants it, and its memory is bounded while it holds `connections`.
async fn good_events_get_through(world: &World, user: &str, connections: usize) {
    let bought = world.buys(user, "price_premium");
    world.deliver(&bought.events).await;
    world.until_held(user, "premium", world.period_end(&bought.subscription) + SLACK).await;
    let (memory, most) = (memory(world), MOST_MEMORY + connections as u64 * MOST_A_CONNECTION / 1024);
    assert!(memory <= most, "{memory} MB, of {most}");
}

/// The status of what comes back; 0 when the connection just ends.
async fn answered(stream: &mut TcpStream) -> u16 {
    let mut answer = Vec::new();
    // it is closed after the answer, perhaps with a reset
    drop(tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut answer)).await.expect("it is closed"));
    let text = String::from_utf8_lossy(&answer);
    text.split(' ').nth(1).map_or(0, |status| status.parse().unwrap())
}

#[tokio::test]
async fn thousands_of_idle_connections_hold_nobody_up() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let count = IDLE.min(usize::try_from(maximum.unwrap_or(u64::MAX)).unwrap_or(IDLE).saturating_sub(1000));
    let world = World::start().await;
    let mut idle = Vec::with_capacity(count);
    for number in 0..count {
        let mut stream = connect(&world).await;
        // every other has begun to say something
        if number % 2 == 0 {
            stream.write_all(HEAD.as_bytes()).await.unwrap();
        }
        idle.push(stream);
    }
    println!("{} idle connections, {} MB at most", idle.len(), memory(&world));
    good_events_get_through(&world, "u-1", count).await;
    // the daemon ends those that say nothing more
    let mut first = idle.swap_remove(0);
    assert!(matches!(answered(&mut first).await, 0 | 408), "it is answered");
    drop(idle);
    good_events_get_through(&world, "u-2", count).await;
    finish(world).await;
}

/// One request on a connection that is kept, and the status of its answer; `None` where it was closed.
async fn ask(stream: &mut TcpStream) -> Option<String> {
    stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: here\r\n\r\n").await.ok()?;
    let mut answer = vec![0; 4096];
    let count = stream.read(&mut answer).await.ok().filter(|count| *count > 0)?;
    String::from_utf8_lossy(&answer[..count]).split(' ').nth(1).map(str::to_owned)
}

#[tokio::test]
async fn a_connection_outlives_the_minute_that_balancers_keep_theirs() {
    let world = World::start().await;
    let (mut kept, mut silent) = (connect(&world).await, connect(&world).await);
    assert_eq!(ask(&mut kept).await.as_deref(), Some("200"));
    tokio::time::sleep(Duration::from_secs(65)).await;
    assert_eq!(ask(&mut kept).await.as_deref(), Some("200"), "it was closed over the balancer's next request");
    assert_eq!(ask(&mut silent).await, None, "one that never asked was closed long ago");
    finish(world).await;
}

#[tokio::test]
async fn a_connection_idles_as_long_as_the_settings_say() {
    let world = World::with(&[("SERVER__KEEP_ALIVE", "1s")]).await;
    let mut idle = connect(&world).await;
    assert_eq!(ask(&mut idle).await.as_deref(), Some("200"));
    let began = Instant::now();
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap_or(0), 0, "it is closed");
    assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());
    finish(world).await;
}

#[tokio::test]
async fn a_body_that_drips_is_given_up_on() {
    let world = World::start().await;
    let mut slow = connect(&world).await;
    let head = format!("{HEAD}{}Content-Length: 1000\r\n\r\n{{", strange_signature());
    slow.write_all(head.as_bytes()).await.unwrap();
    good_events_get_through(&world, "u-1", 2).await;
    assert_eq!(answered(&mut slow).await, 408);
    finish(world).await;
}

/// The statuses that `LARGE` connections are answered with, each of which sends `head` and all but the last byte of its body.
async fn large_bodies(world: &World, head: &str) -> Vec<u16> {
    let whole = format!("{head}Content-Length: {MEBIBYTE}\r\n\r\n{}", "x".repeat(MEBIBYTE - 1));
    let whole: Arc<str> = whole.into();
    let mut senders = JoinSet::new();
    for _ in 0..LARGE {
        let (mut stream, whole) = (connect(world).await, Arc::clone(&whole));
        senders.spawn(async move {
            let (mut from, mut to) = stream.split();
            let mut answer = vec![0; 32];
            let read = async { from.read(&mut answer).await.unwrap_or(0) };
            // one that is refused may be cut off while writing
            let (count, _) = tokio::join!(read, async { drop(to.write_all(whole.as_bytes()).await) });
            let text = String::from_utf8_lossy(&answer[..count]);
            text.split(' ').nth(1).map_or(0, |status| status.parse().unwrap())
        });
    }
    senders.join_all().await
}

#[tokio::test]
async fn large_bodies_that_nobody_signed_are_refused_by_their_heads() {
    let world = World::start().await;
    let before = memory(&world);
    let stale = "Stripe-Signature: t=1,v1=00\r\n";
    for head in [HEAD.to_owned(), format!("{HEAD}{stale}")] {
        let began = Instant::now();
        let statuses = large_bodies(&world, &head).await;
        assert!(statuses.iter().all(|status| *status == 400), "{statuses:?}");
        println!("{LARGE} refused in {:?}; {before} MB before, {} MB at most", began.elapsed(), memory(&world));
    }
    good_events_get_through(&world, "u-1", LARGE).await;
    finish(world).await;
}

#[tokio::test]
async fn large_bodies_in_flight_hold_no_more_than_their_budget() {
    let world = World::start().await;
    let before = memory(&world);
    let statuses = large_bodies(&world, &format!("{HEAD}{}", strange_signature())).await;
    let count = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
    let (beyond, slow) = (count(503), count(408));
    println!("{beyond} beyond the budget, {slow} given up on; {before} MB before, {} MB at most", memory(&world));
    assert!(beyond > 0 && slow > 0 && beyond + slow == LARGE, "{statuses:?}");
    good_events_get_through(&world, "u-1", LARGE).await;
    let refused = world.daemon.metric(r#"grantsync_webhooks_refused_total{reason="no_room"}"#).await;
    assert!(refused.is_some_and(|refused| refused > 0.0), "{refused:?}");
    finish(world).await;
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused_unread() {
    let world = World::start().await;
    let mut large = connect(&world).await;
    let filler = format!("X-Filler: {}\r\n", "x".repeat(64 * 1024));
    // a client that is refused may be cut off while writing
    drop(large.write_all(format!("{HEAD}{filler}\r\n").as_bytes()).await);
    assert!(matches!(answered(&mut large).await, 0 | 431), "a large head is read");
    let mut many = connect(&world).await;
    let headers: String = (0..200).map(|number| format!("X-{number}: x\r\n")).collect();
    drop(many.write_all(format!("{HEAD}{headers}\r\n").as_bytes()).await);
    assert!(matches!(answered(&mut many).await, 0 | 431), "many headers are read");
    good_events_get_through(&world, "u-1", 2).await;
    finish(world).await;
}

#[tokio::test]
async fn large_bodies_with_bad_signatures_at_full_speed_keep_no_good_event_out() {
    let world = World::start().await;
    let body = format!("{{\"id\":\"evt_bad\",\"filler\":\"{}\"}}", "x".repeat(1_000_000));
    let bad = Webhooks::new(format!("{}/webhooks/stripe", world.daemon.front), SECRET);
    let attackers: Vec<_> = (0..8)
        .map(|_| {
            let (bad, body) = (bad.clone(), body.clone());
            tokio::spawn(async move {
                let mut refused = 0_u32;
                loop {
                    let signature = format!("t={},v1={}", simulator::clock::now().timestamp(), "00".repeat(32));
                    match bad.deliver_signed(&body, &signature).await {
                        Ok(status) => assert!(matches!(status.as_u16(), 400 | 503), "{status}"),
                        Err(_) => tokio::task::yield_now().await,
                    }
                    refused += 1;
                    if refused > 1_000_000 {
                        return;
                    }
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    for user in ["u-1", "u-2", "u-3"] {
        good_events_get_through(&world, user, 8).await;
    }
    for attacker in attackers {
        assert!(!attacker.is_finished(), "an attacker gave up");
        attacker.abort();
    }
    let events = world.daemon.listed(&["events"]).await;
    assert!(events.iter().all(|event| event["id"] != "stripe:evt_bad"), "a bad event was kept");
    finish(world).await;
}
