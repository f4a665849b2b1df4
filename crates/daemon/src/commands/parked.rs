//! `parked`: what waits for a human.

use store::parked::{Parked as Row, Which};

use crate::cli::{Chosen, Parked};
use crate::failed::Failed;
use crate::settings::Settings;
use crate::{table, wiring};

pub(crate) async fn run(settings: &Settings, parked: Parked) -> Result<(), Failed> {
    let store = wiring::store(settings).await?;
    match parked {
        Parked::List { json: true } => table::json(&store.parked().await?)?,
        Parked::List { json: false } => list(&store.parked().await?),
        Parked::Release(chosen) => {
            told(store.release(which(chosen)).await?, "released")?;
        }
        Parked::Drop { chosen, reason } => {
            told(store.drop_parked(which(chosen), reason).await?, "dropped")?;
        }
    }
    Ok(())
}

fn told(count: u64, done: &str) -> Result<(), Failed> {
    if count == 0 {
        return Err(Failed::Sentence(format!("nothing was {done}; see `grantsync parked list`")));
    }
    table::say(&format!("{count} {done}"));
    Ok(())
}

fn which(chosen: Chosen) -> Which {
    match chosen.kind {
        Some(kind) => Which::Kind(kind),
        None if chosen.all => Which::All,
        None => Which::Ids(chosen.ids),
    }
}

fn list(parked: &[Row]) {
    if parked.is_empty() {
        return table::say("nothing is parked");
    }
    for row in parked {
        let since = row.since.format("%Y-%m-%d %H:%M:%SZ");
        table::say(&format!("{}  {}  {}  since {since}", row.id, row.kind, row.account));
        table::say(&format!("    {}", row.reason));
        table::say(&format!("    -> {}", row.hint));
    }
}
