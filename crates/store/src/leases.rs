//! Leases on accounts: which are still held, and how they are extended.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use entitlement::model::account::Account;
use entitlement::model::clock::Timestamp;

use crate::batch::{Batch, Column};
use crate::claim::Lease;
use crate::connection::{Connection, Row};
use crate::error::StoreError;
use crate::statement::{differing, sql};
use crate::value::{millis, millis_after};

/// Those of `claimed` whose lease has not run out: the fence of what syncs write.
///
/// Read in the transaction of the writes that it guards, until whose end nobody else can take the rows. `enqueued` are
/// locked with them, all in order, so that two processes never deadlock.
pub(crate) async fn held<'a>(
    connection: &mut Connection,
    claimed: &[(&'a Account, &'a Lease)],
    enqueued: impl IntoIterator<Item = &'a Account>,
    now: Timestamp,
) -> Result<HashMap<Account, Lease>, StoreError> {
    if claimed.is_empty() {
        return Ok(HashMap::new());
    }
    let enqueued: Vec<&str> = match connection {
        Connection::Sqlite(_) => Vec::new(),
        Connection::Postgres(_) => enqueued.into_iter().map(Account::as_str).collect(),
    };
    let all = claimed.iter().map(|(account, _)| account.as_str()).chain(enqueued);
    let found = sql("SELECT account, lease, lease_until FROM worklist WHERE account IN (SELECT value FROM written)
         ORDER BY account");
    let found = found.with(Batch::texts("written", all)).locking().fetch(connection).await;
    let found = found.map_err(StoreError::on("checking leases"))?;
    let claimed: HashSet<(&str, &str)> =
        claimed.iter().map(|(account, lease)| (account.as_str(), lease.as_str())).collect();
    let running =
        found.iter().filter(|row| row.get::<Option<i64>>("lease_until").is_some_and(|until| until > millis(now)));
    let held = running.filter_map(lease_of);
    Ok(held.filter(|(account, lease)| claimed.contains(&(account.as_str(), lease.as_str()))).collect())
}

/// Extends the leases in `held` that nobody else has taken; answers those.
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
        // locked in order, as every process does
        "UPDATE worklist SET lease_until = $1 FROM (
           SELECT w.account, w.lease FROM worklist w JOIN held ON w.account = held.account AND w.lease = held.lease
           ORDER BY w.account FOR UPDATE OF w) AS ours
         WHERE worklist.account = ours.account
         RETURNING worklist.account AS account, worklist.lease AS lease",
    );
    let rows = held.iter().map(|(account, lease)| [account.as_str().into(), lease.as_str().into()]);
    let held = Batch::new("held", [Column::Text("account"), Column::Text("lease")], rows);
    let renewed = renewed.bind(millis_after(now, span)).with(held).fetch(connection).await;
    Ok(renewed.map_err(StoreError::on("renewing leases"))?.iter().filter_map(lease_of).collect())
}

fn lease_of(row: &Row) -> Option<(Account, Lease)> {
    Some((Account::parse(&row.get::<String>("account")).ok()?, Lease::stored(row.get("lease"))))
}
