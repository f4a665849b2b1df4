//! More than the daemon can take: it says so early, goes on with what it takes, and loses none of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use simulator::webhook::sign;
use tokio::task::JoinSet;

use crate::harness::final_checks::finish;
use crate::harness::world::{SECRET, World};

/// Events that may wait for the disk, and the senders that fill a quarter of that, or four times as much.
const MAX_WAITING: usize = 64;
const FEW: usize = MAX_WAITING / 4;
const MANY: usize = MAX_WAITING * 4;
/// How long few send, and many.
const WARM: Duration = Duration::from_secs(4);
const LONG: Duration = Duration::from_secs(10);
/// What is left of the rate at the least: of what few get through before and after, since other programs share the machine.
const KEPT: f64 = 0.7;
/// How long the last refusal may take, with as many senders on the same two cores.
const EARLY: Duration = Duration::from_secs(10);
/// Memory that the daemon may take, in MB.
const MOST_MEMORY: u64 = 96;

/// What the senders were answered.
#[derive(Debug, Default)]
struct Answers {
    number: AtomicU64,
    taken: AtomicU64,
    refused: AtomicU64,
    /// The longest that one was left waiting for its refusal.
    slowest_refusal: Mutex<Duration>,
    others: Mutex<BTreeMap<String, u64>>,
}

/// Sends new events until `end`, one after the other.
async fn send(client: reqwest::Client, url: String, answers: Arc<Answers>, end: Instant) {
    while Instant::now() < end {
        let number = answers.number.fetch_add(1, Ordering::Relaxed);
        let body = format!(
            r#"{{"id":"evt_{number}","object":"event","type":"price.updated","created":1767225600,"livemode":false,"data":{{"object":{{"id":"price_1","object":"price"}}}}}}"#
        );
        let signature = sign(SECRET, simulator::clock::now(), &body);
        let began = Instant::now();
        let answer = client.post(&url).header("stripe-signature", signature).body(body).send().await;
        match answer.map(|answer| (answer.status().as_u16(), answer.headers().contains_key("retry-after"))) {
            Ok((200, _)) => drop(answers.taken.fetch_add(1, Ordering::Relaxed)),
            Ok((503, true)) => {
                answers.refused.fetch_add(1, Ordering::Relaxed);
                let mut slowest = answers.slowest_refusal.lock().unwrap();
                *slowest = began.elapsed().max(*slowest);
            }
            other => *answers.others.lock().unwrap().entry(format!("{other:?}")).or_default() += 1,
        }
    }
}

/// Events taken a second while so many send.
async fn rate(world: &World, answers: &Arc<Answers>, senders: usize, span: Duration) -> f64 {
    let before = answers.taken.load(Ordering::Relaxed);
    let client = reqwest::Client::new();
    let (url, end) = (format!("{}/webhooks/stripe", world.daemon.front), Instant::now() + span);
    let all: JoinSet<()> = (0..senders).map(|_| send(client.clone(), url.clone(), answers.clone(), end)).collect();
    all.join_all().await;
    let taken = u32::try_from(answers.taken.load(Ordering::Relaxed) - before).unwrap();
    f64::from(taken) / span.as_secs_f64()
}

#[tokio::test(flavor = "multi_thread")]
async fn four_times_what_may_wait_is_refused_early_and_nothing_that_was_taken_is_lost() {
    let world = World::with(&[("SERVER__MAX_WAITING", &MAX_WAITING.to_string())]).await;
    let answers = Arc::new(Answers::default());
    let before = rate(&world, &answers, FEW, WARM).await;
    let under = rate(&world, &answers, MANY, LONG).await;
    let after = rate(&world, &answers, FEW, WARM).await;
    let peak = f64::midpoint(before, after);
    let (taken, refused) = (answers.taken.load(Ordering::Relaxed), answers.refused.load(Ordering::Relaxed));
    let slowest = *answers.slowest_refusal.lock().unwrap();
    println!("few: {peak:.0}/s; many: {under:.0}/s, {refused} refused, {slowest:.1?} at the latest");
    assert_eq!(*answers.others.lock().unwrap(), BTreeMap::new());
    assert!(refused > 0, "nothing was refused");
    assert!(slowest < EARLY, "refused after {slowest:?}");
    let listed = world.daemon.command(&["events", "list", "--limit", "1000000", "--json"]).await;
    let kept: Vec<serde_json::Value> = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(kept.len() as u64, taken, "of those that were taken");
    assert!(under >= peak * KEPT, "{under:.0}/s of {peak:.0}/s");
    let memory = crate::slow_clients::memory(&world);
    assert!(memory <= MOST_MEMORY, "{memory} MB");
    println!("{memory} MB at most; {:.0} % of what few got through", under / peak * 100.0);
    finish(world).await;
}
