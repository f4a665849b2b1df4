//! Applies an operator's override: it counts, stands in the audit log, and its user is synced, in one transaction.

use std::collections::BTreeMap;

use entitlement::model::access_level::AccessLevel;
use entitlement::model::account::Account;
use entitlement::model::attributes::{AttributeName, AttributeValue};
use entitlement::model::clock::Timestamp;
use entitlement::model::until::Until;
use entitlement::model::user::User;

use crate::batch::{Batch, Column};
use crate::connection::Connection;
use crate::error::StoreError;
use crate::link::{Link, OPERATOR};
use crate::open::Store;
use crate::override_request::{OverrideAction, OverrideOutcome, OverrideRequest};
use crate::statement::{Statement, differing, sql};
use crate::value::{Value, json, millis};
use crate::write::Write;
use crate::{audit, links, overrides};

impl Store {
    /// Applies an override, and makes its user due.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn apply_override(&self, request: OverrideRequest) -> Result<OverrideOutcome, StoreError> {
        self.write(Write::Override(Box::new(request))).await?.try_into()
    }
}

pub(crate) async fn apply(
    connection: &mut Connection,
    request: &OverrideRequest,
    now: Timestamp,
) -> Result<OverrideOutcome, StoreError> {
    let outcome = match &request.action {
        OverrideAction::Grant { level, until, request: id } => {
            grant(connection, request, level, *until, id.as_deref(), now).await?
        }
        OverrideAction::EndGrants { level } => {
            OverrideOutcome::Done(end_grants(connection, request, level, now).await?)
        }
        OverrideAction::Block { level } => OverrideOutcome::Done(block(connection, request, level, now).await?),
        OverrideAction::Unblock { level } => OverrideOutcome::Done(unblock(connection, request, level).await?),
        OverrideAction::SetAttributes { attributes } => {
            OverrideOutcome::Done(set_attributes(connection, request, attributes, now).await?)
        }
        OverrideAction::ForgetAttributes { names } => {
            OverrideOutcome::Done(forget_attributes(connection, request, names).await?)
        }
    };
    if matches!(outcome, OverrideOutcome::Granted(_) | OverrideOutcome::Done(1..)) {
        audit::record(connection, request, outcome, now).await?;
        enqueue_user(connection, &request.user, now).await?;
    }
    Ok(outcome)
}

async fn grant(
    connection: &mut Connection,
    request: &OverrideRequest,
    level: &AccessLevel,
    until: Until,
    id: Option<&str>,
    now: Timestamp,
) -> Result<OverrideOutcome, StoreError> {
    let query =
        sql("INSERT INTO promotional_grants (user_id, destination, level, until, request, who, why, granted_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (request) DO NOTHING RETURNING id");
    let query = of_level(query, request, level).bind(until.at().map(millis)).bind(id);
    let query = query.bind(&request.by).bind(&request.why).bind(millis(now));
    let row = query.fetch_first(connection).await.map_err(StoreError::on("writing a promotional grant"))?;
    match row {
        Some(row) => Ok(OverrideOutcome::Granted(row.get("id"))),
        None => granted_before(connection, request, level, id).await,
    }
}

/// What became of the grant that was made under the same request id.
async fn granted_before(
    connection: &mut Connection,
    request: &OverrideRequest,
    level: &AccessLevel,
    id: Option<&str>,
) -> Result<OverrideOutcome, StoreError> {
    let query =
        sql("SELECT id, user_id, destination, level, until, ended_at FROM promotional_grants WHERE request = $1");
    let row = query.bind(id).fetch_first(connection).await;
    let row = row.map_err(StoreError::on("reading a promotional grant"))?;
    let Some(row) = row else { return Ok(OverrideOutcome::Done(0)) };
    let before = [row.get::<String>("user_id"), row.get("destination"), row.get("level")];
    let is_same = before == [request.user.as_str(), &request.destination, &level.0];
    let id = row.get("id");
    if !is_same {
        return Ok(OverrideOutcome::OtherRequest(id));
    }
    let ended = row.get::<Option<i64>>("ended_at").is_some();
    Ok(OverrideOutcome::GrantedBefore { id, until: overrides::until(&row), ended })
}

/// Ends the promotional grants of `level` that run.
async fn end_grants(
    connection: &mut Connection,
    request: &OverrideRequest,
    level: &AccessLevel,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let query = sql("UPDATE promotional_grants SET ended_at = $4, ended_by = $5, ended_why = $6
         WHERE user_id = $1 AND destination = $2 AND level = $3 AND ended_at IS NULL
           AND (until IS NULL OR until > $4)");
    let query = of_level(query, request, level).bind(millis(now)).bind(&request.by).bind(&request.why);
    query.execute(connection).await.map_err(StoreError::on("ending promotional grants"))
}

async fn block(
    connection: &mut Connection,
    request: &OverrideRequest,
    level: &AccessLevel,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let ended = end_grants(connection, request, level, now).await?;
    let query = sql("INSERT INTO blocks (user_id, destination, level, who, why, since)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING");
    let query = of_level(query, request, level).bind(&request.by).bind(&request.why).bind(millis(now));
    Ok(ended + query.execute(connection).await.map_err(StoreError::on("blocking a level"))?)
}

async fn unblock(
    connection: &mut Connection,
    request: &OverrideRequest,
    level: &AccessLevel,
) -> Result<u64, StoreError> {
    let query = sql("DELETE FROM blocks WHERE user_id = $1 AND destination = $2 AND level = $3");
    of_level(query, request, level).execute(connection).await.map_err(StoreError::on("unblocking a level"))
}

fn of_level<'a>(query: Statement<'a>, request: &'a OverrideRequest, level: &'a AccessLevel) -> Statement<'a> {
    query.bind(request.user.as_str()).bind(&request.destination).bind(&level.0)
}

async fn set_attributes(
    connection: &mut Connection,
    request: &OverrideRequest,
    attributes: &[(AttributeName, Option<AttributeValue>)],
    now: Timestamp,
) -> Result<u64, StoreError> {
    // each name once, the last value of it
    let attributes: BTreeMap<_, _> = attributes.iter().map(|(name, value)| (name, value)).collect();
    let mut rows = Vec::new();
    for (name, value) in attributes {
        rows.push([Value::from(name.as_str()), json(value)?.into()]);
    }
    let query = sql("INSERT INTO attribute_overrides (user_id, destination, name, value, who, since)
         SELECT $1, $2, name, value, $3, $4 FROM attributes WHERE true
         ON CONFLICT (user_id, destination, name)
         DO UPDATE SET value = excluded.value, who = excluded.who, since = excluded.since");
    let query = query.bind(request.user.as_str()).bind(&request.destination).bind(&request.by).bind(millis(now));
    let attributes = Batch::new("attributes", [Column::Text("name"), Column::Text("value")], rows);
    query.with(attributes).execute(connection).await.map_err(StoreError::on("writing attribute overrides"))
}

async fn forget_attributes(
    connection: &mut Connection,
    request: &OverrideRequest,
    names: &[AttributeName],
) -> Result<u64, StoreError> {
    let query = sql("DELETE FROM attribute_overrides WHERE user_id = $1 AND destination = $2
           AND name IN (SELECT value FROM names)");
    let query = query.bind(request.user.as_str()).bind(&request.destination);
    let query = query.with(Batch::texts("names", names.iter().map(AttributeName::as_str)));
    query.execute(connection).await.map_err(StoreError::on("removing attribute overrides"))
}

/// Makes an account of `user` due to which nothing is ever billed. Its sync sees what all their accounts are billed, as
/// far as those can be read, so that an override is carried out whatever became of them.
async fn enqueue_user(connection: &mut Connection, user: &User, now: Timestamp) -> Result<(), StoreError> {
    let query = sql("SELECT account FROM links WHERE user_id = $1 AND account LIKE 'user:%' ORDER BY account LIMIT 1");
    let row = query.bind(user.as_str()).fetch_first(connection).await;
    let row = row.map_err(StoreError::on("reading the accounts of a user"))?;
    let account = match row.and_then(|row| Account::parse(&row.get::<String>("account")).ok()) {
        Some(account) => account,
        None => Account::of_user(&random_name(connection).await?),
    };
    let link = Link { account, user: user.clone(), origin: OPERATOR.to_owned() };
    links::link(connection, &link, now).await.map(drop)
}

/// A name that does not say whose it is, since it is logged.
async fn random_name(connection: &mut Connection) -> Result<String, StoreError> {
    let query = differing(
        "SELECT lower(hex(randomblob(12))) AS name",
        "SELECT substr(replace(gen_random_uuid()::text, '-', ''), 1, 24) AS name",
    );
    let row = query.fetch_first(connection).await.map_err(StoreError::on("drawing a random name"))?;
    row.map(|row| row.get("name")).ok_or_else(|| StoreError::Refused("the database drew no random name".to_owned()))
}
