//! What holds for SQLite alone.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::make::{
    SPAN, account, at as time, claim, done, enqueue, event, leased, memory, now, options, pass, record, settle,
};
use crate::claim::{Capacity, Claim, Lease, Urgency};
use crate::connection::Pool;
use crate::error::{OpenError, StoreError};
use crate::event::Recorded;
use crate::inbox::Filter;
use crate::open::{Options, Store};
use crate::record::SyncEnding;

fn at(file: &std::path::Path) -> Options {
    options(format!("sqlite:{}", file.display()), 8)
}

#[tokio::test]
async fn what_was_written_is_there_when_the_file_is_opened_again() {
    let memory = memory().await;
    record(&memory, event("evt_1", "1")).await;
    let again = memory.again().await;
    assert_eq!(record(&again, event("evt_1", "1")).await, Recorded::Duplicate);
    assert_eq!(again.account_state(&account("1")).await.unwrap().unwrap().generation, 1);
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_with_a_clear_error() {
    let memory = memory().await;
    let newer = "INSERT INTO grantsync_migrations (version, description, success, checksum, execution_time)
                 VALUES (9999, 'from the future', 1, x'00', 0)";
    memory.tamper(newer).await;
    let error = Store::open(options(memory.url(), 8)).await.unwrap_err();
    assert!(matches!(error, OpenError::Newer { version: 9999 }), "{error:?}");
    assert!(error.to_string().contains("newer grantsync"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("letter.txt");
    let text = "Dear reader, this is a letter and no database at all.\n".repeat(100);
    std::fs::write(&file, &text).unwrap();
    let error = Store::open(at(&file)).await.unwrap_err();
    assert!(error.to_string().contains("letter.txt"), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing lies beside it");
}

#[tokio::test]
async fn the_error_for_a_missing_directory_names_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let error = Store::open(at(&directory.path().join("nowhere/grantsync.db"))).await.unwrap_err();
    assert!(error.to_string().contains("nowhere/grantsync.db"), "{error}");
}

#[tokio::test]
async fn a_row_that_a_constraint_refuses_does_not_refuse_its_neighbours() {
    let memory = memory().await;
    let trigger = "CREATE TRIGGER no_bad_events BEFORE INSERT ON inbox WHEN new.id = 'stripe:evt_bad'
                   BEGIN SELECT raise(ABORT, 'not that one'); END";
    memory.tamper(trigger).await;
    let bad = memory.slot().unwrap().record(event("evt_bad", "2"));
    let (first, bad, second) =
        tokio::join!(record(&memory, event("evt_1", "1")), bad, record(&memory, event("evt_2", "3")));
    assert_eq!((first, second), (Recorded::New, Recorded::New));
    assert!(matches!(bad, Err(StoreError::Refused(why)) if why.contains("not that one")));
    assert_eq!(memory.events(&Filter::default(), 9).await.unwrap().len(), 2);
    assert!(memory.account_state(&account("2")).await.unwrap().is_none(), "nothing of the refused one is there");
    assert!(memory.has_slots());
}

#[tokio::test]
async fn a_commit_is_on_the_disk_before_it_is_answered() {
    let memory = memory().await;
    let pragma = async |text: &'static str| {
        let Pool::Sqlite(reads) = &memory.reads else { panic!("this is SQLite") };
        let value = reads.read(async |on| sqlx::query_scalar::<_, String>(text).fetch_one(on).await).await;
        value.unwrap()
    };
    assert_eq!(pragma("SELECT journal_mode FROM pragma_journal_mode").await, "wal");
    assert_eq!(pragma("SELECT CAST(synchronous AS TEXT) FROM pragma_synchronous").await, "2");
}

#[tokio::test]
async fn reads_share_a_few_connections_and_end_with_the_store() {
    let memory = memory().await;
    let store = Store::clone(&memory);
    let reads = (0..50).map(|number| {
        let store = store.clone();
        tokio::spawn(async move { store.daemon_state(&number.to_string()).await })
    });
    for read in reads.collect::<Vec<_>>() {
        assert_eq!(read.await.unwrap().unwrap(), None);
    }
    Store::clone(&memory).close().await;
    assert!(store.daemon_state("late").await.is_err(), "the file is not opened again");
}

/// What is claimed as soon as there is something, if that is soon.
async fn claimed_when_due(store: &Store, sweep: Duration, stop: &CancellationToken) -> Vec<Claim> {
    let claimed = store.claim_when_due(Lease::new("a", 1), Capacity::of(8), SPAN, sweep, stop);
    tokio::time::timeout(Duration::from_secs(20), claimed).await.expect("it ends").unwrap().claims
}

const NEVER: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn an_account_is_claimed_in_the_transaction_of_its_trigger() {
    let (store, stop) = (memory().await, CancellationToken::new());
    let trigger = async {
        // it has found nothing by then
        store.daemon_state("x").await.unwrap();
        record(&store, event("evt_1", "1")).await;
        store.account_state(&account("1")).await.unwrap().unwrap().leased
    };
    let (claims, leased) = tokio::join!(claimed_when_due(&store, NEVER, &stop), trigger);
    assert_eq!(claims.iter().map(|claim| &claim.account).collect::<Vec<_>>(), [&account("1")]);
    assert!(leased, "when the event is answered");
    assert!(claims[0].deadline.is_ahead(now()));
    settle(&store, &claims[0], done()).await;
}

#[tokio::test]
async fn a_claim_that_waits_is_answered_at_the_stop() {
    let (store, stop) = (memory().await, CancellationToken::new());
    for _ in 0..2 {
        let stops = async { stop.cancel() };
        let (claims, ()) = tokio::join!(claimed_when_due(&store, NEVER, &stop), stops);
        assert!(claims.is_empty());
    }
    assert!(claimed_when_due(&store, NEVER, &stop).await.is_empty(), "stopped before as well");
    record(&store, event("evt_1", "1")).await;
    assert_eq!(claim(&store, "b", 8).await.claims.len(), 1, "no claim took it that had ended");
}

#[tokio::test]
async fn what_becomes_due_by_itself_or_through_another_process_is_claimed_soon() {
    let (store, stop) = (memory().await, CancellationToken::new());
    let first = leased(&store, "1").await;
    settle(&store, &first, SyncEnding::Done { due: Some(time(100)), attention: Vec::new() }).await;
    pass(100);
    assert_eq!(claimed_when_due(&store, NEVER, &stop).await.len(), 1);
    let again = store.again().await;
    let other = enqueue(&again, "2");
    let (claims, ()) = tokio::join!(claimed_when_due(&store, Duration::from_millis(5), &stop), other);
    assert_eq!(claims.iter().map(|claim| &claim.account).collect::<Vec<_>>(), [&account("2")]);
}

#[tokio::test]
async fn after_a_claim_that_left_some_the_next_finds_them() {
    let (store, stop) = (memory().await, CancellationToken::new());
    store.enqueue(vec![account("1"), account("2")], Urgency::Bulk).await.unwrap();
    let capacity = Capacity { total: 8, bulk: 1 };
    for number in 1..3 {
        let claimed = store.claim_when_due(Lease::new("a", number), capacity, SPAN, NEVER, &stop).await.unwrap();
        assert_eq!(claimed.claims.len(), 1);
    }
}
