//! Attention: what a human must settle.

use std::collections::{BTreeMap, BTreeSet};

use entitlement::model::account::Account;
use entitlement::model::clock::Timestamp;
use entitlement::model::user::User;
use serde::Serialize;

use crate::batch::{Batch, Column};
use crate::claim::Urgency;
use crate::connection::{Connection, Row};
use crate::error::StoreError;
use crate::event::{Event, Outcome};
use crate::listing::Listing;
use crate::open::Store;
use crate::record::{Attention, AttentionKind, Settlement, SyncEnding};
use crate::selection::Selection;
use crate::statement::{Statement, sql};
use crate::value::{Value, millis, timestamp};
use crate::worklist;
use crate::write::Write;

/// A parked row, as it is listed.
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
    /// Why an operator dropped it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped: Option<String>,
}

/// Which rows are listed; the default is all that were not dropped.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub kind: Option<AttentionKind>,
    pub accounts: Vec<Account>,
    pub user: Option<User>,
    /// Listed after the row of this number, oldest first: those with a higher one.
    pub after: Option<i64>,
}

/// All columns of a row.
const SELECT: &str = "SELECT id, kind, account, user_id, subject, reason, hint, since, dropped FROM parked WHERE true";

impl Store {
    /// Everything parked that was not dropped, the oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn parked(&self) -> Result<Vec<Parked>, StoreError> {
        self.parked_matching(&Filter::default()).await
    }

    /// What is parked of `filter` and was not dropped, the oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn parked_matching(&self, filter: &Filter) -> Result<Vec<Parked>, StoreError> {
        self.first_parked_matching(filter, u32::MAX).await
    }

    /// The first `limit` of them.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn first_parked_matching(&self, filter: &Filter, limit: u32) -> Result<Vec<Parked>, StoreError> {
        let Filter { kind, accounts, user, after } = filter;
        let query = Listing::of(SELECT)
            .only_if(true, "dropped IS NULL")
            .only("kind = ?", kind.map(AttentionKind::as_str))
            .only_if(!accounts.is_empty(), "account IN (SELECT value FROM accounts)")
            .only("user_id = ?", user.as_ref().map(User::as_str))
            .only("id > ?", *after);
        let query = query.first(limit, "id").with(Batch::texts("accounts", accounts.iter().map(Account::as_str)));
        let found = query.read(&self.reads).await.map_err(StoreError::on("listing what is parked"))?;
        Ok(found.iter().map(parked).collect())
    }

    /// The row of number `id`, dropped or not.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn parked_by_id(&self, id: i64) -> Result<Option<Parked>, StoreError> {
        let query = Listing::of(SELECT).only("id = ?", Some(id)).first(1, "id");
        let row = query.read_first(&self.reads).await.map_err(StoreError::on("reading what is parked"))?;
        Ok(row.as_ref().map(parked))
    }

    /// Kind and subject of what is parked for `account`, dropped or not.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn parked_for(&self, account: &Account) -> Result<BTreeSet<(String, String)>, StoreError> {
        let query = sql("SELECT kind, subject FROM parked WHERE account = $1").bind(account.as_str());
        let found = query.read(&self.reads).await.map_err(StoreError::on("reading what is parked"))?;
        Ok(found.iter().map(|row| (row.get("kind"), row.get("subject"))).collect())
    }

    /// How much is parked, by kind.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn parked_counts(&self) -> Result<BTreeMap<String, i64>, StoreError> {
        let query = sql("SELECT kind, count(*) AS count FROM parked WHERE dropped IS NULL GROUP BY kind");
        let found = query.read(&self.reads).await.map_err(StoreError::on("counting what is parked"))?;
        Ok(found.iter().map(|row| (row.get("kind"), row.get("count"))).collect())
    }

    /// Syncs the accounts of parked rows again; refused steps are sent again. Answers how many were released.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn release(&self, which: Selection) -> Result<u64, StoreError> {
        self.write(Write::Release(which)).await?.try_into()
    }

    /// Takes parked rows off the list for good, with the reason. Answers how many.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn drop_parked(&self, which: Selection, reason: String) -> Result<u64, StoreError> {
        self.write(Write::DropParked(which, reason)).await?.try_into()
    }
}

fn parked(row: &Row) -> Parked {
    Parked {
        id: row.get("id"),
        kind: row.get("kind"),
        account: row.get("account"),
        user: row.get("user_id"),
        subject: row.get("subject"),
        reason: row.get("reason"),
        hint: row.get("hint"),
        since: timestamp(row.get("since")),
        dropped: row.get("dropped"),
    }
}

/// Parks what syncs found. A sync that came to its end replaces what is parked for its account.
pub(crate) async fn settle(
    connection: &mut Connection,
    settlements: &[&Settlement],
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut done: Vec<&Account> = Vec::new();
    let mut found: Vec<(&Account, &Attention)> = Vec::new();
    let mut kept: Vec<(&Account, &Attention)> = Vec::new();
    for settlement in settlements {
        let account = &settlement.account;
        match &settlement.ending {
            SyncEnding::Done { attention, .. } => {
                done.push(account);
                kept.extend(attention.iter().map(|attention| (account, attention)));
            }
            SyncEnding::Failed { attention, .. }
            | SyncEnding::Incomplete { attention, .. }
            | SyncEnding::Waiting { attention, .. } => {
                found.extend(attention.iter().map(|attention| (account, attention)));
            }
            SyncEnding::GivenUp(attention) => found.push((account, attention)),
            SyncEnding::Discarded | SyncEnding::Yielded { .. } => {}
        }
    }
    remove_all_but(connection, &done, &kept).await?;
    found.extend(kept);
    park(connection, found, now).await
}

/// Removes what is parked for `accounts`, except for `kept`.
async fn remove_all_but(
    connection: &mut Connection,
    accounts: &[&Account],
    kept: &[(&Account, &Attention)],
) -> Result<(), StoreError> {
    if accounts.is_empty() {
        return Ok(());
    }
    let kept = kept.iter().map(|(account, attention)| -> [Value<'_>; 3] {
        [attention.kind.as_str().into(), account.as_str().into(), (&attention.subject).into()]
    });
    let columns = [Column::Text("kind"), Column::Text("account"), Column::Text("subject")];
    sql("DELETE FROM parked WHERE account IN (SELECT value FROM settled) AND NOT EXISTS (
           SELECT 1 FROM kept WHERE kept.kind = parked.kind AND kept.account = parked.account
             AND kept.subject = parked.subject)")
    .with(Batch::texts("settled", accounts.iter().map(|account| account.as_str())))
    .with(Batch::new("kept", columns, kept))
    .queue(connection, "removing what is parked no more")
    .await
}

/// Parks events whose signature is right and that cannot be read.
pub(crate) async fn park_unreadable(
    connection: &mut Connection,
    events: &[&Event],
    now: Timestamp,
) -> Result<(), StoreError> {
    for event in events {
        let Outcome::Unreadable { reason } = &event.outcome else { continue };
        let Ok(account) = Account::parse(&event.id) else { continue };
        let attention = Attention {
            kind: AttentionKind::UnreadableEvent,
            user: None,
            subject: event.id.clone(),
            reason: reason.clone(),
            hint: "its body is kept in the inbox: report it, then `grantsync parked drop`".into(),
        };
        park(connection, vec![(&account, &attention)], now).await?;
    }
    Ok(())
}

async fn park(
    connection: &mut Connection,
    found: Vec<(&Account, &Attention)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    if found.is_empty() {
        return Ok(());
    }
    // each once: no database changes a row twice in one statement
    let mut once = BTreeSet::new();
    let found = found
        .into_iter()
        .filter(|(account, found)| once.insert((found.kind.as_str(), account.as_str(), found.subject.as_str())));
    let rows = found.map(|(account, attention)| -> [Value<'_>; 6] {
        [
            attention.kind.as_str().into(),
            account.as_str().into(),
            attention.user.as_ref().map(User::as_str).into(),
            (&attention.subject).into(),
            (&attention.reason).into(),
            (&attention.hint).into(),
        ]
    });
    let columns = ["kind", "account", "user_id", "subject", "reason", "hint"].map(Column::Text);
    sql("INSERT INTO parked (kind, account, user_id, subject, reason, hint, since)
         SELECT kind, account, user_id, subject, reason, hint, $1 FROM found WHERE true
         ON CONFLICT (kind, account, subject) DO UPDATE SET
           user_id = excluded.user_id, reason = excluded.reason, hint = excluded.hint")
    .bind(millis(now))
    .with(Batch::new("found", columns, rows))
    .queue(connection, "parking")
    .await
}

/// Binds what the texts below call `$1`, `$2` and `ids`.
fn bind_selection<'a>(which: &Selection, statement: Statement<'a>) -> Statement<'a> {
    let (ids, kind) = match which {
        Selection::Ids(ids) => (Some(ids.as_slice()), None),
        Selection::Kind(kind) => (None, Some(kind.as_str())),
        Selection::All => (None, None),
    };
    let rows = ids.unwrap_or_default().iter().map(|id| [Value::from(*id)]);
    statement.bind(ids.is_none()).bind(kind).with(Batch::new("ids", [Column::Number("id")], rows))
}

/// Makes the accounts of parked rows due, and their refused steps intended again. Answers how many rows were released;
/// an event that cannot be read has no account.
pub(crate) async fn release(connection: &mut Connection, which: &Selection, now: Timestamp) -> Result<u64, StoreError> {
    let found = sql("SELECT kind, subject FROM parked
         WHERE dropped IS NULL AND ($1 OR id IN (SELECT id FROM ids)) AND ($2 IS NULL OR kind = $2)");
    let found =
        bind_selection(which, found).fetch(connection).await.map_err(StoreError::on("finding what is parked"))?;
    let rows: Vec<(String, String)> = found.iter().map(|row| (row.get("kind"), row.get("subject"))).collect();
    let subjects = rows.iter().map(|(_, subject)| subject.as_str()).collect();
    let accounts = accounts_waiting_for(connection, subjects).await?;
    let refused = rows.iter().filter(|(kind, _)| kind == AttentionKind::RefusedStep.as_str());
    intend_again(connection, refused.map(|(_, key)| key.as_str()).collect(), now).await?;
    let requested = accounts.iter().map(|account| (account, Urgency::Requested)).collect();
    worklist::enqueue(connection, &requested, now).await?;
    let unreadable = rows.iter().filter(|(kind, _)| kind == AttentionKind::UnreadableEvent.as_str());
    Ok((rows.len() - unreadable.count()) as u64)
}

/// Every account that waits for one of `subjects`.
async fn accounts_waiting_for(connection: &mut Connection, subjects: Vec<&str>) -> Result<Vec<Account>, StoreError> {
    let query = sql("SELECT account FROM parked WHERE kind <> $1 AND subject IN (SELECT value FROM subjects)")
        .bind(AttentionKind::UnreadableEvent.as_str())
        .with(Batch::texts("subjects", subjects));
    let found = query.fetch(connection).await.map_err(StoreError::on("finding what is parked"))?;
    Ok(found.iter().filter_map(|row| Account::parse(&row.get::<String>("account")).ok()).collect())
}

async fn intend_again(connection: &mut Connection, keys: Vec<&str>, now: Timestamp) -> Result<(), StoreError> {
    sql("UPDATE ledger SET state = 'intended', settled_at = NULL, attempts = 0, due_at = $1
         WHERE state = 'refused' AND key IN (SELECT value FROM keys)")
    .bind(millis(now))
    .with(Batch::texts("keys", keys))
    .queue(connection, "releasing refused steps")
    .await
}

pub(crate) async fn drop_for_good(
    connection: &mut Connection,
    which: &Selection,
    reason: &str,
) -> Result<u64, StoreError> {
    let query = sql("UPDATE parked SET dropped = $3
         WHERE dropped IS NULL AND ($1 OR id IN (SELECT id FROM ids)) AND ($2 IS NULL OR kind = $2)");
    let query = bind_selection(which, query).bind(reason);
    query.execute(connection).await.map_err(StoreError::on("dropping what is parked"))
}
