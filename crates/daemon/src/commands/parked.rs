//! `parked`: lists, shows, releases and drops what needs a human.

use std::collections::BTreeMap;

use operator::input;
use operator::parked::{Parked as Item, ParkedDetails};
use operator::sentence;
use operator::time::{absolute, both, relative};
use store::parked::Filter;
use store::selection::Selection;

use crate::cli::parked::{Chosen, Parked, ParkedList};
use crate::command_error::CommandError;
use crate::settings::Settings;
use crate::{clock, output, wiring};

pub(crate) async fn run(settings: &Settings, parked: Parked) -> Result<(), CommandError> {
    let operator = wiring::operator(settings).await?;
    match parked {
        Parked::List(asked) => {
            let account = asked.account.as_deref().map(input::account).transpose()?;
            let filter = Filter { kind: asked.kind, accounts: account.into_iter().collect(), ..Filter::default() };
            list(&operator.parked(&filter, None).await?, &operator.waiting().await?, &asked)
        }
        Parked::Show { id, json } => show(operator.parked_details(id).await?, json),
        Parked::Release(chosen) => changed(operator.release(which(chosen)).await?, "released"),
        Parked::Drop { chosen, reason } => changed(operator.drop_parked(which(chosen), reason).await?, "dropped"),
    }
}

fn which(chosen: Chosen) -> Selection {
    match chosen.kind {
        Some(kind) => Selection::Kind(kind),
        None if chosen.all => Selection::All,
        None => Selection::Ids(chosen.ids),
    }
}

fn changed(count: u64, done: &str) -> Result<(), CommandError> {
    if count == 0 {
        return Err(CommandError::Sentence(format!("nothing was {done}; see `grantsync parked list`")));
    }
    output::say(&format!("{count} {done}"));
    Ok(())
}

fn list(parked: &[Item], waiting: &BTreeMap<String, i64>, asked: &ParkedList) -> Result<(), CommandError> {
    if asked.json {
        return output::json(&parked);
    }
    if parked.is_empty() {
        output::say("nothing is parked");
    }
    let now = clock::now();
    for Item { id, kind, account, reason, hint, since, .. } in parked {
        let at = absolute(*since);
        let ago = relative(*since, now);
        output::say(&format!("{id}  {kind}  {account}  since {at}, {ago}"));
        output::say(&format!("    {reason}"));
        output::say(&format!("    -> {hint}"));
    }
    for (upstream, count) in waiting {
        output::say(&format!("accounts that wait until `{upstream}` serves again: {count} (they need nobody)"));
    }
    Ok(())
}

fn show(details: ParkedDetails, json: bool) -> Result<(), CommandError> {
    if json {
        return output::json(&details);
    }
    let now = clock::now();
    let ParkedDetails { parked, worklist } = details;
    let mut fields = vec![
        ("parked", format!("{} {}", parked.id, parked.kind)),
        ("account", parked.account),
        ("user", parked.user.unwrap_or_else(|| "-".into())),
        ("about", parked.subject),
        ("since", both(parked.since, now)),
        ("reason", parked.reason),
        ("to do", parked.hint),
    ];
    fields.extend(parked.dropped.map(|why| ("dropped", why)));
    let lines = worklist.iter().flat_map(|entry| sentence::worklist(entry, now));
    fields.extend(lines.map(|line| ("worklist", line)));
    output::fields(&fields);
    Ok(())
}
