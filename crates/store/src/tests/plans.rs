//! Every statement of an event or a sync finds its rows by an index, however many rows there are.

use std::time::Duration;

use entitlement::model::mode::Mode;
use sqlx::{AssertSqlSafe, Executor, Row};

use super::make::{
    Memory, SPAN, account, attention, claim, done_with, enqueue, event, failed, intend, intent, leased, memory, now,
    planned, record, result, settlement, user, waiting,
};
use crate::claim::{Capacity, Lease, Urgency};
use crate::connection::Pool;
use crate::event::Outcome;
use crate::link::Link;
use crate::record::{AttentionKind, Progress, Settlement, StepOutcome, SyncEnding};
use crate::statement::SENT;

/// Tables that grow with users, events or years; and their aliases in statements.
const GROWING: [&str; 15] = [
    "inbox",
    "worklist",
    "links",
    "former_users",
    "ledger",
    "statuses",
    "parked",
    "promotional_grants",
    "blocks",
    "attribute_overrides",
    "store_purchases",
    "w",
    "o",
    "s",
    "other",
];

/// How the database would find the rows of `text`, step by step.
async fn plan(of: &Memory, text: &str, types: &[&str]) -> Vec<String> {
    match &of.reads {
        Pool::Sqlite(reads) => {
            let query = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}"));
            let rows = reads.read(async |on| sqlx::query(query).fetch_all(on).await).await.unwrap();
            rows.iter().map(|row| row.get("detail")).collect()
        }
        Pool::Postgres(pool) => {
            let listed =
                |words: Vec<&str>| if words.is_empty() { String::new() } else { format!("({})", words.join(", ")) };
            let (values, types) = (listed(vec!["NULL"; types.len()]), listed(types.to_vec()));
            let mut on = pool.acquire().await.unwrap();
            // small tables would be scanned all the same
            on.execute("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan").await.unwrap();
            on.execute(sqlx::raw_sql(AssertSqlSafe(format!("PREPARE statement{types} AS {text}")))).await.unwrap();
            let rows = sqlx::raw_sql(AssertSqlSafe(format!("EXPLAIN EXECUTE statement{values}")));
            let rows = rows.fetch_all(&mut *on).await.unwrap();
            on.execute("DEALLOCATE statement").await.unwrap();
            rows.iter().map(|row| row.get(0)).collect()
        }
    }
}

/// Whether a step scans a table that grows.
fn scans(step: &str) -> bool {
    let step = step.trim_start_matches([' ', '-', '>']);
    let table = step.strip_prefix("SCAN ").or_else(|| step.strip_prefix("Seq Scan on "));
    table.is_some_and(|table| GROWING.contains(&table.split(' ').next().unwrap_or_default()))
}

/// Everything that becomes of two accounts of one user, with everything that may be found on the way.
async fn live(store: &Memory) {
    record(store, event("evt_1", "1")).await;
    let unreadable = Outcome::Unreadable { reason: "no type".into() };
    record(store, crate::event::Event { outcome: unreadable, body: Some("{}".into()), ..event("evt_2", "1") }).await;
    store.enqueue(vec![account("2")], Urgency::Bulk).await.unwrap();
    let claimed = claim(store, "a", 1).await.claims.remove(0);
    store.renew(vec![(claimed.account.clone(), claimed.lease.clone())], SPAN).await.unwrap();
    let link = Link { account: account("1"), user: user("u-1"), origin: "subscription.metadata.user".into() };
    store.link(link, Some(claimed.lease.clone())).await.unwrap();
    let mut intended = intent(&claimed, vec![planned("k1", "premium")]);
    store.intend(intended.clone()).await.unwrap();
    let outcomes = vec![result("k1", StepOutcome::Confirmed)];
    let Settlement { account: of, lease, .. } = settlement(&claimed, done_with(Vec::new()));
    store.record_progress(Progress { account: of, lease, results: outcomes, statuses: Vec::new() }).await.unwrap();
    (intended.settled, intended.dropped) = (vec![planned("k2", "gold").key], vec![planned("k3", "gold").key]);
    store.intend(intended).await.unwrap();
    let parked = done_with(vec![attention(AttentionKind::UnmappedPrice, "price_1")]);
    let statuses = vec![(user("u-1"), entitlement::status::Status::default())];
    store.settle(Settlement { statuses, ..settlement(&claimed, parked) }).await.unwrap();
    let waits = waiting(Some(now()));
    let given_up = SyncEnding::GivenUp(attention(AttentionKind::SyncFailed, "x"));
    for ending in [SyncEnding::Discarded, given_up, failed(now()), waits, SyncEnding::Yielded { due: now() }] {
        enqueue(store, "1").await;
        let claimed = store.claim(Lease::new("b", 2), Capacity::of(8), SPAN).await.unwrap();
        for claim in &claimed.claims {
            store.settle(settlement(claim, ending.clone())).await.unwrap();
        }
    }
    store.gate_opened("adapty").await.unwrap();
    let again = leased(store, "3").await;
    intend(store, &again, &["k4"]).await;
}

/// What a sync and a page view read.
async fn read(store: &Memory) {
    store.link_of(&account("1")).await.unwrap();
    store.account_context(&account("1")).await.unwrap();
    store.accounts_of(&user("u-1")).await.unwrap();
    store.ledger_and_overrides(&user("u-1"), "adapty", Mode::Live).await.unwrap();
    store.status_of(&user("u-1")).await.unwrap();
    store.store_purchases(&user("u-1")).await.unwrap();
    store.parked_for(&account("1")).await.unwrap();
    store.account_state(&account("1")).await.unwrap();
    store.event("stripe:evt_1").await.unwrap();
    store.backlog().await.unwrap();
    store.waiting_for("adapty").await.unwrap();
}

#[tokio::test]
async fn every_statement_of_an_event_or_a_sync_finds_its_rows_by_an_index() {
    let store = memory().await;
    SENT.take();
    live(&store).await;
    store.claim(Lease::new("c", 3), Capacity::of(1), Duration::ZERO).await.unwrap();
    read(&store).await;
    let sent = SENT.take();
    assert!(sent.len() > 25, "{} statements were sent", sent.len());
    for (text, types) in sent {
        let steps = plan(&store, &text, &types).await;
        assert!(!steps.is_empty(), "{text}");
        assert!(!steps.iter().any(|step| scans(step)), "{text}\nis done by\n{}", steps.join("\n"));
    }
}
