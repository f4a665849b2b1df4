//! `events`: lists, shows, fetches and replays events.

use chrono::TimeDelta;
use entitlement::model::clock::Timestamp;
use operator::catch_up;
use operator::events::{Event, EventDetails, EventFilter, Replayed};
use operator::input;
use operator::ledger::LedgerEntry;
use operator::sentence;
use operator::time::{Since, absolute, both};
use serde::Serialize;
use serde_json::Value;

use crate::cli::events::{Events, EventsList};
use crate::command_error::CommandError;
use crate::progress::Progress;
use crate::settings::Settings;
use crate::{clock, output, wiring};

/// A webhook that took longer than this from the source to us came late.
const LATE: TimeDelta = TimeDelta::minutes(1);

pub(crate) async fn run(settings: &Settings, events: Events) -> Result<(), CommandError> {
    match events {
        Events::List(asked) => list(settings, asked).await,
        Events::Show { id, json } => show(wiring::operator(settings).await?.event(&id).await?, json),
        Events::CatchUp { since } => catch_up(settings, since).await,
        Events::Replay { ids } => replayed(&wiring::operator(settings).await?.replay(&ids).await?),
    }
}

async fn list(settings: &Settings, asked: EventsList) -> Result<(), CommandError> {
    let filter = EventFilter {
        account: asked.account.as_deref().map(input::account).transpose()?,
        kind: asked.kind,
        outcome: asked.outcome,
        since: asked.since.map(|since| since.at(clock::now())),
        after: None,
    };
    let events = wiring::operator(settings).await?.events(filter, asked.limit).await?;
    if asked.json {
        return output::json(&events);
    }
    let rows: Vec<Vec<String>> = events.into_iter().map(row).collect();
    output::print(&["received", "event", "type", "outcome", "account"], &rows);
    Ok(())
}

fn row(event: Event) -> Vec<String> {
    let account = event.account.or(event.why).unwrap_or_default();
    vec![absolute(event.received), event.id, event.r#type, event.outcome.as_str().to_owned(), account]
}

/// An event as JSON, with its body where that is kept.
#[derive(Serialize)]
struct WithBody<'a> {
    #[serde(flatten)]
    details: &'a EventDetails,
    body: Option<&'a str>,
}

fn show(details: EventDetails, json: bool) -> Result<(), CommandError> {
    if json {
        return output::json(&WithBody { details: &details, body: details.body.as_deref() });
    }
    let now = clock::now();
    output::fields(&fields(&details, now));
    match &details.worklist {
        Some(entry) => {
            output::text("\nled to");
            sentence::worklist(entry, now).iter().for_each(|line| output::say(&format!("  {line}")));
        }
        None => output::text("\nled to nothing"),
    }
    details.steps.iter().for_each(|step| output::say(&format!("  {}", step_line(step))));
    for parked in &details.parked {
        output::say(&format!("  parked as {} {}: {}", parked.id, parked.kind, parked.reason));
        output::say(&format!("    -> {}", parked.hint));
    }
    if let Some(body) = &details.body {
        let pretty = serde_json::from_str(body).and_then(|body: Value| serde_json::to_string_pretty(&body));
        output::text(&format!("\nbody\n{}", pretty.as_ref().unwrap_or(body)));
    }
    Ok(())
}

fn fields(details: &EventDetails, now: Timestamp) -> [(&'static str, String); 8] {
    let Event { id, r#type, account, object, outcome, why, created, received } = &details.event;
    let outcome = match why {
        Some(why) => format!("{}: {why}", outcome.as_str()),
        None => outcome.as_str().to_owned(),
    };
    let late = if *received - *created > LATE { ", late" } else { "" };
    let body = if details.body.is_some() { "below" } else { "not kept; `inbox.keep_bodies` keeps whole events" };
    [
        ("event", id.clone()),
        ("type", r#type.clone()),
        ("object", object.clone().unwrap_or_else(|| "-".into())),
        ("created", both(*created, now)),
        ("received", format!("{}{late}", both(*received, now))),
        ("outcome", outcome),
        ("account", account.clone().unwrap_or_else(|| "-".into())),
        ("body", body.to_owned()),
    ]
}

fn step_line(step: &LedgerEntry) -> String {
    let at = absolute(step.intended_at);
    let key = sentence::short(&step.key);
    format!("{at}  {key}  {}: {} ({})", sentence::step(step), step.because, step.state)
}

async fn catch_up(settings: &Settings, since: Since) -> Result<(), CommandError> {
    let catch_up = wiring::catch_up(settings).await?;
    let from = catch_up::from(&catch_up, since)?;
    if let Some(days) = from.most_days {
        output::say(&format!(
            "only events of the last {days} days are listed; `grantsync resync --all` syncs everybody"
        ));
    }
    output::say(&format!("fetching events since {}", absolute(from.at)));
    let mut progress = Progress::new("events read");
    let caught = catch_up::run(&catch_up, from, |caught| progress.show(caught.read, None)).await;
    progress.end();
    let caught = caught?;
    let missed = counted(caught.missed, "event was missed", "events were missed");
    let next = if caught.missed == 0 { "" } else { "; a running `grantsync serve` syncs their accounts" };
    output::say(&format!("{missed} of {} read{next}", caught.read));
    Ok(())
}

fn replayed(replayed: &Replayed) -> Result<(), CommandError> {
    let Replayed { accounts, skipped } = replayed;
    if accounts.is_empty() {
        return Err(CommandError::Sentence(skipped.join("\n")));
    }
    skipped.iter().for_each(|line| output::say(line));
    accounts.iter().for_each(|account| output::say(&format!("`{account}`")));
    let due = counted(accounts.len() as u64, "account is due", "accounts are due");
    output::say(&format!("{due}; a running `grantsync serve` syncs at once"));
    Ok(())
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
