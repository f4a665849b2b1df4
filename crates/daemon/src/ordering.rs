//! What operators order, by command or over the admin API: promotions, blocks, and details of app users.

use chrono::TimeDelta;
use entitlement::attributes::{AttributeLimits, AttributeName, AttributeValue};
use entitlement::clock::Timestamp;
use entitlement::names::{AccessLevel, User};
use entitlement::plan::Until;
use serde::Serialize;
use store::error::StoreError;
use store::open::Store;
use store::override_request::{OverrideAction, OverrideOutcome, OverrideRequest, promotional_grant_id};
use utoipa::ToSchema;

use crate::rules;
use crate::settings::Settings;
use crate::settings::adapty::Adapty;

/// The longest promotion, in days: a century.
const LONGEST: i64 = 36_500;
/// The longest word on who and why, in characters.
const LONGEST_WORD: usize = 500;

/// An app that something can be ordered for.
#[derive(Clone, Debug)]
pub(crate) struct App {
    name: String,
    limits: AttributeLimits,
    /// What Stripe fills.
    sourced: Vec<AttributeName>,
}

/// The apps of the settings.
pub(crate) fn apps(settings: &Settings) -> Vec<App> {
    let sourced = |app: &Adapty| app.details.iter().map(|(name, _)| name.clone()).collect();
    let app = |app: &Adapty| App { name: app.name.clone(), limits: rules::limits(app), sourced: sourced(app) };
    settings.adapty.iter().map(app).collect()
}

/// For whom something is ordered, by whom, and why.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) user: User,
    /// The app; needed when there are several.
    pub(crate) app: Option<String>,
    pub(crate) by: String,
    pub(crate) why: String,
}

/// Why nothing was ordered.
#[derive(Debug)]
pub(crate) enum OrderError {
    /// The wish itself is wrong.
    Wrong(String),
    /// The request was made before, for something else.
    Taken(String),
    Store(StoreError),
}

impl From<StoreError> for OrderError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// How long a promotion lasts, as it was asked for: exactly one of the three.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lasting {
    pub(crate) days: Option<i64>,
    pub(crate) until: Option<Timestamp>,
    pub(crate) lifetime: bool,
}

/// A promotion that stands.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Promoted {
    /// As it is called in the ledger.
    pub(crate) id: String,
    pub(crate) user: String,
    pub(crate) app: String,
    pub(crate) level: String,
    /// Null: for life.
    pub(crate) until: Option<chrono::DateTime<chrono::Utc>>,
    /// It was given before, under the same request.
    pub(crate) repeated: bool,
    /// It was ended before its time, after it was given.
    pub(crate) ended: bool,
}

/// Gives `level` without a payment.
pub(crate) async fn promote(
    store: &Store,
    apps: &[App],
    wish: Wish,
    (level, lasting): (&str, Lasting),
    request: Option<String>,
    now: Timestamp,
) -> Result<Promoted, OrderError> {
    let (level, until) = (named(level)?, lasting.end(now)?);
    let request = request.map(|request| bounded("the request id", request)).transpose()?;
    if request.as_deref().is_some_and(|request| request.trim().is_empty()) {
        return Err(OrderError::Wrong("the request id is empty: leave it out, or write one".into()));
    }
    let app = chosen(apps, wish.app.as_deref())?.name.clone();
    let user = wish.user.as_str().to_owned();
    let what = OverrideAction::Grant { level: level.clone(), until, request };
    let (id, until, repeated, ended) = match wish.order(store, &app, what).await? {
        OverrideOutcome::Granted(id) => (id, until, false, false),
        OverrideOutcome::GrantedBefore { id, until, ended } => (id, until, true, ended),
        OverrideOutcome::OtherRequest(id) => {
            let text =
                format!("that request id gave `{}`, which is something else; use another", promotional_grant_id(id));
            return Err(OrderError::Taken(text));
        }
        OverrideOutcome::Done(_) => {
            return Err(OrderError::Taken("somebody made that request at the same time".into()));
        }
    };
    Ok(Promoted { id: promotional_grant_id(id), user, app, level: level.0, until: until.at(), repeated, ended })
}

/// What became of a revoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    Yes,
    No,
}

/// Ends all promotions of `level`; with a block also whatever is paid for it. Answers how many ended, or were blocked.
pub(crate) async fn revoke(
    store: &Store,
    apps: &[App],
    wish: Wish,
    level: &str,
    block: Block,
) -> Result<u64, OrderError> {
    let level = named(level)?;
    let what = match block {
        Block::Yes => OverrideAction::Block { level },
        Block::No => OverrideAction::EndGrants { level },
    };
    let app = chosen(apps, wish.app.as_deref())?.name.clone();
    Ok(changed(wish.order(store, &app, what).await?))
}

/// Ends a block. Answers whether there was one.
pub(crate) async fn unblock(store: &Store, apps: &[App], wish: Wish, level: &str) -> Result<bool, OrderError> {
    let what = OverrideAction::Unblock { level: named(level)? };
    let app = chosen(apps, wish.app.as_deref())?.name.clone();
    Ok(changed(wish.order(store, &app, what).await?) > 0)
}

/// Tells details about the user; `None`: they are to be gone.
pub(crate) async fn describe(
    store: &Store,
    apps: &[App],
    wish: Wish,
    attributes: Vec<(AttributeName, Option<AttributeValue>)>,
) -> Result<u64, OrderError> {
    let app = chosen(apps, wish.app.as_deref())?;
    if attributes.is_empty() {
        return Err(OrderError::Wrong("nothing is to be told: write at least one attribute".into()));
    }
    let mut known = store.overrides(&wish.user, &app.name).await?.attributes;
    for (name, value) in &attributes {
        value.as_ref().map_or(Ok(()), |value| fits(app, name, value))?;
        known.insert(name.clone(), value.clone());
    }
    let ordered = known.iter().filter(|(_, value)| value.is_some()).map(|(name, _)| name);
    let sourced = app.sourced.iter().filter(|name| !known.contains_key(*name));
    let count = ordered.chain(sourced).filter(|name| name.field().is_none()).count();
    if count > app.limits.attributes as usize {
        let most = app.limits.attributes;
        return Err(OrderError::Wrong(format!("that makes {count} attributes: a user has at most {most}")));
    }
    let name = app.name.clone();
    Ok(changed(wish.order(store, &name, OverrideAction::SetAttributes { attributes }).await?))
}

fn fits(app: &App, name: &AttributeName, value: &AttributeValue) -> Result<(), OrderError> {
    let (most, length) = (app.limits.characters, value.length());
    if let Some(write) = name.unfit(value) {
        return Err(OrderError::Wrong(format!("`{name}` is not {write}")));
    }
    if name.field().is_none() && length > most as usize {
        return Err(OrderError::Wrong(format!("`{name}` is {length} characters long: at most {most} are taken")));
    }
    if name.field().is_some() && length > LONGEST_WORD {
        return Err(OrderError::Wrong(format!("`{name}` is too long: at most {LONGEST_WORD} characters are taken")));
    }
    Ok(())
}

/// Forgets what was ordered of details, so that the source speaks again. Answers of how many.
pub(crate) async fn forget(
    store: &Store,
    apps: &[App],
    wish: Wish,
    names: Vec<AttributeName>,
) -> Result<u64, OrderError> {
    let app = chosen(apps, wish.app.as_deref())?.name.clone();
    Ok(changed(wish.order(store, &app, OverrideAction::ForgetAttributes { names }).await?))
}

fn changed(ordered: OverrideOutcome) -> u64 {
    match ordered {
        OverrideOutcome::Done(count) => count,
        OverrideOutcome::Granted(_) | OverrideOutcome::GrantedBefore { .. } | OverrideOutcome::OtherRequest(_) => 0,
    }
}

impl Wish {
    async fn order(self, store: &Store, app: &str, what: OverrideAction) -> Result<OverrideOutcome, OrderError> {
        let (by, why) = (bounded("who orders it", self.by)?, bounded("the reason", self.why)?);
        Ok(store
            .apply_override(OverrideRequest { user: self.user, destination: app.to_owned(), action: what, by, why })
            .await?)
    }
}

impl Lasting {
    fn end(self, now: Timestamp) -> Result<Until, OrderError> {
        let wrong = |text: &str| Err(OrderError::Wrong(text.to_owned()));
        match (self.days, self.until, self.lifetime) {
            (Some(days), None, false) if (1..=LONGEST).contains(&days) => Ok(Until::At(now + TimeDelta::days(days))),
            (Some(_), None, false) => wrong("a promotion lasts 1 to 36500 days"),
            (None, Some(until), false) if until > now && until - now <= TimeDelta::days(LONGEST) => {
                Ok(Until::At(until))
            }
            (None, Some(_), false) => wrong("a promotion ends in the future, within 36500 days"),
            (None, None, true) => Ok(Until::Lifetime),
            _ => wrong("write exactly one of days, until and lifetime"),
        }
    }
}

fn chosen<'a>(apps: &'a [App], name: Option<&str>) -> Result<&'a App, OrderError> {
    let names = || apps.iter().map(|app| app.name.as_str());
    match (name, apps) {
        (None, [only]) => Ok(only),
        (None, _) => Err(OrderError::Wrong(format!("there are several apps: say which, {}", or_of(names())))),
        (Some(name), _) => {
            let found = apps.iter().find(|app| app.name == name);
            found.ok_or_else(|| OrderError::Wrong(no_app(name, names())))
        }
    }
}

/// Says that no app is called `name`, and what they are called.
pub(crate) fn no_app<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> String {
    format!("there is no app `{name}`: write {}", or_of(names))
}

fn or_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ")
}

fn named(level: &str) -> Result<AccessLevel, OrderError> {
    match level.trim() {
        "" => Err(OrderError::Wrong("the access level is empty".into())),
        level => Ok(AccessLevel(bounded("the access level", level.to_owned())?)),
    }
}

fn bounded(what: &str, text: String) -> Result<String, OrderError> {
    if text.chars().count() <= LONGEST_WORD {
        return Ok(text);
    }
    Err(OrderError::Wrong(format!("{what} is longer than {LONGEST_WORD} characters")))
}
