//! Adapty: that the key works. Its API v1 has no list of an app's access levels.

use std::collections::BTreeSet;

use adapty::adapty::Adapty;
use entitlement::model::failure::Class;
use entitlement::model::finding::{Area, Finding};
use entitlement::model::user::User;
use wire::limit::LimitScope;

use crate::command_error::CommandError;
use crate::settings::Settings;
use crate::settings::adapty::Adapty as App;
use crate::wiring;

/// A user id that nobody has: no profile is expected for it.
const NOBODY: &str = "grantsync-check";

pub(super) async fn check(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    for app in &settings.adapty {
        let found = check_app(settings, app).await;
        let several = settings.adapty.len() > 1;
        findings.extend(found.into_iter().map(|finding| if several { finding.of_app(&app.name) } else { finding }));
    }
    findings
}

async fn check_app(settings: &Settings, app: &App) -> Vec<Finding> {
    if app.secret_key.present().is_none() {
        return vec![Finding::unchecked(area(), "there is no Adapty key")];
    }
    let (adapty, user) = match reader(settings, app) {
        Ok(adapty) => adapty,
        Err(failed) => return vec![Finding::error(area(), failed.text(), "fix `[adapty]` in the settings")],
    };
    match adapty.profile(&user).await {
        Ok(_) => vec![Finding::ok(area(), format!("the key works (API {})", app.api)), levels(settings, app)],
        Err(failure) if matches!(failure.class, Class::Credentials | Class::Forbidden) => {
            let remedy = "copy the app's secret key again (App settings → General); it begins with `secret_`";
            vec![Finding::error(area(), format!("Adapty refuses the key ({})", failure.what), remedy)]
        }
        Err(failure) => {
            let remedy = "see that HTTPS to `adapty.api_base` gets out of this machine, and https://status.adapty.io";
            vec![Finding::error(area(), format!("Adapty does not answer as it should: {}", failure.what), remedy)]
        }
    }
}

fn reader(settings: &Settings, app: &App) -> Result<(Adapty, User), CommandError> {
    let api = wiring::adapty_api(app);
    let upstream = wiring::adapty(app, &wiring::client(settings)?, LimitScope::Process)?;
    let nobody = User::new(NOBODY).ok_or_else(|| CommandError::Sentence("nobody has no name".into()))?;
    Ok((Adapty::new(upstream, api), nobody))
}

fn levels(settings: &Settings, app: &App) -> Finding {
    let of_app = settings.catalog.iter().filter(|entry| entry.app.as_ref().is_none_or(|of| *of == app.name));
    let levels: BTreeSet<&str> = of_app.filter_map(|entry| entry.access_level.as_deref()).collect();
    let names: Vec<String> = levels.into_iter().map(|level| format!("`{level}`")).collect();
    let text = format!(
        "whether the app has the access levels of the catalog ({}) cannot be asked; the first grant shows it",
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    );
    Finding::ok(area(), text)
}

fn area() -> Area {
    Area::Destination("adapty".to_owned())
}
