//! `ledger`: lists and shows steps.

use entitlement::model::clock::Timestamp;
use entitlement::model::expected::Refund;
use entitlement::model::sale::Sale;
use entitlement::model::step::{SaleEvent, Step};
use entitlement::model::until::Until;
use operator::audit::AuditEntry;
use operator::input;
use operator::ledger::{LedgerEntry, LedgerEntryDetails, LedgerFilter};
use operator::sentence;
use operator::time::{absolute, both};

use crate::cli::ledger::{Ledger, LedgerList};
use crate::command_error::CommandError;
use crate::settings::Settings;
use crate::{clock, output, wiring};

pub(crate) async fn run(settings: &Settings, ledger: Ledger) -> Result<(), CommandError> {
    match ledger {
        Ledger::List(asked) => list(settings, asked).await,
        Ledger::Show { key, json } => show(settings, &key, json).await,
    }
}

async fn list(settings: &Settings, asked: LedgerList) -> Result<(), CommandError> {
    let filter = LedgerFilter {
        user: asked.user.as_deref().map(input::user).transpose()?,
        account: asked.account.as_deref().map(input::account).transpose()?,
        state: asked.state,
        since: asked.since.map(|since| since.at(clock::now())),
        after: None,
    };
    let entries = wiring::operator(settings).await?.ledger(filter, asked.limit).await?;
    if asked.json {
        return output::json(&entries);
    }
    let rows: Vec<Vec<String>> = entries.iter().map(row).collect();
    output::print(&["intended", "key", "account", "step", "subject", "state", "attempts", "because"], &rows);
    Ok(())
}

fn row(entry: &LedgerEntry) -> Vec<String> {
    vec![
        absolute(entry.intended_at),
        sentence::short(&entry.key),
        entry.account.clone(),
        sentence::step_kind(entry),
        entry.subject.clone(),
        entry.state.clone(),
        entry.attempts.to_string(),
        entry.why.clone().unwrap_or_else(|| entry.because.clone()),
    ]
}

async fn show(settings: &Settings, key: &str, json: bool) -> Result<(), CommandError> {
    let details = wiring::operator(settings).await?.ledger_entry(key).await?;
    if json {
        return output::json(&details.document());
    }
    let now = clock::now();
    let LedgerEntryDetails { entry, next, audit } = &details;
    let mut fields = vec![("key", entry.key.clone()), ("step", sentence::step(entry))];
    fields.extend(contents(entry));
    fields.extend(outcome(entry, now));
    fields.extend(place(entry));
    fields.extend(audit.iter().map(|audit| ("override", override_of(audit, now))));
    fields
        .push(("previous", entry.previous.clone().unwrap_or_else(|| "none: the first for this user and level".into())));
    fields.extend(next.iter().map(|next| ("next", follower(next))));
    if next.is_empty() {
        fields.push(("next", "none so far".into()));
    }
    output::fields(&fields);
    Ok(())
}

/// What is sent.
fn contents(entry: &LedgerEntry) -> Vec<(&'static str, String)> {
    let mut fields = Vec::new();
    match entry.parsed() {
        Some(Step::GrantAccess(grant)) => {
            fields.extend(grant.starts_at.map(|at| ("starts", absolute(at))));
            fields.extend(sale(&grant.sale));
            let sandbox = if grant.sandbox { ", as a sandbox purchase" } else { "" };
            fields.push(("store", format!("{}{sandbox}", grant.store)));
        }
        Some(Step::RevokeAccess(revoke)) => fields.push(("refund", yes_or_no(revoke.refund == Refund::Yes))),
        Some(Step::SetAttributes(set)) => {
            fields.extend(set.attributes.iter().map(|(name, value)| ("sets", format!("{name} = {}", value.as_str()))));
            fields.extend(set.gone.iter().map(|name| ("deletes", name.to_string())));
        }
        Some(Step::ReportSale(report)) => {
            fields.extend(sale(&report.sale));
            fields.push(("refund", yes_or_no(matches!(report.event, SaleEvent::Refunded(_)))));
            if let SaleEvent::Ended(at) = report.event {
                fields.push(("ended", Until::At(at).to_string()));
            }
        }
        None => fields.push(("as stored", entry.step.to_string())),
    }
    fields
}

fn sale(sale: &Sale) -> [(&'static str, String); 4] {
    let price = sale.price.as_ref().map(|price| format!("{} {}", price.major(), price.code()));
    [
        ("transaction", sale.id.clone()),
        ("chain", sale.original.clone()),
        ("product", format!("{}, plan {}", sale.product, sale.base_plan)),
        ("price", price.unwrap_or_else(|| "not reported".into())),
    ]
}

fn yes_or_no(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

/// What became of it.
fn outcome(entry: &LedgerEntry, now: Timestamp) -> Vec<(&'static str, String)> {
    let times = if entry.attempts == 1 { "time" } else { "times" };
    let state = format!("{}, sent {} {times}", entry.state, entry.attempts);
    let mut fields = vec![("because", entry.because.clone()), ("state", state)];
    fields.extend(entry.why.clone().map(|why| ("why", why)));
    fields.push(("intended", both(entry.intended_at, now)));
    fields.extend(entry.due_at.map(|at| ("sent next", both(at, now))));
    fields.extend(entry.settled_at.map(|at| ("settled", both(at, now))));
    fields
}

fn place(entry: &LedgerEntry) -> [(&'static str, String); 3] {
    let place = format!("{}, {} mode, entry {}", entry.destination, entry.environment, entry.seq);
    [("account", entry.account.clone()), ("user", entry.user.clone()), ("ledger", place)]
}

fn override_of(audit: &AuditEntry, now: Timestamp) -> String {
    format!("{}, {}", sentence::audit(audit), both(audit.at, now))
}

fn follower(next: &LedgerEntry) -> String {
    format!("{} ({}, {})", next.key, sentence::step(next), next.state)
}
