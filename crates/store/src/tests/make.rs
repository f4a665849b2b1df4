//! A store with a clock of its own, and short names for rows.

use std::cell::Cell;
use std::future::poll_fn;
use std::ops::Deref;
use std::pin::Pin;
use std::str::FromStr;
use std::task::Poll;
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use cluster::database::Database;
use entitlement::model::clock::Timestamp;
use entitlement::model::expected::Refund;
use entitlement::model::key::StepKey;
use entitlement::model::ledger::{Entry, State};
use entitlement::model::access_level::AccessLevel;
use entitlement::model::account::Account;
use entitlement::model::mode::Mode;
use entitlement::model::user::User;
use entitlement::model::plan::PlannedStep;
use entitlement::model::reason::Reason;
use entitlement::model::step::{RevokeAccess, Step};
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};
use tempfile::TempDir;

use crate::claim::{Capacity, Claim, Claimed, Lease, Urgency};
use crate::connection::{Pool, Time};
use crate::error::OpenError;
use crate::event::{Event, Outcome, Recorded};
use crate::migrations;
use crate::open::{Options, Store};
use crate::record::{self, Attempt, Attention, Fenced, Intent, Settlement, StepOutcome, StepResult, SyncEnding};
use crate::tests::Kind;

/// How long the tests lease.
pub(super) const SPAN: Duration = Duration::from_secs(8);

thread_local! {
    /// Seconds since the beginning. A test and its writer share one thread, so each test has a time of its own.
    static PASSED: Cell<i64> = const { Cell::new(0) };
}

/// The time of this test: it stands still until the test lets it [`pass`].
pub(super) fn now() -> Timestamp {
    at(PASSED.get())
}

/// The time `seconds` after the beginning.
pub(super) fn at(seconds: i64) -> Timestamp {
    DateTime::from_timestamp(1_750_000_000, 0).unwrap() + TimeDelta::seconds(seconds)
}

/// Lets time pass.
pub(super) fn pass(seconds: i64) {
    PASSED.set(PASSED.get() + seconds);
}

/// A fresh store, gone with the test.
pub(super) struct Memory {
    store: Store,
    place: Place,
}

/// Where its database is.
enum Place {
    File(TempDir),
    Server(Box<Database>),
}

impl Place {
    async fn fresh() -> Self {
        match super::KIND {
            Kind::Sqlite => Self::File(tempfile::tempdir().unwrap()),
            Kind::Postgres => Self::Server(Box::new(Database::fresh().await.unwrap())),
        }
    }

    fn url(&self) -> String {
        match self {
            Self::File(directory) => format!("sqlite:{}", directory.path().join("grantsync.db").display()),
            Self::Server(database) => database.url().to_owned(),
        }
    }
}

impl Deref for Memory {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Memory {
    /// The address of the database, for another process to open.
    pub(super) fn url(&self) -> String {
        self.place.url()
    }

    /// The same database, opened by another process.
    pub(super) async fn again(&self) -> Store {
        Store::open(options(self.url(), 64)).await.unwrap()
    }

    /// The number that a query answers with, of the database itself.
    pub(super) async fn number(&self, query: &'static str) -> i64 {
        match &self.reads {
            Pool::Sqlite(reads) => reads.read(async |on| sqlx::query_scalar(query).fetch_one(on).await).await.unwrap(),
            Pool::Postgres(pool) => sqlx::query_scalar(query).fetch_one(pool).await.unwrap(),
        }
    }

    /// Changes the database behind the program's back.
    pub(super) async fn tamper(&self, text: &'static str) {
        match &self.reads {
            Pool::Sqlite(reads) => {
                reads.read(async |on| sqlx::raw_sql(text).execute(on).await).await.unwrap();
            }
            Pool::Postgres(pool) => drop(sqlx::raw_sql(text).execute(pool).await.unwrap()),
        }
    }
}

/// How the tests open a database.
pub(super) fn options(url: String, max_waiting: usize) -> Options {
    Options { url, max_waiting, clock: now, time: Time::Process }
}

/// The one place where the tests open a database.
pub(super) async fn memory() -> Memory {
    memory_with_slots(64).await
}

pub(super) async fn memory_with_slots(max_waiting: usize) -> Memory {
    let place = Place::fresh().await;
    Memory { store: Store::open(options(place.url(), max_waiting)).await.unwrap(), place }
}

/// A store whose database was made by the program whose newest migration was `version`, and holds `rows`.
pub(super) async fn memory_of_version(version: i64, rows: &'static str) -> Memory {
    try_memory_of_version(version, rows).await.unwrap()
}

/// The same, where it may be refused.
pub(super) async fn try_memory_of_version(version: i64, rows: &'static str) -> Result<Memory, OpenError> {
    let place = Place::fresh().await;
    match super::KIND {
        Kind::Sqlite => {
            let options = SqliteConnectOptions::from_str(&place.url()).unwrap().create_if_missing(true);
            let mut connection = options.connect().await.unwrap();
            up_to(version, migrations::sqlite()).run_direct(None, &mut connection, false).await.unwrap();
            connection.execute(sqlx::raw_sql(rows)).await.unwrap();
            connection.close().await.unwrap();
        }
        Kind::Postgres => {
            let mut connection = PgConnection::connect(&place.url()).await.unwrap();
            up_to(version, migrations::postgres()).run_direct(None, &mut connection, false).await.unwrap();
            connection.execute(sqlx::raw_sql(rows)).await.unwrap();
            connection.close().await.unwrap();
        }
    }
    Ok(Memory { store: Store::open(options(place.url(), 64)).await?, place })
}

fn up_to(version: i64, all: Migrator) -> Migrator {
    Migrator::with_migrations(all.iter().filter(|migration| migration.version <= version).cloned().collect())
}

/// `stripe:cus_…`.
pub(super) fn account(id: &str) -> Account {
    Account::new("stripe", &format!("cus_{id}"))
}

pub(super) fn user(id: &str) -> User {
    User::new(id).unwrap()
}

/// An event that enqueues the account `of`.
pub(super) fn event(id: &str, of: &str) -> Event {
    Event {
        id: format!("stripe:{id}"),
        kind: "invoice.paid".into(),
        object: Some("in_1".into()),
        outcome: Outcome::Enqueued(account(of)),
        created: now(),
        body: None,
    }
}

pub(super) async fn record(store: &Store, event: Event) -> Recorded {
    store.slot().unwrap().record(event).await.unwrap()
}

/// Enqueues an account without an event.
pub(super) async fn enqueue(store: &Store, id: &str) {
    store.enqueue(vec![account(id)], Urgency::Fresh).await.unwrap();
}

/// Claims up to `limit` accounts as process `owner`.
pub(super) async fn claim(store: &Store, owner: &str, limit: usize) -> Claimed {
    store.claim(Lease::new(owner, 1), Capacity::of(limit), SPAN).await.unwrap()
}

/// The ids of everything that `owner` can claim now, in the order of the claim.
pub(super) async fn claimed(store: &Store, owner: &str, limit: usize) -> Vec<String> {
    let found = claim(store, owner, limit).await;
    found.claims.iter().map(|claim| claim.account.id().trim_start_matches("cus_").to_owned()).collect()
}

/// Enqueues one account and claims it.
pub(super) async fn leased(store: &Store, id: &str) -> Claim {
    enqueue(store, id).await;
    let mut found = claim(store, &format!("holder of {id}"), 1).await;
    assert_eq!(found.claims.len(), 1, "{id} can be claimed");
    found.claims.remove(0)
}

/// The end of the sync that `claim` began.
pub(super) fn settlement(claim: &Claim, ending: SyncEnding) -> Settlement {
    let Claim { account, lease, generation, .. } = claim.clone();
    Settlement { account, lease, generation, results: Vec::new(), statuses: Vec::new(), waits_for: None, ending }
}

pub(super) async fn settle(store: &Store, claim: &Claim, ending: SyncEnding) -> Fenced {
    store.settle(settlement(claim, ending)).await.unwrap()
}

/// An end at which nothing is left.
pub(super) fn done() -> SyncEnding {
    SyncEnding::Done { due: None, attention: Vec::new() }
}

pub(super) fn done_with(parked: Vec<Attention>) -> SyncEnding {
    SyncEnding::Done { due: None, attention: parked }
}

pub(super) fn failed(next: Timestamp) -> SyncEnding {
    SyncEnding::Failed { due: next, error: "stripe does not answer".into(), attention: Vec::new() }
}

/// What is left waits for a gate.
pub(super) fn waiting(due: Option<Timestamp>) -> SyncEnding {
    SyncEnding::Waiting { due, error: "adapty does not answer".into(), attention: Vec::new() }
}

pub(super) fn attention(kind: record::AttentionKind, subject: &str) -> Attention {
    let (reason, hint) = ("it is so".to_owned(), "do this".to_owned());
    Attention { kind, user: None, subject: subject.to_owned(), reason, hint }
}

/// A step on `level`, known as `key`.
pub(super) fn planned(key: &str, level: &str) -> PlannedStep {
    PlannedStep {
        key: StepKey::stored(key.to_owned()),
        previous: None,
        step: Step::RevokeAccess(RevokeAccess { level: AccessLevel(level.to_owned()), refund: Refund::No }),
        because: Reason::NothingGivesIt,
        attempts: 0,
    }
}

/// The intention of a sync to send `steps` for the user u-1 in live mode.
pub(super) fn intent(claim: &Claim, steps: Vec<PlannedStep>) -> Intent {
    Intent {
        account: claim.account.clone(),
        user: user("u-1"),
        lease: claim.lease.clone(),
        destination: "adapty".into(),
        mode: Mode::Live,
        results: Vec::new(),
        steps,
        settled: Vec::new(),
        dropped: Vec::new(),
    }
}

pub(super) async fn intend(store: &Store, claim: &Claim, keys: &[&str]) -> Fenced {
    let steps = keys.iter().map(|key| planned(key, "premium")).collect();
    store.intend(intent(claim, steps)).await.unwrap()
}

pub(super) fn result(key: &str, outcome: StepOutcome) -> StepResult {
    StepResult { key: StepKey::stored(key.to_owned()), outcome }
}

pub(super) fn retry(due: Timestamp, attempt: Attempt) -> StepOutcome {
    StepOutcome::Retry { due, error: "it did not answer".into(), attempt }
}

pub(super) fn refused() -> StepOutcome {
    StepOutcome::Refused { error: "400: no".into() }
}

/// Ends the sync with the results of its steps.
pub(super) async fn settle_with(store: &Store, claim: &Claim, results: Vec<StepResult>) -> Fenced {
    store.settle(Settlement { results, ..settlement(claim, done()) }).await.unwrap()
}

/// A whole sync of `id` that intends one step and ends with `outcome` of it.
pub(super) async fn sync(store: &Store, id: &str, key: &str, outcome: StepOutcome) {
    let claim = leased(store, id).await;
    assert_eq!(intend(store, &claim, &[key]).await, Fenced::Written);
    assert_eq!(settle_with(store, &claim, vec![result(key, outcome)]).await, Fenced::Written);
}

/// The live entries of the user u-1, oldest first.
pub(super) async fn entries(store: &Store) -> Vec<Entry> {
    let mut entries = store.ledger(&user("u-1"), "adapty", Mode::Live).await.unwrap().entries;
    entries.sort_by_key(|entry| entry.seq);
    entries
}

/// The state of the step `key`.
pub(super) async fn state(store: &Store, key: &str) -> State {
    entries(store).await.into_iter().find(|entry| entry.key.as_str() == key).expect("it is in the ledger").state
}

/// Kind and subject of everything parked, oldest first.
pub(super) async fn parked(store: &Store) -> Vec<(String, String)> {
    store.parked().await.unwrap().into_iter().map(|row| (row.kind, row.subject)).collect()
}

/// Whether `future`, asked once, is not done.
pub(super) async fn is_pending<F: Future>(future: &mut Pin<Box<F>>) -> bool {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
}
