//! Overrides by operators, as decisions read them and commands list them.

use entitlement::model::access_level::AccessLevel;
use entitlement::model::attributes::{AttributeName, AttributeValue};
use entitlement::model::clock::Timestamp;
use entitlement::model::overrides::{Block, Overrides, PromotionalGrant};
use entitlement::model::until::Until;
use entitlement::model::user::User;
use serde::Serialize;

use crate::connection::Row;
use crate::error::StoreError;
use crate::listing::Listing;
use crate::open::Store;
use crate::override_request::promotional_grant_id;
use crate::statement::{Statement, sql};
use crate::value::{millis, timestamp};

/// A promotional grant, as it is listed.
#[derive(Clone, Debug, Serialize)]
pub struct PromotionalGrantRow {
    /// Its name in reasons and in the ledger.
    pub id: String,
    pub user: String,
    pub app: String,
    pub level: String,
    /// `None`: for life.
    pub until: Option<Timestamp>,
    pub by: String,
    pub why: String,
    pub given_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub ended_by: Option<String>,
    pub ended_why: Option<String>,
}

/// A block, as it is listed.
#[derive(Clone, Debug, Serialize)]
pub struct BlockRow {
    pub user: String,
    pub app: String,
    pub level: String,
    pub by: String,
    pub why: String,
    pub since: Timestamp,
}

/// The override of an attribute, as it is listed.
#[derive(Clone, Debug)]
pub struct AttributeOverride {
    pub name: AttributeName,
    /// `None`: the attribute is deleted at the destination.
    pub value: Option<AttributeValue>,
    pub app: String,
    pub by: String,
    pub since: Timestamp,
}

impl Store {
    /// The overrides of `user` at `destination` that may still count.
    ///
    /// # Errors
    /// When the database does not answer, or holds what this program never writes.
    pub async fn overrides(&self, user: &User, destination: &str) -> Result<Overrides, StoreError> {
        let found = overrides_of(user, destination, (self.clock)()).read(&self.reads).await;
        overrides(&found.map_err(StoreError::on("reading overrides"))?)
    }

    /// The overrides of all attributes of `user`, by app and name.
    ///
    /// # Errors
    /// When the database does not answer, or holds what this program never writes.
    pub async fn attribute_overrides(&self, user: &User) -> Result<Vec<AttributeOverride>, StoreError> {
        let query = sql("SELECT destination, name, value, who, since FROM attribute_overrides WHERE user_id = $1
             ORDER BY destination, name");
        let found = query.bind(user.as_str()).read(&self.reads).await;
        found.map_err(StoreError::on("listing attribute overrides"))?.iter().map(attribute_override).collect()
    }

    /// The blocks that count, of `user` or of everybody, by user, app and level.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn blocks(&self, user: Option<&User>, limit: u32) -> Result<Vec<BlockRow>, StoreError> {
        let all = Listing::of("SELECT user_id, destination, level, who, why, since FROM blocks WHERE true");
        let query = all.only("user_id = ?", user.map(User::as_str));
        let found = query.first(limit, "user_id, destination, level").read(&self.reads).await;
        Ok(found.map_err(StoreError::on("listing blocks"))?.iter().map(block_row).collect())
    }

    /// All promotional grants of `user`, the newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn promotional_grants(&self, user: &User) -> Result<Vec<PromotionalGrantRow>, StoreError> {
        let query =
            sql("SELECT id, user_id, destination, level, until, who, why, granted_at, ended_at, ended_by, ended_why
             FROM promotional_grants WHERE user_id = $1 ORDER BY id DESC");
        let found = query.bind(user.as_str()).read(&self.reads).await;
        Ok(found.map_err(StoreError::on("listing promotional grants"))?.iter().map(promotional_grant_row).collect())
    }
}

pub(crate) fn overrides_of<'a>(user: &'a User, destination: &'a str, now: Timestamp) -> Statement<'a> {
    sql("SELECT 'grant' AS kind, id, level AS name, '' AS value, until, who, why, ended_at FROM promotional_grants
         WHERE user_id = $1 AND destination = $2 AND (until IS NULL OR until > $3)
         UNION ALL
         SELECT 'block', 0, level, '', NULL, who, why, NULL FROM blocks WHERE user_id = $1 AND destination = $2
         UNION ALL
         SELECT 'attribute', 0, name, value, NULL, who, '', NULL FROM attribute_overrides
         WHERE user_id = $1 AND destination = $2")
    .bind(user.as_str())
    .bind(destination)
    .bind(millis(now))
}

/// The rows of [`overrides_of`].
pub(crate) fn overrides(rows: &[Row]) -> Result<Overrides, StoreError> {
    let mut overrides = Overrides::default();
    for row in rows {
        match row.get::<String>("kind").as_str() {
            "grant" => overrides.promotions.push(promotional_grant(row)),
            "block" => overrides.blocks.push(block(row)),
            _ => {
                let (name, value) = attribute(row)?;
                overrides.attributes.insert(name, value);
            }
        }
    }
    Ok(overrides)
}

/// When the grant in `row` ends.
pub(crate) fn until(row: &Row) -> Until {
    row.get::<Option<i64>>("until").map_or(Until::Lifetime, |until| Until::At(timestamp(until)))
}

fn promotional_grant(row: &Row) -> PromotionalGrant {
    PromotionalGrant {
        id: promotional_grant_id(row.get("id")),
        level: AccessLevel(row.get("name")),
        until: until(row),
        by: row.get("who"),
        why: row.get("why"),
        ended: row.get::<Option<i64>>("ended_at").is_some(),
    }
}

fn block(row: &Row) -> Block {
    Block { level: AccessLevel(row.get("name")), by: row.get("who"), why: row.get("why") }
}

fn attribute(row: &Row) -> Result<(AttributeName, Option<AttributeValue>), StoreError> {
    let unreadable = |what: String| StoreError::Row { table: "attribute_overrides", what };
    let name = AttributeName::parse(&row.get::<String>("name")).map_err(|error| unreadable(error.to_string()))?;
    let value = serde_json::from_str(&row.get::<String>("value")).map_err(|error| unreadable(error.to_string()))?;
    Ok((name, value))
}

fn block_row(row: &Row) -> BlockRow {
    BlockRow {
        user: row.get("user_id"),
        app: row.get("destination"),
        level: row.get("level"),
        by: row.get("who"),
        why: row.get("why"),
        since: timestamp(row.get("since")),
    }
}

fn attribute_override(row: &Row) -> Result<AttributeOverride, StoreError> {
    let (name, value) = attribute(row)?;
    Ok(AttributeOverride {
        name,
        value,
        app: row.get("destination"),
        by: row.get("who"),
        since: timestamp(row.get("since")),
    })
}

fn promotional_grant_row(row: &Row) -> PromotionalGrantRow {
    PromotionalGrantRow {
        id: promotional_grant_id(row.get("id")),
        user: row.get("user_id"),
        app: row.get("destination"),
        level: row.get("level"),
        until: until(row).at(),
        by: row.get("who"),
        why: row.get("why"),
        given_at: timestamp(row.get("granted_at")),
        ended_at: row.get::<Option<i64>>("ended_at").map(timestamp),
        ended_by: row.get("ended_by"),
        ended_why: row.get("ended_why"),
    }
}
