//! The ledger as it is listed.

use entitlement::model::account::Account;
use entitlement::model::clock::Timestamp;
use entitlement::model::reason::Reason;
use entitlement::model::user::User;
use serde::Serialize;

use crate::connection::Row;
use crate::error::StoreError;
use crate::listing::Listing;
use crate::open::Store;
use crate::statement::Statement;
use crate::value::{millis, timestamp};

/// A row of the ledger.
#[derive(Clone, Debug, Serialize)]
pub struct LedgerRow {
    pub seq: i64,
    pub key: String,
    /// The last confirmed step on the same subject when this one was intended.
    pub previous: Option<String>,
    pub destination: String,
    pub environment: String,
    pub account: String,
    pub user: String,
    pub subject: String,
    pub step: serde_json::Value,
    /// The reason as a sentence.
    pub because: String,
    #[serde(skip)]
    pub reason: Reason,
    pub state: String,
    pub attempts: i64,
    pub intended_at: Timestamp,
    /// When it is sent next; `None` once it is settled.
    pub due_at: Option<Timestamp>,
    pub settled_at: Option<Timestamp>,
    /// The last error.
    pub why: Option<String>,
}

/// Which rows are listed; the default is all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub user: Option<User>,
    /// The account whose sync intended them.
    pub account: Option<Account>,
    /// `intended`, `confirmed`, `refused` or `dropped`.
    pub state: Option<String>,
    /// Intended then or later.
    pub since: Option<Timestamp>,
    /// Listed after the row of this number, newest first: those with a lower one.
    pub after: Option<i64>,
}

/// All columns of a row.
const SELECT: &str = "SELECT seq, key, previous, destination, mode, account, user_id, subject, step, reason, state,
        attempts, intended_at, due_at, settled_at, error FROM ledger WHERE true";

impl Store {
    /// The newest rows of `filter`, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn ledger_rows(&self, filter: &Filter, limit: u32) -> Result<Vec<LedgerRow>, StoreError> {
        self.list_ledger(listing(filter).first(limit, "seq DESC")).await
    }

    /// The oldest rows of `filter`, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn first_ledger_rows(&self, filter: &Filter, limit: u32) -> Result<Vec<LedgerRow>, StoreError> {
        self.list_ledger(listing(filter).first(limit, "seq")).await
    }

    /// The rows whose key, which is hexadecimal, begins with `prefix`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn ledger_rows_with_prefix(&self, prefix: &str, limit: u32) -> Result<Vec<LedgerRow>, StoreError> {
        // `g` sorts after every further digit, under whatever collation the index has
        let query = Listing::of(SELECT)
            .only("key >= ? AND key < ? || 'g'", Some(prefix))
            .only("substr(key, 1, length(?)) = ?", Some(prefix));
        self.list_ledger(query.first(limit, "seq DESC")).await
    }

    /// The rows after `row` in its chain: one that was confirmed, and any that was not.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn ledger_rows_after(&self, row: &LedgerRow, limit: u32) -> Result<Vec<LedgerRow>, StoreError> {
        let query = Listing::of(SELECT)
            .only("user_id = ?", Some(&row.user))
            .only("destination = ?", Some(&row.destination))
            .only("mode = ?", Some(&row.environment))
            .only("subject = ?", Some(&row.subject))
            .only("previous = ?", Some(&row.key));
        self.list_ledger(query.first(limit, "seq")).await
    }

    async fn list_ledger(&self, query: Statement<'_>) -> Result<Vec<LedgerRow>, StoreError> {
        let found = query.read(&self.reads).await;
        found.map_err(StoreError::on("listing the ledger"))?.iter().map(ledger_row).collect()
    }
}

fn listing(filter: &Filter) -> Listing<'_> {
    let Filter { user, account, state, since, after } = filter;
    Listing::of(SELECT)
        .only("user_id = ?", user.as_ref().map(User::as_str))
        .only("account = ?", account.as_ref().map(Account::as_str))
        .only("state = ?", state.as_deref())
        .only("intended_at >= ?", since.map(millis))
        .only("seq < ?", *after)
}

fn ledger_row(row: &Row) -> Result<LedgerRow, StoreError> {
    let reason: Reason = serde_json::from_str(&row.get::<String>("reason")).map_err(unreadable)?;
    let state: String = row.get("state");
    let due_at = (state == "intended").then(|| timestamp(row.get("due_at")));
    Ok(LedgerRow {
        seq: row.get("seq"),
        key: row.get("key"),
        previous: row.get("previous"),
        destination: row.get("destination"),
        environment: row.get("mode"),
        account: row.get("account"),
        user: row.get("user_id"),
        subject: row.get("subject"),
        step: serde_json::from_str(&row.get::<String>("step")).map_err(unreadable)?,
        because: reason.sentence(),
        reason,
        state,
        attempts: row.get("attempts"),
        intended_at: timestamp(row.get("intended_at")),
        due_at,
        settled_at: row.get::<Option<i64>>("settled_at").map(timestamp),
        why: row.get("error"),
    })
}

fn unreadable(error: serde_json::Error) -> StoreError {
    StoreError::Row { table: "ledger", what: error.to_string() }
}
