//! The settings: what they lack, and what is suspicious.

use entitlement::model::finding::{Area, Finding, counted};

use crate::settings::Settings;
use crate::settings::error::SettingsError;
use crate::settings::secret::Secret;

/// An admin token below this length can be guessed.
const SHORTEST_TOKEN: usize = 16;

pub(super) fn check(settings: &Settings) -> Vec<Finding> {
    let odd = "write the value as it was issued, in the file or the variable it comes from";
    let mut findings = missing(settings);
    findings.extend(settings.warnings.iter().map(|text| Finding::warning(Area::Settings, text, odd)));
    findings.extend([mode(settings), token(settings), empty(settings)].into_iter().flatten());
    if findings.is_empty() {
        let text = format!("complete, with {}", counted(settings.catalog.len(), "catalog entry"));
        findings.push(Finding::ok(Area::Settings, text));
    }
    findings
}

/// The credentials that are not there.
fn missing(settings: &Settings) -> Vec<Finding> {
    let needed: [Option<SettingsError>; 2] =
        [settings.stripe.secret_key.require().err(), settings.stripe.webhook_secrets.require().err()];
    let apps = settings.adapty.iter().map(|app| app.secret_key.require().err());
    let iaphub = settings.iaphub.as_ref().and_then(|iaphub| iaphub.api_key.require().err());
    let errors = needed.into_iter().chain(apps).chain([iaphub]).flatten().flat_map(|fault| fault.errors);
    errors
        .map(|fault| {
            let text = fault.to_string();
            // what to write follows the last colon
            let (what, write) = text.rsplit_once(": ").unwrap_or((&text, "see README.md, Settings"));
            Finding::error(Area::Settings, what, write)
        })
        .collect()
}

fn mode(settings: &Settings) -> Option<Finding> {
    let key = settings.stripe.secret_key.present()?.expose();
    let silent = (key.starts_with("sk_") || key.starts_with("rk_")) && settings.stripe.mode().is_none();
    silent.then(|| {
        let text = "`stripe.secret_key` does not show whether it is of test or live mode, so it counts as live";
        Finding::warning(
            Area::Settings,
            text,
            "use a key that begins with `rk_live_`, `sk_live_`, `rk_test_` or `sk_test_`",
        )
    })
}

fn token(settings: &Settings) -> Option<Finding> {
    let write = format!("set `GRANTSYNC_ADMIN_TOKEN` to {SHORTEST_TOKEN} random characters or more");
    match settings.server.admin_token.as_ref().map(Secret::expose) {
        None => {
            let text = "there is no `server.admin_token`: the admin side serves health and metrics on loopback only";
            Some(Finding::warning(Area::Settings, text, write))
        }
        Some(token) if token.len() < SHORTEST_TOKEN => {
            let text =
                format!("`server.admin_token` is shorter than {SHORTEST_TOKEN} characters, so it can be guessed");
            Some(Finding::warning(Area::Settings, text, write))
        }
        Some(_) => None,
    }
}

fn empty(settings: &Settings) -> Option<Finding> {
    let opens_nothing = settings.catalog.iter().all(|entry| entry.access_level.is_none());
    opens_nothing.then(|| {
        let text = "no `[[catalog]]` entry has an access level, so nothing will be granted";
        Finding::error(Area::Settings, text, "write `[[catalog]]` with `price` or `product`, and `access_level`")
    })
}
