//! Faults, the journal and its hook.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use simulator::fault::{Fault, Match, What};
use simulator::journal::Server;

use crate::Bench;

const GRANT: &str = "/profiles/u1/paid-access-levels/premium/grant/";

fn lifetime() -> Option<Value> {
    Some(json!({ "is_lifetime": true }))
}

async fn bench_with_profile() -> Bench {
    let bench = Bench::new().await;
    bench.simulator.adapty.create_profile("u1");
    bench
}

#[tokio::test]
async fn a_reset_after_applies_the_write() {
    let bench = bench_with_profile().await;
    bench.simulator.adapty.faults.inject(Fault::once(Match::on("POST", "/grant/"), What::ResetAfter));
    let sent = bench.adapty("POST", GRANT, lifetime()).send().await;
    assert!(sent.is_err());
    assert!(bench.simulator.adapty.has("u1", "premium"));
    assert_eq!(bench.simulator.journal.requests()[0].status, None);
    assert_eq!(bench.adapty_answer("POST", GRANT, lifetime()).await.0, 200);
}

#[tokio::test]
async fn a_reset_before_applies_nothing() {
    let bench = bench_with_profile().await;
    bench.simulator.adapty.faults.inject(Fault::once(Match::any().nth(2), What::ResetBefore));
    assert_eq!(bench.adapty_answer("GET", "/profiles/u1/", None).await.0, 200);
    assert!(bench.adapty("POST", GRANT, lifetime()).send().await.is_err());
    assert!(!bench.simulator.adapty.has("u1", "premium"));
    assert_eq!(bench.simulator.adapty.faults.played(), 1);
}

#[tokio::test]
async fn an_answer_can_be_dated_by_a_wrong_clock() {
    let bench = Bench::new().await;
    let off = What::DatedOff(-300);
    bench.simulator.stripe.faults.inject(Fault::once(Match::any(), off));
    let ahead = async || {
        let url = format!("{}/v1/customers", bench.simulator.stripe.url());
        let answer = bench.client.get(url).bearer_auth("sk_test_sandbox").send().await.unwrap();
        let dates: Vec<_> = answer.headers().get_all("date").iter().collect();
        assert_eq!(dates.len(), 1);
        let date = chrono::DateTime::parse_from_rfc2822(dates[0].to_str().unwrap()).unwrap();
        (date.to_utc() - simulator::clock::now()).num_seconds()
    };
    assert!((-302..=-299).contains(&ahead().await));
    assert!((-2..=0).contains(&ahead().await));
}

#[tokio::test]
async fn a_truncated_answer_breaks_off_in_the_body() {
    let bench = bench_with_profile().await;
    bench.simulator.adapty.faults.inject(Fault::once(Match::any(), What::Truncate));
    let answer = bench.adapty("POST", GRANT, lifetime()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.bytes().await.is_err());
    assert!(bench.simulator.adapty.has("u1", "premium"));
}

#[tokio::test]
async fn answers_can_be_refusals_pages_and_rubbish() {
    let bench = bench_with_profile().await;
    let faults = &bench.simulator.adapty.faults;
    let next = async |what: What| {
        faults.inject(Fault::once(Match::any(), what));
        bench.adapty("GET", "/profiles/u1/", None).send().await.unwrap()
    };
    let limited = next(What::RetryAfter(7)).await;
    assert_eq!((limited.status().as_u16(), limited.headers()["retry-after"].to_str().unwrap()), (429, "7"));
    let page = next(What::Html502).await;
    assert_eq!((page.status().as_u16(), page.headers()["content-type"].to_str().unwrap()), (502, "text/html"));
    let broken = next(What::DropBodyAfter).await;
    assert_eq!(broken.status(), 200);
    assert!(broken.json::<Value>().await.is_err());
    let plain = next(What::WrongContentType).await;
    assert_eq!(plain.headers()["content-type"], "text/plain; charset=utf-8");
    let chosen = next(What::Status(503, vec![("x-request-id".into(), "abc".into())], "{}".into())).await;
    assert_eq!((chosen.status().as_u16(), chosen.headers()["x-request-id"].to_str().unwrap()), (503, "abc"));
    assert_eq!(bench.adapty_answer("GET", "/profiles/u1/", None).await.0, 200);
}

#[tokio::test]
async fn an_answer_that_never_comes_leaves_nothing_done() {
    let bench = bench_with_profile().await;
    bench.simulator.adapty.faults.inject(Fault::always(Match::any(), What::HangForever));
    let request = bench.adapty("POST", GRANT, lifetime()).timeout(Duration::from_millis(50));
    assert!(request.send().await.unwrap_err().is_timeout());
    bench.simulator.adapty.faults.clear();
    assert!(!bench.simulator.adapty.has("u1", "premium"));
}

#[tokio::test]
async fn a_late_answer_comes_after_the_deed() {
    let bench = bench_with_profile().await;
    let late = What::AnswerLate(Duration::from_secs(60));
    bench.simulator.adapty.faults.inject(Fault::once(Match::any(), late));
    let request = bench.adapty("POST", GRANT, lifetime()).timeout(Duration::from_millis(200));
    assert!(request.send().await.unwrap_err().is_timeout());
    assert!(bench.simulator.adapty.has("u1", "premium"));
}

#[tokio::test]
async fn a_stale_read_shows_what_was_before_the_write() {
    let bench = bench_with_profile().await;
    bench.adapty_answer("POST", GRANT, lifetime()).await;
    let stale = What::StaleReads(Duration::from_secs(60));
    bench.simulator.adapty.faults.inject(Fault::once(Match::on("GET", "/profiles/"), stale));
    let (_, old) = bench.adapty_answer("GET", "/profiles/u1/", None).await;
    assert_eq!(old["data"]["paid_access_levels"], Value::Null);
    let (_, new) = bench.adapty_answer("GET", "/profiles/u1/", None).await;
    assert_eq!(new["data"]["paid_access_levels"]["premium"]["is_lifetime"], true);
}

#[tokio::test]
async fn an_answer_waits_for_the_latency_and_leaves_when_it_is_taken_away() {
    let bench = bench_with_profile().await;
    let faults = &bench.simulator.adapty.faults;
    faults.latency(Duration::from_secs(3600));
    let answered = bench.adapty_answer("GET", "/profiles/u1/", None);
    let cleared = async {
        let asked = |requests: &[simulator::journal::Request]| requests.len() == 1;
        bench.simulator.journal.wait_for(Duration::from_secs(5), asked).await.unwrap();
        assert_eq!(bench.simulator.journal.requests()[0].status, None);
        faults.clear();
    };
    let ((status, _), ()) = tokio::join!(answered, cleared);
    assert_eq!(status, 200);
}

#[tokio::test]
async fn the_journal_wakes_those_who_wait_and_keeps_no_key() {
    let bench = bench_with_profile().await;
    let journal = bench.simulator.journal.clone();
    let seen_early = Arc::new(AtomicBool::new(false));
    let (adapty, seen) = (bench.simulator.adapty.clone(), Arc::clone(&seen_early));
    journal.on_request(Box::new(move |_| {
        seen.store(!adapty.has("u1", "premium"), Ordering::SeqCst);
        None
    }));
    let waiting = tokio::spawn(async move {
        let answered =
            |requests: &[simulator::journal::Request]| requests.iter().any(|request| request.status == Some(200));
        journal.wait_for(Duration::from_secs(5), answered).await
    });
    bench.adapty_answer("POST", GRANT, lifetime()).await;
    waiting.await.unwrap().unwrap();
    assert!(seen_early.load(Ordering::SeqCst));
    let request = &bench.simulator.journal.requests()[0];
    assert_eq!((request.server, request.body["is_lifetime"].as_bool()), (Server::Adapty, Some(true)));
    assert_eq!(request.header("authorization"), None);
    let never = bench.simulator.journal.wait_for(Duration::from_millis(10), |_| false).await;
    assert!(never.unwrap_err().seen.contains("/grant/ Some(200)"));
}

#[tokio::test]
async fn a_dropped_simulator_answers_no_more() {
    let Bench { simulator, client } = bench_with_profile().await;
    let url = simulator.stripe.url();
    assert_eq!(client.get(&url).send().await.unwrap().status(), 401);
    drop(simulator);
    // The servers see the drop when they next run; each failed request lets them run.
    let mut closed = false;
    for _ in 0..100 {
        closed |= client.get(&url).send().await.is_err();
    }
    assert!(closed);
}
