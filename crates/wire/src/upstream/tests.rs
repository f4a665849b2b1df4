//! An upstream against a server that misbehaves on demand.

mod many_processes;

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use test_server::reply::Reply;
use test_server::server::TestServer;

use super::*;
use crate::gate_state::Reason;
use crate::limit::LimitScope;

const KEY: &str = "Api-Key secret_live_abc";

fn answer(head: &str) -> Reply {
    Reply::answer(head, r#"{"error_code":"some_code"}"#)
}

fn setup(base: &str) -> Setup {
    Setup {
        name: "adapty".into(),
        base: base.to_owned(),
        headers: vec![],
        per_second: 0,
        limit: LimitScope::Process,
        timeout: Duration::from_secs(5),
        probe: Call { what: "probing".to_owned(), path: "/probe".to_owned(), about: None, headers: vec![] },
        key_codes: &["invalid_token"],
    }
}

fn upstream(base: &str) -> Upstream {
    let headers = vec![("authorization", KEY.to_owned())];
    let timeout = Duration::from_millis(500);
    Upstream::new(&Client::new().unwrap(), Setup { headers, timeout, ..setup(base) }).unwrap()
}

fn call() -> Call {
    call_about("ann")
}

fn call_about(account: &str) -> Call {
    Call {
        about: Some(account.to_owned()),
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

/// Waits until the gate is open.
async fn opened(upstream: &Upstream) {
    let mut gate = upstream.watch_gate();
    while gate.closed().is_some() {
        gate.changed().await;
    }
}

#[tokio::test]
async fn an_upstream_that_fails_several_accounts_is_sent_probes_alone_until_one_is_served() {
    let outage = || answer("500 Internal Server Error");
    let server = TestServer::scripted(vec![outage(), outage(), outage(), answer("200 OK")]).await.unwrap();
    let upstream = upstream(&server.base);
    for account in ["ann", "bob"] {
        assert_eq!(upstream.get(call_about(account)).await.unwrap_err().class, Class::Transient);
    }
    let third = upstream.get(call_about("cid")).await.unwrap_err();
    assert_eq!((third.class, third.upstream.as_deref()), (Class::GateClosed, Some("adapty")), "it is not its own");
    let fourth = upstream.get(call_about("dan")).await.unwrap_err();
    assert_eq!((fourth.class, server.requests().len()), (Class::GateClosed, 3));
    assert_eq!(upstream.closed().map(|closed| closed.reason), Some(Reason::Failing));
    opened(&upstream).await;
    assert!(server.requests()[3].starts_with("GET /probe HTTP/1.1\r\n"), "{:?}", server.requests());
    assert_eq!(upstream.get(call_about("dan")).await.unwrap().status, 200);
}

#[tokio::test]
async fn one_account_that_always_fails_is_told_from_the_others_by_a_probe() {
    let server = TestServer::answering(|request| {
        let is_probe = request.starts_with("GET /probe");
        answer(if is_probe { "404 Not Found" } else { "500 Internal Server Error" })
    });
    let server = server.await.unwrap();
    let upstream = upstream(&server.base);
    for _ in 0..9 {
        assert_eq!(upstream.get(call()).await.unwrap_err().class, Class::Transient);
    }
    let is_probed = || server.requests().iter().any(|request| request.starts_with("GET /probe"));
    while !is_probed() {
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(upstream.closed(), None);
}

#[tokio::test]
async fn a_retry_after_closes_the_gate_of_all_clones() {
    for head in ["429 Too Many Requests\r\nretry-after: 30", "503 Service Unavailable\r\nretry-after: 30"] {
        let server = TestServer::scripted(vec![answer(head), answer("200 OK")]).await.unwrap();
        let upstream = upstream(&server.base);
        let first = upstream.get(call()).await.unwrap_err();
        assert_eq!((first.class, first.retry_after), (Class::GateClosed, Some(30)));
        let other = upstream.clone().send(Method::Post, call(), &json!({})).await.unwrap_err();
        assert_eq!((other.class, other.retry_after, other.status), (Class::GateClosed, Some(30), None));
        assert_eq!(upstream.closed().map(|closed| closed.reason), Some(Reason::RetryAfter));
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_refused_key_closes_the_gate_until_a_probe_is_served() {
    let by_code = Reply::answer("403 Forbidden", r#"{"error":{"code":"invalid_token"}}"#);
    for refusal in [answer("401 Unauthorized"), by_code] {
        let server = TestServer::scripted(vec![refusal, answer("200 OK")]).await.unwrap();
        let upstream = upstream(&server.base);
        assert_eq!(upstream.get(call()).await.unwrap_err().class, Class::Credentials);
        let kept = upstream.get(call()).await.unwrap_err();
        assert_eq!((kept.class, kept.status, server.requests().len()), (Class::GateClosed, None, 1));
        assert_eq!(upstream.closed().map(|closed| closed.reason), Some(Reason::KeyRefused));
        opened(&upstream).await;
        assert_eq!(upstream.get(call()).await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn a_403_is_the_trouble_of_its_account() {
    let server = TestServer::scripted(vec![answer("403 Forbidden"), answer("200 OK")]).await.unwrap();
    let upstream = upstream(&server.base);
    let failure = upstream.get(call_about("ann")).await.unwrap_err();
    assert_eq!((failure.class, failure.status), (Class::Forbidden, Some(403)));
    assert_eq!(upstream.get(call_about("bob")).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_403_of_three_accounts_and_of_a_probe_is_a_refused_key() {
    let server = TestServer::scripted(vec![answer("403 Forbidden")]).await.unwrap();
    let upstream = upstream(&server.base);
    for account in ["ann", "bob", "cid"] {
        assert_eq!(upstream.get(call_about(account)).await.unwrap_err().class, Class::Forbidden);
    }
    let mut gate = upstream.watch_gate();
    while gate.closed().is_none() {
        gate.changed().await;
    }
    assert_eq!(upstream.closed().map(|closed| closed.reason), Some(Reason::KeyRefused));
    assert_eq!(upstream.get(call_about("ann")).await.unwrap_err().class, Class::GateClosed);
}

#[tokio::test]
async fn of_a_hanging_upstream_few_requests_wait_and_none_longer_than_its_gate_is_open() {
    let server = TestServer::scripted(vec![Reply::Silence]).await.unwrap();
    let setup = Setup { timeout: Duration::from_secs(10), ..setup(&server.base) };
    let upstream = Upstream::new(&Client::new().unwrap(), setup).unwrap();
    let start = Instant::now();
    let asked = (0..40).map(|number| {
        let upstream = upstream.clone();
        tokio::spawn(async move { upstream.get(call_about(&format!("u-{number}"))).await })
    });
    for asked in asked.collect::<Vec<_>>() {
        assert_eq!(asked.await.unwrap().unwrap_err().class, Class::GateClosed);
    }
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    assert!(server.requests().len() <= 8, "{}", server.requests().len());
}

#[tokio::test]
async fn a_read_that_hangs_while_others_are_served_is_sent_once_more() {
    let server = TestServer::scripted(vec![Reply::Silence, answer("200 OK")]).await.unwrap();
    let setup = Setup { timeout: Duration::from_secs(10), ..setup(&server.base) };
    let upstream = Upstream::new(&Client::new().unwrap(), setup).unwrap();
    assert_eq!(upstream.get(call()).await.unwrap().status, 200);
    let paths: Vec<bool> = server.requests().iter().map(|request| request.contains("/probe")).collect();
    assert_eq!(paths, [false, true, false]);
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
    let expected = Failure::new(Class::Transient, "reading the profile at adapty: connection refused");
    assert_eq!(failure, Failure { upstream: Some("adapty".to_owned()), ..expected });
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
    let setup = Setup { per_second: 4, ..setup(&server.base) };
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
    let setup = |base: &str, key: &str| Setup { headers: vec![("authorization", key.to_owned())], ..setup(base) };
    for base in ["", "api.adapty.io", "ftp://a.b", "https://", "https://key@a.b", "https://a.b/?c", "file:///a"] {
        let fault = Upstream::new(&client, setup(base, "k")).unwrap_err();
        assert!(matches!(fault, SetupError::Base { upstream } if &*upstream == "adapty"), "{base}");
    }
    let fault = Upstream::new(&client, setup("https://a.b", "secret\n")).unwrap_err();
    assert!(fault.to_string().contains("`authorization`") && !format!("{fault:?}").contains("secret"), "{fault}");
}
