//! One process's part, with answers by hand.

mod together;

use std::future::Future;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{advance, sleep, timeout};

use super::*;

const MILLI: Duration = Duration::from_millis(1);

fn shared(per_second: u32) -> (Arc<Shared>, mpsc::Receiver<Ask>) {
    let (lender, asked) = mpsc::channel(8);
    let shared = Shared::new(lender, "adapty:0123456789abcdef".to_owned(), NonZeroU32::new(per_second));
    (Arc::new(shared), asked)
}

/// The next question for tokens.
async fn question(asked: &mut mpsc::Receiver<Ask>) -> (u32, Reply) {
    match asked.recv().await.unwrap() {
        Ask::Tokens { wanted, reply, .. } => (wanted, reply),
        Ask::Hold { seconds, .. } => panic!("a pause of {seconds} s was told"),
    }
}

/// `take`, while the next question is answered so.
async fn taken(shared: &Shared, asked: &mut mpsc::Receiver<Ask>, lent: Lent) -> Result<(), Refusal> {
    let answer = async { question(asked).await.1.send(lent) };
    tokio::join!(shared.take(), answer).0
}

/// So many who wait for a token each.
fn takers(shared: &Arc<Shared>, count: usize) -> Vec<JoinHandle<Result<(), Refusal>>> {
    let take = |shared: Arc<Shared>| async move { shared.take().await };
    (0..count).map(|_| tokio::spawn(take(Arc::clone(shared)))).collect()
}

/// What `take` says without asking.
async fn at_once(take: impl Future<Output = Result<(), Refusal>>) -> Result<(), Refusal> {
    timeout(MILLI, take).await.expect("nothing was to be waited for")
}

fn slots(millis: &[u32]) -> Lent {
    Lent::Slots(millis.iter().map(|millis| MILLI * *millis).collect())
}

#[tokio::test(start_paused = true)]
async fn a_token_is_used_at_its_slot_and_not_before() {
    let (shared, mut asked) = shared(10);
    let start = Instant::now();
    taken(&shared, &mut asked, slots(&[0, 70, 170])).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
    shared.take().await.unwrap();
    assert_eq!(start.elapsed(), 70 * MILLI);
    shared.take().await.unwrap();
    assert_eq!(start.elapsed(), 170 * MILLI);
    assert!(asked.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_token_kept_for_half_a_second_is_used_and_one_kept_longer_is_dropped() {
    let (shared, mut asked) = shared(10);
    taken(&shared, &mut asked, slots(&[0, 0, 100])).await.unwrap();
    advance(500 * MILLI).await;
    at_once(shared.take()).await.unwrap();
    advance(101 * MILLI).await;
    taken(&shared, &mut asked, slots(&[0])).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn as_many_are_asked_for_as_wait_but_no_more_than_a_tenth_of_a_second_holds() {
    let table = [(100, 1, 1), (100, 4, 4), (100, 40, 10), (5, 40, 1), (11, 9, 2), (5000, 200, 100)];
    for (per_second, waiting, wanted) in table {
        let (shared, mut asked) = shared(per_second);
        // The first asks for itself, since the others are not yet there; the next asks for all.
        let takers = takers(&shared, waiting + 1);
        let (one, reply) = question(&mut asked).await;
        reply.send(slots(&[0]));
        assert_eq!((one, question(&mut asked).await.0), (1, wanted), "{waiting} wait at {per_second} a second");
        takers.iter().for_each(JoinHandle::abort);
    }
}

#[tokio::test(start_paused = true)]
async fn who_asked_first_is_served_first() {
    let (shared, mut asked) = shared(10);
    let (tell, mut told) = mpsc::unbounded_channel();
    for number in 0..5 {
        let (shared, tell) = (Arc::clone(&shared), tell.clone());
        tokio::spawn(async move {
            shared.take().await.unwrap();
            tell.send(number).unwrap();
        });
    }
    question(&mut asked).await.1.send(slots(&[0, 100, 200, 300, 400]));
    for number in 0..5 {
        assert_eq!(told.recv().await, Some(number));
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_is_waited_for_and_then_asked_again() {
    let (shared, mut asked) = shared(10);
    let start = Instant::now();
    let answers = async {
        question(&mut asked).await.1.send(Lent::Wait(300 * MILLI));
        question(&mut asked).await.1.send(Lent::Wait(Duration::ZERO));
        question(&mut asked).await.1.send(slots(&[]));
        question(&mut asked).await.1.send(slots(&[0]));
    };
    tokio::join!(shared.take(), answers).0.unwrap();
    assert_eq!(start.elapsed(), 320 * MILLI);
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_while_it_waits_for_its_slot_leaves_the_token_to_the_next() {
    let (shared, mut asked) = shared(10);
    let (gave_up, ()) = tokio::join!(timeout(50 * MILLI, shared.take()), async {
        question(&mut asked).await.1.send(slots(&[100]));
    });
    assert!(gave_up.is_err());
    timeout(51 * MILLI, shared.take()).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_while_the_lender_thinks_leaves_the_answer_to_the_next() {
    let (shared, mut asked) = shared(10);
    assert!(timeout(50 * MILLI, shared.take()).await.is_err());
    let (_, reply) = question(&mut asked).await;
    let (taken, ()) = tokio::join!(timeout(50 * MILLI, shared.take()), async { reply.send(slots(&[0])) });
    taken.unwrap().unwrap();
    assert!(asked.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_waited_for_is_as_old_as_it_is() {
    let (shared, mut asked) = shared(10);
    for old in [slots(&[0, 100]), Lent::Wait(300 * MILLI), Lent::Paused(300 * MILLI), Lent::Unavailable] {
        assert!(timeout(MILLI, shared.take()).await.is_err());
        question(&mut asked).await.1.send(old);
        advance(Duration::from_secs(2)).await;
        at_once(taken(&shared, &mut asked, slots(&[0]))).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn who_gave_up_counts_no_more() {
    let (shared, mut asked) = shared(100);
    let takers = takers(&shared, 8);
    question(&mut asked).await.1.send(slots(&[5000]));
    assert_eq!(shared.waiting.load(Ordering::Relaxed), 8);
    for taker in takers {
        taker.abort();
        assert!(taker.await.unwrap_err().is_cancelled());
    }
    assert_eq!(shared.waiting.load(Ordering::Relaxed), 0);
    shared.take().await.unwrap();
    let (taken, wanted) = tokio::join!(shared.take(), async {
        let (wanted, reply) = question(&mut asked).await;
        reply.send(slots(&[0]));
        wanted
    });
    assert_eq!((taken, wanted), (Ok(()), 1));
}

#[tokio::test(start_paused = true)]
async fn a_pause_ends_the_wait_of_all_who_stand_in_the_queue_with_one_question() {
    let (shared, mut asked) = shared(10);
    let until = Instant::now() + Duration::from_secs(30);
    let takers = takers(&shared, 5);
    question(&mut asked).await.1.send(Lent::Paused(Duration::from_secs(30)));
    for taker in takers {
        assert_eq!(taker.await.unwrap(), Err(Refusal::Paused(until)));
    }
    assert!(asked.try_recv().is_err());
    sleep(Duration::from_secs(30)).await;
    taken(&shared, &mut asked, slots(&[0])).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lender_that_cannot_lend_is_told_at_once_and_asked_again_by_the_next() {
    let (shared, mut asked) = shared(10);
    assert_eq!(taken(&shared, &mut asked, Lent::Unavailable).await, Err(Refusal::Unavailable));
    let (dropped, ()) = tokio::join!(shared.take(), async { drop(question(&mut asked).await) });
    assert_eq!(dropped, Err(Refusal::Unavailable));
    taken(&shared, &mut asked, slots(&[0])).await.unwrap();
    drop(asked);
    assert_eq!(at_once(shared.take()).await, Err(Refusal::Unavailable));
}

#[tokio::test(start_paused = true)]
async fn a_lender_that_does_not_answer_fails_all_who_wait_after_five_seconds() {
    let (shared, mut asked) = shared(10);
    let start = Instant::now();
    let takers = takers(&shared, 5);
    let (_, reply) = question(&mut asked).await;
    for taker in takers {
        assert_eq!(taker.await.unwrap(), Err(Refusal::Unavailable));
    }
    assert_eq!(start.elapsed(), PATIENCE);
    advance(MILLI).await;
    assert_eq!(at_once(shared.take()).await, Err(Refusal::Unavailable));
    reply.send(slots(&[0]));
    at_once(shared.take()).await.unwrap();
    assert!(asked.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn one_slow_no_is_the_answer_for_all_who_waited_for_it() {
    let ((shared, mut asked), start) = (shared(10), Instant::now());
    let takers = takers(&shared, 5);
    let (_, reply) = question(&mut asked).await;
    sleep(4000 * MILLI).await;
    reply.send(Lent::Unavailable);
    for taker in takers {
        assert_eq!(taker.await.unwrap(), Err(Refusal::Unavailable));
    }
    assert_eq!(start.elapsed(), 4000 * MILLI);
    taken(&shared, &mut asked, slots(&[0])).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_full_channel_counts_as_a_lender_that_does_not_answer() {
    let (lender, _asked) = mpsc::channel(1);
    lender.try_send(Ask::Hold { limit: String::new(), seconds: 1 }).unwrap();
    let shared = Shared::new(lender, "adapty:1".to_owned(), NonZeroU32::new(10));
    assert_eq!(at_once(shared.take()).await, Err(Refusal::Unavailable));
}

#[tokio::test(start_paused = true)]
async fn a_pause_drops_what_was_lent_and_is_told_once() {
    let (shared, mut asked) = shared(10);
    taken(&shared, &mut asked, slots(&[0, 0, 0])).await.unwrap();
    let mut told = |seconds| {
        shared.hold(seconds);
        match asked.try_recv() {
            Ok(Ask::Hold { limit, seconds }) => Some((limit, seconds)),
            Ok(Ask::Tokens { .. }) | Err(_) => None,
        }
    };
    let named = |seconds| Some(("adapty:0123456789abcdef".to_owned(), seconds));
    assert_eq!((told(0), told(-1)), (None, None));
    assert_eq!((told(30), told(30), told(2)), (named(30), None, None));
    assert_eq!((told(31), told(i64::MAX)), (named(31), named(3600)));
    assert_eq!(shared.book().slots.len(), 0);
    assert!(matches!(at_once(shared.take()).await, Err(Refusal::Paused(_))));
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_was_heard_of_is_not_told_again() {
    let (shared, mut asked) = shared(10);
    taken(&shared, &mut asked, slots(&[0, 0])).await.unwrap();
    shared.heard(30);
    assert_eq!(shared.book().slots.len(), 0);
    shared.hold(30);
    assert!(asked.try_recv().is_err());
    assert_eq!(at_once(shared.take()).await, Err(Refusal::Paused(Instant::now() + Duration::from_secs(30))));
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_comes_while_a_token_is_waited_for_ends_the_wait() {
    for lent in [slots(&[100]), Lent::Wait(100 * MILLI)] {
        let ((shared, mut asked), start) = (shared(10), Instant::now());
        let (taken, ()) = tokio::join!(shared.take(), async {
            question(&mut asked).await.1.send(lent);
            sleep(50 * MILLI).await;
            shared.heard(30);
        });
        assert!(matches!(taken, Err(Refusal::Paused(_))));
        assert_eq!(start.elapsed(), 50 * MILLI);
        assert!(asked.try_recv().is_err());
    }
}
