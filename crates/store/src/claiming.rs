//! Takes due accounts under a lease: fresh ones first, never two of one user.

use std::time::Duration;

use entitlement::model::account::Account;
use entitlement::model::clock::Timestamp;
use entitlement::model::user::User;

use crate::batch::Batch;
use crate::claim::{Capacity, Claim, Claimed, Lease, LeaseDeadline, Urgency};
use crate::connection::{Connection, Row};
use crate::error::StoreError;
use crate::statement::{Statement, sql};
use crate::value::{millis, millis_after, timestamp};
use crate::worklist::priority;

/// Takes due accounts under `lease`.
pub(crate) async fn claim(
    connection: &mut Connection,
    lease: &Lease,
    capacity: Capacity,
    span: Duration,
    now: Timestamp,
) -> Result<Claimed, StoreError> {
    let request = Request { lease, capacity, until: millis_after(now, span), now };
    let [mut found, next] = match connection {
        Connection::Sqlite(_) => request.claim_alone(connection).await?,
        Connection::Postgres(_) => {
            let found = request.claim_among_others(connection).await?;
            // whoever took all that was asked for asks again before they wait
            let next = if found.len() < capacity.total { find_next_due(connection, now).await? } else { Vec::new() };
            [found, next]
        }
    };
    // RETURNING knows no order
    found.sort_by_key(|row| (row.get::<i64>("priority"), row.get::<i64>("due_at")));
    let claims = found.iter().map(|row| request.claimed(row)).collect::<Result<Vec<_>, _>>()?;
    let next_due = next.first().and_then(|row| row.get::<Option<i64>>("due_at")).map(timestamp);
    Ok(Claimed { claims, next_due })
}

/// What is to be claimed.
struct Request<'a> {
    lease: &'a Lease,
    capacity: Capacity,
    /// When the lease is to run out.
    until: i64,
    now: Timestamp,
}

/// The accounts that are due and free, as a condition on `w` with the time as `$now`. Free: not leased, and of one user
/// only the first that is due, and none while another account of the user is leased.
fn is_free(now: &str) -> String {
    format!(
        "w.due_at <= {now} AND (w.lease_until IS NULL OR w.lease_until <= {now})
         AND (w.user_id IS NULL OR NOT EXISTS (
           SELECT 1 FROM worklist o WHERE o.user_id = w.user_id AND o.account <> w.account
             AND (o.lease_until > {now} OR (o.due_at <= {now}
               AND (o.priority, o.due_at, o.account) < (w.priority, w.due_at, w.account)))))"
    )
}

/// The first accounts of these priorities that are due and free, with the time as `$3`.
fn due_accounts(priorities: &str, limit: &str) -> String {
    let is_free = is_free("$3");
    format!(
        "SELECT account FROM (SELECT w.account FROM worklist w
           WHERE w.priority IN ({priorities}) AND {is_free} ORDER BY w.priority, w.due_at LIMIT {limit})"
    )
}

impl Request<'_> {
    /// SQLite has one writer at a time: what one statement finds, it has. Bulk comes last, as far as there is capacity.
    async fn claim_alone(&self, connection: &mut Connection) -> Result<[Vec<Row>; 2], StoreError> {
        let claim = sql(format!(
            "UPDATE worklist SET lease = $1, lease_until = $2 WHERE account IN ({} UNION ALL {} LIMIT $4)
             RETURNING account, user_id, generation, triggered_at, attempts, failing_since, priority, requested, due_at",
            due_accounts("0, 1", "$4"),
            due_accounts("2", "$5")
        ))
        .bind(self.lease.as_str())
        .bind(self.until)
        .bind(millis(self.now))
        .bind(limit(self.capacity.total))
        .bind(limit(self.capacity.bulk));
        claim.fetch_with(next_due(self.now), connection).await.map_err(StoreError::on("claiming accounts"))
    }

    /// On PostgreSQL other processes claim at the same time. Rows that one of them has locked are passed over; then
    /// each user is locked for the rest of the transaction; only then does a second statement, which sees everything
    /// committed by now, find out whether another account of theirs is leased.
    async fn claim_among_others(&self, connection: &mut Connection) -> Result<Vec<Row>, StoreError> {
        let free = self.lock_free(connection).await?;
        if free.is_empty() {
            return Ok(Vec::new());
        }
        sql("UPDATE worklist AS w SET lease = $1, lease_until = $2 FROM free
             WHERE w.account = free.value AND (w.user_id IS NULL OR NOT EXISTS (
               SELECT 1 FROM worklist o WHERE o.user_id = w.user_id AND o.account <> w.account AND o.lease_until > $3))
             RETURNING w.account, w.user_id, w.generation, w.triggered_at, w.attempts, w.failing_since, w.priority,
               w.requested, w.due_at")
        .bind(self.lease.as_str())
        .bind(self.until)
        .bind(millis(self.now))
        .with(Batch::texts("free", free.iter().map(String::as_str)))
        .fetch(connection)
        .await
        .map_err(StoreError::on("claiming accounts"))
    }

    /// Locks rows that are due and free, and their users.
    async fn lock_free(&self, connection: &mut Connection) -> Result<Vec<String>, StoreError> {
        // priority by priority, so that the index answers each in order
        let found = sql(format!(
            "SELECT t.account, t.user_id IS NULL OR pg_try_advisory_xact_lock(hashtextextended(t.user_id, 0)) AS free
             FROM (VALUES (0::bigint), (1::bigint), (2::bigint)) AS p(priority) CROSS JOIN LATERAL (
               SELECT w.account, w.user_id FROM worklist w WHERE w.priority = p.priority AND {}
               ORDER BY w.due_at LIMIT CASE p.priority WHEN 2 THEN $3 ELSE $2 END FOR UPDATE OF w SKIP LOCKED) AS t
             LIMIT $2",
            is_free("$1")
        ));
        let found = found.bind(millis(self.now)).bind(limit(self.capacity.total)).bind(limit(self.capacity.bulk));
        let found = found.fetch(connection).await.map_err(StoreError::on("finding due accounts"))?;
        Ok(found.iter().filter(|row| row.get("free")).map(|row| row.get("account")).collect())
    }

    fn claimed(&self, row: &Row) -> Result<Claim, StoreError> {
        let account = Account::parse(&row.get::<String>("account"));
        let account = account.map_err(|error| StoreError::Row { table: "worklist", what: error.to_string() })?;
        let deadline = LeaseDeadline::default();
        deadline.set(timestamp(self.until));
        Ok(Claim {
            account,
            user: row.get::<Option<String>>("user_id").as_deref().and_then(User::new),
            generation: row.get("generation"),
            triggered_at: row.get::<Option<i64>>("triggered_at").map(timestamp),
            attempts: u32::try_from(row.get::<i64>("attempts")).unwrap_or(0),
            failing_since: row.get::<Option<i64>>("failing_since").map(timestamp),
            urgency: match (row.get::<i64>("priority"), row.get::<i64>("requested")) {
                (priority::BULK, _) => Urgency::Bulk,
                (_, 1) => Urgency::Requested,
                (_, _) => Urgency::Fresh,
            },
            lease: self.lease.clone(),
            deadline,
        })
    }
}

fn limit(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

async fn find_next_due(connection: &mut Connection, now: Timestamp) -> Result<Vec<Row>, StoreError> {
    next_due(now).fetch(connection).await.map_err(StoreError::on("finding the next due account"))
}

fn next_due(now: Timestamp) -> Statement<'static> {
    // one look-up a priority, so that the index answers each with its first row
    sql("SELECT min(due_at) AS due_at FROM (
           SELECT min(due_at) AS due_at FROM worklist WHERE priority = 0 AND due_at > $1
           UNION ALL SELECT min(due_at) FROM worklist WHERE priority = 1 AND due_at > $1
           UNION ALL SELECT min(due_at) FROM worklist WHERE priority = 2 AND due_at > $1) AS soonest")
    .bind(millis(now))
}
