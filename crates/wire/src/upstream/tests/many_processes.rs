//! Upstreams of several processes that share one limit.

use tokio::time::timeout;

use super::*;
use crate::token_server::fake::FakeTokenServer;
use crate::token_server::{Request, TokenServer};

fn process(server: &TestServer, tokens: &TokenServer) -> Upstream {
    let headers = vec![("authorization", KEY.to_owned())];
    let setup = Setup { headers, per_second: 100, ..setup(&server.base) };
    let setup = setup.with_limit(LimitScope::Shared(tokens.clone()));
    Upstream::new(&Client::new().unwrap(), setup).unwrap()
}

/// A token server that does not answer.
fn silent() -> (TokenServer, tokio::sync::mpsc::Receiver<Request>) {
    tokio::sync::mpsc::channel(8)
}

#[tokio::test]
async fn a_retry_after_pauses_all_processes() {
    for head in ["429 Too Many Requests\r\nretry-after: 30", "503 Service Unavailable\r\nretry-after: 30"] {
        let server = TestServer::scripted(vec![answer(head), answer("200 OK")]).await.unwrap();
        let tokens = FakeTokenServer::start(Duration::ZERO);
        let (one, other) = (process(&server, &tokens.channel), process(&server, &tokens.channel));
        assert!(one.get(call()).await.unwrap_err().what.contains(&head[..3]));
        let failure = one.get(call()).await.unwrap_err();
        assert_eq!((failure.status, failure.retry_after), (None, Some(30)));
        // the pause was reported before this request for tokens, so the token server knows of it
        let failure = other.get(call()).await.unwrap_err();
        assert_eq!((failure.class, failure.status, failure.retry_after), (Class::GateClosed, None, Some(30)));
        assert_eq!(failure.what, "reading the profile at adapty: not sent, since it asked to wait");
        assert_eq!(other.closed().map(|closed| closed.reason), Some(Reason::RetryAfter));
        assert_eq!((server.requests().len(), tokens.state().pauses.as_slice()), (1, [30].as_slice()));
    }
}

#[tokio::test]
async fn many_answers_at_once_report_one_pause() {
    let server = TestServer::scripted(vec![answer("429 Too Many Requests\r\nretry-after: 30")]).await.unwrap();
    let tokens = FakeTokenServer::start(Duration::ZERO);
    let upstream = process(&server, &tokens.channel);
    let get = || async { upstream.get(call()).await.unwrap_err().class };
    assert_eq!(tokio::join!(get(), get(), get()), (Class::GateClosed, Class::GateClosed, Class::GateClosed));
    let other = process(&server, &tokens.channel);
    assert_eq!(other.get(call()).await.unwrap_err().status, None);
    assert_eq!(tokens.state().pauses, [30]);
}

#[tokio::test]
async fn an_answer_without_a_wait_is_not_reported() {
    for head in ["429 Too Many Requests", "429 Too Many Requests\r\nretry-after: 0", "401 Unauthorized"] {
        let server = TestServer::scripted(vec![answer(head)]).await.unwrap();
        let tokens = FakeTokenServer::start(Duration::ZERO);
        let upstream = process(&server, &tokens.channel);
        upstream.get(call()).await.unwrap_err();
        // what comes last has passed everything before it
        tokens.channel.send(Request::Pause { limit: upstream.limit_name().to_owned(), seconds: 7 }).await.unwrap();
        assert_eq!(process(&server, &tokens.channel).get(call()).await.unwrap_err().retry_after, Some(7));
        assert_eq!(tokens.state().pauses, [7]);
    }
}

#[tokio::test]
async fn a_pause_that_another_process_reports_is_kept_and_not_reported_again() {
    let server = TestServer::scripted(vec![answer("200 OK")]).await.unwrap();
    let (tokens, mut requests) = silent();
    let upstream = process(&server, &tokens);
    upstream.pause(30);
    assert_eq!(upstream.closed().map(|closed| closed.reason), Some(Reason::RetryAfter));
    let failure = upstream.get(call()).await.unwrap_err();
    assert_eq!((failure.class, failure.retry_after), (Class::GateClosed, Some(30)));
    assert!(matches!(upstream.inner.limit.take().await, Err(Refused::Paused(_))));
    assert!(server.requests().is_empty() && requests.try_recv().is_err());
}

#[tokio::test]
async fn a_short_pause_of_another_process_is_waited_for() {
    let server = TestServer::scripted(vec![answer("200 OK")]).await.unwrap();
    let tokens = FakeTokenServer::start(Duration::ZERO);
    let upstream = process(&server, &tokens.channel);
    let start = Instant::now();
    upstream.pause(1);
    assert_eq!(upstream.get(call()).await.unwrap().status, 200);
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_short_pause_that_the_token_server_knows_of_is_waited_for() {
    let server = TestServer::scripted(vec![answer("200 OK")]).await.unwrap();
    let tokens = FakeTokenServer::start(Duration::ZERO);
    let upstream = process(&server, &tokens.channel);
    let start = Instant::now();
    let (limit, seconds) = (upstream.limit_name().to_owned(), 1);
    tokens.channel.send(Request::Pause { limit, seconds }).await.unwrap();
    assert_eq!(upstream.get(call()).await.unwrap().status, 200);
    assert!(start.elapsed() >= Duration::from_millis(990));
}

#[tokio::test]
async fn without_the_database_nothing_is_sent_and_it_may_work_later() {
    let server = TestServer::scripted(vec![answer("200 OK")]).await.unwrap();
    let (tokens, requests) = silent();
    drop(requests);
    let failure = process(&server, &tokens).get(call()).await.unwrap_err();
    let words =
        "reading the profile at adapty: not sent, since the database that holds the shared rate limit does not answer";
    assert_eq!(failure, Failure::new(Class::Transient, words));
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn the_token_server_is_asked_with_the_limits_name_and_rate() {
    let server = TestServer::scripted(vec![answer("200 OK")]).await.unwrap();
    let (tokens, mut requests) = silent();
    let upstream = process(&server, &tokens);
    assert!(timeout(Duration::from_millis(20), upstream.get(call())).await.is_err());
    let Some(Request::Tokens { limit, per_second, wanted, .. }) = requests.recv().await else {
        panic!("no tokens were asked for")
    };
    assert_eq!((limit.as_str(), per_second.get(), wanted), (upstream.limit_name(), 100, 1));
    assert!(limit.starts_with("adapty:") && limit.len() == 23 && !limit.contains("secret"), "{limit}");
}
