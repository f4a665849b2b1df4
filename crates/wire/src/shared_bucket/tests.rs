//! One process's part in a shared limit, with answers by hand.

mod many_processes;

use std::future::Future;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{advance, sleep, timeout};

use super::*;

const MILLI: Duration = Duration::from_millis(1);

fn shared(per_second: u32) -> (Arc<SharedBucket>, mpsc::Receiver<Request>) {
    let (server, requests) = mpsc::channel(8);
    let shared = SharedBucket::new(server, "adapty:0123456789abcdef".to_owned(), NonZeroU32::new(per_second));
    (Arc::new(shared), requests)
}

/// The next request for tokens.
async fn next_request(requests: &mut mpsc::Receiver<Request>) -> (u32, Reply) {
    match requests.recv().await.unwrap() {
        Request::Tokens { wanted, reply, .. } => (wanted, reply),
        Request::Pause { seconds, .. } => panic!("a pause of {seconds} s was reported"),
    }
}

/// `take`, while the next request is answered so.
async fn taken(shared: &SharedBucket, requests: &mut mpsc::Receiver<Request>, grant: Grant) -> Result<(), Refused> {
    let answer = async { next_request(requests).await.1.send(grant) };
    tokio::join!(shared.take(), answer).0
}

/// So many waiters for a token each.
fn waiters(shared: &Arc<SharedBucket>, count: usize) -> Vec<JoinHandle<Result<(), Refused>>> {
    let take = |shared: Arc<SharedBucket>| async move { shared.take().await };
    (0..count).map(|_| tokio::spawn(take(Arc::clone(shared)))).collect()
}

/// What `take` answers without waiting.
async fn at_once(take: impl Future<Output = Result<(), Refused>>) -> Result<(), Refused> {
    timeout(MILLI, take).await.expect("nothing was to be waited for")
}

fn slots(millis: &[u32]) -> Grant {
    Grant::Slots(millis.iter().map(|millis| MILLI * *millis).collect())
}

#[tokio::test(start_paused = true)]
async fn a_token_is_used_at_its_slot_and_not_before() {
    let (shared, mut requests) = shared(10);
    let start = Instant::now();
    taken(&shared, &mut requests, slots(&[0, 70, 170])).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
    shared.take().await.unwrap();
    assert_eq!(start.elapsed(), 70 * MILLI);
    shared.take().await.unwrap();
    assert_eq!(start.elapsed(), 170 * MILLI);
    assert!(requests.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_token_borrowed_half_a_second_ago_is_used_and_an_older_one_is_not() {
    let (shared, mut requests) = shared(10);
    taken(&shared, &mut requests, slots(&[0, 0, 100])).await.unwrap();
    advance(500 * MILLI).await;
    at_once(shared.take()).await.unwrap();
    advance(101 * MILLI).await;
    taken(&shared, &mut requests, slots(&[0])).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn as_many_are_borrowed_as_wait_but_no_more_than_a_tenth_of_a_second_holds() {
    let table = [(100, 1, 1), (100, 4, 4), (100, 40, 10), (5, 40, 1), (11, 9, 2), (5000, 200, 100)];
    for (per_second, waiting, wanted) in table {
        let (shared, mut requests) = shared(per_second);
        // the first borrows for itself, since the others are not yet there; the next borrows for all
        let waiters = waiters(&shared, waiting + 1);
        let (one, reply) = next_request(&mut requests).await;
        reply.send(slots(&[0]));
        assert_eq!((one, next_request(&mut requests).await.0), (1, wanted), "{waiting} wait at {per_second} a second");
        waiters.iter().for_each(JoinHandle::abort);
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_are_granted_first_come_first_served() {
    let (shared, mut requests) = shared(10);
    let (sender, mut served) = mpsc::unbounded_channel();
    for number in 0..5 {
        let (shared, sender) = (Arc::clone(&shared), sender.clone());
        tokio::spawn(async move {
            shared.take().await.unwrap();
            sender.send(number).unwrap();
        });
    }
    next_request(&mut requests).await.1.send(slots(&[0, 100, 200, 300, 400]));
    for number in 0..5 {
        assert_eq!(served.recv().await, Some(number));
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_is_waited_for_and_then_asked_again() {
    let (shared, mut requests) = shared(10);
    let start = Instant::now();
    let answers = async {
        next_request(&mut requests).await.1.send(Grant::Wait(300 * MILLI));
        next_request(&mut requests).await.1.send(Grant::Wait(Duration::ZERO));
        next_request(&mut requests).await.1.send(slots(&[]));
        next_request(&mut requests).await.1.send(slots(&[0]));
    };
    tokio::join!(shared.take(), answers).0.unwrap();
    assert_eq!(start.elapsed(), 320 * MILLI);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_cancelled_before_its_slot_leaves_the_token_to_the_next() {
    let (shared, mut requests) = shared(10);
    let (gave_up, ()) = tokio::join!(timeout(50 * MILLI, shared.take()), async {
        next_request(&mut requests).await.1.send(slots(&[100]));
    });
    assert!(gave_up.is_err());
    timeout(51 * MILLI, shared.take()).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_waiter_cancelled_before_the_answer_leaves_the_answer_to_the_next() {
    let (shared, mut requests) = shared(10);
    assert!(timeout(50 * MILLI, shared.take()).await.is_err());
    let (_, reply) = next_request(&mut requests).await;
    let (taken, ()) = tokio::join!(timeout(50 * MILLI, shared.take()), async { reply.send(slots(&[0])) });
    taken.unwrap().unwrap();
    assert!(requests.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_waited_for_counts_from_when_it_was_sent() {
    let (shared, mut requests) = shared(10);
    for old in [slots(&[0, 100]), Grant::Wait(300 * MILLI), Grant::Paused(300 * MILLI), Grant::Unavailable] {
        assert!(timeout(MILLI, shared.take()).await.is_err());
        next_request(&mut requests).await.1.send(old);
        advance(Duration::from_secs(2)).await;
        at_once(taken(&shared, &mut requests, slots(&[0]))).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_waiter_counts_no_more() {
    let (shared, mut requests) = shared(100);
    let waiters = waiters(&shared, 8);
    next_request(&mut requests).await.1.send(slots(&[5000]));
    assert_eq!(shared.waiting.load(Ordering::Relaxed), 8);
    for waiter in waiters {
        waiter.abort();
        assert!(waiter.await.unwrap_err().is_cancelled());
    }
    assert_eq!(shared.waiting.load(Ordering::Relaxed), 0);
    shared.take().await.unwrap();
    let (taken, wanted) = tokio::join!(shared.take(), async {
        let (wanted, reply) = next_request(&mut requests).await;
        reply.send(slots(&[0]));
        wanted
    });
    assert_eq!((taken, wanted), (Ok(()), 1));
}

#[tokio::test(start_paused = true)]
async fn a_pause_ends_the_wait_of_the_whole_queue_with_one_request() {
    let (shared, mut requests) = shared(10);
    let until = Instant::now() + Duration::from_secs(30);
    let waiters = waiters(&shared, 5);
    next_request(&mut requests).await.1.send(Grant::Paused(Duration::from_secs(30)));
    for waiter in waiters {
        assert_eq!(waiter.await.unwrap(), Err(Refused::Paused(until)));
    }
    assert!(requests.try_recv().is_err());
    sleep(Duration::from_secs(30)).await;
    taken(&shared, &mut requests, slots(&[0])).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_token_server_that_cannot_answer_fails_one_waiter_and_is_asked_again_by_the_next() {
    let (shared, mut requests) = shared(10);
    assert_eq!(taken(&shared, &mut requests, Grant::Unavailable).await, Err(Refused::Unavailable));
    let (dropped, ()) = tokio::join!(shared.take(), async { drop(next_request(&mut requests).await) });
    assert_eq!(dropped, Err(Refused::Unavailable));
    taken(&shared, &mut requests, slots(&[0])).await.unwrap();
    drop(requests);
    assert_eq!(at_once(shared.take()).await, Err(Refused::Unavailable));
}

#[tokio::test(start_paused = true)]
async fn a_token_server_that_does_not_answer_fails_all_who_wait_after_five_seconds() {
    let (shared, mut requests) = shared(10);
    let start = Instant::now();
    let waiters = waiters(&shared, 5);
    let (_, reply) = next_request(&mut requests).await;
    for waiter in waiters {
        assert_eq!(waiter.await.unwrap(), Err(Refused::Unavailable));
    }
    assert_eq!(start.elapsed(), ANSWER_TIMEOUT);
    advance(MILLI).await;
    assert_eq!(at_once(shared.take()).await, Err(Refused::Unavailable));
    reply.send(slots(&[0]));
    at_once(shared.take()).await.unwrap();
    assert!(requests.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn one_slow_failure_is_the_answer_for_all_who_waited_for_it() {
    let ((shared, mut requests), start) = (shared(10), Instant::now());
    let waiters = waiters(&shared, 5);
    let (_, reply) = next_request(&mut requests).await;
    sleep(4000 * MILLI).await;
    reply.send(Grant::Unavailable);
    for waiter in waiters {
        assert_eq!(waiter.await.unwrap(), Err(Refused::Unavailable));
    }
    assert_eq!(start.elapsed(), 4000 * MILLI);
    taken(&shared, &mut requests, slots(&[0])).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_full_channel_counts_as_a_token_server_that_does_not_answer() {
    let (server, _requests) = mpsc::channel(1);
    server.try_send(Request::Pause { limit: String::new(), seconds: 1 }).unwrap();
    let shared = SharedBucket::new(server, "adapty:1".to_owned(), NonZeroU32::new(10));
    assert_eq!(at_once(shared.take()).await, Err(Refused::Unavailable));
}

#[tokio::test(start_paused = true)]
async fn a_pause_forgets_borrowed_tokens_and_is_reported_once() {
    let (shared, mut requests) = shared(10);
    taken(&shared, &mut requests, slots(&[0, 0, 0])).await.unwrap();
    let mut reported = |seconds| {
        shared.report_pause(seconds);
        match requests.try_recv() {
            Ok(Request::Pause { limit, seconds }) => Some((limit, seconds)),
            Ok(Request::Tokens { .. }) | Err(_) => None,
        }
    };
    let named = |seconds| Some(("adapty:0123456789abcdef".to_owned(), seconds));
    assert_eq!((reported(0), reported(-1)), (None, None));
    assert_eq!((reported(30), reported(30), reported(2)), (named(30), None, None));
    assert_eq!((reported(31), reported(i64::MAX)), (named(31), named(3600)));
    assert_eq!(shared.state().slots.len(), 0);
    assert!(matches!(at_once(shared.take()).await, Err(Refused::Paused(_))));
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_another_process_reported_is_not_reported_again() {
    let (shared, mut requests) = shared(10);
    taken(&shared, &mut requests, slots(&[0, 0])).await.unwrap();
    shared.pause(30);
    assert_eq!(shared.state().slots.len(), 0);
    shared.report_pause(30);
    assert!(requests.try_recv().is_err());
    assert_eq!(at_once(shared.take()).await, Err(Refused::Paused(Instant::now() + Duration::from_secs(30))));
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_comes_while_a_token_is_waited_for_ends_the_wait() {
    for grant in [slots(&[100]), Grant::Wait(100 * MILLI)] {
        let ((shared, mut requests), start) = (shared(10), Instant::now());
        let (taken, ()) = tokio::join!(shared.take(), async {
            next_request(&mut requests).await.1.send(grant);
            sleep(50 * MILLI).await;
            shared.pause(30);
        });
        assert!(matches!(taken, Err(Refused::Paused(_))));
        assert_eq!(start.elapsed(), 50 * MILLI);
        assert!(requests.try_recv().is_err());
    }
}
