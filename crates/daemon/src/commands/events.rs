//! `events`: the inbox.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use entitlement::clock::Timestamp;
use entitlement::names::Account;
use ingest::catch_up::CatchUp;
use serde::Serialize;
use serde_json::{Value, json};
use source::kind::typed;
use store::claim::Urgency;
use store::error::StoreError;
use store::inbox::{Filter, ReceivedEvent, StoredEvent};
use store::ledger;
use store::open::Store;
use store::parked;

use crate::cli::books::{self, Events, EventsList};
use crate::command_error::CommandError;
use crate::commands::{account, wording};
use crate::moments::{Since, absolute, both};
use crate::progress::Progress;
use crate::settings::Settings;
use crate::{clock, output, wiring};

/// Steps told of what an event led to.
const LED_TO: u32 = 10;
/// A webhook that was longer under way than this came late.
const LATE: TimeDelta = TimeDelta::minutes(1);

pub(crate) async fn run(settings: &Settings, events: Events) -> Result<(), CommandError> {
    match events {
        Events::List(wanted) => list(settings, wanted).await,
        Events::Show { id, json } => show(&wiring::store(settings).await?, &id, json).await,
        Events::CatchUp { since } => catch_up(settings, since).await,
        Events::Replay { ids } => replay(&wiring::store(settings).await?, &ids).await,
    }
}

/// An event as it is told.
#[derive(Debug, Serialize)]
struct Told<T> {
    #[serde(flatten)]
    event: T,
    /// Why it rang for nobody.
    why: Option<&'static str>,
}

/// Why an event with this outcome did not ring.
pub(crate) fn why(outcome: &str) -> Option<&'static str> {
    match outcome {
        "nobody" => Some("it concerns no customer"),
        "other_mode" => Some("ignored: it is of the other mode (test or live) than `stripe.secret_key`"),
        "unreadable" => Some("it cannot be read: parked, with its body kept here"),
        _ => None,
    }
}

/// Ids may be typed as Stripe shows them.
pub(crate) fn name(id: &str) -> String {
    typed(id).as_str().to_owned()
}

async fn one(store: &Store, id: &str) -> Result<StoredEvent, CommandError> {
    let unknown = || {
        let fetch = "`grantsync events catch-up --since 30d` fetches what Stripe still lists";
        CommandError::Sentence(format!("no event `{id}` is in the inbox; {fetch}"))
    };
    find(store, id).await?.ok_or_else(unknown)
}

pub(crate) async fn find(store: &Store, id: &str) -> Result<Option<StoredEvent>, StoreError> {
    store.event(&name(id)).await
}

async fn list(settings: &Settings, wanted: EventsList) -> Result<(), CommandError> {
    let of = wanted.account.as_deref().map(account).transpose()?;
    let meant = Filter {
        accounts: of.into_iter().collect(),
        kind: wanted.kind,
        outcome: wanted.outcome.as_ref().map(books::name),
        since: wanted.since.map(|since| since.moment(clock::now())),
        after: None,
    };
    let events = wiring::store(settings).await?.events(&meant, wanted.limit).await?;
    if wanted.json {
        let events: Vec<_> = events.into_iter().map(|event| Told { why: why(&event.outcome), event }).collect();
        return output::json(&events);
    }
    let rows: Vec<Vec<String>> = events.into_iter().map(row).collect();
    output::print(&["received", "event", "type", "outcome", "account"], &rows);
    Ok(())
}

fn row(event: ReceivedEvent) -> Vec<String> {
    let account = event.account.or_else(|| why(&event.outcome).map(str::to_owned));
    vec![absolute(event.received), event.id, event.kind, event.outcome, account.unwrap_or_default()]
}

/// What an event led to.
pub(crate) struct Aftermath {
    pub(crate) account: Option<Account>,
    pub(crate) standing: Option<store::worklist::AccountState>,
    pub(crate) steps: Vec<ledger::LedgerRow>,
    pub(crate) parked: Vec<parked::Parked>,
}

pub(crate) async fn aftermath(store: &Store, event: &ReceivedEvent) -> Result<Aftermath, StoreError> {
    let account = event.account.as_deref().and_then(|account| Account::parse(account).ok());
    // what could not be read is parked under its own name
    let own = Account::parse(&event.id).ok().filter(|_| event.outcome == "unreadable");
    let parked = match account.clone().or(own) {
        Some(of) => store.parked_matching(&parked::Filter { accounts: vec![of], ..parked::Filter::default() }).await?,
        None => Vec::new(),
    };
    let Some(account) = account else {
        return Ok(Aftermath { account: None, standing: None, steps: Vec::new(), parked });
    };
    let since =
        ledger::Filter { account: Some(account.clone()), since: Some(event.received), ..ledger::Filter::default() };
    let steps = store.first_ledger_rows(&since, LED_TO).await?;
    Ok(Aftermath { standing: store.account_state(&account).await?, account: Some(account), steps, parked })
}

async fn show(store: &Store, id: &str, as_json: bool) -> Result<(), CommandError> {
    let event = one(store, id).await?;
    let led = aftermath(store, &event.seen).await?;
    if as_json {
        return output::json(&shown_json(&event, &led));
    }
    let now = clock::now();
    told(&event, now);
    match &led.account {
        Some(account) => {
            output::say("\nled to");
            let standing = wording::standing(account, led.standing.as_ref(), now);
            standing.iter().for_each(|line| output::say(&format!("  {line}")));
        }
        None => output::say("\nled to nothing"),
    }
    for step in &led.steps {
        let (at, key, what) = (absolute(step.intended_at), wording::short(&step.key), wording::step(step));
        output::say(&format!("  {at}  {key}  {what}: {} ({})", step.because, step.state));
    }
    for parked in &led.parked {
        output::say(&format!("  parked as {} {}: {}", parked.id, parked.kind, parked.reason));
        output::say(&format!("    -> {}", parked.hint));
    }
    if let Some(body) = &event.body {
        let pretty = serde_json::from_str(body).and_then(|body: Value| serde_json::to_string_pretty(&body));
        output::say(&format!("\nbody\n{}", pretty.as_ref().unwrap_or(body)));
    }
    Ok(())
}

fn told(event: &StoredEvent, now: Timestamp) {
    let ReceivedEvent { id, kind, account, object, outcome, created, received } = &event.seen;
    let outcome = match why(outcome) {
        Some(why) => format!("{outcome}: {why}"),
        None => outcome.clone(),
    };
    let late = if *received - *created > LATE { ", late" } else { "" };
    let body = if event.body.is_some() { "below" } else { "not kept; `inbox.keep_bodies` keeps whole events" };
    output::fields(&[
        ("event", id.clone()),
        ("type", kind.clone()),
        ("object", object.clone().unwrap_or_else(|| "-".into())),
        ("created", both(*created, now)),
        ("received", format!("{}{late}", both(*received, now))),
        ("outcome", outcome),
        ("account", account.clone().unwrap_or_else(|| "-".into())),
        ("body", body.to_owned()),
    ]);
}

fn shown_json(event: &StoredEvent, led: &Aftermath) -> Value {
    let StoredEvent { seen, body } = event;
    json!({
        "id": seen.id,
        "type": seen.kind,
        "account": seen.account,
        "object": seen.object,
        "outcome": seen.outcome,
        "why": why(&seen.outcome),
        "created": seen.created,
        "received": seen.received,
        "body": body,
        "standing": led.account.as_ref().map(|account| wording::standing_json(account, led.standing.as_ref())),
        "steps": led.steps,
        "parked": led.parked,
    })
}

async fn catch_up(settings: &Settings, since: Since) -> Result<(), CommandError> {
    let now = clock::now();
    let mut since = since.moment(now);
    if since > now {
        return Err(CommandError::Usage(format!("`--since` lies in the future: {}", absolute(since))));
    }
    let store = wiring::store(settings).await?;
    let sync = wiring::sync(settings, &store, &wiring::upstreams(settings, &store)?)?;
    let catch_up = CatchUp { store, sources: sync.sources, clock: clock::now };
    let reaches_back = catch_up.reaches_back().unwrap_or_default();
    if since < now - reaches_back {
        since = now - reaches_back;
        let days = reaches_back.num_days();
        output::say(&format!(
            "events of the last {days} days only can be listed; `grantsync resync --all` syncs everybody"
        ));
    }
    output::say(&format!("catching up on events since {}", absolute(since)));
    let mut progress = Progress::new("events read");
    let caught = catch_up.back_to(since, |caught| progress.tell(caught.read, None)).await;
    progress.end();
    let caught = caught.map_err(|error| CommandError::because("catching up on events", error))?;
    let missed = counted(caught.missed, "event was missed", "events were missed");
    let rung = if caught.missed == 0 { "" } else { "; a running `grantsync serve` looks at their accounts" };
    output::say(&format!("{missed} of {} read{rung}", caught.read));
    Ok(())
}

async fn replay(store: &Store, ids: &[String]) -> Result<(), CommandError> {
    // all are known before any rings
    let mut events = Vec::with_capacity(ids.len());
    for id in ids {
        events.push(one(store, id).await?.seen);
    }
    let (accounts, silent) = ring_again(store, &events).await?;
    if accounts.is_empty() {
        return Err(CommandError::Sentence(silent.join("\n")));
    }
    silent.iter().for_each(|line| output::say(line));
    let rung = counted(accounts.len() as u64, "account was rung for", "accounts were rung for");
    accounts.iter().for_each(|account| output::say(&format!("`{account}`")));
    output::say(&format!("{rung}; a running `grantsync serve` looks at once"));
    Ok(())
}

/// Rings for the accounts of `events`. Answers whose they are, and a sentence for each that rings for nobody.
pub(crate) async fn ring_again(
    store: &Store,
    events: &[ReceivedEvent],
) -> Result<(BTreeSet<Account>, Vec<String>), StoreError> {
    let (mut accounts, mut silent) = (BTreeSet::new(), Vec::new());
    for event in events {
        match event.account.as_deref().and_then(|account| Account::parse(account).ok()) {
            Some(account) => drop(accounts.insert(account)),
            None => silent.push(format!("`{}` rings for nobody: {}", event.id, why(&event.outcome).unwrap_or("-"))),
        }
    }
    store.enqueue(accounts.iter().cloned().collect(), Urgency::Requested).await?;
    Ok((accounts, silent))
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
