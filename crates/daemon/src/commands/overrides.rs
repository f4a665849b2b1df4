//! `grant`, `revoke`, `unblock`, `promotions`, `blocks`, `orders`, `attributes`: what operators order for app users.

use adapty::attributes::written;
use entitlement::attributes::{AttributeName, AttributeValue};
use entitlement::names::User;
use serde_json::{Value, json};
use store::audit::{AuditEntry, Filter};
use store::open::Store;
use store::overrides::{AttributeOverride, BlockRow, PromotionalGrantRow};

use crate::cli::overrides::{Attributes, Blocks, Grant, Ordering, Orders, Promotions, Revoke, Unblock};
use crate::command_error::CommandError;
use crate::commands::{parse_user, resync};
use crate::moments::absolute;
use crate::ordering::{self, Block, Lasting, OrderError, Wish};
use crate::settings::Settings;
use crate::{clock, output, wiring};

impl From<OrderError> for CommandError {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::Wrong(text) => Self::Usage(text),
            OrderError::Taken(text) => Self::Sentence(text),
            OrderError::Store(error) => error.into(),
        }
    }
}

pub(crate) async fn grant(settings: &Settings, wanted: Grant) -> Result<(), CommandError> {
    let (store, wish) = begin(settings, &wanted.user, &wanted.ordering).await?;
    let user = wish.user.clone();
    let lasting = Lasting { days: wanted.days, until: wanted.until, lifetime: wanted.lifetime };
    let (apps, now) = (ordering::apps(settings), clock::now());
    let given =
        ordering::promote(&store, &apps, wish, (&wanted.level, lasting), wanted.request_id.clone(), now).await?;
    if wanted.ordering.json {
        output::json(&given)?;
    } else {
        let until = given.until.map_or_else(|| "for life".to_owned(), |until| format!("until {}", absolute(until)));
        let how = match (given.repeated, given.ended) {
            (false, _) => "is given",
            (true, false) => "was given before",
            (true, true) => "was given before, and ended since,",
        };
        output::say(&format!("promotion `{}`: `{}` {how} {until}", given.id, given.level));
    }
    end(settings, &store, &user, &wanted.ordering).await
}

pub(crate) async fn revoke(settings: &Settings, wanted: Revoke) -> Result<(), CommandError> {
    let (store, wish) = begin(settings, &wanted.user, &wanted.ordering).await?;
    let user = wish.user.clone();
    let block = if wanted.block { Block::Yes } else { Block::No };
    let count = ordering::revoke(&store, &ordering::apps(settings), wish, &wanted.level, block).await?;
    let (level, json) = (wanted.level.trim(), wanted.ordering.json);
    match (block, count) {
        _ if json => output::json(&json!({ "level": level, "blocked": wanted.block, "changed": count > 0 }))?,
        (Block::Yes, 0) => output::say(&format!("`{level}` was blocked before")),
        (Block::Yes, _) => output::say(&format!("`{level}` is blocked, whatever is paid, until `grantsync unblock`")),
        (Block::No, 0) => {
            return Err(CommandError::Sentence(format!(
                "no promotion of `{level}` runs; what is paid for is withheld with `--block`"
            )));
        }
        (Block::No, 1) => output::say(&format!("1 promotion of `{level}` is ended")),
        (Block::No, count) => output::say(&format!("{count} promotions of `{level}` are ended")),
    }
    end(settings, &store, &user, &wanted.ordering).await
}

pub(crate) async fn unblock(settings: &Settings, wanted: Unblock) -> Result<(), CommandError> {
    let (store, wish) = begin(settings, &wanted.user, &wanted.ordering).await?;
    let user = wish.user.clone();
    let level = wanted.level.trim();
    if !ordering::unblock(&store, &ordering::apps(settings), wish, level).await? {
        return Err(CommandError::Sentence(format!("`{level}` is not blocked")));
    }
    match wanted.ordering.json {
        true => output::json(&json!({ "level": level, "blocked": false, "changed": true }))?,
        false => output::say(&format!("`{level}` is not blocked any more")),
    }
    end(settings, &store, &user, &wanted.ordering).await
}

pub(crate) async fn promotions(settings: &Settings, wanted: Promotions) -> Result<(), CommandError> {
    let store = wiring::store(settings).await?;
    let all = store.promotional_grants(&parse_user(&wanted.user)?).await?;
    if wanted.json {
        return output::json(&all);
    }
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    output::print(&["id", "level", "app", "until", "given", "by", "why", "ended"], &rows);
    Ok(())
}

fn row(given: &PromotionalGrantRow) -> Vec<String> {
    let ended = given.ended_at.map(|at| match given.ended_by.as_deref() {
        Some(by) => format!("{} by {by}", absolute(at)),
        None => absolute(at),
    });
    vec![
        given.id.clone(),
        given.level.clone(),
        given.app.clone(),
        given.until.map_or_else(|| "for life".to_owned(), absolute),
        absolute(given.given_at),
        given.by.clone(),
        given.why.clone(),
        ended.unwrap_or_else(|| "-".to_owned()),
    ]
}

pub(crate) async fn blocks(settings: &Settings, wanted: Blocks) -> Result<(), CommandError> {
    let store = wiring::store(settings).await?;
    let user = wanted.user.as_deref().map(parse_user).transpose()?;
    let all = store.blocks(user.as_ref(), wanted.limit).await?;
    if wanted.json {
        return output::json(&all);
    }
    let row = |of: &BlockRow| {
        vec![of.user.clone(), of.level.clone(), of.app.clone(), absolute(of.since), of.by.clone(), of.why.clone()]
    };
    output::print(&["user", "level", "app", "since", "by", "why"], &all.iter().map(row).collect::<Vec<_>>());
    Ok(())
}

pub(crate) async fn orders(settings: &Settings, wanted: Orders) -> Result<(), CommandError> {
    let store = wiring::store(settings).await?;
    let user = wanted.user.as_deref().map(parse_user).transpose()?;
    let all = store.audit_entries(&Filter { user, after: None }, wanted.limit).await?;
    if wanted.json {
        return output::json(&all);
    }
    let row = |of: &AuditEntry| {
        let subject = of.promotion.as_ref().map_or_else(|| of.subject.clone(), |id| format!("{} ({id})", of.subject));
        let AuditEntry { user, app, kind, by, why, at, .. } = of.clone();
        vec![absolute(at), user, app, kind, subject, by, why]
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    output::print(&["at", "user", "app", "order", "of", "by", "why"], &rows);
    Ok(())
}

pub(crate) async fn attributes(settings: &Settings, wanted: Attributes) -> Result<(), CommandError> {
    let (store, wish) = begin(settings, &wanted.user, &wanted.ordering).await?;
    let user = wish.user.clone();
    if !wanted.forget.is_empty() {
        let names = wanted.forget.iter().map(|name| AttributeName::parse(name)).collect::<Result<Vec<_>, _>>();
        let names = names.map_err(|error| CommandError::Usage(error.to_string()))?;
        let count = ordering::forget(&store, &ordering::apps(settings), wish, names).await?;
        match wanted.ordering.json {
            true => list(&store, &user, true).await?,
            false => output::say(&format!("{count} forgotten; what Stripe says counts again")),
        }
        return end(settings, &store, &user, &wanted.ordering).await;
    }
    if wanted.pairs.is_empty() {
        return list(&store, &user, wanted.ordering.json).await;
    }
    let details = wanted.pairs.iter().map(|pair| read(pair)).collect::<Result<Vec<_>, _>>()?;
    ordering::describe(&store, &ordering::apps(settings), wish, details).await?;
    match wanted.ordering.json {
        true => list(&store, &user, true).await?,
        false => output::say(&format!("{} written down, to be told", counted(wanted.pairs.len()))),
    }
    end(settings, &store, &user, &wanted.ordering).await
}

fn counted(attributes: usize) -> String {
    if attributes == 1 { "1 attribute is".into() } else { format!("{attributes} attributes are") }
}

/// `KEY=VALUE`; an empty value: it is to be gone.
fn read(pair: &str) -> Result<(AttributeName, Option<AttributeValue>), CommandError> {
    let split = pair.split_once('=');
    let (name, value) = split.ok_or_else(|| CommandError::Usage(format!("`{pair}` has no value: write `{pair}=…`")))?;
    let name = AttributeName::parse(name).map_err(|error| CommandError::Usage(error.to_string()))?;
    Ok((name, (!value.is_empty()).then(|| AttributeValue::read(value))))
}

async fn list(store: &Store, user: &User, as_json: bool) -> Result<(), CommandError> {
    let all = store.attribute_overrides(user).await?;
    if as_json {
        return output::json(&all.iter().map(told).collect::<Vec<_>>());
    }
    let value = |told: &AttributeOverride| {
        told.value.as_ref().map_or_else(|| "(to be gone)".to_owned(), |value| value.as_str().into())
    };
    let row = |told: &AttributeOverride| {
        vec![told.name.to_string(), value(told), told.app.clone(), told.by.clone(), absolute(told.since)]
    };
    output::print(&["name", "value", "app", "by", "since"], &all.iter().map(row).collect::<Vec<_>>());
    Ok(())
}

/// As JSON tells it: a text, a number, or null for what is to be gone.
pub(crate) fn told(told: &AttributeOverride) -> Value {
    let value = told.value.as_ref().map(written);
    json!({ "name": told.name, "value": value, "app": told.app, "by": told.by, "since": told.since })
}

async fn begin(settings: &Settings, user: &str, ordering: &Ordering) -> Result<(Store, Wish), CommandError> {
    let user = parse_user(user)?;
    let (app, by, why) = (ordering.app.clone(), ordering.by.clone(), ordering.why.clone());
    Ok((wiring::store(settings).await?, Wish { user, app, by, why }))
}

async fn end(settings: &Settings, store: &Store, user: &User, ordering: &Ordering) -> Result<(), CommandError> {
    if !ordering.wait {
        return Ok(());
    }
    resync::wait_for(settings, store, &store.accounts_of(user).await?).await
}
