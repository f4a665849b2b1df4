//! All accounts that are known, and the workers that sync them.

use std::time::Duration;

use entitlement::model::account::Account;
use entitlement::model::clock::Timestamp;

use crate::batch::Batch;
use crate::connection::{Connection, Row};
use crate::error::StoreError;
use crate::open::Store;
use crate::statement::sql;
use crate::value::{millis, millis_after};
use crate::write::Write;

/// What the names of workers begin with among the task leases.
const WORKER: &str = "worker ";

impl Store {
    /// Up to `limit` accounts after `after`, by name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn accounts_after(&self, after: Option<&Account>, limit: u32) -> Result<Vec<Account>, StoreError> {
        let query = sql("SELECT account FROM worklist WHERE account > $1 ORDER BY account LIMIT $2");
        let query = query.bind(after.map_or("", Account::as_str)).bind(i64::from(limit));
        let found = query.read(&self.reads).await.map_err(StoreError::on("listing accounts"))?;
        Ok(accounts(&found))
    }

    /// Those of `accounts` that are not in the worklist.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn unknown_accounts(&self, accounts: &[Account]) -> Result<Vec<Account>, StoreError> {
        let query = sql("SELECT value AS account FROM listed WHERE value NOT IN (SELECT account FROM worklist)");
        let query = query.with(Batch::texts("listed", accounts.iter().map(Account::as_str)));
        let found = query.read(&self.reads).await.map_err(StoreError::on("finding unknown accounts"))?;
        Ok(self::accounts(&found))
    }

    /// How many accounts of backfills and reconciliations wait for their sync.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn bulk_backlog(&self) -> Result<i64, StoreError> {
        let query = sql("SELECT count(*) AS count FROM worklist WHERE priority = 2 AND due_at <= $1");
        let row = query.bind(millis((self.clock)())).read_first(&self.reads).await;
        Ok(count(row.map_err(StoreError::on("counting bulk accounts"))?))
    }

    /// How many accounts' last sync failed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn failing_accounts(&self) -> Result<i64, StoreError> {
        let row = sql("SELECT count(*) AS count FROM worklist WHERE attempts > 0").read_first(&self.reads).await;
        Ok(count(row.map_err(StoreError::on("counting failing accounts"))?))
    }

    /// Reports that worker `owner` runs, for `span` from now.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn report_worker(&self, owner: &str, span: Duration) -> Result<(), StoreError> {
        self.write(Write::ReportWorker(owner.to_owned(), span)).await.map(drop)
    }

    /// How many workers run.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn live_workers(&self) -> Result<i64, StoreError> {
        let query = sql("SELECT count(*) AS count FROM task_leases WHERE task LIKE $1 AND lease_until > $2");
        let row = query.bind(format!("{WORKER}%")).bind(millis((self.clock)())).read_first(&self.reads).await;
        Ok(count(row.map_err(StoreError::on("counting workers"))?))
    }
}

fn accounts(rows: &[Row]) -> Vec<Account> {
    rows.iter().filter_map(|row| Account::parse(&row.get::<String>("account")).ok()).collect()
}

fn count(row: Option<Row>) -> i64 {
    row.map_or(0, |row| row.get("count"))
}

pub(crate) async fn report_worker(
    connection: &mut Connection,
    owner: &str,
    span: Duration,
    now: Timestamp,
) -> Result<(), StoreError> {
    let expired = sql("DELETE FROM task_leases WHERE task LIKE $1 AND lease_until <= $2").bind(format!("{WORKER}%"));
    expired.bind(millis(now)).queue(connection, "removing workers that are gone").await?;
    let query = sql("INSERT INTO task_leases (task, owner, lease_until) VALUES ($1, $2, $3)
         ON CONFLICT (task) DO UPDATE SET lease_until = excluded.lease_until");
    let query = query.bind(format!("{WORKER}{owner}")).bind(owner).bind(millis_after(now, span));
    query.queue(connection, "reporting a worker").await
}
