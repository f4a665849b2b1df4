//! The worklist: accounts to look at, and when.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use entitlement::clock::Timestamp;
use entitlement::names::{Account, Customer};
use sqlx::{Row, SqliteConnection};

use crate::claim::{Claim, Claimed, Lease, Urgency};
use crate::error::StoreError;
use crate::open::Store;
use crate::record::{Ending, Settlement};
use crate::statements::{millis, moment, rows};
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
pub struct Standing {
    pub customer: Option<Customer>,
    pub due_at: Option<Timestamp>,
    pub generation: i64,
    pub settled_at: Option<Timestamp>,
    pub trouble: Option<String>,
    pub leased: bool,
}

impl Store {
    /// Makes accounts due at once, as a bell does.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn touch(&self, accounts: Vec<Account>, urgency: Urgency) -> Result<(), StoreError> {
        self.write(Op::Touch(accounts, urgency)).await.map(drop)
    }

    /// Makes due whatever waits for a second try, as a start does: what kept it waiting may be mended.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn retry_all(&self) -> Result<(), StoreError> {
        self.write(Op::RetryAll).await.map(drop)
    }

    /// Leases up to `limit` due accounts for `span` to process `owner`: fresh ones first, the longest waiting first, and
    /// never two of one customer.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn claim(&self, lease: Lease, limit: usize, span: Duration) -> Result<Claimed, StoreError> {
        self.write(Op::Claim(lease, limit, span)).await?.try_into()
    }

    /// Prolongs the leases in `held`, as far as nobody else has taken them over; a span of zero gives them back.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn renew(&self, held: Vec<(Account, Lease)>, span: Duration) -> Result<(), StoreError> {
        self.write(Op::Renew(held, span)).await.map(drop)
    }

    /// How much is due.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn backlog(&self) -> Result<Backlog, StoreError> {
        let query = sqlx::query("SELECT count(*), min(due_at) FROM worklist WHERE class IN (0, 1, 2) AND due_at <= $1");
        let row = query.bind(millis((self.clock)())).fetch_one(&self.reads).await;
        let row = row.map_err(StoreError::on("counting what is due"))?;
        let oldest: Option<i64> = row.get(1);
        Ok(Backlog { due: row.get(0), oldest: oldest.map(moment) })
    }

    /// Where `account` stands; `None` when it was never touched.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn standing(&self, account: &Account) -> Result<Option<Standing>, StoreError> {
        let query = sqlx::query(
            "SELECT customer, due_at, generation, settled_at, trouble, lease_until FROM worklist WHERE account = $1",
        );
        let row = query.bind(account.as_str()).fetch_optional(&self.reads).await;
        let now = millis((self.clock)());
        Ok(row.map_err(StoreError::on("reading the worklist"))?.map(|row| Standing {
            customer: row.get::<Option<String>, _>("customer").as_deref().and_then(Customer::new),
            due_at: row.get::<Option<i64>, _>("due_at").map(moment),
            generation: row.get("generation"),
            settled_at: row.get::<Option<i64>, _>("settled_at").map(moment),
            trouble: row.get("trouble"),
            leased: row.get::<Option<i64>, _>("lease_until").is_some_and(|until| until > now),
        }))
    }
}

/// Makes `accounts` due now and raises their generation.
pub(crate) async fn touch(
    connection: &mut SqliteConnection,
    accounts: &BTreeSet<&Account>,
    urgency: Urgency,
    now: Timestamp,
) -> Result<(), StoreError> {
    if accounts.is_empty() {
        return Ok(());
    }
    let class = match urgency {
        Urgency::Fresh => 0,
        Urgency::Bulk => 2,
    };
    sqlx::query(
        "INSERT INTO worklist (account, customer, due_at, class, generation, rung_at)
         SELECT value, (SELECT customer FROM links WHERE links.account = value), $2, $3, 1, $2
         FROM json_each($1) WHERE true
         ON CONFLICT (account) DO UPDATE SET
           generation = worklist.generation + 1,
           class = CASE WHEN worklist.due_at IS NULL OR worklist.due_at > excluded.due_at
                          OR worklist.class > excluded.class
                        THEN excluded.class ELSE worklist.class END,
           trouble = NULL,
           due_at = CASE WHEN worklist.due_at < excluded.due_at THEN worklist.due_at ELSE excluded.due_at END,
           rung_at = coalesce(worklist.rung_at, excluded.rung_at)",
    )
    .bind(rows(accounts.iter().map(|account| account.as_str()))?)
    .bind(millis(now))
    .bind(class)
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(StoreError::on("ringing for accounts"))
}

/// Takes due accounts under `lease`.
pub(crate) async fn claim(
    connection: &mut SqliteConnection,
    lease: &Lease,
    limit: usize,
    span: Duration,
    now: Timestamp,
) -> Result<Claimed, StoreError> {
    let found = sqlx::query(
        "UPDATE worklist SET lease = $1, lease_until = $2 WHERE account IN (
           SELECT w.account FROM worklist w
           WHERE w.due_at <= $3 AND w.class IN (0, 1, 2) AND (w.lease_until IS NULL OR w.lease_until <= $3)
             AND (w.customer IS NULL OR NOT EXISTS (
               SELECT 1 FROM worklist o WHERE o.customer = w.customer AND o.account <> w.account
                 AND (o.lease_until > $3 OR (o.due_at <= $3
                   AND (o.class, o.due_at, o.account) < (w.class, w.due_at, w.account)))))
           ORDER BY w.class, w.due_at LIMIT $4)
         RETURNING account, customer, generation, rung_at, attempts, failing_since, class, due_at",
    )
    .bind(lease.as_str())
    .bind(millis(now).saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    .bind(millis(now))
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(&mut *connection)
    .await
    .map_err(StoreError::on("claiming accounts"))?;
    let mut found = found;
    // RETURNING knows no order
    found.sort_by_key(|row| (row.get::<i64, _>("class"), row.get::<i64, _>("due_at")));
    let claims = found.iter().map(|row| claimed(row, lease)).collect::<Result<_, _>>()?;
    Ok(Claimed { claims, next_due: next_due(connection, now).await? })
}

async fn next_due(connection: &mut SqliteConnection, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    // one look-up a class, so that the index answers each with its first row
    let query = sqlx::query(
        "SELECT min(due_at) FROM (
           SELECT min(due_at) AS due_at FROM worklist WHERE class = 0 AND due_at > $1
           UNION ALL SELECT min(due_at) FROM worklist WHERE class = 1 AND due_at > $1
           UNION ALL SELECT min(due_at) FROM worklist WHERE class = 2 AND due_at > $1) AS soonest",
    );
    let row = query.bind(millis(now)).fetch_one(connection).await;
    let due: Option<i64> = row.map_err(StoreError::on("finding the next due account"))?.get(0);
    Ok(due.map(moment))
}

fn claimed(row: &sqlx::sqlite::SqliteRow, lease: &Lease) -> Result<Claim, StoreError> {
    let account: String = row.get("account");
    let account =
        Account::parse(&account).map_err(|error| StoreError::Row { table: "worklist", what: error.to_string() })?;
    Ok(Claim {
        account,
        customer: row.get::<Option<String>, _>("customer").as_deref().and_then(Customer::new),
        generation: row.get("generation"),
        rung_at: row.get::<Option<i64>, _>("rung_at").map(moment),
        attempts: u32::try_from(row.get::<i64, _>("attempts")).unwrap_or(0),
        failing_since: row.get::<Option<i64>, _>("failing_since").map(moment),
        lease: lease.clone(),
    })
}

pub(crate) async fn retry_all(connection: &mut SqliteConnection, now: Timestamp) -> Result<(), StoreError> {
    let doing = StoreError::on;
    let steps = sqlx::query("UPDATE ledger SET due_at = $1 WHERE state = 'intended' AND due_at > $1");
    steps.bind(millis(now)).execute(&mut *connection).await.map_err(doing("retrying steps"))?;
    let looks = sqlx::query(
        "UPDATE worklist SET due_at = $1, class = 1
         WHERE (attempts > 0 OR account IN (SELECT account FROM ledger WHERE state = 'intended')) AND due_at > $1",
    );
    looks.bind(millis(now)).execute(connection).await.map(|_| ()).map_err(doing("retrying looks"))
}

pub(crate) async fn renew(
    connection: &mut SqliteConnection,
    held: &[(Account, Lease)],
    span: Duration,
    now: Timestamp,
) -> Result<(), StoreError> {
    if held.is_empty() {
        return Ok(());
    }
    // one that ran out and that nobody took is ours again: another's lease has another name
    sqlx::query(
        "UPDATE worklist SET lease_until = $2
         FROM (SELECT value ->> 0 AS account, value ->> 1 AS lease FROM json_each($1)) AS h
         WHERE worklist.account = h.account AND worklist.lease = h.lease",
    )
    .bind(rows(held.iter().map(|(account, lease)| (account.as_str(), lease.as_str())))?)
    .bind(millis(now).saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(StoreError::on("renewing leases"))
}

/// Those of `asked` whose lease has not run out. Asked in the same transaction as the writes it guards.
pub(crate) async fn fence(
    connection: &mut SqliteConnection,
    asked: &[(&Account, &Lease)],
    now: Timestamp,
) -> Result<HashMap<Account, Lease>, StoreError> {
    if asked.is_empty() {
        return Ok(HashMap::new());
    }
    let held = sqlx::query(
        "SELECT w.account, w.lease FROM json_each($1) AS h
         JOIN worklist w ON w.account = h.value ->> 0 AND w.lease = h.value ->> 1 AND w.lease_until > $2",
    )
    .bind(rows(asked.iter().map(|(account, lease)| (account.as_str(), lease.as_str())))?)
    .bind(millis(now))
    .fetch_all(connection)
    .await
    .map_err(StoreError::on("checking leases"))?;
    let pair = |row: &sqlx::sqlite::SqliteRow| Some((Account::parse(row.get(0)).ok()?, Lease::stored(row.get(1))));
    Ok(held.iter().filter_map(pair).collect())
}

/// Ends looks: releases the lease; a bell since the claim leaves the account due.
pub(crate) async fn settle(
    connection: &mut SqliteConnection,
    settlements: &[&Settlement],
    now: Timestamp,
) -> Result<(), StoreError> {
    if settlements.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE worklist SET
           lease = NULL, lease_until = NULL,
           class = CASE WHEN worklist.generation = s.generation THEN 1 ELSE worklist.class END,
           due_at = CASE WHEN worklist.generation = s.generation THEN s.next ELSE $2 END,
           rung_at = CASE WHEN s.ending IN ('failed', 'yielded') THEN worklist.rung_at
                          WHEN worklist.generation = s.generation THEN NULL ELSE $2 END,
           attempts = CASE s.ending WHEN 'done' THEN 0 WHEN 'failed' THEN worklist.attempts + 1
                                    ELSE worklist.attempts END,
           failing_since = CASE s.ending WHEN 'failed' THEN coalesce(worklist.failing_since, $2)
                                         WHEN 'yielded' THEN worklist.failing_since ELSE NULL END,
           trouble = CASE s.ending WHEN 'yielded' THEN worklist.trouble ELSE s.why END,
           settled_at = CASE WHEN s.ending = 'done' AND worklist.generation = s.generation THEN $2
                             ELSE worklist.settled_at END
         FROM (SELECT value ->> 0 AS account, value ->> 1 AS lease, value ->> 2 AS generation, value ->> 3 AS ending,
                      value ->> 4 AS next, value ->> 5 AS why FROM json_each($1)) AS s
         WHERE worklist.account = s.account AND worklist.lease = s.lease",
    )
    .bind(rows(settlements.iter().map(|settlement| {
        let (ending, next, why) = match &settlement.ending {
            Ending::Done { next, .. } => ("done", next.map(millis), None),
            Ending::Failed { next, why } => ("failed", Some(millis(*next)), Some(why)),
            Ending::Forgotten => ("done", None, None),
            Ending::GivenUp(finding) => ("given_up", None, Some(&finding.reason)),
            Ending::Yielded { next } => ("yielded", Some(millis(*next)), None),
        };
        (settlement.account.as_str(), settlement.lease.as_str(), settlement.generation, ending, next, why)
    }))?)
    .bind(millis(now))
    .execute(&mut *connection)
    .await
    .map_err(StoreError::on("settling accounts"))?;
    let forgotten = settlements.iter().filter(|settlement| matches!(settlement.ending, Ending::Forgotten));
    forget(connection, forgotten.map(|settlement| settlement.account.as_str()).collect()).await
}

/// Removes rows that a bell has not rung for meanwhile.
async fn forget(connection: &mut SqliteConnection, accounts: Vec<&str>) -> Result<(), StoreError> {
    if accounts.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(
        "DELETE FROM worklist
         WHERE account IN (SELECT value FROM json_each($1)) AND due_at IS NULL AND lease IS NULL",
    );
    let query = query.bind(rows(accounts)?);
    query.execute(connection).await.map(|_| ()).map_err(StoreError::on("forgetting what led to an account"))
}
