//! Links: which app user an account belongs to.

use entitlement::clock::Timestamp;
use entitlement::names::{Account, Customer};
use sqlx::{Row, SqliteConnection};

use crate::claim::Lease;
use crate::error::StoreError;
use crate::open::Store;
use crate::statements::millis;
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
    /// Another worker looks at an account of that customer just now.
    Busy,
}

impl Store {
    /// Learns whom an account belongs to. Under a lease it takes the customer too: it answers [`Linked::Busy`] while
    /// another account of the customer is being looked at.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn link(&self, link: Link, lease: Option<Lease>) -> Result<Linked, StoreError> {
        self.write(|reply| Op::Link(link, lease, reply)).await
    }

    /// The link of `account`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn link_of(&self, account: &Account) -> Result<Option<Link>, StoreError> {
        let query = sqlx::query("SELECT account, customer, origin FROM links WHERE account = $1");
        let row = query.bind(account.as_str()).fetch_optional(&self.reads).await;
        Ok(row.map_err(StoreError::on("reading a link"))?.as_ref().and_then(link))
    }

    /// All accounts of `customer`, in order.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn accounts_of(&self, customer: &Customer) -> Result<Vec<Account>, StoreError> {
        let query = sqlx::query("SELECT account, customer, origin FROM links WHERE customer = $1 ORDER BY account");
        let found = query.bind(customer.as_str()).fetch_all(&self.reads).await;
        let found = found.map_err(StoreError::on("reading the accounts of a user"))?;
        Ok(found.iter().filter_map(link).map(|link| link.account).collect())
    }
}

fn link(row: &sqlx::sqlite::SqliteRow) -> Option<Link> {
    Some(Link {
        account: Account::parse(row.get("account")).ok()?,
        customer: Customer::new(row.get("customer"))?,
        origin: row.get("origin"),
    })
}

pub(crate) async fn learn(
    connection: &mut SqliteConnection,
    link: &Link,
    lease: Option<&Lease>,
    now: Timestamp,
) -> Result<Linked, StoreError> {
    if lease.is_some() && busy(connection, link, now).await? {
        return Ok(Linked::Busy);
    }
    sqlx::query(
        "INSERT INTO links (account, customer, origin, learnt_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (account) DO UPDATE SET customer = excluded.customer, origin = excluded.origin,
           learnt_at = excluded.learnt_at",
    )
    .bind(link.account.as_str())
    .bind(link.customer.as_str())
    .bind(&link.origin)
    .bind(millis(now))
    .execute(&mut *connection)
    .await
    .map_err(StoreError::on("keeping a link"))?;
    sqlx::query("UPDATE worklist SET customer = $2 WHERE account = $1")
        .bind(link.account.as_str())
        .bind(link.customer.as_str())
        .execute(connection)
        .await
        .map_err(StoreError::on("keeping a link"))?;
    Ok(Linked::Done)
}

async fn busy(connection: &mut SqliteConnection, link: &Link, now: Timestamp) -> Result<bool, StoreError> {
    let query =
        sqlx::query("SELECT 1 FROM worklist WHERE customer = $1 AND account <> $2 AND lease_until > $3 LIMIT 1");
    let query = query.bind(link.customer.as_str()).bind(link.account.as_str()).bind(millis(now));
    query.fetch_optional(connection).await.map(|row| row.is_some()).map_err(StoreError::on("checking a customer"))
}
