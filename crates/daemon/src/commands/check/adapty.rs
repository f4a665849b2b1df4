//! Adapty: that the key works. Its API v1 has no list of an app's access levels.

use std::collections::BTreeSet;

use adapty::adapty::Adapty;
use entitlement::failure::Class;
use entitlement::names::Customer;
use wire::limit::LimitBy;

use crate::commands::check::finding::{Area, Finding, error, ok, unchecked};
use crate::failed::Failed;
use crate::settings::Settings;
use crate::wiring;

/// Nobody's user id; that there is no profile for it is what is hoped for.
const NOBODY: &str = "grantsync-check";

pub(super) async fn check(settings: &Settings) -> Vec<Finding> {
    if settings.adapty.secret_key.present().is_none() {
        return vec![unchecked(Area::Adapty, "there is no Adapty key")];
    }
    let (adapty, customer) = match reader(settings) {
        Ok(adapty) => adapty,
        Err(failed) => return vec![error(Area::Adapty, failed.text(), "mend `[adapty]` in the settings")],
    };
    match adapty.profile(&customer).await {
        Ok(_) => vec![ok(Area::Adapty, format!("the key works (API {})", settings.adapty.api)), levels(settings)],
        Err(failure) if failure.class == Class::Credentials => {
            let mend = "copy the app's secret key again (App settings → General); it begins with `secret_`";
            vec![error(Area::Adapty, format!("Adapty refuses the key ({})", failure.what), mend)]
        }
        Err(failure) => {
            let mend = "see that HTTPS to `adapty.api_base` gets out of this machine, and https://status.adapty.io";
            vec![error(Area::Adapty, format!("Adapty does not answer as it should: {}", failure.what), mend)]
        }
    }
}

fn reader(settings: &Settings) -> Result<(Adapty, Customer), Failed> {
    let api = wiring::adapty_api(&settings.adapty);
    let upstream = wiring::adapty(settings, &wiring::client()?, LimitBy::Own)?;
    let nobody = Customer::new(NOBODY).ok_or_else(|| Failed::Sentence("nobody has no name".into()))?;
    Ok((Adapty::new(upstream, api), nobody))
}

fn levels(settings: &Settings) -> Finding {
    let levels: BTreeSet<&str> = settings.catalog.iter().filter_map(|entry| entry.access_level.as_deref()).collect();
    let names: Vec<String> = levels.into_iter().map(|level| format!("`{level}`")).collect();
    let text = format!(
        "whether the app has the access levels of the catalog ({}) cannot be asked; the first grant shows it",
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    );
    ok(Area::Adapty, text)
}
