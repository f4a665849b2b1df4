//! `check`: connects to everything and says what to mend. It writes nothing at the vendors.

mod adapty;
mod catalog;
mod database;
mod endpoints;
mod finding;
mod iaphub;
mod key;
mod settings;

use stripe::reader::Stripe;
use wire::limit::LimitBy;

use self::finding::{Area, Finding, Level, error, unchecked};
use crate::cli::Check;
use crate::command_error::CommandError;
use crate::settings::Settings;
use crate::{output, rules, wiring};

pub(crate) async fn run(settings: &Settings, wanted: Check) -> Result<(), CommandError> {
    let (database, stripe, adapty, iaphub) =
        tokio::join!(database::check(settings), of_stripe(settings), adapty::check(settings), iaphub::check(settings));
    let mut findings = [settings::check(settings), database, stripe, adapty, iaphub].concat();
    findings.sort_by_key(|finding| finding.what);
    if wanted.json {
        output::json(&findings)?;
    } else {
        findings.iter().flat_map(Finding::lines).for_each(|line| output::say(&line));
    }
    let failed = findings.iter().any(|finding| finding.level == Level::Error);
    if failed { Err(CommandError::Silent) } else { Ok(()) }
}

/// Everything that is seen through Stripe's key.
async fn of_stripe(settings: &Settings) -> Vec<Finding> {
    if settings.stripe.secret_key.present().is_none() {
        return blind("there is no Stripe key", true).collect();
    }
    let stripe = match reader(settings) {
        Ok(stripe) => stripe,
        Err(failed) => {
            let mend = "mend `[stripe]` in the settings";
            return blind("Stripe cannot be asked", false).chain([error(Area::Stripe, failed.text(), mend)]).collect();
        }
    };
    let (mut findings, usable) = key::check(&stripe, settings).await;
    if !usable {
        findings.extend(blind("the key could not be used", false));
        return findings;
    }
    let (endpoints, catalog) = tokio::join!(endpoints::check(&stripe, settings), catalog::check(&stripe, settings));
    findings.extend(endpoints);
    findings.extend(catalog);
    findings
}

/// The few requests of a check keep to the rate of the settings by themselves, so that no database is needed.
fn reader(settings: &Settings) -> Result<Stripe, CommandError> {
    let upstream = wiring::stripe(settings, &wiring::client()?, LimitBy::Own)?;
    Ok(Stripe::new(upstream, rules::mode(settings), settings.identity.user_id.clone()))
}

/// What nobody could look at; with the key itself, if that was not looked at either.
fn blind(why: &str, and_key: bool) -> impl Iterator<Item = Finding> {
    let behind = [Area::Stripe, Area::Webhooks, Area::Catalog, Area::Clock, Area::Bridge];
    behind.into_iter().skip(usize::from(!and_key)).map(move |area| unchecked(area, why))
}
