//! What waits for a human.

use std::collections::{BTreeMap, BTreeSet};

use entitlement::clock::Timestamp;
use entitlement::names::Account;
use serde::Serialize;
use sqlx::{Row, SqliteConnection};

use crate::claim::Urgency;
use crate::error::StoreError;
use crate::event::{Event, Outcome};
use crate::open::Store;
use crate::record::{Ending, Finding, Kind, Settlement};
use crate::statements::{millis, moment, rows};
use crate::worklist;
use crate::writer::Op;

/// A parked thing, as it is listed.
#[derive(Clone, Debug, Serialize)]
pub struct Parked {
    pub id: i64,
    pub kind: String,
    pub account: String,
    pub user: Option<String>,
    pub subject: String,
    pub reason: String,
    pub hint: String,
    pub since: Timestamp,
}

/// Which parked things are meant.
#[derive(Clone, Debug)]
pub enum Which {
    Ids(Vec<i64>),
    Kind(Kind),
    All,
}

impl Store {
    /// All parked things that were not dropped, the oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn parked(&self) -> Result<Vec<Parked>, StoreError> {
        let query = sqlx::query(
            "SELECT id, kind, account, customer, subject, reason, hint, since FROM parked
             WHERE dropped IS NULL ORDER BY id",
        );
        let found = query.fetch_all(&self.reads).await.map_err(StoreError::on("listing what is parked"))?;
        Ok(found.iter().map(parked).collect())
    }

    /// Kind and subject of what is parked for `account`, dropped or not.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn parked_for(&self, account: &Account) -> Result<BTreeSet<(String, String)>, StoreError> {
        let query = sqlx::query("SELECT kind, subject FROM parked WHERE account = $1").bind(account.as_str());
        let found = query.fetch_all(&self.reads).await.map_err(StoreError::on("reading what is parked"))?;
        Ok(found.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// How many things are parked, by kind.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn parked_counts(&self) -> Result<BTreeMap<String, i64>, StoreError> {
        let query = sqlx::query("SELECT kind, count(*) FROM parked WHERE dropped IS NULL GROUP BY kind");
        let found = query.fetch_all(&self.reads).await.map_err(StoreError::on("counting what is parked"))?;
        Ok(found.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// Looks again at the accounts behind parked things; refused steps are tried again. Answers how many were released.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn release(&self, which: Which) -> Result<u64, StoreError> {
        self.write(Op::Release(which)).await?.try_into()
    }

    /// Takes parked things off the list for good, with the reason. Answers how many.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn drop_parked(&self, which: Which, reason: String) -> Result<u64, StoreError> {
        self.write(Op::DropParked(which, reason)).await?.try_into()
    }
}

fn parked(row: &sqlx::sqlite::SqliteRow) -> Parked {
    Parked {
        id: row.get("id"),
        kind: row.get("kind"),
        account: row.get("account"),
        user: row.get("customer"),
        subject: row.get("subject"),
        reason: row.get("reason"),
        hint: row.get("hint"),
        since: moment(row.get("since")),
    }
}

/// Leaves parked for each settled account exactly what its look found.
pub(crate) async fn settle(
    connection: &mut SqliteConnection,
    settlements: &[&Settlement],
    now: Timestamp,
) -> Result<(), StoreError> {
    let done: Vec<(&Account, &[Finding])> = settlements
        .iter()
        .filter_map(|settlement| match &settlement.ending {
            Ending::Done { parked, .. } => Some((&settlement.account, parked.as_slice())),
            Ending::Forgotten | Ending::GivenUp(_) | Ending::Failed { .. } | Ending::Yielded { .. } => None,
        })
        .collect();
    let given_up = settlements.iter().filter_map(|settlement| match &settlement.ending {
        Ending::GivenUp(finding) => Some((&settlement.account, finding)),
        Ending::Done { .. } | Ending::Forgotten | Ending::Failed { .. } | Ending::Yielded { .. } => None,
    });
    add(connection, given_up.collect(), now).await?;
    if done.is_empty() {
        return Ok(());
    }
    let found = || done.iter().flat_map(|(account, found)| found.iter().map(move |finding| (*account, finding)));
    let kept = rows(found().map(|(account, finding)| (finding.kind.as_str(), account.as_str(), &finding.subject)))?;
    sqlx::query(
        "DELETE FROM parked WHERE account IN (SELECT value FROM json_each($1)) AND NOT EXISTS (
           SELECT 1 FROM json_each($2) AS k WHERE k.value ->> 0 = parked.kind AND k.value ->> 1 = parked.account
             AND k.value ->> 2 = parked.subject)",
    )
    .bind(rows(done.iter().map(|(account, _)| account.as_str()))?)
    .bind(kept)
    .execute(&mut *connection)
    .await
    .map_err(StoreError::on("clearing what is parked"))?;
    add(connection, found().collect(), now).await
}

/// Parks the events that were verified and could not be read.
pub(crate) async fn unreadable(
    connection: &mut SqliteConnection,
    events: &[&Event],
    now: Timestamp,
) -> Result<(), StoreError> {
    for event in events {
        let Outcome::Unreadable { reason } = &event.outcome else { continue };
        let Ok(account) = Account::parse(&event.id) else { continue };
        let finding = Finding {
            kind: Kind::UnreadableEvent,
            customer: None,
            subject: event.id.clone(),
            reason: reason.clone(),
            hint: "its body is kept in the inbox: report it, then `grantsync parked drop`".into(),
        };
        add(connection, vec![(&account, &finding)], now).await?;
    }
    Ok(())
}

async fn add(
    connection: &mut SqliteConnection,
    found: Vec<(&Account, &Finding)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    if found.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO parked (kind, account, customer, subject, reason, hint, since)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, $2
         FROM json_each($1) WHERE true
         ON CONFLICT (kind, account, subject) DO UPDATE SET
           customer = excluded.customer, reason = excluded.reason, hint = excluded.hint",
    )
    .bind(rows(found.iter().map(|(account, finding)| {
        let customer = finding.customer.as_ref().map(entitlement::names::Customer::as_str);
        (finding.kind.as_str(), account.as_str(), customer, &finding.subject, &finding.reason, &finding.hint)
    }))?)
    .bind(millis(now))
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(StoreError::on("parking"))
}

const CHOSEN: &str = "dropped IS NULL AND ($1 IS NULL OR id IN (SELECT value FROM json_each($1)))
                      AND ($2 IS NULL OR kind = $2)";

fn chosen(which: &Which) -> Result<(Option<String>, Option<&str>), StoreError> {
    Ok(match which {
        Which::Ids(ids) => (Some(rows(ids)?), None),
        Which::Kind(kind) => (None, Some(kind.as_str())),
        Which::All => (None, None),
    })
}

/// Makes the accounts behind parked things due, and their refused steps wanted again.
pub(crate) async fn release(
    connection: &mut SqliteConnection,
    which: &Which,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let (ids, kind) = chosen(which)?;
    let sql = format!("SELECT id, kind, account, subject FROM parked WHERE {CHOSEN}");
    let found = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(ids).bind(kind).fetch_all(&mut *connection).await;
    let found = found.map_err(StoreError::on("choosing what is parked"))?;
    let of = |kind: Kind| found.iter().filter(move |row| row.get::<String, _>("kind") == kind.as_str());
    let keys: Vec<String> = of(Kind::RefusedStep).map(|row| row.get("subject")).collect();
    let subjects = found.iter().map(|row| row.get::<String, _>("subject"));
    // every account that waits for the same thing; an event that cannot be read has none
    let accounts =
        sqlx::query("SELECT account FROM parked WHERE kind <> $2 AND subject IN (SELECT value FROM json_each($1))")
            .bind(rows(subjects)?)
            .bind(Kind::UnreadableEvent.as_str())
            .fetch_all(&mut *connection)
            .await
            .map_err(StoreError::on("choosing what is parked"))?;
    let accounts: Vec<Account> = accounts.iter().filter_map(|row| Account::parse(row.get(0)).ok()).collect();
    sqlx::query(
        "UPDATE ledger SET state = 'intended', settled_at = NULL, attempts = 0, due_at = $2
         WHERE state = 'refused' AND key IN (SELECT value FROM json_each($1))",
    )
    .bind(rows(keys)?)
    .bind(millis(now))
    .execute(&mut *connection)
    .await
    .map_err(StoreError::on("releasing refused steps"))?;
    worklist::touch(connection, &accounts.iter().collect(), Urgency::Fresh, now).await?;
    Ok((found.len() - of(Kind::UnreadableEvent).count()) as u64)
}

pub(crate) async fn drop_for_good(
    connection: &mut SqliteConnection,
    which: &Which,
    reason: &str,
) -> Result<u64, StoreError> {
    let (ids, kind) = chosen(which)?;
    let sql = format!("UPDATE parked SET dropped = $3 WHERE {CHOSEN}");
    let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(ids).bind(kind).bind(reason);
    query.execute(connection).await.map(|done| done.rows_affected()).map_err(StoreError::on("dropping what is parked"))
}
