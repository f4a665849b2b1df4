//! `ledger`: the book of steps.

use entitlement::clock::Timestamp;
use entitlement::plan::{Refund, Sale, Step, Until};
use serde_json::json;
use store::audit::AuditEntry;
use store::ledger::{Filter, LedgerRow};
use store::open::Store;

use crate::cli::books::{self, Ledger, LedgerList};
use crate::command_error::CommandError;
use crate::commands::{account, parse_user, wording};
use crate::moments::{absolute, both};
use crate::settings::Settings;
use crate::{clock, output, wiring};

/// How many lines are named when the beginning of a key fits several.
pub(crate) const NAMED: u32 = 5;

pub(crate) async fn run(settings: &Settings, ledger: Ledger) -> Result<(), CommandError> {
    match ledger {
        Ledger::List(wanted) => list(settings, wanted).await,
        Ledger::Show { key, json } => show(&wiring::store(settings).await?, &key, json).await,
    }
}

async fn list(settings: &Settings, wanted: LedgerList) -> Result<(), CommandError> {
    let meant = Filter {
        user: wanted.user.as_deref().map(parse_user).transpose()?,
        account: wanted.account.as_deref().map(account).transpose()?,
        state: wanted.state.as_ref().map(books::name),
        since: wanted.since.map(|since| since.moment(clock::now())),
        after: None,
    };
    let lines = wiring::store(settings).await?.ledger_rows(&meant, wanted.limit).await?;
    if wanted.json {
        return output::json(&lines);
    }
    let rows: Vec<Vec<String>> = lines.iter().map(row).collect();
    output::print(&["intended", "key", "account", "step", "level", "state", "tries", "because"], &rows);
    Ok(())
}

fn row(line: &LedgerRow) -> Vec<String> {
    vec![
        absolute(line.intended_at),
        wording::short(&line.key),
        line.account.clone(),
        wording::kind_of(line),
        line.subject.clone(),
        line.state.clone(),
        line.attempts.to_string(),
        line.why.clone().unwrap_or_else(|| line.because.clone()),
    ]
}

async fn show(store: &Store, key: &str, as_json: bool) -> Result<(), CommandError> {
    let line = one(store, key).await?;
    let next = store.ledger_rows_after(&line, NAMED).await?;
    let order = store.audit_entry_of(&line).await?;
    if as_json {
        let mut told = serde_json::to_value(&line).map_err(|error| CommandError::because("writing JSON", error))?;
        told["next"] = json!(next.iter().map(|line| &line.key).collect::<Vec<_>>());
        told["order"] = json!(order);
        return output::json(&told);
    }
    let now = clock::now();
    let mut fields = about(&line, now);
    let ordered = |order: &AuditEntry| ("ordered", format!("{}, {}", wording::order(order), both(order.at, now)));
    fields.extend(order.as_ref().map(ordered));
    fields.push(("previous", line.previous.clone().unwrap_or_else(|| "none: the first of its chain".into())));
    let followers = next.iter().map(|next| ("next", format!("{} ({}, {})", next.key, wording::step(next), next.state)));
    fields.extend(followers);
    if next.is_empty() {
        fields.push(("next", "none so far".into()));
    }
    output::fields(&fields);
    Ok(())
}

async fn one(store: &Store, key: &str) -> Result<LedgerRow, CommandError> {
    let mut found = store.ledger_rows_with_prefix(key, NAMED).await?;
    match found.len() {
        0 => Err(CommandError::Sentence(format!(
            "no step has a key that begins with `{key}`; see `grantsync ledger list`"
        ))),
        1 => Ok(found.remove(0)),
        _ => {
            let keys: Vec<String> = found.iter().map(|line| format!("`{}`", line.key)).collect();
            Err(CommandError::Sentence(format!("several keys begin with `{key}`, among them {}", keys.join(", "))))
        }
    }
}

fn about(line: &LedgerRow, now: Timestamp) -> Vec<(&'static str, String)> {
    let mut fields = vec![("key", line.key.clone()), ("step", wording::step(line))];
    match wording::step_of(line) {
        Some(Step::GrantAccess(grant)) => {
            fields.extend(grant.starts_at.map(|at| ("starts", absolute(at))));
            fields.extend(transaction(&grant.sale));
            let sandbox = if grant.sandbox { ", as a sandbox purchase" } else { "" };
            fields.push(("store", format!("{}{sandbox}", grant.store)));
        }
        Some(Step::RevokeAccess(revoke)) => {
            let refund = if revoke.refund == Refund::Yes { "yes" } else { "no" };
            fields.push(("refund", refund.to_owned()));
        }
        Some(Step::SetAttributes(describe)) => {
            fields.extend(
                describe.attributes.iter().map(|(name, value)| ("tells", format!("{name} = {}", value.as_str()))),
            );
            fields.extend(describe.gone.iter().map(|name| ("deletes", name.to_string())));
        }
        Some(Step::ReportSale(report)) => {
            fields.extend(transaction(&report.grant.sale));
            fields.push(("refund", if report.refunded_at.is_some() { "yes" } else { "no" }.to_owned()));
            fields.extend(report.ended_at.map(|at| ("ended", Until::At(at).to_string())));
        }
        None => fields.push(("as stored", line.step.to_string())),
    }
    let tried = if line.attempts == 1 { "time" } else { "times" };
    let state = format!("{}, sent {} {tried}", line.state, line.attempts);
    fields.extend([("because", line.because.clone()), ("state", state)]);
    fields.extend(line.why.clone().map(|why| ("why", why)));
    fields.push(("intended", both(line.intended_at, now)));
    fields.extend(line.due_at.map(|at| ("sent next", both(at, now))));
    fields.extend(line.settled_at.map(|at| ("settled", both(at, now))));
    let place = format!("{}, {} mode, line {}", line.destination, line.environment, line.seq);
    fields.extend([("account", line.account.clone()), ("user", line.user.clone()), ("book", place)]);
    fields
}

fn transaction(of: &Sale) -> [(&'static str, String); 4] {
    let price = of.price.as_ref().map(|price| format!("{} {}", price.major(), price.code()));
    [
        ("transaction", of.id.clone()),
        ("chain", of.original.clone()),
        ("product", format!("{}, plan {}", of.product, of.base_plan)),
        ("price", price.unwrap_or_else(|| "not told".into())),
    ]
}
