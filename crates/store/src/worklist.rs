//! The worklist: accounts to look at, and when.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::pin::pin;
use std::time::Duration;

use entitlement::clock::Timestamp;
use entitlement::names::{Account, User};
use tokio_util::sync::CancellationToken;

use crate::claim::{Capacity, Claim, Claimed, Lease, LeaseDeadline, Urgency};
use crate::connection::{Connection, Row};
use crate::error::StoreError;
use crate::open::Store;
use crate::record::{Settlement, SyncEnding};
use crate::statement::{Batch, Column, Statement, Value, differing, millis, moment, sql};
use crate::writer::Op;

/// What the worklist looks like from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Accounts that are due and not settled.
    pub due: i64,
    /// When the oldest of them became due.
    pub oldest: Option<Timestamp>,
}

/// Where one account stands.
#[derive(Clone, Debug)]
pub struct AccountState {
    pub user: Option<User>,
    pub due_at: Option<Timestamp>,
    pub generation: i64,
    pub settled_at: Option<Timestamp>,
    pub last_error: Option<String>,
    pub leased: bool,
}

impl Store {
    /// Makes accounts due at once, as a bell does.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn enqueue(&self, accounts: Vec<Account>, urgency: Urgency) -> Result<(), StoreError> {
        self.write(Op::Touch(accounts, urgency)).await.map(drop)
    }

    /// Makes due whatever waits for a second try, as a start does: what kept it waiting may be mended.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn retry_all(&self) -> Result<(), StoreError> {
        self.write(Op::RetryAll).await.map(drop)
    }

    /// Leases due accounts for `span`, as many as there is room for: fresh ones first, the longest waiting first, and never
    /// two of one customer.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn claim(&self, lease: Lease, room: Capacity, span: Duration) -> Result<Claimed, StoreError> {
        let asked = (self.clock)();
        let claimed: Claimed = self.write(Op::Claim(lease, room, span)).await?.try_into()?;
        let until = moment(until(asked, span));
        claimed.claims.iter().for_each(|claim| claim.deadline.set(until));
        Ok(claimed)
    }

    /// The same, as soon as there is something to claim, in the very transaction that makes it due; nothing when `stop` says
    /// so. What another process made due is found after `sweep` at the latest. On SQLite alone.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn claim_when_due(
        &self,
        lease: Lease,
        room: Capacity,
        span: Duration,
        sweep: Duration,
        stop: &CancellationToken,
    ) -> Result<Claimed, StoreError> {
        let mut claim = pin!(self.write(Op::Await(lease, room, span, sweep)));
        tokio::select! {
            // in order: nobody is dismissed who does not wait yet
            biased;
            claimed = &mut claim => claimed?.try_into(),
            () = stop.cancelled() => {
                self.write(Op::Dismiss).await?;
                // what was claimed meanwhile must be known, so that it can be given back
                claim.await?.try_into()
            }
        }
    }

    /// Prolongs the leases in `held`, as far as nobody else has taken them over; a span of zero gives them back. Answers
    /// those that are still ours.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn renew(
        &self,
        held: Vec<(Account, Lease)>,
        span: Duration,
    ) -> Result<HashSet<(Account, Lease)>, StoreError> {
        self.write(Op::Renew(held, span)).await?.try_into()
    }

    /// How much is due.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn backlog(&self) -> Result<Backlog, StoreError> {
        let query = sql(
            "SELECT count(*) AS due, min(due_at) AS oldest FROM worklist WHERE class IN (0, 1, 2) AND due_at <= $1",
        );
        let row = query.bind(millis((self.clock)())).read_first(&self.reads).await;
        let row = row.map_err(StoreError::on("counting what is due"))?;
        Ok(row.map_or_else(Backlog::default, |row| Backlog {
            due: row.get("due"),
            oldest: row.get::<Option<i64>>("oldest").map(moment),
        }))
    }

    /// Where `account` stands; `None` when it was never touched.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn account_state(&self, account: &Account) -> Result<Option<AccountState>, StoreError> {
        let query = sql(
            "SELECT customer, due_at, generation, settled_at, trouble, lease_until FROM worklist WHERE account = $1",
        );
        let row = query.bind(account.as_str()).read_first(&self.reads).await;
        let now = millis((self.clock)());
        Ok(row.map_err(StoreError::on("reading the worklist"))?.map(|row| AccountState {
            user: row.get::<Option<String>>("customer").as_deref().and_then(User::new),
            due_at: row.get::<Option<i64>>("due_at").map(moment),
            generation: row.get("generation"),
            settled_at: row.get::<Option<i64>>("settled_at").map(moment),
            last_error: row.get("trouble"),
            leased: row.get::<Option<i64>>("lease_until").is_some_and(|until| until > now),
        }))
    }
}

/// Makes `accounts` due now and raises their generation.
pub(crate) async fn enqueue(
    connection: &mut Connection,
    accounts: &BTreeMap<&Account, Urgency>,
    now: Timestamp,
) -> Result<(), StoreError> {
    if accounts.is_empty() {
        return Ok(());
    }
    let rows = accounts.iter().map(|(account, urgency)| {
        let (class, asked) = match urgency {
            Urgency::Fresh => (0, 0),
            Urgency::Requested => (0, 1),
            Urgency::Bulk => (2, 1),
        };
        [account.as_str().into(), Value::from(class), Value::from(asked)]
    });
    // in order, so that two processes never wait for each other crosswise
    sql("INSERT INTO worklist (account, customer, due_at, class, asked, generation, rung_at)
         SELECT rung.account, links.customer, $1, rung.class, rung.asked, 1, $1
         FROM rung LEFT JOIN links ON links.account = rung.account WHERE true ORDER BY rung.account
         ON CONFLICT (account) DO UPDATE SET
           generation = worklist.generation + 1,
           class = CASE WHEN worklist.due_at IS NULL OR worklist.due_at > excluded.due_at
                          OR worklist.class > excluded.class
                        THEN excluded.class ELSE worklist.class END,
           asked = CASE WHEN excluded.asked = 1
                          OR (worklist.due_at <= excluded.due_at AND worklist.rung_at IS NULL)
                        THEN 1 ELSE worklist.asked END,
           trouble = NULL,
           due_at = CASE WHEN worklist.due_at < excluded.due_at THEN worklist.due_at ELSE excluded.due_at END,
           rung_at = coalesce(worklist.rung_at, excluded.rung_at)")
    .bind(millis(now))
    .with(Batch::new("rung", [Column::Text("account"), Column::Number("class"), Column::Number("asked")], rows))
    .later(connection, "ringing for accounts")
    .await
}

/// When a lease of `span` runs out.
pub(crate) fn until(now: Timestamp, span: Duration) -> i64 {
    millis(now).saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX))
}

/// Takes due accounts under `lease`.
pub(crate) async fn claim(
    connection: &mut Connection,
    lease: &Lease,
    room: Capacity,
    span: Duration,
    now: Timestamp,
) -> Result<Claimed, StoreError> {
    let [mut found, next] = match connection {
        Connection::Sqlite(_) => claim_alone(connection, lease, room, span, now).await?,
        Connection::Postgres(_) => {
            let found = claim_among_others(connection, lease, room, span, now).await?;
            // whoever took all that was asked for asks again before they wait
            let next = if found.len() < room.total { Some(next_due(now).fetch(connection).await) } else { None };
            [found, next.transpose().map_err(StoreError::on(FINDING_NEXT))?.unwrap_or_default()]
        }
    };
    // RETURNING knows no order
    found.sort_by_key(|row| (row.get::<i64>("class"), row.get::<i64>("due_at")));
    let claims = found.iter().map(|row| claimed(row, lease)).collect::<Result<Vec<_>, _>>()?;
    // by the time of this transaction; whoever asks a database with a time of its own sets it anew
    claims.iter().for_each(|claim| claim.deadline.set(moment(until(now, span))));
    let next_due = next.first().and_then(|row| row.get::<Option<i64>>("due_at")).map(moment);
    Ok(Claimed { claims, next_due })
}

const FINDING_NEXT: &str = "finding the next due account";

/// SQLite has one writer at a time: what one statement finds, it has. Bulk comes after, as far as there is room.
async fn claim_alone(
    connection: &mut Connection,
    lease: &Lease,
    room: Capacity,
    span: Duration,
    now: Timestamp,
) -> Result<[Vec<Row>; 2], StoreError> {
    let due = |classes: &str, limit: &str| {
        format!(
            "SELECT account FROM (SELECT w.account FROM worklist w
               WHERE w.due_at <= $3 AND w.class IN ({classes}) AND (w.lease_until IS NULL OR w.lease_until <= $3)
                 AND (w.customer IS NULL OR NOT EXISTS (
                   SELECT 1 FROM worklist o WHERE o.customer = w.customer AND o.account <> w.account
                     AND (o.lease_until > $3 OR (o.due_at <= $3
                       AND (o.class, o.due_at, o.account) < (w.class, w.due_at, w.account)))))
               ORDER BY w.class, w.due_at LIMIT {limit})"
        )
    };
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let claim = sql(format!(
        "UPDATE worklist SET lease = $1, lease_until = $2 WHERE account IN ({} UNION ALL {} LIMIT $4)
         RETURNING account, customer, generation, rung_at, attempts, failing_since, class, asked, due_at",
        due("0, 1", "$4"),
        due("2", "$5")
    ))
    .bind(lease.as_str())
    .bind(until(now, span))
    .bind(millis(now))
    .bind(count(room.total))
    .bind(count(room.bulk));
    claim.fetch_with(next_due(now), connection).await.map_err(StoreError::on("claiming accounts"))
}

/// On PostgreSQL other processes claim at the same time. Rows that one of them has locked are passed over; then each
/// customer is held for the rest of the transaction; only then does a second statement, which sees everything committed
/// by now, find out whether another account of theirs is leased.
async fn claim_among_others(
    connection: &mut Connection,
    lease: &Lease,
    room: Capacity,
    span: Duration,
    now: Timestamp,
) -> Result<Vec<Row>, StoreError> {
    // class by class, so that the index answers each in order
    let found = sql(
        "SELECT t.account, t.customer IS NULL OR pg_try_advisory_xact_lock(hashtextextended(t.customer, 0)) AS free
         FROM (VALUES (0::bigint), (1::bigint), (2::bigint)) AS c(class) CROSS JOIN LATERAL (
           SELECT w.account, w.customer FROM worklist w
           WHERE w.class = c.class AND w.due_at <= $1 AND (w.lease_until IS NULL OR w.lease_until <= $1)
             AND (w.customer IS NULL OR NOT EXISTS (
               SELECT 1 FROM worklist o WHERE o.customer = w.customer AND o.account <> w.account
                 AND (o.lease_until > $1 OR (o.due_at <= $1
                   AND (o.class, o.due_at, o.account) < (w.class, w.due_at, w.account)))))
           ORDER BY w.due_at LIMIT CASE c.class WHEN 2 THEN $3 ELSE $2 END FOR UPDATE OF w SKIP LOCKED) AS t
         LIMIT $2",
    );
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let found = found.bind(millis(now)).bind(count(room.total)).bind(count(room.bulk)).fetch(connection).await;
    let found = found.map_err(StoreError::on("finding due accounts"))?;
    let free: Vec<String> = found.iter().filter(|row| row.get("free")).map(|row| row.get("account")).collect();
    if free.is_empty() {
        return Ok(Vec::new());
    }
    sql("UPDATE worklist AS w SET lease = $1, lease_until = $2 FROM free
         WHERE w.account = free.value AND (w.customer IS NULL OR NOT EXISTS (
           SELECT 1 FROM worklist o WHERE o.customer = w.customer AND o.account <> w.account AND o.lease_until > $3))
         RETURNING w.account, w.customer, w.generation, w.rung_at, w.attempts, w.failing_since, w.class, w.asked,
           w.due_at")
    .bind(lease.as_str())
    .bind(until(now, span))
    .bind(millis(now))
    .with(Batch::texts("free", free.iter().map(String::as_str)))
    .fetch(connection)
    .await
    .map_err(StoreError::on("claiming accounts"))
}

fn next_due(now: Timestamp) -> Statement<'static> {
    // one look-up a class, so that the index answers each with its first row
    sql("SELECT min(due_at) AS due_at FROM (
           SELECT min(due_at) AS due_at FROM worklist WHERE class = 0 AND due_at > $1
           UNION ALL SELECT min(due_at) FROM worklist WHERE class = 1 AND due_at > $1
           UNION ALL SELECT min(due_at) FROM worklist WHERE class = 2 AND due_at > $1) AS soonest")
    .bind(millis(now))
}

fn claimed(row: &Row, lease: &Lease) -> Result<Claim, StoreError> {
    let account: String = row.get("account");
    let account =
        Account::parse(&account).map_err(|error| StoreError::Row { table: "worklist", what: error.to_string() })?;
    Ok(Claim {
        account,
        user: row.get::<Option<String>>("customer").as_deref().and_then(User::new),
        generation: row.get("generation"),
        triggered_at: row.get::<Option<i64>>("rung_at").map(moment),
        attempts: u32::try_from(row.get::<i64>("attempts")).unwrap_or(0),
        failing_since: row.get::<Option<i64>>("failing_since").map(moment),
        urgency: match (row.get::<i64>("class"), row.get::<i64>("asked")) {
            (2, _) => Urgency::Bulk,
            (_, 1) => Urgency::Requested,
            (_, _) => Urgency::Fresh,
        },
        lease: lease.clone(),
        deadline: LeaseDeadline::default(),
    })
}

pub(crate) async fn retry_all(connection: &mut Connection, now: Timestamp) -> Result<(), StoreError> {
    let doing = StoreError::on;
    let steps = sql("UPDATE ledger SET due_at = $1 WHERE state = 'intended' AND due_at > $1");
    steps.bind(millis(now)).execute(connection).await.map_err(doing("retrying steps"))?;
    let looks = sql("UPDATE worklist SET due_at = $1, class = 1
         WHERE (attempts > 0 OR account IN (SELECT account FROM ledger WHERE state = 'intended')) AND due_at > $1");
    looks.bind(millis(now)).execute(connection).await.map(drop).map_err(doing("retrying looks"))
}

/// Leases as a table.
fn leases<'a>(name: &'static str, of: impl IntoIterator<Item = (&'a Account, &'a Lease)>) -> Batch<'a> {
    let rows = of.into_iter().map(|(account, lease)| [account.as_str().into(), lease.as_str().into()]);
    Batch::new(name, [Column::Text("account"), Column::Text("lease")], rows)
}

fn lease_of(row: &Row) -> Option<(Account, Lease)> {
    Some((Account::parse(&row.get::<String>("account")).ok()?, Lease::stored(row.get("lease"))))
}

pub(crate) async fn renew(
    connection: &mut Connection,
    held: &[(Account, Lease)],
    span: Duration,
    now: Timestamp,
) -> Result<HashSet<(Account, Lease)>, StoreError> {
    if held.is_empty() {
        return Ok(HashSet::new());
    }
    // one that ran out and that nobody took is ours again: another's lease has another name
    let renewed = differing(
        "UPDATE worklist SET lease_until = $1 FROM held
         WHERE worklist.account = held.account AND worklist.lease = held.lease
         RETURNING worklist.account AS account, worklist.lease AS lease",
        // locked in order, as everybody does
        "UPDATE worklist SET lease_until = $1 FROM (
           SELECT w.account, w.lease FROM worklist w JOIN held ON w.account = held.account AND w.lease = held.lease
           ORDER BY w.account FOR UPDATE OF w) AS ours
         WHERE worklist.account = ours.account
         RETURNING worklist.account AS account, worklist.lease AS lease",
    );
    let held = leases("held", held.iter().map(|(account, lease)| (account, lease)));
    let renewed = renewed.bind(until(now, span)).with(held).fetch(connection).await;
    Ok(renewed.map_err(StoreError::on("renewing leases"))?.iter().filter_map(lease_of).collect())
}

/// Those of `asked` whose lease has not run out. Asked in the same transaction as the writes it guards, until whose end
/// nobody else can take them; `touched` are locked with them, all in order, so that two processes never wait for each
/// other crosswise.
pub(crate) async fn fence<'a>(
    connection: &mut Connection,
    asked: &[(&'a Account, &'a Lease)],
    touched: impl IntoIterator<Item = &'a Account>,
    now: Timestamp,
) -> Result<HashMap<Account, Lease>, StoreError> {
    if asked.is_empty() {
        return Ok(HashMap::new());
    }
    let touched: Vec<&str> = match connection {
        Connection::Sqlite(_) => Vec::new(),
        Connection::Postgres(_) => touched.into_iter().map(Account::as_str).collect(),
    };
    let all = asked.iter().map(|(account, _)| account.as_str()).chain(touched);
    let held = sql("SELECT account, lease, lease_until FROM worklist WHERE account IN (SELECT value FROM concerned)
         ORDER BY account");
    let held = held.with(Batch::texts("concerned", all)).locking().fetch(connection).await;
    let held = held.map_err(StoreError::on("checking leases"))?;
    let asked: HashSet<(&str, &str)> =
        asked.iter().map(|(account, lease)| (account.as_str(), lease.as_str())).collect();
    let held = held.iter().filter(|row| row.get::<Option<i64>>("lease_until").is_some_and(|until| until > millis(now)));
    let held = held.filter_map(lease_of);
    Ok(held.filter(|(account, lease)| asked.contains(&(account.as_str(), lease.as_str()))).collect())
}

/// Ends looks: releases the lease; a bell since the claim leaves the account due.
pub(crate) async fn settle(
    connection: &mut Connection,
    settlements: &[&Settlement],
    now: Timestamp,
) -> Result<(), StoreError> {
    if settlements.is_empty() {
        return Ok(());
    }
    let rows = settlements.iter().map(|settlement| -> [Value<'_>; 6] {
        let (ending, next, why) = match &settlement.ending {
            SyncEnding::Done { due, .. } => ("done", due.map(millis), None),
            SyncEnding::Incomplete { due, error, .. } => ("done", due.map(millis), error.as_deref()),
            SyncEnding::Failed { due, error, .. } => ("failed", Some(millis(*due)), Some(error.as_str())),
            SyncEnding::Discarded => ("done", None, None),
            SyncEnding::GivenUp(finding) => ("given_up", None, Some(finding.reason.as_str())),
            SyncEnding::Yielded { due } => ("yielded", Some(millis(*due)), None),
        };
        let (account, lease) = (settlement.account.as_str(), settlement.lease.as_str());
        [account.into(), lease.into(), settlement.generation.into(), ending.into(), next.into(), why.into()]
    });
    let (text, number) = (Column::Text, Column::Number);
    let columns = [text("account"), text("lease"), number("generation"), text("ending"), number("next"), text("why")];
    sql("UPDATE worklist SET
           lease = NULL, lease_until = NULL,
           class = CASE WHEN worklist.generation = s.generation THEN 1 ELSE worklist.class END,
           asked = CASE WHEN s.ending IN ('failed', 'yielded') OR worklist.generation <> s.generation
                        THEN worklist.asked ELSE 0 END,
           due_at = CASE WHEN worklist.generation = s.generation THEN s.next ELSE $1 END,
           rung_at = CASE WHEN s.ending IN ('failed', 'yielded') THEN worklist.rung_at
                          WHEN worklist.generation = s.generation THEN NULL ELSE $1 END,
           attempts = CASE s.ending WHEN 'done' THEN 0 WHEN 'failed' THEN worklist.attempts + 1
                                    ELSE worklist.attempts END,
           failing_since = CASE s.ending WHEN 'failed' THEN coalesce(worklist.failing_since, $1)
                                         WHEN 'yielded' THEN worklist.failing_since ELSE NULL END,
           trouble = CASE s.ending WHEN 'yielded' THEN worklist.trouble ELSE s.why END,
           settled_at = CASE WHEN s.ending = 'done' AND worklist.generation = s.generation THEN $1
                             ELSE worklist.settled_at END
         FROM settlements AS s
         WHERE worklist.account = s.account AND worklist.lease = s.lease")
    .bind(millis(now))
    .with(Batch::new("settlements", columns, rows))
    .later(connection, "settling accounts")
    .await?;
    let forgotten = settlements.iter().filter(|settlement| matches!(settlement.ending, SyncEnding::Discarded));
    forget(connection, forgotten.map(|settlement| settlement.account.as_str()).collect()).await
}

/// Removes rows that a bell has not rung for meanwhile.
async fn forget(connection: &mut Connection, accounts: Vec<&str>) -> Result<(), StoreError> {
    if accounts.is_empty() {
        return Ok(());
    }
    let query =
        sql("DELETE FROM worklist WHERE account IN (SELECT value FROM forgotten) AND due_at IS NULL AND lease IS NULL");
    let query = query.with(Batch::texts("forgotten", accounts));
    query.later(connection, "forgetting what led to an account").await
}
