//! What holds for PostgreSQL alone: many processes at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use entitlement::model::access_level::AccessLevel;
use entitlement::model::account::Account;
use entitlement::model::until::Until;
use sqlx::{Connection, PgConnection, Row, SqliteConnection};

use super::make::{
    SPAN, account, claimed, done, enqueue, entries, event, leased, memory, now, options, pass, record, refused, settle,
    sync, user,
};
use crate::claim::{Capacity, Claim, Lease, Urgency};
use crate::error::OpenError;
use crate::event::Recorded;
use crate::import::{self, ImportError, Progress};
use crate::inbox::Filter;
use crate::link::{Link, Linked};
use crate::open::Store;
use crate::override_request::{OverrideAction, OverrideOutcome, OverrideRequest};
use crate::record::StepOutcome;
use crate::tokens::UpstreamPause;

async fn claim(store: &Store, owner: String, limit: usize) -> Vec<Claim> {
    store.claim(Lease::new(&owner, 1), Capacity::of(limit), SPAN).await.unwrap().claims
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_with_a_clear_error() {
    let memory = memory().await;
    memory
        .tamper(
            "INSERT INTO grantsync_migrations (version, description, success, checksum, execution_time)
             VALUES (9999, 'from the future', true, '', 0)",
        )
        .await;
    let error = Store::open(options(memory.url(), 8)).await.unwrap_err();
    assert!(matches!(error, OpenError::Newer { version: 9999 }), "{error:?}");
}

#[tokio::test]
async fn the_error_for_a_missing_server_does_not_show_the_password() {
    let url = "postgres://someone:hush-hush@127.0.0.1:1/nowhere".to_owned();
    let error = Store::open(options(url, 8)).await.unwrap_err();
    assert_eq!(error.to_string(), "connecting to postgresql at `127.0.0.1:1/nowhere`");
    assert!(!format!("{error:?}").contains("hush"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_processes_may_start_at_once_on_an_empty_database() {
    let empty = cluster::database::Database::fresh().await.unwrap();
    let opened = (0..10).map(|_| tokio::spawn(Store::open(options(empty.url().to_owned(), 8))));
    for opened in opened.collect::<Vec<_>>() {
        opened.await.unwrap().unwrap().probe().await.unwrap();
    }
}

#[tokio::test]
async fn no_account_is_claimed_twice_and_no_user_by_two() {
    let first = memory().await;
    let mut all = Vec::new();
    for number in 0..60 {
        let id = number.to_string();
        let user = user(&format!("u-{}", number % 20));
        let link = Link { account: account(&id), user, origin: "operator".into() };
        first.link(link, None).await.unwrap();
        all.push(account(&id));
    }
    let mut stores = vec![Store::clone(&first)];
    for _ in 0..3 {
        stores.push(first.again().await);
    }
    let mut synced: BTreeSet<Account> = BTreeSet::new();
    for round in 0..100 {
        let claims = stores.iter().enumerate().map(|(number, store)| {
            let (store, owner) = (store.clone(), format!("{number}-{round}"));
            tokio::spawn(async move { claim(&store, owner, 7).await })
        });
        let mut claims_now = Vec::new();
        for (number, claims) in claims.collect::<Vec<_>>().into_iter().enumerate() {
            claims_now.extend(claims.await.unwrap().into_iter().map(|claim| (number, claim)));
        }
        let accounts: BTreeSet<_> = claims_now.iter().map(|(_, claim)| claim.account.clone()).collect();
        let users: BTreeSet<_> =
            claims_now.iter().map(|(_, claim)| claim.user.clone().unwrap().as_str().to_owned()).collect();
        assert_eq!((accounts.len(), users.len()), (claims_now.len(), claims_now.len()), "round {round}");
        for (number, claim) in claims_now {
            assert!(synced.insert(claim.account.clone()), "{} came twice", claim.account);
            settle(&stores[number], &claim, done()).await;
        }
        if synced.len() == all.len() {
            return;
        }
    }
    panic!("only {} of {} came", synced.len(), all.len());
}

#[tokio::test]
async fn of_two_processes_that_learn_the_same_user_at_once_one_is_busy() {
    let first = memory().await;
    let second = first.again().await;
    for round in 0..30 {
        let (a, b) = (format!("a{round}"), format!("b{round}"));
        let (one, two) = (leased(&first, &a).await, leased(&first, &b).await);
        let link = |claim: &Claim| Link {
            account: claim.account.clone(),
            user: user(&format!("u-{round}")),
            origin: "subscription.metadata.customer_user_id".into(),
        };
        let (left, right) = tokio::join!(
            first.link(link(&one), Some(one.lease.clone())),
            second.link(link(&two), Some(two.lease.clone()))
        );
        let both = [left.unwrap(), right.unwrap()];
        assert!(both.iter().filter(|linked| **linked == Linked::Done).count() <= 1, "{both:?}");
        settle(&first, &one, done()).await;
        settle(&second, &two, done()).await;
    }
}

#[tokio::test]
async fn the_same_event_at_two_processes_is_new_once() {
    let first = memory().await;
    let second = first.again().await;
    for number in 0..50 {
        let event = || event(&format!("evt_{number}"), "1");
        let (one, two) = tokio::join!(record(&first, event()), record(&second, event()));
        assert_ne!(one, two);
        assert!([one, two].contains(&Recorded::New));
    }
    assert_eq!(first.account_state(&account("1")).await.unwrap().unwrap().generation, 50);
}

#[tokio::test]
async fn a_trigger_in_one_process_wakes_another_that_listens() {
    let first = memory().await;
    let second = first.again().await;
    let _held = second.listen();
    // it is notified once when it has begun to listen
    second.triggered().await;
    enqueue(&first, "1").await;
    tokio::time::timeout(Duration::from_secs(10), second.triggered()).await.expect("it is woken");
    assert_eq!(claimed(&second, "b", 1).await, ["1"]);
}

#[tokio::test]
async fn a_pause_that_one_process_reports_reaches_the_others() {
    let first = memory().await;
    let second = first.again().await;
    let mut pauses = second.listen();
    second.triggered().await;
    let pause = UpstreamPause { limit: "stripe:0123".into(), seconds: 30 };
    first.pause_upstream(pause.clone()).await.unwrap();
    let received = tokio::time::timeout(Duration::from_secs(10), pauses.recv()).await.expect("it is reported");
    assert_eq!(received, Some(pause));
}

#[tokio::test]
async fn a_connection_that_is_cut_is_made_anew_and_nothing_is_assumed() {
    let memory = memory().await;
    enqueue(&memory, "1").await;
    memory
        .tamper("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()")
        .await;
    // the first may find the connection gone
    let refused = memory.enqueue(vec![account("2")], Urgency::Fresh).await.is_err();
    enqueue(&memory, "3").await;
    memory.probe().await.unwrap();
    assert_eq!(memory.account_state(&account("2")).await.unwrap().is_none(), refused);
}

#[tokio::test]
async fn a_read_succeeds_though_every_reading_connection_was_cut_a_moment_ago() {
    let memory = memory().await;
    let read = || async { memory.probe().await.unwrap() };
    tokio::join!(read(), read(), read(), read(), read(), read());
    memory
        .tamper("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()")
        .await;
    read().await;
}

#[tokio::test]
async fn text_that_postgresql_cannot_store_is_stored_as_far_as_it_can_be() {
    let memory = memory().await;
    let mut odd = event("evt_1", "1");
    odd.kind = "invoice\0paid".into();
    assert_eq!(record(&memory, odd).await, Recorded::New);
    assert_eq!(memory.events(&Filter::default(), 1).await.unwrap()[0].kind, "invoice\u{fffd}paid");
}

#[tokio::test]
async fn leases_go_by_the_database_s_time_when_machines_share_it() {
    let memory = memory().await;
    let shared = crate::open::Options { time: crate::connection::Time::Database, ..options(memory.url(), 8) };
    let shared = Store::open(shared).await.unwrap();
    // by the clock of this process nothing is due for a long time yet
    memory.tamper("INSERT INTO worklist (account, due_at) VALUES ('stripe:cus_9', (extract(epoch FROM now()) * 1000)::bigint)").await;
    assert_eq!(claimed(&memory, "a", 1).await, [""; 0]);
    assert_eq!(claimed(&shared, "b", 1).await, ["9"]);
    pass(1);
}

#[tokio::test]
async fn everything_is_copied_from_sqlite_and_a_copy_that_was_stopped_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", directory.path().join("grantsync.db").display());
    let old = Store::open(options(url.clone(), 4000)).await.unwrap();
    for number in 0..2500 {
        old.slot_when_free()
            .await
            .unwrap()
            .record(event(&format!("evt_{number}"), &(number % 900).to_string()))
            .await
            .unwrap();
    }
    sync(&old, "buyer", "k1", StepOutcome::Confirmed).await;
    sync(&old, "buyer", "k2", refused()).await;
    let link = Link { account: account("buyer"), user: user("u-1"), origin: "operator".into() };
    old.link(link, None).await.unwrap();
    let what = OverrideAction::Grant {
        level: AccessLevel("premium".into()),
        until: Until::Lifetime,
        request: Some("r".into()),
    };
    let (by, why) = ("ops".to_owned(), String::new());
    let request = OverrideRequest { user: user("u-1"), destination: "adapty".into(), action: what, by, why };
    assert_eq!(old.apply_override(request.clone()).await.unwrap(), OverrideOutcome::Granted(1));
    old.set_daemon_state("catch_up", "2026-01-01T00:00:00Z".into()).await.unwrap();
    let new = cluster::database::Database::fresh().await.unwrap();
    // stopped in the middle: the report panics, as a killed process would end
    let (from, to) = (url.clone(), new.url().to_owned());
    let stopped = tokio::spawn(async move {
        let stop = |progress: Progress| assert!(progress.table != "inbox" || progress.copied < 2000, "stopped");
        import::copy(&from, &to, now, stop).await
    });
    assert!(stopped.await.unwrap_err().is_panic());
    let mut reports = Vec::new();
    let done = import::copy(&url, new.url(), now, |progress| reports.push(progress)).await.unwrap();
    let inbox: Vec<i64> = reports.iter().filter(|report| report.table == "inbox").map(|report| report.copied).collect();
    assert_eq!(inbox, [2500], "what was copied is not copied again");
    assert!(done.iter().all(|table| table.copied >= table.of), "{done:?}");
    let store = Store::open(options(new.url().to_owned(), 64)).await.unwrap();
    assert_eq!(record(&store, event("evt_7", "7")).await, Recorded::Duplicate);
    assert_eq!(
        store.audit_entries(&Default::default(), 9).await.unwrap(),
        old.audit_entries(&Default::default(), 9).await.unwrap()
    );
    assert_eq!(store.daemon_state("catch_up").await.unwrap().as_deref(), Some("2026-01-01T00:00:00Z"));
    assert_eq!(store.link_of(&account("buyer")).await.unwrap().unwrap().user, user("u-1"));
    assert_eq!(entries(&store).await, entries(&old).await);
    sync(&store, "buyer", "k3", StepOutcome::Confirmed).await;
    assert_eq!(entries(&store).await.last().unwrap().seq, 3, "it is numbered on");
    assert_eq!(
        old.apply_override(request.clone()).await.unwrap(),
        OverrideOutcome::GrantedBefore { id: 1, until: Until::Lifetime, ended: false }
    );
    let OverrideAction::Grant { level, until, .. } = request.action.clone() else { panic!("a grant") };
    let another = OverrideRequest { action: OverrideAction::Grant { level, until, request: None }, ..request };
    let OverrideOutcome::Granted(number) = old.apply_override(another).await.unwrap() else {
        panic!("it was not granted")
    };
    assert!(number > 1, "{number}");
    // and once more, with nothing left to do
    import::copy(&url, new.url(), now, drop).await.unwrap();
}

#[tokio::test]
async fn a_copy_into_a_database_with_rows_of_its_own_or_from_one_in_use_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", directory.path().join("grantsync.db").display());
    let old = Store::open(options(url.clone(), 8)).await.unwrap();
    let claim = leased(&old, "1").await;
    let target = memory().await;
    enqueue(&target, "2").await;
    let error = import::copy(&url, &target.url(), now, drop).await.unwrap_err();
    assert!(matches!(error, ImportError::InUse { leased: 1 }), "{error}");
    settle(&old, &claim, done()).await;
    let error = import::copy(&url, &target.url(), now, drop).await.unwrap_err();
    assert!(matches!(error, ImportError::NotEmpty { table: "worklist", rows: 1 }), "{error}");
    let error = import::copy("sqlite:/nowhere/at/all.db", &target.url(), now, drop).await.unwrap_err();
    assert!(matches!(error, ImportError::NoSource { .. }), "{error}");
    let error = import::copy(&target.url(), &url, now, drop).await.unwrap_err();
    assert!(matches!(error, ImportError::Direction), "{error}");
}

/// Tables and columns with what may be null, as either database lists them.
type Tables = BTreeMap<String, BTreeSet<(String, bool)>>;

#[tokio::test]
async fn both_databases_have_the_same_tables() {
    let memory = memory().await;
    let mut postgres = PgConnection::connect(&memory.url()).await.unwrap();
    let mut theirs = Tables::new();
    let columns = "SELECT table_name::text, column_name::text, is_nullable = 'YES' FROM information_schema.columns
                   WHERE table_schema = 'public'";
    for row in sqlx::query(columns).fetch_all(&mut postgres).await.unwrap() {
        theirs.entry(row.get(0)).or_default().insert((row.get(1), row.get(2)));
    }
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", directory.path().join("grantsync.db").display());
    drop(Store::open(options(url.clone(), 8)).await.unwrap());
    let mut sqlite = SqliteConnection::connect(&url).await.unwrap();
    let mut ours = Tables::new();
    let columns =
        "SELECT m.name, c.name, c.\"notnull\" = 0 AND c.pk = 0 FROM sqlite_schema m, pragma_table_info(m.name) c
                   WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'";
    for row in sqlx::query(columns).fetch_all(&mut sqlite).await.unwrap() {
        ours.entry(row.get(0)).or_default().insert((row.get(1), row.get(2)));
    }
    ours.remove("grantsync_migrations");
    theirs.remove("grantsync_migrations");
    assert_eq!(ours, theirs);
    let indexes = "SELECT indexname::text FROM pg_indexes WHERE schemaname = 'public' AND indexdef NOT LIKE '%UNIQUE%'";
    let theirs: BTreeSet<String> =
        sqlx::query_scalar(indexes).fetch_all(&mut postgres).await.unwrap().into_iter().collect();
    let indexes = "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL";
    let ours: BTreeSet<String> =
        sqlx::query_scalar(indexes).fetch_all(&mut sqlite).await.unwrap().into_iter().collect();
    assert_eq!(ours, theirs);
}

#[tokio::test]
async fn rows_that_must_not_be_are_refused() {
    let memory = memory().await;
    let mut connection = PgConnection::connect(&memory.url()).await.unwrap();
    for impossible in [
        "INSERT INTO worklist (account, priority) VALUES ('a', 3)",
        "INSERT INTO worklist (account, lease) VALUES ('a', 'l')",
        "INSERT INTO inbox (id, kind, outcome, created, received) VALUES ('e', 'k', 'lost', 0, 0)",
        "INSERT INTO ledger (key, destination, mode, user_id, account, subject, step, reason, state, due_at,
                             intended_at) VALUES ('k', 'd', 'live', 'c', 'a', 's', '{}', '{}', 'confirmed', 0, 0)",
        "INSERT INTO ledger (key, destination, mode, user_id, account, subject, step, reason, state, due_at,
                             intended_at, settled_at) VALUES ('k', 'd', 'live', 'c', 'a', 's', '{}', '{}', 'refused', 0, 0, 0)",
        "INSERT INTO ledger (key, destination, mode, user_id, account, subject, step, reason, state, due_at,
                             intended_at) VALUES ('k', 'd', 'both', 'c', 'a', 's', '{}', '{}', 'intended', 0, 0)",
    ] {
        let error = sqlx::query(impossible).execute(&mut connection).await.unwrap_err();
        assert!(error.to_string().contains("violates check constraint"), "{impossible}: {error}");
    }
}
