//! Parts of the program, each by itself: the core, the signature, the memory; and what the memory costs as it grows.
//!
//! `cargo bench -p daemon --bench parts`; the last group fills files with `GRANTSYNC_ACCOUNTS` accounts (default
//! `1000,100000`; `1000000` takes minutes and 4 GB) and ten ledger entries each.

#![allow(clippy::unwrap_used, reason = "a measure that cannot go on says so")]

use std::path::Path;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use entitlement::case::Case;
use entitlement::decide::decide;
use entitlement::model::account::Account;
use entitlement::model::clock::Timestamp;
use entitlement::model::mode::Mode;
use entitlement::model::user::User;
use simulator::webhook::sign;
use store::claim::{Capacity, Lease};
use store::connection::Time;
use store::event::{Event, Outcome};
use store::open::{Options, Store};
use store::record::{Settlement, SyncEnding};
use stripe::envelope;
use stripe::signature::Verifier;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

const SECRET: &str = "whsec_bench";
/// Events that wait for the writer at once.
const WAITING: usize = 64;
/// A ledger entry of each account, ten times over.
const STEP: &str = r#"{"revoke":{"level":"premium","refund":"no"}}"#;

fn tests(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests").join(path)
}

fn now() -> Timestamp {
    simulator::clock::now()
}

fn core(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide");
    for name in ["bought", "refunded", "refunded_with_another_running"] {
        let text = std::fs::read_to_string(tests(&format!("cases/{name}.json"))).unwrap();
        let case: Case = serde_json::from_str(&text).unwrap();
        group.bench_function(name, |bench| bench.iter(|| decide(&case)));
    }
    group.finish();
}

fn webhook(criterion: &mut Criterion) {
    let body = std::fs::read(tests("fuzz/event/customer.subscription.updated.json")).unwrap();
    let text = String::from_utf8(body.clone()).unwrap();
    let (at, verifier) = (now(), Verifier::new(&[SECRET]));
    let header = sign(SECRET, at, &text);
    let mut group = criterion.benchmark_group("webhook");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("signature", |bench| bench.iter(|| verifier.verify(&header, &body, at).unwrap()));
    group.bench_function("envelope", |bench| bench.iter(|| envelope::read(&body).unwrap()));
    group.finish();
}

async fn open(file: &Path) -> Store {
    let url = format!("sqlite:{}", file.display());
    Store::open(Options { url, max_waiting: 4096, clock: now, time: Time::Database }).await.unwrap()
}

fn event(number: u64, account: u64) -> Event {
    Event {
        id: format!("stripe:evt_{number}"),
        kind: "invoice.paid".into(),
        object: Some("in_1".into()),
        outcome: Outcome::Enqueued(Account::new("stripe", &format!("cus_{account}"))),
        created: now(),
        body: None,
    }
}

/// `count` new events, handed in at once; all are on the disk when it ends.
async fn record(store: &Store, first: u64, count: u64) {
    let mut recorded = JoinSet::new();
    for number in first..first + count {
        let slot = store.slot_when_free().await.unwrap();
        recorded.spawn(async move { slot.record(event(number, number % 1000)).await.unwrap() });
    }
    recorded.join_all().await;
}

fn memory(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let store = runtime.block_on(open(&directory.path().join("bench.db")));
    let mut number = 0;
    let mut group = criterion.benchmark_group("memory");
    group.throughput(Throughput::Elements(WAITING as u64)).sample_size(30);
    group.bench_function("events, 64 at once", |bench| {
        bench.iter(|| {
            runtime.block_on(record(&store, number, WAITING as u64));
            number += WAITING as u64;
        });
    });
    group.finish();
}

/// A file with so many settled accounts, each with a user, a link and ten entries in the ledger.
async fn grown(file: &Path, accounts: u64) -> Store {
    use sqlx::Connection;
    open(file).await.close().await;
    let mut connection = sqlx::SqliteConnection::connect(&file.display().to_string()).await.unwrap();
    let numbers = format!("WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {accounts})");
    let texts = [
        format!(
            "{numbers} INSERT INTO worklist (account, user_id, settled_at) SELECT 'stripe:cus_' || i, 'u-' || i, 0 FROM n"
        ),
        format!("{numbers} INSERT INTO links SELECT 'stripe:cus_' || i, 'u-' || i, 'operator', 0 FROM n"),
        format!(
            "{numbers}, t(k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM t WHERE k < 9)
             INSERT INTO ledger (key, destination, mode, user_id, account, subject, step, reason, state, due_at,
               intended_at, settled_at)
             SELECT printf('%032d', i * 10 + k), 'adapty', 'test', 'u-' || i, 'stripe:cus_' || i, 'premium', '{STEP}',
               '{{\"reason\":\"nothing_gives_it\"}}', 'confirmed', 0, 0, 0 FROM n, t"
        ),
    ];
    for text in texts {
        sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    open(file).await
}

/// One event, the claim of its account and the settlement of its sync.
async fn sync(store: &Store, number: u64, accounts: u64) {
    store.slot_when_free().await.unwrap().record(event(number, number % accounts)).await.unwrap();
    let lease = Lease::new("bench", number);
    let claimed = store.claim(lease, Capacity::of(1), Duration::from_secs(8)).await.unwrap();
    for claim in claimed.claims {
        let ending = SyncEnding::Done { due: None, attention: Vec::new() };
        let (account, lease, generation) = (claim.account, claim.lease, claim.generation);
        let settlement = Settlement {
            account,
            lease,
            generation,
            results: Vec::new(),
            statuses: Vec::new(),
            waits_for: None,
            ending,
        };
        store.settle(settlement).await.unwrap();
    }
}

#[expect(clippy::disallowed_methods, reason = "a switch of the measure, no setting of the program")]
fn growth(criterion: &mut Criterion) {
    let sizes = std::env::var("GRANTSYNC_ACCOUNTS").unwrap_or_else(|_| "1000,100000".to_owned());
    let runtime = Runtime::new().unwrap();
    let mut group = criterion.benchmark_group("growth");
    group.sample_size(30);
    for accounts in sizes.split(',').map(|size| size.trim().parse::<u64>().unwrap()) {
        let directory = tempfile::tempdir().unwrap();
        let store = runtime.block_on(grown(&directory.path().join("bench.db"), accounts));
        let mut number = 0;
        group.bench_function(BenchmarkId::new("event, claim and settlement", accounts), |bench| {
            bench.iter(|| {
                number += 7919;
                runtime.block_on(sync(&store, number, accounts));
            });
        });
        group.bench_function(BenchmarkId::new("the ledger of one user", accounts), |bench| {
            let next = || {
                number += 7919;
                User::new(&format!("u-{}", number % accounts)).unwrap()
            };
            let read = |user: User| runtime.block_on(store.ledger(&user, "adapty", Mode::Test)).unwrap();
            bench.iter_batched(next, read, BatchSize::SmallInput);
        });
        runtime.block_on(store.close());
    }
    group.finish();
}

criterion_group!(parts, core, webhook, memory, growth);
criterion_main!(parts);
