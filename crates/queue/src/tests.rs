//! Workers over a real worklist: contained, stopped, given back.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use apalis_core::backend::Backend;
use apalis_core::worker::context::WorkerContext;
use chrono::DateTime;
use entitlement::model::account::Account;
use entitlement::model::clock::Timestamp;
use store::claim::{Capacity, Claim, Lease, Urgency};
use store::connection::Time;
use store::open::{Options, Store};
use store::record::{Fenced, Settlement, SyncEnding};
use tempfile::TempDir;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::backend::Feed;
use crate::claimer::Claimer;
use crate::held_leases::HeldLeases;
use crate::run::{Handler, RunError, Settings, run};

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(20);

fn clock() -> Timestamp {
    DateTime::from_timestamp(1_750_000_000, 0).unwrap()
}

fn account(id: &str) -> Account {
    Account::new("stripe", id)
}

async fn memory() -> (Store, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", directory.path().join("grantsync.db").display());
    (Store::open(Options { url, max_waiting: 8, clock, time: Time::Process }).await.unwrap(), directory)
}

async fn enqueue(store: &Store, ids: &[&str]) {
    store.enqueue(ids.iter().map(|id| account(id)).collect(), Urgency::Fresh).await.unwrap();
}

async fn claim(store: &Store, limit: usize) -> Vec<Claim> {
    store.claim(Lease::new("another", 1), Capacity::of(limit), Duration::from_secs(8)).await.unwrap().claims
}

/// Claims of a worklist that is gone.
async fn some_claims(ids: &[&str]) -> Vec<Claim> {
    let (store, _directory) = memory().await;
    enqueue(&store, ids).await;
    claim(&store, ids.len()).await
}

async fn settle(store: &Store, claim: Claim) -> Fenced {
    let Claim { account, lease, generation, .. } = claim;
    let ending = SyncEnding::Done { due: None, attention: Vec::new() };
    store
        .settle(Settlement {
            account,
            lease,
            generation,
            results: Vec::new(),
            statuses: Vec::new(),
            waits_for: None,
            ending,
        })
        .await
        .unwrap()
}

/// A handler that is `unwell` at the account `bad` and settles all others; reports that each sync began.
fn handler(
    store: &Store,
    began: mpsc::UnboundedSender<String>,
    unwell: fn() -> Pin<Box<dyn Future<Output = ()> + Send>>,
) -> Handler {
    let store = store.clone();
    Arc::new(move |claim: Claim| {
        let (store, began) = (store.clone(), began.clone());
        Box::pin(async move {
            began.send(claim.account.id().to_owned()).unwrap();
            if claim.account.id() == "bad" {
                unwell().await;
            }
            settle(&store, claim).await;
        })
    })
}

/// Workers under way.
struct Running {
    stop: CancellationToken,
    task: JoinHandle<Result<(), RunError>>,
}

impl Running {
    fn start(store: &Store, handler: Handler, concurrency: usize) -> Self {
        let stop = CancellationToken::new();
        let settings = Settings { owner: "a".into(), concurrency, clock };
        let task = tokio::spawn(run(store.clone(), handler, settings, stop.clone()));
        Self { stop, task }
    }

    async fn end(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.expect("it ends in time").unwrap().unwrap();
    }
}

async fn next(began: &mut mpsc::UnboundedReceiver<String>) -> String {
    tokio::time::timeout(PATIENCE, began.recv()).await.expect("a sync begins").unwrap()
}

/// Waits until the last sync of `id` has ended, and answers its error.
async fn last_error(store: &Store, id: &str) -> Option<String> {
    let ended = async {
        loop {
            let state = store.account_state(&account(id)).await.unwrap().unwrap();
            if !state.leased && (state.settled_at.is_some() || state.last_error.is_some()) {
                return state.last_error;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("the sync ends")
}

#[tokio::test]
async fn a_feed_hands_out_what_is_sent_in_order_and_then_waits() {
    let (sender, claims) = mpsc::channel(4);
    for claim in some_claims(&["1", "2"]).await {
        sender.send(claim).await.unwrap();
    }
    let mut feed = Feed::new(claims);
    let worker = WorkerContext::new("worker");
    for id in ["1", "2"] {
        let task = poll_fn(|context| feed.poll_next(context, &worker)).await.unwrap().unwrap();
        assert_eq!(task.args.account, account(id));
    }
    // clones go on where the first one stopped, and a closed channel ends no worker
    let mut again = feed.clone();
    drop(sender);
    let waits = poll_fn(|context| Poll::Ready(again.poll_next(context, &worker).is_pending())).await;
    assert!(waits);
}

#[tokio::test]
async fn held_leases_are_those_added_and_not_removed() {
    let claims = some_claims(&["1", "2"]).await;
    let held = HeldLeases::default();
    assert!(held.all().is_empty());
    claims.iter().chain(&claims).for_each(|claim| held.add(claim));
    assert_eq!(held.all().len(), 2);
    held.clone().remove(&claims[0]);
    let left: Vec<_> = held.all().into_keys().collect();
    assert_eq!(left, [(account("2"), claims[1].lease.clone())]);
    // the same account under another lease is another one
    held.remove(&Claim { lease: Lease::new("other", 1), ..claims[1].clone() });
    assert_eq!(held.all().len(), 1);
}

#[tokio::test]
async fn whatever_is_due_is_synced_once() {
    let (store, _directory) = memory().await;
    let (sender, mut began) = mpsc::unbounded_channel();
    enqueue(&store, &["1", "2", "3"]).await;
    let running = Running::start(&store, handler(&store, sender, || Box::pin(async {})), 2);
    let mut seen = [next(&mut began).await, next(&mut began).await, next(&mut began).await];
    seen.sort_unstable();
    assert_eq!(seen, ["1", "2", "3"]);
    enqueue(&store, &["4"]).await;
    assert_eq!(next(&mut began).await, "4", "a trigger wakes the claimer");
    running.end().await;
    assert_eq!(store.backlog().await.unwrap().due, 0);
    assert!(began.try_recv().is_err());
}

#[tokio::test]
async fn a_sync_that_panics_is_settled_as_failed_and_others_go_on() {
    let (store, _directory) = memory().await;
    let (sender, mut began) = mpsc::unbounded_channel();
    let unwell = || -> Pin<Box<dyn Future<Output = ()> + Send>> { Box::pin(async { panic!("no such thing") }) };
    let running = Running::start(&store, handler(&store, sender, unwell), 1);
    for id in ["bad", "good"] {
        enqueue(&store, &[id]).await;
        assert_eq!(next(&mut began).await, id);
    }
    assert_eq!(last_error(&store, "bad").await.as_deref(), Some("the sync panicked: no such thing"));
    assert_eq!(last_error(&store, "good").await, None);
    let state = store.account_state(&account("bad")).await.unwrap().unwrap();
    assert_eq!(state.due_at, Some(clock() + chrono::TimeDelta::seconds(60)));
    running.end().await;
}

#[tokio::test]
async fn a_sync_that_hangs_is_given_up_and_others_go_on_meanwhile() {
    let (store, _directory) = memory().await;
    let (sender, mut began) = mpsc::unbounded_channel();
    let running = Running::start(&store, handler(&store, sender, || Box::pin(std::future::pending())), 2);
    enqueue(&store, &["bad"]).await;
    assert_eq!(next(&mut began).await, "bad");
    enqueue(&store, &["good"]).await;
    assert_eq!(next(&mut began).await, "good");
    assert_eq!(last_error(&store, "good").await, None);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(121)).await;
    tokio::time::resume();
    assert_eq!(last_error(&store, "bad").await.as_deref(), Some("the sync took longer than 120 s"));
    running.end().await;
}

#[tokio::test]
async fn shutdown_waits_for_a_sync_under_way_and_gives_back_what_was_not_begun() {
    let (store, _directory) = memory().await;
    let (go_on, began) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler: Handler = {
        let (store, go_on, began) = (store.clone(), Arc::clone(&go_on), Arc::clone(&began));
        Arc::new(move |claim| {
            let (store, go_on, began) = (store.clone(), Arc::clone(&go_on), Arc::clone(&began));
            Box::pin(async move {
                began.notify_one();
                go_on.notified().await;
                assert_eq!(settle(&store, claim).await, Fenced::Written);
            })
        })
    };
    enqueue(&store, &["1"]).await;
    let running = Running::start(&store, handler, 1);
    began.notified().await;
    enqueue(&store, &["2"]).await;
    until_leased(&store, "2").await;
    running.stop.cancel();
    assert!(!running.task.is_finished());
    go_on.notify_one();
    running.end().await;
    let first = store.account_state(&account("1")).await.unwrap().unwrap();
    assert!(first.settled_at.is_some() && first.last_error.is_none());
    // whether the second was begun or not: nothing is left leased, and nothing is lost
    let second = store.account_state(&account("2")).await.unwrap().unwrap();
    assert!(!second.leased);
    assert_eq!(claim(&store, 9).await.len(), usize::from(second.settled_at.is_none()));
}

/// Waits until the claimer has taken `id`.
async fn until_leased(store: &Store, id: &str) {
    let leased = async {
        while !store.account_state(&account(id)).await.unwrap().unwrap().leased {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, leased).await.is_ok(), "{id} is claimed while another sync is under way");
}

#[tokio::test]
async fn a_claim_that_was_asked_for_when_the_stop_came_is_held_and_can_be_given_back() {
    let (store, _directory) = memory().await;
    enqueue(&store, &["1", "2"]).await;
    let (feed, mut claims) = mpsc::channel(4);
    let (held, stop) = (HeldLeases::default(), CancellationToken::new());
    let claimer = Claimer { store: store.clone(), owner: "a".into(), feed, held: held.clone(), clock };
    let mut running = pin!(claimer.run(stop.clone()));
    let asked = poll_fn(|context| Poll::Ready(running.as_mut().poll(context).is_pending())).await;
    assert!(asked);
    stop.cancel();
    running.await;
    assert_eq!(held.all().len(), 2);
    crate::claimer::renew_leases(store.clone(), held, clock, stop).await;
    assert_eq!(claim(&store, 9).await.len(), 2, "free at once");
    assert!(claims.recv().await.is_some());
}

#[tokio::test]
async fn leases_of_syncs_under_way_are_renewed() {
    let (store, _directory) = memory().await;
    enqueue(&store, &["1"]).await;
    let claim = store.claim(Lease::new("a", 1), Capacity::of(1), Duration::ZERO).await.unwrap().claims.remove(0);
    let (held, stop) = (HeldLeases::default(), CancellationToken::new());
    held.add(&claim);
    let renewing = tokio::spawn(crate::claimer::renew_leases(store.clone(), held, clock, stop.clone()));
    until_leased(&store, "1").await;
    stop.cancel();
    renewing.await.unwrap();
    assert!(!store.account_state(&account("1")).await.unwrap().unwrap().leased);
}
