//! Walking over everything that is known, and who works on it.

use std::time::Duration;

use entitlement::clock::Timestamp;
use entitlement::names::Account;

use crate::connection::Connection;
use crate::error::StoreError;
use crate::open::Store;
use crate::statement::{Batch, millis, sql};
use crate::worklist::until;
use crate::writer::Op;

/// What workers write behind their turn, so that others see that somebody works.
const WORKER: &str = "worker ";

impl Store {
    /// Up to `limit` accounts behind `after`, by name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn accounts_after(&self, after: Option<&Account>, limit: u32) -> Result<Vec<Account>, StoreError> {
        let query = sql("SELECT account FROM worklist WHERE account > $1 ORDER BY account LIMIT $2");
        let query = query.bind(after.map_or("", Account::as_str)).bind(i64::from(limit));
        let found = query.read(&self.reads).await.map_err(StoreError::on("listing accounts"))?;
        Ok(found.iter().filter_map(|row| Account::parse(&row.get::<String>("account")).ok()).collect())
    }

    /// Those of `accounts` that were never heard of.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn unknown_accounts(&self, accounts: &[Account]) -> Result<Vec<Account>, StoreError> {
        let query = sql("SELECT value AS account FROM asked WHERE value NOT IN (SELECT account FROM worklist)");
        let query = query.with(Batch::texts("asked", accounts.iter().map(Account::as_str)));
        let found = query.read(&self.reads).await.map_err(StoreError::on("looking for accounts"))?;
        Ok(found.iter().filter_map(|row| Account::parse(&row.get::<String>("account")).ok()).collect())
    }

    /// How many accounts of backfills and rounds wait for their look.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn bulk_backlog(&self) -> Result<i64, StoreError> {
        let query = sql("SELECT count(*) AS count FROM worklist WHERE class = 2 AND due_at <= $1");
        let row = query.bind(millis((self.clock)())).read_first(&self.reads).await;
        Ok(row.map_err(StoreError::on("counting what is left"))?.map_or(0, |row| row.get("count")))
    }

    /// How many accounts' last look failed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn failing_accounts(&self) -> Result<i64, StoreError> {
        let row = sql("SELECT count(*) AS count FROM worklist WHERE attempts > 0").read_first(&self.reads).await;
        Ok(row.map_err(StoreError::on("counting what fails"))?.map_or(0, |row| row.get("count")))
    }

    /// Says that `owner` works, for `span` from now.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn report_worker(&self, owner: &str, span: Duration) -> Result<(), StoreError> {
        self.write(Op::Present(owner.to_owned(), span)).await.map(drop)
    }

    /// How many workers there are.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn live_workers(&self) -> Result<i64, StoreError> {
        let query = sql("SELECT count(*) AS count FROM turns WHERE task LIKE $1 AND lease_until > $2");
        let row = query.bind(format!("{WORKER}%")).bind(millis((self.clock)())).read_first(&self.reads).await;
        Ok(row.map_err(StoreError::on("counting workers"))?.map_or(0, |row| row.get("count")))
    }
}

pub(crate) async fn present(
    connection: &mut Connection,
    owner: &str,
    span: Duration,
    now: Timestamp,
) -> Result<(), StoreError> {
    let gone = sql("DELETE FROM turns WHERE task LIKE $1 AND lease_until <= $2").bind(format!("{WORKER}%"));
    gone.bind(millis(now)).later(connection, "forgetting workers").await?;
    let query = sql("INSERT INTO turns (task, owner, lease_until) VALUES ($1, $2, $3)
         ON CONFLICT (task) DO UPDATE SET lease_until = excluded.lease_until");
    let query = query.bind(format!("{WORKER}{owner}")).bind(owner).bind(until(now, span));
    query.later(connection, "saying who works").await
}
