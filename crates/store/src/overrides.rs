//! What operators ordered for app users: promotions, blocks, and details.

use std::collections::BTreeMap;

use entitlement::attributes::{AttributeName, AttributeValue};
use entitlement::clock::Timestamp;
use entitlement::names::{AccessLevel, Account, User};
use entitlement::overrides::{Block, Overrides, PromotionalGrant};
use entitlement::until::Until;
use serde::Serialize;

use crate::audit;
use crate::connection::{Connection, Row};
use crate::error::StoreError;
use crate::link::{Link, OPERATOR};
use crate::links;
use crate::listing::Listing;
use crate::open::Store;
use crate::override_request::{OverrideAction, OverrideOutcome, OverrideRequest, promotional_grant_id};
use crate::statement::{Batch, Column, Statement, Value, differing, json, millis, moment, sql};
use crate::writer::Op;

/// A promotion, as it is listed.
#[derive(Clone, Debug, Serialize)]
pub struct PromotionalGrantRow {
    /// As it is called in reasons and in the ledger.
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

/// What was ordered to be told, as it is listed.
#[derive(Clone, Debug)]
pub struct AttributeOverride {
    pub name: AttributeName,
    /// `None`: it is to be gone.
    pub value: Option<AttributeValue>,
    pub app: String,
    pub by: String,
    pub since: Timestamp,
}

impl Store {
    /// Writes an order down, and makes its user due.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn apply_override(&self, order: OverrideRequest) -> Result<OverrideOutcome, StoreError> {
        self.write(Op::Override(Box::new(order))).await?.try_into()
    }

    /// What was ordered for `user` at `destination` and may still count.
    ///
    /// # Errors
    /// When the database does not answer, or holds what this program never writes.
    pub async fn overrides(&self, user: &User, destination: &str) -> Result<Overrides, StoreError> {
        let found = of_customer(user, destination, (self.clock)()).read(&self.reads).await;
        overrides(&found.map_err(StoreError::on("reading what was ordered"))?)
    }

    /// All details that were ordered of `user`, by app and name.
    ///
    /// # Errors
    /// When the database does not answer, or holds what this program never writes.
    pub async fn attribute_overrides(&self, user: &User) -> Result<Vec<AttributeOverride>, StoreError> {
        let query = sql("SELECT destination, name, value, who, since FROM details WHERE customer = $1
             ORDER BY destination, name");
        let found = query.bind(user.as_str()).read(&self.reads).await;
        found.map_err(StoreError::on("listing details"))?.iter().map(told).collect()
    }

    /// The blocks that stand, of `user` or of everybody, by user, app and level.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn blocks(&self, user: Option<&User>, limit: u32) -> Result<Vec<BlockRow>, StoreError> {
        let all = Listing::of("SELECT customer, destination, level, who, why, since FROM blocks WHERE true");
        let query = all.only("customer = ?", user.map(User::as_str));
        let found = query.first(limit, "customer, destination, level").read(&self.reads).await;
        Ok(found.map_err(StoreError::on("listing blocks"))?.iter().map(blocked).collect())
    }

    /// All promotions of `user`, the newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn promotional_grants(&self, user: &User) -> Result<Vec<PromotionalGrantRow>, StoreError> {
        let query =
            sql("SELECT id, customer, destination, level, until, who, why, given_at, ended_at, ended_by, ended_why
             FROM promotions WHERE customer = $1 ORDER BY id DESC");
        let found = query.bind(user.as_str()).read(&self.reads).await;
        Ok(found.map_err(StoreError::on("listing promotions"))?.iter().map(given).collect())
    }
}

pub(crate) fn of_customer<'a>(user: &'a User, destination: &'a str, now: Timestamp) -> Statement<'a> {
    sql("SELECT 'promotion' AS kind, id, level AS name, '' AS value, until, who, why, ended_at FROM promotions
         WHERE customer = $1 AND destination = $2 AND (until IS NULL OR until > $3)
         UNION ALL
         SELECT 'block', 0, level, '', NULL, who, why, NULL FROM blocks WHERE customer = $1 AND destination = $2
         UNION ALL
         SELECT 'detail', 0, name, value, NULL, who, '', NULL FROM details WHERE customer = $1 AND destination = $2")
    .bind(user.as_str())
    .bind(destination)
    .bind(millis(now))
}

pub(crate) fn overrides(rows: &[Row]) -> Result<Overrides, StoreError> {
    let mut overrides = Overrides::default();
    for row in rows {
        match row.get::<String>("kind").as_str() {
            "promotion" => overrides.promotions.push(promotion(row)),
            "block" => overrides.blocks.push(block(row)),
            _ => drop(detail(row).map(|(name, value)| overrides.attributes.insert(name, value))?),
        }
    }
    Ok(overrides)
}

fn until(row: &Row) -> Until {
    row.get::<Option<i64>>("until").map_or(Until::Lifetime, |until| Until::At(moment(until)))
}

fn promotion(row: &Row) -> PromotionalGrant {
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

fn blocked(row: &Row) -> BlockRow {
    BlockRow {
        user: row.get("customer"),
        app: row.get("destination"),
        level: row.get("level"),
        by: row.get("who"),
        why: row.get("why"),
        since: moment(row.get("since")),
    }
}

fn detail(row: &Row) -> Result<(AttributeName, Option<AttributeValue>), StoreError> {
    let unreadable = |what: String| StoreError::Row { table: "details", what };
    let name = AttributeName::parse(&row.get::<String>("name")).map_err(|error| unreadable(error.to_string()))?;
    let value = serde_json::from_str(&row.get::<String>("value")).map_err(|error| unreadable(error.to_string()))?;
    Ok((name, value))
}

fn told(row: &Row) -> Result<AttributeOverride, StoreError> {
    let (name, value) = detail(row)?;
    Ok(AttributeOverride {
        name,
        value,
        app: row.get("destination"),
        by: row.get("who"),
        since: moment(row.get("since")),
    })
}

fn given(row: &Row) -> PromotionalGrantRow {
    PromotionalGrantRow {
        id: promotional_grant_id(row.get("id")),
        user: row.get("customer"),
        app: row.get("destination"),
        level: row.get("level"),
        until: until(row).at(),
        by: row.get("who"),
        why: row.get("why"),
        given_at: moment(row.get("given_at")),
        ended_at: row.get::<Option<i64>>("ended_at").map(moment),
        ended_by: row.get("ended_by"),
        ended_why: row.get("ended_why"),
    }
}

/// Writes `order` down, and rings for its user when that changed anything.
pub(crate) async fn write(
    connection: &mut Connection,
    order: &OverrideRequest,
    now: Timestamp,
) -> Result<OverrideOutcome, StoreError> {
    let ordered = match &order.action {
        OverrideAction::Grant { level, until, request } => {
            promote(connection, order, level, *until, request.as_deref(), now).await?
        }
        OverrideAction::EndGrants { level } => OverrideOutcome::Done(end(connection, order, level, now).await?),
        OverrideAction::Block { level } => OverrideOutcome::Done(block_level(connection, order, level, now).await?),
        OverrideAction::Unblock { level } => {
            let query = sql("DELETE FROM blocks WHERE customer = $1 AND destination = $2 AND level = $3");
            let query = of(query, order, level);
            OverrideOutcome::Done(query.execute(connection).await.map_err(StoreError::on("unblocking a level"))?)
        }
        OverrideAction::SetAttributes { attributes } => {
            OverrideOutcome::Done(describe(connection, order, attributes, now).await?)
        }
        OverrideAction::ForgetAttributes { names } => OverrideOutcome::Done(forget(connection, order, names).await?),
    };
    if matches!(ordered, OverrideOutcome::Granted(_) | OverrideOutcome::Done(1..)) {
        audit::keep(connection, order, ordered, now).await?;
        ring(connection, &order.user, now).await?;
    }
    Ok(ordered)
}

async fn block_level(
    connection: &mut Connection,
    order: &OverrideRequest,
    level: &AccessLevel,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let ended = end(connection, order, level, now).await?;
    let query = sql("INSERT INTO blocks (customer, destination, level, who, why, since)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING");
    let query = of(query, order, level).bind(&order.by).bind(&order.why).bind(millis(now));
    Ok(ended + query.execute(connection).await.map_err(StoreError::on("blocking a level"))?)
}

fn of<'a>(query: Statement<'a>, order: &'a OverrideRequest, level: &'a AccessLevel) -> Statement<'a> {
    query.bind(order.user.as_str()).bind(&order.destination).bind(&level.0)
}

/// Makes an account of `user` due to which nothing is ever billed. A look at it sees what all their accounts are billed,
/// as far as those can be read, so that an order is carried out whatever became of them.
async fn ring(connection: &mut Connection, user: &User, now: Timestamp) -> Result<(), StoreError> {
    let query = sql("SELECT account FROM links WHERE customer = $1 AND account LIKE 'user:%' ORDER BY account LIMIT 1");
    let row = query.bind(user.as_str()).fetch_first(connection).await;
    let row = row.map_err(StoreError::on("reading the accounts of a user"))?;
    let account = match row.and_then(|row| Account::parse(&row.get::<String>("account")).ok()) {
        Some(account) => account,
        None => Account::of_user(&drawn(connection).await?),
    };
    links::tell(connection, &Link { account, user: user.clone(), origin: OPERATOR.to_owned() }, now).await?;
    Ok(())
}

/// A name that says nothing about whose it is, since it is logged.
async fn drawn(connection: &mut Connection) -> Result<String, StoreError> {
    let query = differing(
        "SELECT lower(hex(randomblob(12))) AS name",
        "SELECT substr(replace(gen_random_uuid()::text, '-', ''), 1, 24) AS name",
    );
    let row = query.fetch_first(connection).await.map_err(StoreError::on("drawing a name"))?;
    row.map(|row| row.get("name")).ok_or_else(|| StoreError::Refused("the database drew no name".to_owned()))
}

async fn promote(
    connection: &mut Connection,
    order: &OverrideRequest,
    level: &AccessLevel,
    until: Until,
    request: Option<&str>,
    now: Timestamp,
) -> Result<OverrideOutcome, StoreError> {
    let end = until.at().map(millis);
    let query = sql("INSERT INTO promotions (customer, destination, level, until, request, who, why, given_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (request) DO NOTHING RETURNING id");
    let query = of(query, order, level).bind(end).bind(request).bind(&order.by).bind(&order.why).bind(millis(now));
    let row = query.fetch_first(connection).await.map_err(StoreError::on("writing a promotion down"))?;
    if let Some(row) = row {
        return Ok(OverrideOutcome::Granted(row.get("id")));
    }
    let query = sql("SELECT id, customer, destination, level, until, ended_at FROM promotions WHERE request = $1");
    let query = query.bind(request);
    let row = query.fetch_first(connection).await.map_err(StoreError::on("reading a promotion"))?;
    let Some(row) = row else { return Ok(OverrideOutcome::Done(0)) };
    let told = [row.get::<String>("customer"), row.get("destination"), row.get("level")];
    let same = told == [order.user.as_str(), &order.destination, &level.0];
    let (id, ended) = (row.get("id"), row.get::<Option<i64>>("ended_at").is_some());
    Ok(if same {
        OverrideOutcome::GrantedBefore { id, until: self::until(&row), ended }
    } else {
        OverrideOutcome::OtherRequest(id)
    })
}

/// Ends the promotions of `level` that run.
async fn end(
    connection: &mut Connection,
    order: &OverrideRequest,
    level: &AccessLevel,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let query = sql("UPDATE promotions SET ended_at = $4, ended_by = $5, ended_why = $6
         WHERE customer = $1 AND destination = $2 AND level = $3 AND ended_at IS NULL
           AND (until IS NULL OR until > $4)");
    let query = of(query, order, level).bind(millis(now)).bind(&order.by).bind(&order.why);
    query.execute(connection).await.map_err(StoreError::on("ending promotions"))
}

async fn describe(
    connection: &mut Connection,
    order: &OverrideRequest,
    attributes: &[(AttributeName, Option<AttributeValue>)],
    now: Timestamp,
) -> Result<u64, StoreError> {
    let mut rows = Vec::new();
    for (name, value) in attributes.iter().map(|(name, value)| (name, value)).collect::<BTreeMap<_, _>>() {
        rows.push([Value::from(name.as_str()), json(value)?.into()]);
    }
    let query = sql("INSERT INTO details (customer, destination, name, value, who, since)
         SELECT $1, $2, name, value, $3, $4 FROM told WHERE true
         ON CONFLICT (customer, destination, name)
         DO UPDATE SET value = excluded.value, who = excluded.who, since = excluded.since");
    let query = query.bind(order.user.as_str()).bind(&order.destination).bind(&order.by).bind(millis(now));
    let told = Batch::new("told", [Column::Text("name"), Column::Text("value")], rows);
    query.with(told).execute(connection).await.map_err(StoreError::on("writing details down"))
}

async fn forget(
    connection: &mut Connection,
    order: &OverrideRequest,
    names: &[AttributeName],
) -> Result<u64, StoreError> {
    let query = sql("DELETE FROM details WHERE customer = $1 AND destination = $2
           AND name IN (SELECT value FROM named)");
    let query = query.bind(order.user.as_str()).bind(&order.destination);
    let query = query.with(Batch::texts("named", names.iter().map(AttributeName::as_str)));
    query.execute(connection).await.map_err(StoreError::on("forgetting details"))
}
