//! An upstream against a server that misbehaves on demand.

mod many_processes;

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use test_server::reply::Reply;
use test_server::server::TestServer;

use super::*;

const KEY: &str = "Api-Key secret_live_abc";

fn answer(head: &str) -> Reply {
    Reply::answer(head, r#"{"error_code":"some_code"}"#)
}

fn upstream(base: &str) -> Upstream {
    let headers = vec![("authorization", KEY.to_owned())];
    let timeout = Duration::from_millis(500);
    let (name, base, limit, forbidden) = ("adapty", base.to_owned(), LimitScope::Process, Forbidden::Key);
    let setup = Setup { name: name.into(), base, headers, per_second: 0, limit, timeout, forbidden };
    Upstream::new(&Client::new().unwrap(), setup).unwrap()
}

fn call() -> Call {
    Call {
        what: "reading the profile".to_owned(),
        path: "/profiles/ann%40example.com/?a=1".to_owned(),
        headers: vec![],
    }
}

async fn get(server: &TestServer) -> Result<Answer, Failure> {
    upstream(&server.base).get(call()).await
}

async fn post(server: &TestServer) -> Result<Answer, Failure> {
    upstream(&server.base).send(Method::Post, call(), &json!({"a": 1})).await
}

#[tokio::test]
async fn a_request_goes_out_whole_and_its_answer_comes_back() {
    let head = "200 OK\r\nrequest-id: req_1\r\ndate: Wed, 21 Oct 2026 07:28:00 GMT";
    let server = TestServer::scripted(vec![Reply::answer(head, r#"{"a":2}"#)]).await.unwrap();
    let answer = post(&server).await.unwrap();
    assert_eq!((answer.status, answer.request_id.as_deref()), (200, Some("req_1")));
    assert_eq!(answer.date, Some("2026-10-21T07:28:00Z".parse().unwrap()));
    assert_eq!(answer.json::<Value>("reading").unwrap(), json!({"a": 2}));
    let seen = server.requests().remove(0);
    assert!(seen.starts_with("POST /profiles/ann%40example.com/?a=1 HTTP/1.1\r\n"), "{seen}");
    for part in
        ["authorization: Api-Key secret_live_abc\r\n", "content-type: application/json\r\n", "\r\n\r\n{\"a\":1}"]
    {
        assert!(seen.contains(part), "{part} in {seen}");
    }
    assert!(seen.contains("user-agent: grantsync/") && seen.contains("accept-encoding: identity\r\n"), "{seen}");
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn an_answer_that_is_compressed_though_nobody_asked_is_read_within_bounds() {
    let head = "200 OK\r\ncontent-encoding: gzip";
    let server = TestServer::scripted(vec![Reply::answer(head, gzip(br#"{"a":2}"#))]).await.unwrap();
    assert_eq!(get(&server).await.unwrap().json::<Value>("reading").unwrap(), json!({"a": 2}));
    let bomb = gzip(&vec![b' '; 64 * 1024 * 1024]);
    assert!(bomb.len() < 100_000);
    let server = TestServer::scripted(vec![Reply::answer(head, bomb)]).await.unwrap();
    let failure = get(&server).await.unwrap_err();
    assert!(failure.what.ends_with("the answer is longer than 8 MiB"), "{}", failure.what);
    let error = gzip(br#"{"errors":[{"code":"profile_not_found"}]}"#);
    let refused = Reply::answer("404 Not Found\r\ncontent-encoding: gzip", error);
    let server = TestServer::scripted(vec![refused]).await.unwrap();
    assert_eq!(get(&server).await.unwrap_err().code.as_deref(), Some("profile_not_found"));
}

#[tokio::test]
async fn a_get_is_retried_after_a_502() {
    let server = TestServer::scripted(vec![answer("502 Bad Gateway"), answer("200 OK")]).await.unwrap();
    assert_eq!(get(&server).await.unwrap().status, 200);
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_get_is_sent_three_times_at_most() {
    let server = TestServer::scripted(vec![answer("503 Service Unavailable")]).await.unwrap();
    let failure = get(&server).await.unwrap_err();
    assert_eq!((failure.class, failure.status), (Class::Transient, Some(503)));
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_get_is_retried_after_a_reset() {
    let server = TestServer::scripted(vec![Reply::Reset, answer("200 OK")]).await.unwrap();
    assert_eq!(get(&server).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_write_is_not_retried_after_a_reset() {
    for reply in [Reply::Reset, answer("502 Bad Gateway"), answer("503 Service Unavailable")] {
        let server = TestServer::scripted(vec![reply, answer("200 OK")]).await.unwrap();
        assert_eq!(post(&server).await.unwrap_err().class, Class::Transient);
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_write_that_the_rate_limit_turned_away_is_retried() {
    for reply in [answer("429 Too Many Requests"), answer("429 Too Many Requests\r\nretry-after: 0")] {
        let server = TestServer::scripted(vec![reply, answer("200 OK")]).await.unwrap();
        assert_eq!(post(&server).await.unwrap().status, 200);
        assert_eq!(server.requests().len(), 2);
    }
}

#[tokio::test]
async fn a_time_out_is_not_retried() {
    let server = TestServer::scripted(vec![Reply::Silence]).await.unwrap();
    let failure = get(&server).await.unwrap_err();
    assert_eq!(failure.what, "reading the profile at adapty: timed out after 500ms");
    assert_eq!(failure.class, Class::Transient);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn an_upstream_that_times_out_is_sent_nothing_for_a_few_seconds() {
    let silence = || Reply::Silence;
    let replies = vec![silence(), silence(), silence(), silence(), silence(), answer("200 OK")];
    let server = TestServer::scripted(replies).await.unwrap();
    let upstream = upstream(&server.base);
    for _ in 0..5 {
        assert!(upstream.get(call()).await.unwrap_err().what.contains("timed out"));
    }
    let kept = upstream.get(call()).await.unwrap_err();
    assert_eq!((kept.class, server.requests().len()), (Class::Transient, 5));
    assert!(kept.retry_after.is_some_and(|seconds| (1..=5).contains(&seconds)), "{kept:?}");
    assert_eq!(upstream.closed().map(|closed| closed.reason), Some(Reason::Unresponsive));
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(5)).await;
    tokio::time::resume();
    assert_eq!(upstream.get(call()).await.unwrap().status, 200);
    assert_eq!(upstream.closed(), None);
}

#[tokio::test]
async fn a_cancelled_probe_lets_the_next_request_probe() {
    let mut replies: Vec<Reply> = (0..6).map(|_| Reply::Silence).collect();
    replies.push(answer("200 OK"));
    let server = TestServer::scripted(replies).await.unwrap();
    let upstream = upstream(&server.base);
    for _ in 0..5 {
        upstream.get(call()).await.unwrap_err();
    }
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(5)).await;
    tokio::time::resume();
    let given_up = tokio::time::timeout(Duration::from_millis(100), upstream.get(call())).await;
    assert!(given_up.is_err(), "it waits for an answer");
    assert_eq!(upstream.get(call()).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_retry_after_pauses_all_clones() {
    for head in ["429 Too Many Requests\r\nretry-after: 30", "503 Service Unavailable\r\nretry-after: 30"] {
        let server = TestServer::scripted(vec![answer(head), answer("200 OK")]).await.unwrap();
        let upstream = upstream(&server.base);
        let first = upstream.get(call()).await.unwrap_err();
        assert_eq!((first.class, first.retry_after), (Class::Transient, Some(30)));
        let other = upstream.clone().send(Method::Post, call(), &json!({})).await.unwrap_err();
        assert_eq!((other.class, other.retry_after, other.status), (Class::Transient, Some(30), None));
        assert_eq!(upstream.closed().map(|closed| closed.reason), Some(Reason::RetryAfter));
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_refused_key_is_probed_once_a_minute() {
    let server = TestServer::scripted(vec![answer("401 Unauthorized"), answer("200 OK")]).await.unwrap();
    let upstream = upstream(&server.base);
    assert_eq!(upstream.get(call()).await.unwrap_err().status, Some(401));
    let kept = upstream.get(call()).await.unwrap_err();
    assert_eq!((kept.class, kept.status, server.requests().len()), (Class::Credentials, None, 1));
    assert_eq!(upstream.closed().map(|closed| closed.reason), Some(Reason::KeyRefused));
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    assert_eq!(upstream.get(call()).await.unwrap().status, 200);
    assert_eq!(upstream.closed(), None);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = TestServer::scripted(vec![answer("307 Temporary Redirect\r\nlocation: /elsewhere")]).await.unwrap();
    let failure = post(&server).await.unwrap_err();
    assert_eq!((failure.class, failure.status), (Class::Transient, Some(307)));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_huge_body_is_cut_off() {
    let server = TestServer::scripted(vec![Reply::Endless(64 * 1024 * 1024)]).await.unwrap();
    let failure = get(&server).await.unwrap_err();
    assert_eq!(failure.what, "reading the profile at adapty: the answer is longer than 8 MiB");
    assert_eq!(failure.class, Class::Transient);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_answer() {
    let server = TestServer::scripted(vec![Reply::answer("200 OK\r\ncontent-length: 9000", "{}")]).await.unwrap();
    assert_eq!(get(&server).await.unwrap_err().class, Class::Transient);
}

#[tokio::test]
async fn what_was_never_sent_is_retried_and_its_error_says_why() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let failure = upstream(&base).send(Method::Post, call(), &json!({})).await.unwrap_err();
    assert_eq!(failure, Failure::new(Class::Transient, "reading the profile at adapty: connection refused"));
}

#[tokio::test]
async fn no_error_prints_the_key_or_the_path() {
    let replies = [
        answer("401 Unauthorized"),
        answer("404 Not Found"),
        answer("422 Unprocessable Content"),
        answer("502 Bad Gateway"),
        answer("302 Found\r\nlocation: /profiles/ann"),
        Reply::Reset,
        Reply::Silence,
        Reply::answer("200 OK\r\ncontent-length: 9000", "secret ann"),
        Reply::answer("400 Bad Request", r#"{"error_code":"ann@example.com","errors":["secret ann"]}"#),
    ];
    for reply in replies {
        let server = TestServer::scripted(vec![reply]).await.unwrap();
        let failure = post(&server).await.unwrap_err();
        let text = format!("{failure} {failure:?} {:?} {:?}", call(), upstream(&server.base));
        let silent = ["secret", "ann", "/profiles", "127.0.0.1"].iter().all(|part| !text.contains(part));
        assert!(silent, "{text}");
    }
    let body = Bytes::from_static(br#"{"email":"ann@example.com"}"#);
    let answer = Answer { status: 200, body, request_id: None, date: None };
    let failure = answer.json::<Vec<u8>>("reading").unwrap_err();
    assert!(!format!("{answer:?} {failure:?}").contains("ann@"));
}

#[tokio::test]
async fn the_rate_limit_holds_for_all_clones() {
    let server = TestServer::scripted(vec![answer("200 OK")]).await.unwrap();
    let setup = Setup {
        name: "adapty".into(),
        base: server.base.clone(),
        headers: vec![],
        per_second: 4,
        limit: LimitScope::Process,
        timeout: Duration::from_secs(5),
        forbidden: Forbidden::Key,
    };
    let upstream = Upstream::new(&Client::new().unwrap(), setup).unwrap();
    let start = Instant::now();
    for _ in 0..3 {
        upstream.clone().get(call()).await.unwrap();
    }
    assert!(start.elapsed() >= Duration::from_millis(240));
}

#[test]
fn what_cannot_work_is_refused_when_it_is_set_up() {
    let client = Client::new().unwrap();
    let setup = |base: &str, key: &str| {
        let headers = vec![("authorization", key.to_owned())];
        Setup {
            name: "adapty".into(),
            base: base.to_owned(),
            headers,
            per_second: 1,
            limit: LimitScope::Process,
            timeout: Duration::from_secs(1),
            forbidden: Forbidden::Key,
        }
    };
    for base in ["", "api.adapty.io", "ftp://a.b", "https://", "https://key@a.b", "https://a.b/?c", "file:///a"] {
        let fault = Upstream::new(&client, setup(base, "k")).unwrap_err();
        assert!(matches!(fault, SetupError::Base { upstream } if &*upstream == "adapty"), "{base}");
    }
    let fault = Upstream::new(&client, setup("https://a.b", "secret\n")).unwrap_err();
    assert!(fault.to_string().contains("`authorization`") && !format!("{fault:?}").contains("secret"), "{fault}");
}
