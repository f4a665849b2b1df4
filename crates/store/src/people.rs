//! Links: which app user an account belongs to.

use std::collections::BTreeMap;

use entitlement::clock::Timestamp;
use entitlement::names::{Account, Customer};

use crate::claim::{Lease, Urgency};
use crate::connection::{Connection, Row};
use crate::error::StoreError;
use crate::open::Store;
use crate::statement::{differing, millis, sql};
use crate::worklist;
use crate::writer::Op;

/// An account and its customer.
#[derive(Clone, Debug)]
pub struct Link {
    pub account: Account,
    pub customer: Customer,
    /// A source of `identity.user_id`, or `operator`.
    pub origin: String,
}

/// What an operator's link is called in [`Link::origin`]. It wins over anything that is read at a source.
pub const OPERATOR: &str = "operator";

/// Whether a link could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linked {
    Done,
    /// Another worker looks at an account of that customer just now, or an operator linked it meanwhile.
    Busy,
    /// The lease ran out.
    Lost,
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

    /// Whom `account` belonged to before, as far as what they had through it may not have ended yet.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn handovers(&self, account: &Account) -> Result<Vec<Customer>, StoreError> {
        let query = sql("SELECT customer FROM handovers WHERE account = $1 ORDER BY customer");
        let found = query.bind(account.as_str()).read(&self.reads).await;
        let found = found.map_err(StoreError::on("reading handovers"))?;
        Ok(found.iter().filter_map(|row| Customer::new(&row.get::<String>("customer"))).collect())
    }

    /// Forgets that `account` belonged to `customer`: nothing of it is left with them.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn handed_over(&self, account: Account, customer: Customer) -> Result<(), StoreError> {
        self.write(Op::HandedOver(account, customer)).await.map(drop)
    }

    /// All accounts of `customer`, in order.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn accounts_of(&self, customer: &Customer) -> Result<Vec<Account>, StoreError> {
        let query = sql("SELECT account, customer, origin FROM links WHERE customer = $1 ORDER BY account");
        let found = query.bind(customer.as_str()).read(&self.reads).await;
        let found = found.map_err(StoreError::on("reading the accounts of a user"))?;
        Ok(found.iter().filter_map(link).map(|link| link.account).collect())
    }
}

fn link(row: &Row) -> Option<Link> {
    Some(Link {
        account: Account::parse(&row.get::<String>("account")).ok()?,
        customer: Customer::new(&row.get::<String>("customer"))?,
        origin: row.get("origin"),
    })
}

pub(crate) async fn learn(
    connection: &mut Connection,
    link: &Link,
    lease: Option<&Lease>,
    now: Timestamp,
) -> Result<Linked, StoreError> {
    if let Some(lease) = lease {
        if worklist::fence(connection, &[(&link.account, lease)], [], now).await?.is_empty() {
            return Ok(Linked::Lost);
        }
        if !hold(connection, &link.customer).await? {
            return Ok(Linked::Busy);
        }
        if busy(connection, link, now).await? {
            // from now on the claim itself passes over the account while the customer is held
            if keep(connection, link, By::Look, now).await? {
                belongs(connection, link).await?;
            }
            return Ok(Linked::Busy);
        }
    }
    let by = if lease.is_none() && link.origin == OPERATOR { By::Operator } else { By::Look };
    if !keep(connection, link, by, now).await? {
        return Ok(Linked::Busy);
    }
    if lease.is_none() {
        worklist::touch(connection, &BTreeMap::from([(&link.account, Urgency::Fresh)]), now).await?;
    }
    belongs(connection, link).await?;
    Ok(Linked::Done)
}

/// Who says whose account it is. A look may repeat an operator's word, but that may be an older one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Operator,
    Look,
}

/// Answers whether the link counts: an operator's word is only changed by an operator.
async fn keep(connection: &mut Connection, link: &Link, by: By, now: Timestamp) -> Result<bool, StoreError> {
    let Link { account, customer, origin } = link;
    // whom the account belonged to
    sql("INSERT INTO handovers (account, customer)
         SELECT account, customer FROM links
         WHERE account = $1 AND customer <> $2 AND (origin <> $3 OR $4) ON CONFLICT DO NOTHING")
    .bind(account.as_str())
    .bind(customer.as_str())
    .bind(OPERATOR)
    .bind(by == By::Operator)
    .execute(connection)
    .await
    .map_err(StoreError::on("keeping a handover"))?;
    let kept = sql("INSERT INTO links (account, customer, origin, learnt_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (account) DO UPDATE SET customer = excluded.customer, origin = excluded.origin,
           learnt_at = excluded.learnt_at
         WHERE links.origin <> $5 OR $6 OR (links.origin, links.customer) = (excluded.origin, excluded.customer)")
    .bind(account.as_str())
    .bind(customer.as_str())
    .bind(origin)
    .bind(millis(now))
    .bind(OPERATOR)
    .bind(by == By::Operator)
    .execute(connection)
    .await
    .map_err(StoreError::on("keeping a link"))?;
    let counts = kept > 0;
    if counts {
        // one whom it comes back to is not its former user any more
        handed_over(connection, account, customer).await?;
    }
    Ok(counts)
}

pub(crate) async fn handed_over(
    connection: &mut Connection,
    account: &Account,
    customer: &Customer,
) -> Result<(), StoreError> {
    let query = sql("DELETE FROM handovers WHERE account = $1 AND customer = $2");
    let query = query.bind(account.as_str()).bind(customer.as_str());
    query.execute(connection).await.map(drop).map_err(StoreError::on("ending a handover"))
}

async fn belongs(connection: &mut Connection, link: &Link) -> Result<(), StoreError> {
    let query = sql("UPDATE worklist SET customer = $2 WHERE account = $1");
    let query = query.bind(link.account.as_str()).bind(link.customer.as_str());
    query.execute(connection).await.map(drop).map_err(StoreError::on("keeping a link"))
}

/// Keeps claims and links of other processes off the customer until the transaction ends; `false` when one of them was
/// faster. Only then does what [`busy`] reads hold. SQLite has one writer at a time.
async fn hold(connection: &mut Connection, customer: &Customer) -> Result<bool, StoreError> {
    let query =
        differing("SELECT $1 IS NOT NULL AS free", "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS free");
    let row = query.bind(customer.as_str()).fetch_first(connection).await;
    Ok(row.map_err(StoreError::on("holding a customer"))?.is_some_and(|row| row.get("free")))
}

async fn busy(connection: &mut Connection, link: &Link, now: Timestamp) -> Result<bool, StoreError> {
    let query = sql("SELECT account FROM worklist WHERE customer = $1 AND account <> $2 AND lease_until > $3 LIMIT 1");
    let query = query.bind(link.customer.as_str()).bind(link.account.as_str()).bind(millis(now));
    query.fetch_first(connection).await.map(|row| row.is_some()).map_err(StoreError::on("checking a customer"))
}
