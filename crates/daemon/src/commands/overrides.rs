//! `grant`, `revoke`, `unblock`, `promotions`, `blocks`, `attributes`: makes and lists overrides.

use entitlement::model::attributes::{AttributeName, AttributeValue};
use entitlement::model::user::User;
use operator::input;
use operator::operator::Operator;
use operator::override_input::Term;
use operator::overrides::{self, Attribute, Granted, Override, Paid, PromotionalGrant};
use operator::time::absolute;
use serde_json::json;

use crate::cli::overrides::{Attributes, Blocks, Grant, OverrideOptions, Promotions, Revoke, Unblock};
use crate::command_error::CommandError;
use crate::commands::resync;
use crate::settings::Settings;
use crate::{output, wiring};

pub(crate) async fn grant(settings: &Settings, asked: Grant) -> Result<(), CommandError> {
    let (operator, of) = begin(settings, &asked.user, &asked.options).await?;
    let user = of.user.clone();
    let term = Term { days: asked.days, until: asked.until, lifetime: asked.lifetime };
    let granted = operator.grant(of, &asked.level, term, asked.request_id).await?;
    if asked.options.json {
        output::json(&granted)?;
    } else {
        output::say(&granted_line(&granted));
    }
    end(&operator, &user, &asked.options).await
}

fn granted_line(granted: &Granted) -> String {
    let until = granted.until.map_or_else(|| "for life".to_owned(), |until| format!("until {}", absolute(until)));
    let how = match (granted.repeated, granted.ended) {
        (false, _) => "is granted",
        (true, false) => "was granted before",
        (true, true) => "was granted before, and ended since,",
    };
    format!("promotional grant `{}`: `{}` {how} {until}", granted.id, granted.level)
}

pub(crate) async fn revoke(settings: &Settings, asked: Revoke) -> Result<(), CommandError> {
    let (operator, of) = begin(settings, &asked.user, &asked.options).await?;
    let user = of.user.clone();
    let paid = if asked.block { Paid::Block } else { Paid::Keep };
    let level = asked.level.trim();
    let count = operator.revoke(of, level, paid).await?;
    match (paid, count) {
        _ if asked.options.json => {
            output::json(&json!({ "level": level, "blocked": asked.block, "changed": count > 0 }))?;
        }
        (Paid::Block, 0) => output::say(&format!("`{level}` was blocked before")),
        (Paid::Block, _) => output::say(&format!("`{level}` is blocked, whatever is paid, until `grantsync unblock`")),
        (Paid::Keep, 0) => {
            let text = format!("no promotional grant of `{level}` runs; `--block` withholds what is paid for");
            return Err(CommandError::Sentence(text));
        }
        (Paid::Keep, 1) => output::say(&format!("1 promotional grant of `{level}` is ended")),
        (Paid::Keep, count) => output::say(&format!("{count} promotional grants of `{level}` are ended")),
    }
    end(&operator, &user, &asked.options).await
}

pub(crate) async fn unblock(settings: &Settings, asked: Unblock) -> Result<(), CommandError> {
    let (operator, of) = begin(settings, &asked.user, &asked.options).await?;
    let user = of.user.clone();
    let level = asked.level.trim();
    if !operator.unblock(of, level).await? {
        return Err(CommandError::Sentence(format!("`{level}` is not blocked")));
    }
    match asked.options.json {
        true => output::json(&json!({ "level": level, "blocked": false, "changed": true }))?,
        false => output::say(&format!("`{level}` is not blocked any more")),
    }
    end(&operator, &user, &asked.options).await
}

pub(crate) async fn promotions(settings: &Settings, asked: Promotions) -> Result<(), CommandError> {
    let user = input::user(&asked.user)?;
    let all = wiring::operator(settings).await?.promotional_grants(&user).await?;
    if asked.json {
        return output::json(&all);
    }
    let rows: Vec<Vec<String>> = all.into_iter().map(promotion).collect();
    output::print(&["id", "level", "app", "until", "granted", "by", "why", "ended"], &rows);
    Ok(())
}

fn promotion(of: PromotionalGrant) -> Vec<String> {
    let ended = match (of.ended_at, of.ended_by) {
        (Some(at), Some(by)) => format!("{} by {by}", absolute(at)),
        (Some(at), None) => absolute(at),
        (None, _) => "-".to_owned(),
    };
    let until = of.until.map_or_else(|| "for life".to_owned(), absolute);
    vec![of.id, of.level, of.app, until, absolute(of.given_at), of.by, of.why, ended]
}

pub(crate) async fn blocks(settings: &Settings, asked: Blocks) -> Result<(), CommandError> {
    let user = asked.user.as_deref().map(input::user).transpose()?;
    let all = wiring::operator(settings).await?.blocks(user.as_ref(), asked.limit).await?;
    if asked.json {
        return output::json(&all);
    }
    let rows: Vec<Vec<String>> = all.into_iter().map(block).collect();
    output::print(&["user", "level", "app", "since", "by", "why"], &rows);
    Ok(())
}

fn block(of: overrides::Block) -> Vec<String> {
    vec![of.user, of.level, of.app, absolute(of.since), of.by, of.why]
}

pub(crate) async fn attributes(settings: &Settings, asked: Attributes) -> Result<(), CommandError> {
    let (operator, of) = begin(settings, &asked.user, &asked.options).await?;
    let user = of.user.clone();
    let done = if !asked.forget.is_empty() {
        let names = asked.forget.iter().map(|name| attribute_name(name)).collect::<Result<Vec<_>, _>>()?;
        let count = operator.forget_attributes(of, names).await?;
        format!("{count} forgotten; the source fills them again")
    } else if asked.pairs.is_empty() {
        return list(&operator, &user, asked.options.json).await;
    } else {
        let attributes = asked.pairs.iter().map(|pair| attribute(pair)).collect::<Result<Vec<_>, _>>()?;
        operator.set_attributes(of, attributes).await?;
        format!("{} set, and sent with the next sync", counted(asked.pairs.len()))
    };
    match asked.options.json {
        true => list(&operator, &user, true).await?,
        false => output::say(&done),
    }
    end(&operator, &user, &asked.options).await
}

fn counted(attributes: usize) -> String {
    if attributes == 1 { "1 attribute is".into() } else { format!("{attributes} attributes are") }
}

/// `KEY=VALUE`; an empty value deletes.
fn attribute(pair: &str) -> Result<(AttributeName, Option<AttributeValue>), CommandError> {
    let Some((name, value)) = pair.split_once('=') else {
        return Err(CommandError::Usage(format!("`{pair}` has no value: write `{pair}=…`")));
    };
    Ok((attribute_name(name)?, (!value.is_empty()).then(|| AttributeValue::read(value))))
}

fn attribute_name(text: &str) -> Result<AttributeName, CommandError> {
    AttributeName::parse(text).map_err(|error| CommandError::Usage(error.to_string()))
}

async fn list(operator: &Operator, user: &User, json: bool) -> Result<(), CommandError> {
    let all = operator.attributes(user).await?;
    if json {
        return output::json(&all);
    }
    let rows: Vec<Vec<String>> = all.into_iter().map(attribute_row).collect();
    output::print(&["name", "value", "app", "by", "since"], &rows);
    Ok(())
}

fn attribute_row(of: Attribute) -> Vec<String> {
    let value = match of.value {
        None => "(deleted)".to_owned(),
        Some(serde_json::Value::String(text)) => text,
        Some(value) => value.to_string(),
    };
    vec![of.name, value, of.app, of.by, absolute(of.since)]
}

async fn begin(
    settings: &Settings,
    user: &str,
    options: &OverrideOptions,
) -> Result<(Operator, Override), CommandError> {
    let user = input::user(user)?;
    let operator = match options.wait {
        true => wiring::operator_with_keys(settings).await?,
        false => wiring::operator(settings).await?,
    };
    let of = Override { user, app: options.app.clone(), by: options.by.clone(), why: options.why.clone() };
    Ok((operator, of))
}

/// Waits for the override to be carried out, where that is asked for.
async fn end(operator: &Operator, user: &User, options: &OverrideOptions) -> Result<(), CommandError> {
    if !options.wait {
        return Ok(());
    }
    let accounts = operator.accounts_of(user).await?;
    let synced = resync::wait(operator, &accounts).await?;
    if !options.json {
        synced.iter().for_each(|account| output::say(&format!("`{account}` is synced")));
    }
    Ok(())
}
