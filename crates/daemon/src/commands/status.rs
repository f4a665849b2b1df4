//! `status`: shows what a user may use.

use operator::input;
use operator::status::{LevelStatus, UserStatus, Wait};
use operator::time::absolute;

use crate::cli::user::Status;
use crate::command_error::CommandError;
use crate::settings::Settings;
use crate::{output, wiring};

pub(crate) async fn run(settings: &Settings, asked: Status) -> Result<(), CommandError> {
    let user = input::user(&asked.user)?;
    if let Some(iaphub) = &settings.iaphub {
        iaphub.api_key.require()?;
    }
    let status = match asked.fresh {
        true => wiring::operator_with_keys(settings).await?.fresh_status(&user).await?,
        false => wiring::operator(settings).await?.status(&user, Wait::ForEverything).await?,
    };
    if asked.json {
        return output::json(&status);
    }
    print(&status);
    Ok(())
}

fn print(status: &UserStatus) {
    output::say(&format!("paywall {}, as of {}", yes_or_no(status.paywall), absolute(status.as_of)));
    if status.stale {
        output::say("stale: something could not be read lately; what was to renew is taken to have renewed");
    }
    if status.double_subscription {
        output::say("double subscription: a level is paid for in a store of the app and on the web");
    }
    let rows: Vec<Vec<String>> = status.levels.iter().map(row).collect();
    output::print(&["level", "active", "until", "renews", "grace", "store", "because"], &rows);
}

fn row(level: &LevelStatus) -> Vec<String> {
    let until = match level.lifetime {
        true => "for life".to_owned(),
        false => level.until.map_or_else(|| "-".to_owned(), absolute),
    };
    vec![
        level.app.as_ref().map_or_else(|| level.level.clone(), |app| format!("{} ({app})", level.level)),
        yes_or_no(level.active),
        until,
        level.will_renew.map_or_else(|| "-".to_owned(), yes_or_no),
        yes_or_no(level.in_grace),
        level.store.clone().unwrap_or_else(|| "-".to_owned()),
        level.because.clone(),
    ]
}

fn yes_or_no(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}
