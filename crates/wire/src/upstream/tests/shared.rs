//! Upstreams of several processes that share one limit.

use tokio::time::timeout;

use super::*;
use crate::lender::played::Played;
use crate::lender::{Ask, Lender};

fn process(server: &Server, lender: &Lender) -> Upstream {
    let headers = vec![("authorization", KEY.to_owned())];
    let (base, timeout, limit) = (server.base.clone(), Duration::from_secs(5), LimitBy::Own);
    let setup =
        Setup { name: "adapty".into(), base, headers, per_second: 100, limit, timeout, forbidden: Forbidden::Key };
    let setup = setup.limited_by(LimitBy::Shared(lender.clone()));
    Upstream::new(&Client::new().unwrap(), setup).unwrap()
}

/// A lender that nobody works for.
fn silent() -> (Lender, tokio::sync::mpsc::Receiver<Ask>) {
    tokio::sync::mpsc::channel(8)
}

#[tokio::test]
async fn a_retry_after_is_told_to_all_processes() {
    for head in ["429 Too Many Requests\r\nretry-after: 30", "503 Service Unavailable\r\nretry-after: 30"] {
        let server = Server::start(vec![answer(head), answer("200 OK")]).await;
        let played = Played::start(Duration::ZERO);
        let (one, other) = (process(&server, &played.lender), process(&server, &played.lender));
        assert_eq!(one.get(call()).await.unwrap_err().status, Some(head[..3].parse().unwrap()));
        let failure = one.get(call()).await.unwrap_err();
        assert_eq!((failure.status, failure.retry_after), (None, Some(30)));
        // What was told comes before what is asked now, so the lender knows of the pause.
        let failure = other.get(call()).await.unwrap_err();
        assert_eq!((failure.class, failure.status, failure.retry_after), (Class::Transient, None, Some(30)));
        assert_eq!(failure.what, "reading the profile at adapty: not asked, since it wants to be left alone for now");
        assert_eq!(other.paused().map(|pause| pause.why), Some(Why::Asked));
        assert_eq!((server.seen().len(), played.book().held.as_slice()), (1, [30].as_slice()));
    }
}

#[tokio::test]
async fn many_answers_of_one_moment_tell_one_pause() {
    let server = Server::start(vec![answer("429 Too Many Requests\r\nretry-after: 30")]).await;
    let played = Played::start(Duration::ZERO);
    let upstream = process(&server, &played.lender);
    let get = || async { upstream.get(call()).await.unwrap_err().class };
    assert_eq!(tokio::join!(get(), get(), get()), (Class::Transient, Class::Transient, Class::Transient));
    let other = process(&server, &played.lender);
    assert_eq!(other.get(call()).await.unwrap_err().status, None);
    assert_eq!(played.book().held, [30]);
}

#[tokio::test]
async fn an_answer_that_asks_for_no_wait_is_not_told() {
    for head in ["429 Too Many Requests", "429 Too Many Requests\r\nretry-after: 0", "401 Unauthorized"] {
        let server = Server::start(vec![answer(head)]).await;
        let played = Played::start(Duration::ZERO);
        let upstream = process(&server, &played.lender);
        upstream.get(call()).await.unwrap_err();
        // What comes last has passed everything before it.
        played.lender.send(Ask::Hold { limit: upstream.limit_name().to_owned(), seconds: 7 }).await.unwrap();
        assert_eq!(process(&server, &played.lender).get(call()).await.unwrap_err().retry_after, Some(7));
        assert_eq!(played.book().held, [7]);
    }
}

#[tokio::test]
async fn a_pause_that_another_process_reports_is_kept_and_not_told_again() {
    let server = Server::start(vec![answer("200 OK")]).await;
    let (lender, mut asked) = silent();
    let upstream = process(&server, &lender);
    upstream.hold(30);
    assert_eq!(upstream.paused().map(|pause| pause.why), Some(Why::Asked));
    let failure = upstream.get(call()).await.unwrap_err();
    assert_eq!((failure.class, failure.retry_after), (Class::Transient, Some(30)));
    assert!(matches!(upstream.0.limit.take().await, Err(Refusal::Paused(_))));
    assert!(server.seen().is_empty() && asked.try_recv().is_err());
}

#[tokio::test]
async fn a_short_pause_of_another_process_is_waited_for() {
    let server = Server::start(vec![answer("200 OK")]).await;
    let played = Played::start(Duration::ZERO);
    let upstream = process(&server, &played.lender);
    let start = Instant::now();
    upstream.hold(1);
    assert_eq!(upstream.get(call()).await.unwrap().status, 200);
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_short_pause_that_the_lender_knows_of_is_waited_for() {
    let server = Server::start(vec![answer("200 OK")]).await;
    let played = Played::start(Duration::ZERO);
    let upstream = process(&server, &played.lender);
    let start = Instant::now();
    let (limit, seconds) = (upstream.limit_name().to_owned(), 1);
    played.lender.send(Ask::Hold { limit, seconds }).await.unwrap();
    assert_eq!(upstream.get(call()).await.unwrap().status, 200);
    assert!(start.elapsed() >= Duration::from_millis(990));
}

#[tokio::test]
async fn without_the_database_nothing_is_sent_and_it_may_work_later() {
    let server = Server::start(vec![answer("200 OK")]).await;
    let (lender, asked) = silent();
    drop(asked);
    let failure = process(&server, &lender).get(call()).await.unwrap_err();
    let words =
        "reading the profile at adapty: the shared rate limit cannot be asked, since the database does not answer";
    assert_eq!(failure, Failure::new(Class::Transient, words));
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn the_lender_is_told_the_limits_name_and_rate() {
    let server = Server::start(vec![answer("200 OK")]).await;
    let (lender, mut asked) = silent();
    let upstream = process(&server, &lender);
    assert!(timeout(Duration::from_millis(20), upstream.get(call())).await.is_err());
    let Some(Ask::Tokens { limit, per_second, wanted, .. }) = asked.recv().await else {
        panic!("no tokens were asked for")
    };
    assert_eq!((limit.as_str(), per_second.get(), wanted), (upstream.limit_name(), 100, 1));
    assert!(limit.starts_with("adapty:") && limit.len() == 23 && !limit.contains("secret"), "{limit}");
}
