//! The settings: a file, then the environment, read once at start.
//!
//! Each section is read by the file that defines it, through one [`reader::Reader`] that remembers which
//! keys were asked for. Any other key is unknown, so there is no second list to keep.
//! All faults are gathered and reported together, one line each; none of them repeats a secret.

pub(crate) mod adapty;
pub(crate) mod background;
pub(crate) mod catalog;
mod choice;
pub(crate) mod database;
mod duration;
mod environment;
pub(crate) mod error;
mod file;
#[cfg(test)]
mod fixture;
pub(crate) mod iaphub;
pub(crate) mod identity;
mod near_miss;
pub(crate) mod policy;
mod proxy;
mod reader;
mod reference;
pub(crate) mod secret;
pub(crate) mod server;
mod size;
pub(crate) mod stripe;
mod suggestion;

use std::collections::BTreeMap;
use std::path::Path;

use wire::client::Proxies;

use crate::cli::Half;
use adapty::Adapty;
use background::{Bulk, CatchUp, Inbox, Reconcile, Retention};
use catalog::CatalogEntry;
use database::Database;
use error::{SettingError, SettingsError};
use iaphub::Iaphub;
use identity::Identity;
use policy::Policy;
use reader::{Entries, Reader};
use server::Server;
use stripe::Stripe;

/// Everything an operator can set.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Addresses, the admin token, and how many webhooks may wait.
    pub(crate) server: Server,
    /// The database that everything is kept in.
    pub(crate) database: Database,
    /// The Stripe account that is read.
    pub(crate) stripe: Stripe,
    /// The Adapty apps that are written to, at least one.
    pub(crate) adapty: Vec<Adapty>,
    /// The IAPHUB app that is read, and may be written to; `None` without the section.
    pub(crate) iaphub: Option<Iaphub>,
    /// Where the user id is read.
    pub(crate) identity: Identity,
    /// The rules that a merchant may choose.
    pub(crate) policy: Policy,
    /// What is kept of a webhook.
    pub(crate) inbox: Inbox,
    /// The nightly reconciliation.
    pub(crate) reconcile: Reconcile,
    /// Backfills and reconciliations.
    pub(crate) bulk: Bulk,
    /// Fetching the events that no webhook brought.
    pub(crate) catch_up: CatchUp,
    /// How long events and settled steps are kept.
    pub(crate) retention: Retention,
    /// Which price or product opens which access level; empty by default.
    pub(crate) catalog: Vec<CatalogEntry>,
    /// The proxies of the environment that upstreams are reached through.
    pub(crate) proxies: Proxies,
    /// What is suspicious but not refused, one line each; never a secret.
    pub(crate) warnings: Vec<String>,
}

impl Settings {
    /// Reads the file at `path`, else at `GRANTSYNC_CONFIG`, else `grantsync.toml` if there is one, and lays
    /// the `GRANTSYNC__…` variables of `environment` over it. A relative path of SQLite is taken from the folder of the file.
    ///
    /// Credentials may be absent here, since most commands do without; see [`Settings::require_for_serve`].
    pub(crate) fn load(
        path: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Settings, SettingsError> {
        let environment: BTreeMap<String, String> = environment.collect();
        let mut entries = file::read(path, &environment)?;
        environment::overlay(&mut entries, &environment);
        let mut settings = Settings::from_entries(entries, &environment)?;
        if let Some(folder) = file::folder(path, &environment) {
            settings.database = settings.database.in_folder(&folder);
        }
        Ok(settings)
    }

    fn from_entries(entries: Entries, environment: &BTreeMap<String, String>) -> Result<Settings, SettingsError> {
        let mut reader = Reader::new(entries, environment);
        let mut settings = Settings {
            server: Server::read(&mut reader),
            database: Database::read(&mut reader),
            stripe: Stripe::read(&mut reader),
            adapty: Adapty::read_all(&mut reader),
            iaphub: Iaphub::read(&mut reader),
            identity: Identity::read(&mut reader),
            policy: Policy::read(&mut reader),
            inbox: Inbox::read(&mut reader),
            reconcile: Reconcile::read(&mut reader),
            bulk: Bulk::read(&mut reader),
            catch_up: CatchUp::read(&mut reader),
            retention: Retention::read(&mut reader),
            catalog: Vec::new(),
            proxies: proxy::read(&mut reader),
            warnings: Vec::new(),
        };
        settings.catalog = catalog::read(&mut reader, &settings.adapty);
        settings.warnings = reader.finish()?;
        Ok(settings)
    }

    /// Answers an error that names every credential without which `half` of the daemon, or all of it, cannot run.
    pub(crate) fn require_for_serve(&self, half: Option<Half>) -> Result<(), SettingsError> {
        let takes_in = [self.stripe.webhook_secrets.missing()];
        let works =
            [self.stripe.secret_key.missing(), self.iaphub.as_ref().and_then(|iaphub| iaphub.api_key.missing())];
        let takes_in = takes_in.into_iter().filter(|_| half != Some(Half::Work));
        let apps = self.adapty.iter().map(|app| app.secret_key.missing());
        let works = works.into_iter().chain(apps).filter(|_| half != Some(Half::Ingest));
        let errors: Vec<SettingError> = works.chain(takes_in).flatten().cloned().collect();
        if errors.is_empty() { Ok(()) } else { Err(SettingsError { errors }) }
    }
}

#[cfg(test)]
mod tests {
    use bolero::check;
    use mangle::{Corpus, Damage, span};

    use super::Settings;
    use super::fixture::{complaints, read};

    const CONVENTIONAL: [(&str, &str); 3] = [
        ("STRIPE_SECRET_KEY", "sk_test_1"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_1"),
        ("ADAPTY_SECRET_KEY", "secret_live_1"),
    ];

    #[test]
    fn no_file_and_the_conventional_variables_suffice() {
        let settings = read("", &CONVENTIONAL).unwrap();
        settings.require_for_serve(None).unwrap();
        assert_eq!(settings.stripe.secret_key.require().unwrap().expose(), "sk_test_1");
        assert!(settings.iaphub.is_none());
        assert!(settings.warnings.is_empty());
    }

    #[test]
    fn load_takes_the_environment_it_is_given() {
        let environment = [("GRANTSYNC__STRIPE__SECRET_KEY".to_owned(), "rk_live_2".to_owned())];
        let settings = Settings::load(None, environment.into_iter()).unwrap();
        assert_eq!(settings.stripe.secret_key.require().unwrap().expose(), "rk_live_2");
    }

    #[test]
    fn without_credentials_all_but_serve_works() {
        let settings = read("[iaphub]\napp_id = \"1\"", &[]).unwrap();
        let faults = settings.require_for_serve(None).unwrap_err().to_string();
        assert_eq!(faults.lines().count(), 4, "{faults}");
        assert_eq!(
            faults.lines().next().unwrap(),
            "`stripe.secret_key` is missing, `STRIPE_SECRET_KEY` is not set or empty: set `STRIPE_SECRET_KEY`, or write `secret_key` under `[stripe]`"
        );
    }

    #[test]
    fn several_faults_are_reported_together_one_line_each() {
        let faults = complaints("[policy]\nmode = \"observed\"\npast_due_grace = \"soon\"\n[serber]\nlisten = 1", &[]);
        assert_eq!(faults.len(), 3, "{faults:?}");
    }

    #[test]
    fn a_damaged_file_is_read_or_refused_line_by_line_without_a_secret() {
        let corpus = Corpus::of("fuzz/settings");
        for whole in corpus.whole() {
            read(std::str::from_utf8(whole).unwrap(), &[]).unwrap();
        }
        check!().with_test_time(span()).with_type::<Damage>().for_each(|damage| {
            let text = String::from_utf8_lossy(&corpus.text(damage)).into_owned();
            match read(&text, &CONVENTIONAL) {
                Ok(settings) => assert!(!format!("{settings:?}").contains("opensesame")),
                Err(refused) => {
                    let faults = refused.to_string();
                    assert!(faults.lines().all(|line| (1..=1000).contains(&line.chars().count())), "{faults}");
                    assert!(!faults.contains("opensesame"), "{faults}");
                }
            }
        });
    }

    #[test]
    fn a_secret_never_prints() {
        let file = "[server]\nadmin_token = \"open-sesame\"\n[database]\nurl = \"postgres://u:open-sesame@h/d\"\n\
                    [stripe]\nsecret_key = \"sk_live_sesame\"\nwebhook_secrets = [\"whsec_sesame\"]";
        let settings = read(file, &[("ADAPTY_SECRET_KEY", "secret_live_sesame")]).unwrap();
        let printed = format!("{settings:?} {}", settings.stripe.secret_key.require().unwrap());
        assert!(printed.contains("[redacted]"));
        assert!(!printed.contains("sesame"), "{printed}");
    }

    #[test]
    fn a_refused_secret_is_not_repeated() {
        let file = "[server]\nadmin_token = \"open sesame\"\n[stripe]\nsecret_key = \"sk live sesame\"\n\
                    webhook_secrets = \"[whsec_sesame\"\n[adapty]\nsecret_key = \"env:sk_live_sesame\"\n\
                    api = \"sk_live_sesame\"\n[database]\nurl = \"sesame\"";
        let faults = complaints(file, &[]);
        assert_eq!(faults.len(), 5, "{faults:#?}");
        assert!(!faults.concat().contains("sesame"), "{faults:#?}");
    }
}
