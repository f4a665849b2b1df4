//! What waits for a human.

use std::collections::{BTreeMap, BTreeSet};

use entitlement::clock::Timestamp;
use entitlement::names::{Account, User};
use serde::Serialize;

use crate::claim::Urgency;
use crate::connection::{Connection, Row};
use crate::error::StoreError;
use crate::event::{Event, Outcome};
use crate::listing::Listing;
use crate::open::Store;
use crate::record::{Attention, AttentionKind, Settlement, SyncEnding};
use crate::selection::Selection;
use crate::statement::{Batch, Column, Statement, Value, millis, moment, sql};
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
    /// Why an operator took it off the list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped: Option<String>,
}

/// Which parked things are to be listed; nothing said means all that were not dropped.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub kind: Option<AttentionKind>,
    pub accounts: Vec<Account>,
    pub user: Option<User>,
    /// Those with a higher number.
    pub after: Option<i64>,
}

/// All columns of a parked thing.
const PARKED: &str = "SELECT id, kind, account, customer, subject, reason, hint, since, dropped FROM parked WHERE true";

impl Store {
    /// All parked things that were not dropped, the oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn parked(&self) -> Result<Vec<Parked>, StoreError> {
        self.parked_matching(&Filter::default()).await
    }

    /// The parked things that are `filter` and were not dropped, the oldest first.
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
        let query = Listing::of(PARKED)
            .only_if(true, "dropped IS NULL")
            .only("kind = ?", kind.map(AttentionKind::as_str))
            .only_if(!accounts.is_empty(), "account IN (SELECT value FROM asked)")
            .only("customer = ?", user.as_ref().map(User::as_str))
            .only("id > ?", *after);
        let query = query.first(limit, "id").with(Batch::texts("asked", accounts.iter().map(Account::as_str)));
        let found = query.read(&self.reads).await.map_err(StoreError::on("listing what is parked"))?;
        Ok(found.iter().map(parked).collect())
    }

    /// One parked thing, dropped or not.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn parked_by_id(&self, id: i64) -> Result<Option<Parked>, StoreError> {
        let query = Listing::of(PARKED).only("id = ?", Some(id)).first(1, "id");
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

    /// How many things are parked, by kind.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn parked_counts(&self) -> Result<BTreeMap<String, i64>, StoreError> {
        let query = sql("SELECT kind, count(*) AS count FROM parked WHERE dropped IS NULL GROUP BY kind");
        let found = query.read(&self.reads).await.map_err(StoreError::on("counting what is parked"))?;
        Ok(found.iter().map(|row| (row.get("kind"), row.get("count"))).collect())
    }

    /// Looks again at the accounts behind parked things; refused steps are tried again. Answers how many were released.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn release(&self, which: Selection) -> Result<u64, StoreError> {
        self.write(Op::Release(which)).await?.try_into()
    }

    /// Takes parked things off the list for good, with the reason. Answers how many.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn drop_parked(&self, which: Selection, reason: String) -> Result<u64, StoreError> {
        self.write(Op::DropParked(which, reason)).await?.try_into()
    }
}

fn parked(row: &Row) -> Parked {
    Parked {
        id: row.get("id"),
        kind: row.get("kind"),
        account: row.get("account"),
        user: row.get("customer"),
        subject: row.get("subject"),
        reason: row.get("reason"),
        hint: row.get("hint"),
        since: moment(row.get("since")),
        dropped: row.get("dropped"),
    }
}

/// Leaves parked for each settled account exactly what its look found.
pub(crate) async fn settle(
    connection: &mut Connection,
    settlements: &[&Settlement],
    now: Timestamp,
) -> Result<(), StoreError> {
    let done: Vec<(&Account, &[Attention])> = settlements
        .iter()
        .filter_map(|settlement| match &settlement.ending {
            SyncEnding::Done { attention: parked, .. } => Some((&settlement.account, parked.as_slice())),
            SyncEnding::Incomplete { .. }
            | SyncEnding::Discarded
            | SyncEnding::GivenUp(_)
            | SyncEnding::Failed { .. }
            | SyncEnding::Yielded { .. } => None,
        })
        .collect();
    let beside = settlements.iter().flat_map(|settlement| {
        let findings = match &settlement.ending {
            SyncEnding::GivenUp(finding) => std::slice::from_ref(finding),
            SyncEnding::Failed { attention, .. } | SyncEnding::Incomplete { attention, .. } => attention.as_slice(),
            SyncEnding::Done { .. } | SyncEnding::Discarded | SyncEnding::Yielded { .. } => &[],
        };
        findings.iter().map(|finding| (&settlement.account, finding))
    });
    add(connection, beside.collect(), now).await?;
    if done.is_empty() {
        return Ok(());
    }
    let found = || done.iter().flat_map(|(account, found)| found.iter().map(move |finding| (*account, finding)));
    let kept = found().map(|(account, finding)| -> [Value<'_>; 3] {
        [finding.kind.as_str().into(), account.as_str().into(), (&finding.subject).into()]
    });
    let columns = [Column::Text("kind"), Column::Text("account"), Column::Text("subject")];
    sql("DELETE FROM parked WHERE account IN (SELECT value FROM settled) AND NOT EXISTS (
           SELECT 1 FROM kept WHERE kept.kind = parked.kind AND kept.account = parked.account
             AND kept.subject = parked.subject)")
    .with(Batch::texts("settled", done.iter().map(|(account, _)| account.as_str())))
    .with(Batch::new("kept", columns, kept))
    .later(connection, "clearing what is parked")
    .await?;
    add(connection, found().collect(), now).await
}

/// Parks the events that were verified and could not be read.
pub(crate) async fn unreadable(
    connection: &mut Connection,
    events: &[&Event],
    now: Timestamp,
) -> Result<(), StoreError> {
    for event in events {
        let Outcome::Unreadable { reason } = &event.outcome else { continue };
        let Ok(account) = Account::parse(&event.id) else { continue };
        let finding = Attention {
            kind: AttentionKind::UnreadableEvent,
            user: None,
            subject: event.id.clone(),
            reason: reason.clone(),
            hint: "its body is kept in the inbox: report it, then `grantsync parked drop`".into(),
        };
        add(connection, vec![(&account, &finding)], now).await?;
    }
    Ok(())
}

async fn add(
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
        .filter(|(account, finding)| once.insert((finding.kind.as_str(), account.as_str(), finding.subject.as_str())));
    let rows = found.map(|(account, finding)| -> [Value<'_>; 6] {
        let user = finding.user.as_ref().map(User::as_str);
        let (kind, reason, hint) = (finding.kind.as_str(), &finding.reason, &finding.hint);
        [kind.into(), account.as_str().into(), user.into(), (&finding.subject).into(), reason.into(), hint.into()]
    });
    let columns = ["kind", "account", "customer", "subject", "reason", "hint"].map(Column::Text);
    sql("INSERT INTO parked (kind, account, customer, subject, reason, hint, since)
         SELECT kind, account, customer, subject, reason, hint, $1 FROM found WHERE true
         ON CONFLICT (kind, account, subject) DO UPDATE SET
           customer = excluded.customer, reason = excluded.reason, hint = excluded.hint")
    .bind(millis(now))
    .with(Batch::new("found", columns, rows))
    .later(connection, "parking")
    .await
}

impl Selection {
    /// Binds what the texts below call `$1`, `$2` and `ids`.
    fn bound<'a>(&self, statement: Statement<'a>) -> Statement<'a> {
        let (ids, kind) = match self {
            Self::Ids(ids) => (Some(ids.as_slice()), None),
            Self::Kind(kind) => (None, Some(kind.as_str())),
            Self::All => (None, None),
        };
        let rows = ids.unwrap_or_default().iter().map(|id| [Value::from(*id)]);
        statement.bind(ids.is_none()).bind(kind).with(Batch::new("ids", [Column::Number("id")], rows))
    }
}

/// Makes the accounts behind parked things due, and their refused steps wanted again.
pub(crate) async fn release(connection: &mut Connection, which: &Selection, now: Timestamp) -> Result<u64, StoreError> {
    let found = sql("SELECT id, kind, account, subject FROM parked
         WHERE dropped IS NULL AND ($1 OR id IN (SELECT id FROM ids)) AND ($2 IS NULL OR kind = $2)");
    let found = which.bound(found).fetch(connection).await.map_err(StoreError::on("choosing what is parked"))?;
    let of = |kind: AttentionKind| found.iter().filter(move |row| row.get::<String>("kind") == kind.as_str());
    let keys: Vec<String> = of(AttentionKind::RefusedStep).map(|row| row.get("subject")).collect();
    let subjects = found.iter().map(|row| row.get::<String>("subject"));
    // every account that waits for the same thing; an event that cannot be read has none
    let accounts = sql("SELECT account FROM parked WHERE kind <> $1 AND subject IN (SELECT value FROM subjects)")
        .bind(AttentionKind::UnreadableEvent.as_str())
        .with(Batch::texts("subjects", subjects))
        .fetch(connection)
        .await
        .map_err(StoreError::on("choosing what is parked"))?;
    let accounts: Vec<Account> =
        accounts.iter().filter_map(|row| Account::parse(&row.get::<String>("account")).ok()).collect();
    sql("UPDATE ledger SET state = 'intended', settled_at = NULL, attempts = 0, due_at = $1
         WHERE state = 'refused' AND key IN (SELECT value FROM keys)")
    .bind(millis(now))
    .with(Batch::texts("keys", keys.iter().map(String::as_str)))
    .later(connection, "releasing refused steps")
    .await?;
    worklist::enqueue(connection, &accounts.iter().map(|account| (account, Urgency::Requested)).collect(), now).await?;
    Ok((found.len() - of(AttentionKind::UnreadableEvent).count()) as u64)
}

pub(crate) async fn drop_for_good(
    connection: &mut Connection,
    which: &Selection,
    reason: &str,
) -> Result<u64, StoreError> {
    let query = sql("UPDATE parked SET dropped = $3
         WHERE dropped IS NULL AND ($1 OR id IN (SELECT id FROM ids)) AND ($2 IS NULL OR kind = $2)");
    let query = which.bound(query).bind(reason);
    query.execute(connection).await.map_err(StoreError::on("dropping what is parked"))
}
