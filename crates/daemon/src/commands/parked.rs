//! `parked`: what waits for a human.

use entitlement::names::Account;
use store::open::Store;
use store::parked::{Filter, Parked as Row};
use store::selection::Selection;

use crate::cli::books::{Chosen, Parked, ParkedList};
use crate::command_error::CommandError;
use crate::commands::{account, wording};
use crate::moments::{absolute, both, relative};
use crate::settings::Settings;
use crate::{clock, output, wiring};

pub(crate) async fn run(settings: &Settings, parked: Parked) -> Result<(), CommandError> {
    match parked {
        Parked::List(wanted) => list(settings, wanted).await,
        Parked::Show { id, json } => show(&wiring::store(settings).await?, id, json).await,
        Parked::Release(chosen) => told(wiring::store(settings).await?.release(which(chosen)).await?, "released"),
        Parked::Drop { chosen, reason } => {
            told(wiring::store(settings).await?.drop_parked(which(chosen), reason).await?, "dropped")
        }
    }
}

fn told(count: u64, done: &str) -> Result<(), CommandError> {
    if count == 0 {
        return Err(CommandError::Sentence(format!("nothing was {done}; see `grantsync parked list`")));
    }
    output::say(&format!("{count} {done}"));
    Ok(())
}

fn which(chosen: Chosen) -> Selection {
    match chosen.kind {
        Some(kind) => Selection::Kind(kind),
        None if chosen.all => Selection::All,
        None => Selection::Ids(chosen.ids),
    }
}

async fn list(settings: &Settings, wanted: ParkedList) -> Result<(), CommandError> {
    let of = wanted.account.as_deref().map(account).transpose()?;
    let meant = Filter { kind: wanted.kind, accounts: of.into_iter().collect(), ..Filter::default() };
    let parked = wiring::store(settings).await?.parked_matching(&meant).await?;
    if wanted.json {
        return output::json(&parked);
    }
    if parked.is_empty() {
        output::say("nothing is parked");
    }
    let now = clock::now();
    for Row { id, kind, account, reason, hint, since, .. } in &parked {
        let (at, ago) = (absolute(*since), relative(*since, now));
        output::say(&format!("{id}  {kind}  {account}  since {at}, {ago}"));
        output::say(&format!("    {reason}"));
        output::say(&format!("    -> {hint}"));
    }
    Ok(())
}

async fn show(store: &Store, id: i64, as_json: bool) -> Result<(), CommandError> {
    let unknown = || CommandError::Sentence(format!("nothing is parked as {id}; see `grantsync parked list`"));
    let parked = store.parked_by_id(id).await?.ok_or_else(unknown)?;
    let account = Account::parse(&parked.account).ok();
    let standing = match &account {
        Some(account) => store.account_state(account).await?,
        None => None,
    };
    if as_json {
        let mut told = serde_json::to_value(&parked).map_err(|error| CommandError::because("writing JSON", error))?;
        told["standing"] = account.map_or_else(Default::default, |of| wording::standing_json(&of, standing.as_ref()));
        return output::json(&told);
    }
    let now = clock::now();
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
    // an event that cannot be read has an account of its own name only
    let standing = account.filter(|_| standing.is_some()).map(|of| wording::standing(&of, standing.as_ref(), now));
    fields.extend(standing.into_iter().flatten().map(|line| ("now", line)));
    output::fields(&fields);
    Ok(())
}
