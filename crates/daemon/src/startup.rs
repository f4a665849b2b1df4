//! What a start does to the work that waits: what changed settings concern is synced again, and so is what failed.

use std::collections::BTreeSet;

use entitlement::model::account::Account;
use store::claim::Urgency;
use store::open::Store;
use store::record::AttentionKind;

use crate::command_error::CommandError;
use crate::rules;
use crate::settings::Settings;

/// The notes of the catalogs and of the apps' names at earlier starts.
const CATALOG: &str = "catalog";
const APPS: &str = "apps";

pub(crate) async fn run(store: &Store, settings: &Settings) -> Result<(), CommandError> {
    release_unmapped_prices(store, settings).await?;
    warn_of_missing_apps(store, settings).await?;
    Ok(store.retry_all().await?)
}

/// Accounts that wait for a catalog entry are synced again when the catalog has changed.
async fn release_unmapped_prices(store: &Store, settings: &Settings) -> Result<(), CommandError> {
    let catalogs: Vec<_> = settings.adapty.iter().map(|app| rules::of(settings, app).catalog).collect();
    let catalog = serde_json::to_string(&catalogs);
    let catalog = catalog.map_err(|error| CommandError::because("comparing the catalog", error))?;
    if store.daemon_state(CATALOG).await?.as_deref() == Some(catalog.as_str()) {
        return Ok(());
    }
    let parked = store.parked().await?;
    let waiting = parked.iter().filter(|parked| parked.kind == AttentionKind::UnmappedPrice.as_str());
    let accounts: Vec<Account> = waiting.filter_map(|parked| Account::parse(&parked.account).ok()).collect();
    if !accounts.is_empty() {
        let count = accounts.len();
        tracing::info!(
            accounts = count,
            "the catalog changed: {count} accounts with an unmapped price are synced again"
        );
        store.enqueue(accounts, Urgency::Requested).await?;
    }
    Ok(store.set_daemon_state(CATALOG, catalog).await?)
}

/// Warns of apps that the ledger knows and the settings do not: what was granted there is not revoked any more.
async fn warn_of_missing_apps(store: &Store, settings: &Settings) -> Result<(), CommandError> {
    let now: BTreeSet<String> = settings.adapty.iter().map(|app| app.name.clone()).collect();
    let before = store.daemon_state(APPS).await?;
    let before = before.and_then(|text| serde_json::from_str::<BTreeSet<String>>(&text).ok()).unwrap_or_default();
    for app in before.difference(&now) {
        tracing::warn!(
            "the ledger knows the app `{app}`, which the settings do not name any more: what was granted there stays to \
             its end; if it is still the same app, give it that `name`"
        );
    }
    let all: BTreeSet<&String> = before.union(&now).collect();
    let text = serde_json::to_string(&all);
    let text = text.map_err(|error| CommandError::because("remembering the apps", error))?;
    Ok(store.set_daemon_state(APPS, text).await?)
}
