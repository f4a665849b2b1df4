//! Links: which app user an account belongs to.

use std::collections::{BTreeMap, HashSet};

use entitlement::model::account::Account;
use entitlement::model::clock::Timestamp;
use entitlement::model::user::User;

use crate::batch::{Batch, Column};
use crate::claim::{Lease, Urgency};
use crate::connection::{Connection, Row};
use crate::error::StoreError;
use crate::link::{Link, Linked, OPERATOR};
use crate::open::Store;
use crate::statement::{Statement, sql};
use crate::value::{Value, millis};
use crate::worklist;
use crate::write::Write;

/// What is known around an account.
#[derive(Clone, Debug, Default)]
pub struct AccountContext {
    /// Whom it belongs to.
    pub link: Option<Link>,
    /// Whom it belonged to before, while something that they had through it may not have ended yet.
    pub former_users: Vec<User>,
    /// All accounts of its user, in order.
    pub accounts: Vec<Account>,
}

impl Store {
    /// Links an account to its user, and remembers the former one, whose rights must end.
    ///
    /// Under a lease it takes the user too: it answers [`Linked::Busy`] while another account of the user is being
    /// synced. Without one (an operator's word) the account becomes due.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn link(&self, link: Link, lease: Option<Lease>) -> Result<Linked, StoreError> {
        self.write(Write::Link(link, lease)).await?.try_into()
    }

    /// The link of `account`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn link_of(&self, account: &Account) -> Result<Option<Link>, StoreError> {
        let query = sql("SELECT account, user_id, origin FROM links WHERE account = $1");
        let row = query.bind(account.as_str()).read_first(&self.reads).await;
        Ok(row.map_err(StoreError::on("reading a link"))?.as_ref().and_then(link_of_row))
    }

    /// What is known around `account`, in one read.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn account_context(&self, account: &Account) -> Result<AccountContext, StoreError> {
        let query = sql("SELECT 'account' AS what, other.account, other.user_id, other.origin
             FROM links JOIN links AS other ON other.user_id = links.user_id WHERE links.account = $1
             UNION ALL SELECT 'former_user' AS what, account, user_id, '' AS origin FROM former_users WHERE account = $1
             ORDER BY what, account, user_id");
        let found = query.bind(account.as_str()).read(&self.reads).await;
        let mut context = AccountContext::default();
        for row in found.map_err(StoreError::on("reading whose an account is"))? {
            if row.get::<String>("what") == "former_user" {
                context.former_users.extend(User::new(&row.get::<String>("user_id")));
            } else if let Some(link) = link_of_row(&row) {
                context.accounts.push(link.account.clone());
                if &link.account == account {
                    context.link = Some(link);
                }
            }
        }
        Ok(context)
    }

    /// Forgets that `account` belonged to `user`: they have nothing through it any more.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn forget_former_user(&self, account: Account, user: User) -> Result<(), StoreError> {
        self.write(Write::ForgetFormerUser(account, user)).await.map(drop)
    }

    /// All accounts of `user`, in order.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn accounts_of(&self, user: &User) -> Result<Vec<Account>, StoreError> {
        let query = sql("SELECT account, user_id, origin FROM links WHERE user_id = $1 ORDER BY account");
        let found = query.bind(user.as_str()).read(&self.reads).await;
        let found = found.map_err(StoreError::on("reading the accounts of a user"))?;
        Ok(found.iter().filter_map(link_of_row).map(|link| link.account).collect())
    }
}

fn link_of_row(row: &Row) -> Option<Link> {
    Some(Link {
        account: Account::parse(&row.get::<String>("account")).ok()?,
        user: User::new(&row.get::<String>("user_id"))?,
        origin: row.get("origin"),
    })
}

/// Makes links that syncs learnt, each under its lease and of another user. Answers those that are made and whose user
/// is taken; the others are busy.
pub(crate) async fn learn(
    connection: &mut Connection,
    links: &[&Link],
    now: Timestamp,
) -> Result<HashSet<Account>, StoreError> {
    let free = lock_users(connection, links).await?;
    let links: Vec<&Link> = links.iter().copied().filter(|link| free.contains(&link.account)).collect();
    if links.is_empty() {
        return Ok(HashSet::new());
    }
    // one whose user is leased through another account is linked all the same: from now on claims pass over it
    // meanwhile
    let Kept { mut linked, busy } = keep(connection, &links, By::Sync, now).await?;
    linked.retain(|account| !busy.contains(account));
    Ok(linked)
}

/// Makes a link of an account that is not being synced.
pub(crate) async fn link(connection: &mut Connection, link: &Link, now: Timestamp) -> Result<Linked, StoreError> {
    let by = if link.origin == OPERATOR { By::Operator } else { By::Sync };
    // the worklist before the links, as a sync locks them, so that the two never deadlock
    worklist::enqueue(connection, &BTreeMap::from([(&link.account, Urgency::Requested)]), now).await?;
    let kept = keep(connection, &[link], by, now).await?;
    Ok(if kept.linked.is_empty() { Linked::Busy } else { Linked::Done })
}

/// Who says whose account it is. A sync may repeat an operator's word, but that may be an older one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Operator,
    Sync,
}

/// What became of links.
struct Kept {
    /// Accounts whose link counts: only an operator changes an operator's link.
    linked: HashSet<Account>,
    /// Accounts whose user is leased through another account.
    busy: HashSet<Account>,
}

async fn keep(connection: &mut Connection, links: &[&Link], by: By, now: Timestamp) -> Result<Kept, StoreError> {
    remember_former_users(connection, links, by).await?;
    let upsert = sql("INSERT INTO links (account, user_id, origin, linked_at)
         SELECT account, user_id, origin, $3 FROM learnt WHERE true
         ON CONFLICT (account) DO UPDATE SET user_id = excluded.user_id, origin = excluded.origin,
           linked_at = excluded.linked_at
         WHERE links.origin <> $1 OR $2 OR (links.origin, links.user_id) = (excluded.origin, excluded.user_id)
         RETURNING account")
    .bind(OPERATOR)
    .bind(by == By::Operator)
    .bind(millis(now))
    .with(learnt(links));
    let found = upsert.fetch_with(busy(links, now), connection).await.map_err(StoreError::on("writing links"))?;
    forget_returning_users(connection, links).await?;
    copy_users_to_worklist(connection, links).await?;
    let [linked, busy] = found.map(|rows| accounts_of_rows(&rows));
    Ok(Kept { linked, busy })
}

async fn remember_former_users(connection: &mut Connection, links: &[&Link], by: By) -> Result<(), StoreError> {
    sql("INSERT INTO former_users (account, user_id)
         SELECT links.account, links.user_id FROM links JOIN learnt ON learnt.account = links.account
         WHERE links.user_id <> learnt.user_id AND (links.origin <> $1 OR $2) ON CONFLICT DO NOTHING")
    .bind(OPERATOR)
    .bind(by == By::Operator)
    .with(learnt(links))
    .queue(connection, "remembering former users")
    .await
}

/// A user to whom an account comes back is not its former user any more.
async fn forget_returning_users(connection: &mut Connection, links: &[&Link]) -> Result<(), StoreError> {
    sql("DELETE FROM former_users WHERE EXISTS (
           SELECT 1 FROM links
           WHERE links.account = former_users.account AND links.user_id = former_users.user_id)
         AND account IN (SELECT account FROM learnt)")
    .with(learnt(links))
    .queue(connection, "forgetting former users")
    .await
}

/// Claims go by the user in the worklist.
async fn copy_users_to_worklist(connection: &mut Connection, links: &[&Link]) -> Result<(), StoreError> {
    sql("UPDATE worklist SET user_id = links.user_id FROM learnt JOIN links ON links.account = learnt.account
         WHERE worklist.account = learnt.account")
    .with(learnt(links))
    .queue(connection, "writing users to the worklist")
    .await
}

pub(crate) async fn forget_former_user(
    connection: &mut Connection,
    account: &Account,
    user: &User,
) -> Result<(), StoreError> {
    let query = sql("DELETE FROM former_users WHERE account = $1 AND user_id = $2");
    query.bind(account.as_str()).bind(user.as_str()).queue(connection, "forgetting a former user").await
}

/// Keeps claims and links of other processes off the users until the transaction ends. Answers the accounts whose user
/// no other process locked before; only of them does what [`busy`] reads hold. SQLite has one writer at a time.
async fn lock_users(connection: &mut Connection, links: &[&Link]) -> Result<HashSet<Account>, StoreError> {
    if let Connection::Sqlite(_) = connection {
        return Ok(links.iter().map(|link| link.account.clone()).collect());
    }
    let query = sql("SELECT account FROM learnt WHERE pg_try_advisory_xact_lock(hashtextextended(user_id, 0))");
    let found = query.with(learnt(links)).fetch(connection).await.map_err(StoreError::on("locking users"))?;
    Ok(accounts_of_rows(&found))
}

fn accounts_of_rows(rows: &[Row]) -> HashSet<Account> {
    rows.iter().filter_map(|row| Account::parse(&row.get::<String>("account")).ok()).collect()
}

/// The accounts of `links` whose user is leased through another account.
fn busy<'a>(links: &[&'a Link], now: Timestamp) -> Statement<'a> {
    sql("SELECT learnt.account AS account FROM learnt WHERE EXISTS (
           SELECT 1 FROM worklist
           WHERE worklist.user_id = learnt.user_id AND worklist.account <> learnt.account
             AND worklist.lease_until > $1)")
    .bind(millis(now))
    .with(learnt(links))
}

fn learnt<'a>(links: &[&'a Link]) -> Batch<'a> {
    let rows = links.iter().map(|link| -> [Value<'a>; 3] {
        [link.account.as_str().into(), link.user.as_str().into(), link.origin.as_str().into()]
    });
    let columns = [Column::Text("account"), Column::Text("user_id"), Column::Text("origin")];
    Batch::new("learnt", columns, rows)
}
