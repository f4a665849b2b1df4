//! `events`: the inbox.

use crate::cli::Events;
use crate::commands::account;
use crate::failed::Failed;
use crate::settings::Settings;
use crate::{table, wiring};

pub(crate) async fn run(settings: &Settings, events: Events) -> Result<(), Failed> {
    let Events::List { account: of, limit, json } = events;
    let of = of.as_deref().map(account).transpose()?;
    let store = wiring::store(settings).await?;
    let events = store.events(of.as_ref(), limit).await?;
    if json {
        return table::json(&events);
    }
    let rows: Vec<Vec<String>> = events
        .into_iter()
        .map(|event| {
            let received = event.received.format("%Y-%m-%d %H:%M:%SZ").to_string();
            vec![received, event.id, event.kind, event.outcome, event.account.unwrap_or_else(|| "-".into())]
        })
        .collect();
    table::print(&["received", "event", "type", "outcome", "account"], &rows);
    Ok(())
}
