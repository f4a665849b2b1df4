//! The book of orders: each once, with who and why. Lines are only ever added; what counts now stands elsewhere.

use entitlement::clock::Timestamp;
use entitlement::names::User;
use entitlement::reason::Reason;
use serde::Serialize;

use crate::connection::{Connection, Row};
use crate::error::StoreError;
use crate::ledger::LedgerRow;
use crate::listing::Listing;
use crate::open::Store;
use crate::override_request::{
    OverrideAction, OverrideOutcome, OverrideRequest, promotional_grant_id, promotional_grant_number,
};
use crate::statement::{Statement, millis, moment, sql};

/// A line of the book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    pub id: i64,
    pub user: String,
    pub app: String,
    /// `grant`, `revoke`, `block`, `unblock`, `describe` or `forget`.
    pub kind: String,
    /// The level, or the names of what was told or forgotten.
    pub subject: String,
    /// That a grant gave, as it is called in reasons and in the ledger.
    pub promotion: Option<String>,
    pub by: String,
    pub why: String,
    pub at: Timestamp,
}

const LINES: &str =
    "SELECT id, customer, destination, kind, subject, promotion, who, why, ordered_at FROM orders WHERE true";

/// Which lines are meant; nothing said means all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub user: Option<User>,
    /// Those with a lower number: ordered earlier.
    pub after: Option<i64>,
}

impl Store {
    /// The newest orders that are `filter`, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn audit_entries(&self, filter: &Filter, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        let query = Listing::of(LINES)
            .only("customer = ?", filter.user.as_ref().map(User::as_str))
            .only("id < ?", filter.after);
        self.listed_orders(query.first(limit, "id DESC")).await
    }

    /// The order that a step was intended for, where its reason names one; of what is told about a user the last one
    /// before it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn audit_entry_of(&self, line: &LedgerRow) -> Result<Option<AuditEntry>, StoreError> {
        let Some(kinds) = kinds(&line.reason) else { return Ok(None) };
        let of_level = Some(line.subject.as_str()).filter(|_| line.reason != Reason::Described);
        let promotion = if let Reason::Promotion { promotion, .. } = &line.reason { Some(promotion) } else { None };
        let promotion = promotion.and_then(|name| promotional_grant_number(name));
        let query = Listing::of(LINES)
            .only("customer = ?", Some(&line.user))
            .only("destination = ?", Some(&line.destination))
            .only("subject = ?", of_level)
            .only("promotion = ?", promotion)
            .only("ordered_at <= ?", Some(millis(line.intended_at)))
            .only_if(true, kinds);
        Ok(self.listed_orders(query.first(1, "id DESC")).await?.pop())
    }

    async fn listed_orders(&self, query: Statement<'_>) -> Result<Vec<AuditEntry>, StoreError> {
        let found = query.read(&self.reads).await;
        Ok(found.map_err(StoreError::on("listing orders"))?.iter().map(line).collect())
    }
}

/// Which orders `reason` may speak of, as a condition.
fn kinds(reason: &Reason) -> Option<&'static str> {
    [
        (matches!(reason, Reason::Promotion { .. }), "kind = 'grant'"),
        (matches!(reason, Reason::PromotionEnded { .. }), "kind IN ('revoke', 'block')"),
        (matches!(reason, Reason::Blocked), "kind = 'block'"),
        (matches!(reason, Reason::Described), "kind IN ('describe', 'forget')"),
    ]
    .into_iter()
    .find_map(|(speaks, kinds)| speaks.then_some(kinds))
}

fn line(row: &Row) -> AuditEntry {
    AuditEntry {
        id: row.get("id"),
        user: row.get("customer"),
        app: row.get("destination"),
        kind: row.get("kind"),
        subject: row.get("subject"),
        promotion: row.get::<Option<i64>>("promotion").map(promotional_grant_id),
        by: row.get("who"),
        why: row.get("why"),
        at: moment(row.get("ordered_at")),
    }
}

/// Adds `order`, which changed something, to the book.
pub(crate) async fn keep(
    connection: &mut Connection,
    order: &OverrideRequest,
    ordered: OverrideOutcome,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (kind, subject) = named(&order.action);
    let promotion = match ordered {
        OverrideOutcome::Granted(id) => Some(id),
        OverrideOutcome::Done(_) | OverrideOutcome::GrantedBefore { .. } | OverrideOutcome::OtherRequest(_) => None,
    };
    let query = sql("INSERT INTO orders (customer, destination, kind, subject, promotion, who, why, ordered_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
    let query = query.bind(order.user.as_str()).bind(&order.destination).bind(kind).bind(&subject).bind(promotion);
    let query = query.bind(&order.by).bind(&order.why).bind(millis(now));
    query.execute(connection).await.map(drop).map_err(StoreError::on("keeping an order"))
}

/// What an order is called, and what it is about; never what was told, which may be personal.
fn named(what: &OverrideAction) -> (&'static str, String) {
    let of = |names: &mut dyn Iterator<Item = &str>| names.collect::<Vec<_>>().join(", ");
    match what {
        OverrideAction::Grant { level, .. } => ("grant", level.0.clone()),
        OverrideAction::EndGrants { level } => ("revoke", level.0.clone()),
        OverrideAction::Block { level } => ("block", level.0.clone()),
        OverrideAction::Unblock { level } => ("unblock", level.0.clone()),
        OverrideAction::SetAttributes { attributes } => {
            ("describe", of(&mut attributes.iter().map(|(name, _)| name.as_str())))
        }
        OverrideAction::ForgetAttributes { names } => ("forget", of(&mut names.iter().map(|name| name.as_str()))),
    }
}
