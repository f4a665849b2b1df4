//! Links: which app user an account belongs to.

use std::collections::{BTreeMap, HashSet};

use entitlement::clock::Timestamp;
use entitlement::names::{Account, User};

use crate::claim::{Lease, Urgency};
use crate::connection::{Connection, Row};
use crate::error::StoreError;
use crate::link::{Link, Linked, OPERATOR};
use crate::open::Store;
use crate::statement::{Batch, Column, Statement, Value, millis, sql};
use crate::worklist;
use crate::writer::Op;

/// What is known around an account.
#[derive(Clone, Debug, Default)]
pub struct AccountContext {
    /// Whom it belongs to.
    pub link: Option<Link>,
    /// Whom it belonged to before, as far as what they had through it may not have ended yet.
    pub former_users: Vec<User>,
    /// All accounts of whom it belongs to, in order.
    pub accounts: Vec<Account>,
}

impl Store {
    /// Learns whom an account belongs to, and that whoever it belonged to before must be looked at.
    ///
    /// Under a lease it takes the customer too: it answers [`Linked::Busy`] while another account of the customer is
    /// being looked at. Without one (an operator's word) the account becomes due.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn link(&self, link: Link, lease: Option<Lease>) -> Result<Linked, StoreError> {
        self.write(Op::Link(link, lease)).await?.try_into()
    }

    /// The link of `account`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn link_of(&self, account: &Account) -> Result<Option<Link>, StoreError> {
        let query = sql("SELECT account, customer, origin FROM links WHERE account = $1");
        let row = query.bind(account.as_str()).read_first(&self.reads).await;
        Ok(row.map_err(StoreError::on("reading a link"))?.as_ref().and_then(link))
    }

    /// What is known around `account`, in one read.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn account_context(&self, account: &Account) -> Result<AccountContext, StoreError> {
        let query = sql("SELECT 'account' AS what, other.account, other.customer, other.origin
             FROM links JOIN links AS other ON other.customer = links.customer WHERE links.account = $1
             UNION ALL SELECT 'former' AS what, account, customer, '' AS origin FROM handovers WHERE account = $1
             ORDER BY what, account, customer");
        let found = query.bind(account.as_str()).read(&self.reads).await;
        let found = found.map_err(StoreError::on("reading whose an account is"))?;
        let (formers, linked): (Vec<&Row>, Vec<&Row>) =
            found.iter().partition(|row| row.get::<String>("what") == "former");
        let former = formers.into_iter().filter_map(|row| User::new(&row.get::<String>("customer"))).collect();
        let links: Vec<Link> = linked.into_iter().filter_map(link).collect();
        let own = links.iter().find(|link| &link.account == account).cloned();
        Ok(AccountContext {
            link: own,
            former_users: former,
            accounts: links.into_iter().map(|link| link.account).collect(),
        })
    }

    /// Forgets that `account` belonged to `user`: nothing of it is left with them.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn forget_former_user(&self, account: Account, user: User) -> Result<(), StoreError> {
        self.write(Op::HandedOver(account, user)).await.map(drop)
    }

    /// All accounts of `user`, in order.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn accounts_of(&self, user: &User) -> Result<Vec<Account>, StoreError> {
        let query = sql("SELECT account, customer, origin FROM links WHERE customer = $1 ORDER BY account");
        let found = query.bind(user.as_str()).read(&self.reads).await;
        let found = found.map_err(StoreError::on("reading the accounts of a user"))?;
        Ok(found.iter().filter_map(link).map(|link| link.account).collect())
    }
}

fn link(row: &Row) -> Option<Link> {
    Some(Link {
        account: Account::parse(&row.get::<String>("account")).ok()?,
        user: User::new(&row.get::<String>("customer"))?,
        origin: row.get("origin"),
    })
}

/// What looks learnt, each under its lease and of another customer. Answers those that are linked and whose customer is
/// taken; the others are busy.
pub(crate) async fn learn(
    connection: &mut Connection,
    links: &[&Link],
    now: Timestamp,
) -> Result<HashSet<Account>, StoreError> {
    let free = hold(connection, links).await?;
    let links: Vec<&Link> = links.iter().copied().filter(|link| free.contains(&link.account)).collect();
    if links.is_empty() {
        return Ok(HashSet::new());
    }
    // one whose customer is held elsewhere is linked all the same: from now on the claim itself passes over it meanwhile
    let [mut kept, busy] = keep(connection, &links, By::Look, now).await?;
    kept.retain(|account| !busy.contains(account));
    Ok(kept)
}

/// What somebody says of an account that nobody looks at just now.
pub(crate) async fn tell(connection: &mut Connection, link: &Link, now: Timestamp) -> Result<Linked, StoreError> {
    let by = if link.origin == OPERATOR { By::Operator } else { By::Look };
    // before the link, as a look does: so the two never wait for each other crosswise
    worklist::enqueue(connection, &BTreeMap::from([(&link.account, Urgency::Requested)]), now).await?;
    let [kept, _] = keep(connection, &[link], by, now).await?;
    Ok(if kept.is_empty() { Linked::Busy } else { Linked::Done })
}

/// Who says whose account it is. A look may repeat an operator's word, but that may be an older one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Operator,
    Look,
}

/// Answers the accounts whose link counts, since an operator's word is only changed by an operator; and those whose customer
/// is held through another account.
async fn keep(
    connection: &mut Connection,
    links: &[&Link],
    by: By,
    now: Timestamp,
) -> Result<[HashSet<Account>; 2], StoreError> {
    // whom the accounts belonged to
    sql("INSERT INTO handovers (account, customer)
         SELECT links.account, links.customer FROM links JOIN learnt ON learnt.account = links.account
         WHERE links.customer <> learnt.customer AND (links.origin <> $1 OR $2) ON CONFLICT DO NOTHING")
    .bind(OPERATOR)
    .bind(by == By::Operator)
    .with(learnt(links))
    .later(connection, "keeping handovers")
    .await?;
    let kept = sql("INSERT INTO links (account, customer, origin, learnt_at)
         SELECT account, customer, origin, $3 FROM learnt WHERE true
         ON CONFLICT (account) DO UPDATE SET customer = excluded.customer, origin = excluded.origin,
           learnt_at = excluded.learnt_at
         WHERE links.origin <> $1 OR $2 OR (links.origin, links.customer) = (excluded.origin, excluded.customer)
         RETURNING account")
    .bind(OPERATOR)
    .bind(by == By::Operator)
    .bind(millis(now))
    .with(learnt(links));
    let found = kept.fetch_with(busy(links, now), connection).await.map_err(StoreError::on("keeping links"))?;
    // one whom it comes back to is not its former user any more
    sql("DELETE FROM handovers WHERE EXISTS (
           SELECT 1 FROM links
           WHERE links.account = handovers.account AND links.customer = handovers.customer)
         AND account IN (SELECT account FROM learnt)")
    .with(learnt(links))
    .later(connection, "ending handovers")
    .await?;
    // what claims go by; a link that did not change says the same as before
    sql("UPDATE worklist SET customer = links.customer FROM learnt JOIN links ON links.account = learnt.account
         WHERE worklist.account = learnt.account")
    .with(learnt(links))
    .later(connection, "keeping links")
    .await?;
    let accounts = |rows: Vec<Row>| {
        rows.iter().filter_map(|row| Account::parse(&row.get::<String>("account")).ok()).collect::<HashSet<_>>()
    };
    Ok(found.map(accounts))
}

pub(crate) async fn forget_former_user(
    connection: &mut Connection,
    account: &Account,
    user: &User,
) -> Result<(), StoreError> {
    let query = sql("DELETE FROM handovers WHERE account = $1 AND customer = $2");
    let query = query.bind(account.as_str()).bind(user.as_str());
    query.later(connection, "ending a handover").await
}

/// Keeps claims and links of other processes off the customers until the transaction ends. Answers the accounts for whose
/// customer no other was faster; only of them does what [`busy`] reads hold. SQLite has one writer at a time.
async fn hold(connection: &mut Connection, links: &[&Link]) -> Result<HashSet<Account>, StoreError> {
    if let Connection::Sqlite(_) = connection {
        return Ok(links.iter().map(|link| link.account.clone()).collect());
    }
    let query = sql("SELECT account, pg_try_advisory_xact_lock(hashtextextended(customer, 0)) AS free FROM learnt");
    let found = query.with(learnt(links)).fetch(connection).await.map_err(StoreError::on("holding customers"))?;
    let free = found.iter().filter(|row| row.get("free"));
    Ok(free.filter_map(|row| Account::parse(&row.get::<String>("account")).ok()).collect())
}

/// The accounts of `links` whose customer is held through another account.
fn busy<'a>(links: &[&'a Link], now: Timestamp) -> Statement<'a> {
    sql("SELECT learnt.account AS account FROM learnt WHERE EXISTS (
           SELECT 1 FROM worklist
           WHERE worklist.customer = learnt.customer AND worklist.account <> learnt.account
             AND worklist.lease_until > $1)")
    .bind(millis(now))
    .with(learnt(links))
}

fn learnt<'a>(links: &[&'a Link]) -> Batch<'a> {
    let rows = links.iter().map(|link| -> [Value<'a>; 3] {
        [link.account.as_str().into(), link.user.as_str().into(), link.origin.as_str().into()]
    });
    let columns = [Column::Text("account"), Column::Text("customer"), Column::Text("origin")];
    Batch::new("learnt", columns, rows)
}
