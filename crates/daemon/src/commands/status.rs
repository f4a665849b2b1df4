//! `status`: where a user stands.

use crate::cli::Status;
use crate::command_error::CommandError;
use crate::commands::parse_user;
use crate::settings::Settings;
use crate::standing::{Level, Sources, Standing, Waiting};
use crate::{output, wiring};

pub(crate) async fn run(settings: &Settings, wanted: Status) -> Result<(), CommandError> {
    let user = parse_user(&wanted.user)?;
    if let Some(iaphub) = &settings.iaphub {
        iaphub.api_key.require()?;
    }
    let store = wiring::store(settings).await?;
    let sources = Sources::of(settings, &store)?;
    let standing = if wanted.fresh {
        let sync = wiring::sync(settings, &store, &wiring::upstreams(settings, &store)?)?;
        sources
            .fresh(&sync, &user)
            .await
            .map_err(|error| CommandError::because("asking where the user stands", error))?
    } else {
        sources.known(&user, Waiting::ForAll).await?
    };
    let unknown = || CommandError::Sentence("nothing is known of that user; see `grantsync parked list`".into());
    let standing = standing.ok_or_else(unknown)?;
    if wanted.json { output::json(&standing) } else { tell(&standing) }
}

fn tell(standing: &Standing) -> Result<(), CommandError> {
    let as_of = standing.as_of.format("%Y-%m-%d %H:%M:%SZ");
    output::say(&format!("paywall {}, as of {as_of}", if standing.paywall { "yes" } else { "no" }));
    if standing.stale {
        output::say("stale: it could not be looked lately; what was to renew is taken to have renewed");
    }
    if standing.double_subscription {
        output::say("double subscription: a store and the web are both paid for a level");
    }
    let rows: Vec<Vec<String>> = standing.levels.iter().map(row).collect();
    output::print(&["level", "active", "until", "renews", "grace", "store", "because"], &rows);
    Ok(())
}

fn row(level: &Level) -> Vec<String> {
    let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    let until = level.until.map(|until| until.format("%Y-%m-%d %H:%M:%SZ").to_string());
    let until = if level.lifetime { "for life".to_owned() } else { until.unwrap_or_else(|| "-".to_owned()) };
    vec![
        level.app.as_ref().map_or_else(|| level.level.clone(), |app| format!("{} ({app})", level.level)),
        yes(level.active),
        until,
        level.will_renew.map_or_else(|| "-".to_owned(), yes),
        yes(level.in_grace),
        level.store.clone().unwrap_or_else(|| "-".to_owned()),
        level.because.clone(),
    ]
}
