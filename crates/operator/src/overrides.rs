//! Overrides: promotional grants, blocks, and attributes of a user, each with who and why.

use chrono::{DateTime, Utc};
use entitlement::model::attributes::{AttributeName, AttributeValue};
use entitlement::model::user::User;
use serde::Serialize;
use serde_json::{Number, Value};
use store::override_request::{OverrideAction, OverrideOutcome, OverrideRequest, promotional_grant_id};
use store::overrides::{AttributeOverride, BlockRow, PromotionalGrantRow};
use utoipa::ToSchema;

use crate::error::OperatorError;
use crate::operator::{App, Operator};
use crate::override_input::{Term, accepts, bounded, level as level_of, request_id};

/// Whom an override is for, who makes it, and why.
#[derive(Clone, Debug)]
pub struct Override {
    pub user: User,
    /// The app; needed when there are several.
    pub app: Option<String>,
    pub by: String,
    pub why: String,
}

/// What to do with what is paid for a level that is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paid {
    /// It stays.
    Keep,
    /// The level is withheld until it is unblocked.
    Block,
}

/// A promotional grant that was asked for.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Granted {
    /// As it is called in the ledger.
    pub id: String,
    pub user: String,
    pub app: String,
    pub level: String,
    /// Null: for life.
    pub until: Option<DateTime<Utc>>,
    /// It was granted before, under the same request id.
    pub repeated: bool,
    /// It was ended before its time, after it was granted.
    pub ended: bool,
}

/// A promotional grant, as it was made and ended.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PromotionalGrant {
    /// As it is called in the ledger.
    pub id: String,
    pub user: String,
    pub app: String,
    pub level: String,
    /// Null: for life.
    pub until: Option<DateTime<Utc>>,
    pub by: String,
    pub why: String,
    pub given_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    pub ended_by: Option<String>,
    pub ended_why: Option<String>,
}

/// A level that is withheld from a user.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Block {
    pub user: String,
    pub app: String,
    pub level: String,
    pub by: String,
    pub why: String,
    pub since: DateTime<Utc>,
}

/// An attribute, or a field of the profile, that an operator set.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Attribute {
    /// A field of the profile begins with `profile:`.
    pub name: String,
    /// A text or a number; null: it is to be deleted.
    #[schema(value_type = Option<Object>)]
    pub value: Option<Value>,
    pub app: String,
    pub by: String,
    pub since: DateTime<Utc>,
}

impl Operator {
    /// Grants `level` without a payment. The same `request` grants once, however often it is made.
    ///
    /// # Errors
    /// When a value is out of range, or the request id was used for another grant.
    pub async fn grant(
        &self,
        of: Override,
        level: &str,
        term: Term,
        request: Option<String>,
    ) -> Result<Granted, OperatorError> {
        let level = level_of(level)?;
        let until = term.end(self.now())?;
        let request = request.map(request_id).transpose()?;
        let app = self.app(of.app.as_deref())?.name.clone();
        let user = of.user.as_str().to_owned();
        let action = OverrideAction::Grant { level: level.clone(), until, request };
        let outcome = self.apply(of, &app, action).await?;
        let (id, until, ended) = match outcome {
            OverrideOutcome::Granted(id) => (id, until, false),
            OverrideOutcome::GrantedBefore { id, until, ended } => (id, until, ended),
            OverrideOutcome::OtherRequest(id) => return Err(used_by_another_grant(id)),
            OverrideOutcome::Done(_) => {
                return Err(OperatorError::Conflict("somebody made that request at the same time".into()));
            }
        };
        let repeated = matches!(outcome, OverrideOutcome::GrantedBefore { .. });
        let id = promotional_grant_id(id);
        Ok(Granted { id, user, app, level: level.0, until: until.at(), repeated, ended })
    }

    /// Ends all promotional grants of `level`, and blocks it where that is asked for. Answers how many ended, or were blocked.
    ///
    /// # Errors
    /// When a value is empty or too long.
    pub async fn revoke(&self, of: Override, level: &str, paid: Paid) -> Result<u64, OperatorError> {
        let level = level_of(level)?;
        let action = match paid {
            Paid::Block => OverrideAction::Block { level },
            Paid::Keep => OverrideAction::EndGrants { level },
        };
        let app = self.app(of.app.as_deref())?.name.clone();
        Ok(changed(self.apply(of, &app, action).await?))
    }

    /// Ends a block. Answers whether there was one.
    ///
    /// # Errors
    /// When a value is empty or too long.
    pub async fn unblock(&self, of: Override, level: &str) -> Result<bool, OperatorError> {
        let action = OverrideAction::Unblock { level: level_of(level)? };
        let app = self.app(of.app.as_deref())?.name.clone();
        Ok(changed(self.apply(of, &app, action).await?) > 0)
    }

    /// Sets attributes; `None` deletes one. Answers how many changed.
    ///
    /// # Errors
    /// When the app does not take a value, or that many attributes.
    pub async fn set_attributes(
        &self,
        of: Override,
        attributes: Vec<(AttributeName, Option<AttributeValue>)>,
    ) -> Result<u64, OperatorError> {
        let app = self.app(of.app.as_deref())?;
        if attributes.is_empty() {
            return Err(OperatorError::Invalid("write at least one attribute".into()));
        }
        for (name, value) in &attributes {
            if let Some(value) = value {
                accepts(app, name, value)?;
            }
        }
        self.has_room(app, &of.user, &attributes).await?;
        let name = app.name.clone();
        Ok(changed(self.apply(of, &name, OverrideAction::SetAttributes { attributes }).await?))
    }

    /// Forgets overrides of attributes, so that the source fills them again. Answers of how many.
    ///
    /// # Errors
    /// When the app is not known.
    pub async fn forget_attributes(&self, of: Override, names: Vec<AttributeName>) -> Result<u64, OperatorError> {
        let app = self.app(of.app.as_deref())?.name.clone();
        Ok(changed(self.apply(of, &app, OverrideAction::ForgetAttributes { names }).await?))
    }

    /// All promotional grants of `user`, the newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn promotional_grants(&self, user: &User) -> Result<Vec<PromotionalGrant>, OperatorError> {
        Ok(self.store.promotional_grants(user).await?.into_iter().map(PromotionalGrant::from).collect())
    }

    /// The blocks of `user`, or of everybody, at most `limit`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn blocks(&self, user: Option<&User>, limit: u32) -> Result<Vec<Block>, OperatorError> {
        Ok(self.store.blocks(user, limit).await?.into_iter().map(Block::from).collect())
    }

    /// The attributes of `user` that operators set.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn attributes(&self, user: &User) -> Result<Vec<Attribute>, OperatorError> {
        Ok(self.store.attribute_overrides(user).await?.into_iter().map(Attribute::from).collect())
    }

    async fn apply(&self, of: Override, app: &str, action: OverrideAction) -> Result<OverrideOutcome, OperatorError> {
        let by = bounded("who makes the override", of.by)?;
        let why = bounded("the reason", of.why)?;
        let request = OverrideRequest { user: of.user, destination: app.to_owned(), action, by, why };
        Ok(self.store.apply_override(request).await?)
    }

    /// Whether the app takes so many attributes, those that a source fills included.
    async fn has_room(
        &self,
        app: &App,
        user: &User,
        new: &[(AttributeName, Option<AttributeValue>)],
    ) -> Result<(), OperatorError> {
        let mut overridden = self.store.overrides(user, &app.name).await?.attributes;
        overridden.extend(new.iter().cloned());
        let set = overridden.iter().filter(|(_, value)| value.is_some()).map(|(name, _)| name);
        let sourced = app.sourced.iter().filter(|name| !overridden.contains_key(*name));
        let count = set.chain(sourced).filter(|name| name.field().is_none()).count();
        let most = app.limits.attributes;
        if count <= most as usize {
            return Ok(());
        }
        Err(OperatorError::Invalid(format!("that makes {count} attributes: a user has at most {most}")))
    }
}

fn used_by_another_grant(id: i64) -> OperatorError {
    let id = promotional_grant_id(id);
    OperatorError::Conflict(format!("that request id made `{id}`, which is something else; use another"))
}

fn changed(outcome: OverrideOutcome) -> u64 {
    match outcome {
        OverrideOutcome::Done(count) => count,
        OverrideOutcome::Granted(_) | OverrideOutcome::GrantedBefore { .. } | OverrideOutcome::OtherRequest(_) => 0,
    }
}

impl From<PromotionalGrantRow> for PromotionalGrant {
    fn from(row: PromotionalGrantRow) -> Self {
        Self {
            id: row.id,
            user: row.user,
            app: row.app,
            level: row.level,
            until: row.until,
            by: row.by,
            why: row.why,
            given_at: row.given_at,
            ended_at: row.ended_at,
            ended_by: row.ended_by,
            ended_why: row.ended_why,
        }
    }
}

impl From<BlockRow> for Block {
    fn from(BlockRow { user, app, level, by, why, since }: BlockRow) -> Self {
        Self { user, app, level, by, why, since }
    }
}

impl From<AttributeOverride> for Attribute {
    fn from(AttributeOverride { name, value, app, by, since }: AttributeOverride) -> Self {
        Self { name: name.to_string(), value: value.as_ref().map(as_json), app, by, since }
    }
}

fn as_json(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::Text(text) => text.as_str().into(),
        AttributeValue::Number(text) => {
            serde_json::from_str::<Number>(text).map_or_else(|_| text.as_str().into(), Value::Number)
        }
    }
}
