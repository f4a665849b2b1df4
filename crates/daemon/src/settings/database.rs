//! `[database]`: the database that everything is kept in.

use std::fmt;
use std::path::Path;

use super::reader::{Reader, Text};

/// The parameters of an address that the driver reads.
const PARAMETERS: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// The section `[database]`.
#[derive(Clone)]
pub(crate) struct Database {
    /// `sqlite:…` or `postgres://…`; may hold a password. Default `sqlite:grantsync.db`.
    pub(crate) url: String,
}

impl Database {
    /// The same, with a relative path of SQLite's file taken from `folder`.
    pub(super) fn in_folder(self, folder: &Path) -> Database {
        let file = self.url.strip_prefix("sqlite:").map(|file| file.strip_prefix("//").unwrap_or(file));
        let Some(file) = file.filter(|file| is_relative(file)) else { return self };
        // the driver decodes the address
        let folder = folder.display().to_string().replace('%', "%25").replace('?', "%3F");
        Database { url: format!("sqlite:{folder}/{file}") }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Database {
        let default = Database { url: "sqlite:grantsync.db".to_owned() };
        let Some(text) = reader.text("database.url") else {
            return default;
        };
        let rest = text.value.strip_prefix("postgresql://").or_else(|| text.value.strip_prefix("postgres://"));
        if let Some(rest) = rest.filter(|rest| !rest.is_empty()) {
            return postgres(reader, &text, rest).unwrap_or(default);
        }
        if text.value.strip_prefix("sqlite:").is_some_and(|file| !file.is_empty()) {
            return Database { url: text.value };
        }
        let found = match text.value.split_once(':') {
            Some((scheme @ ("sqlite" | "postgres" | "mysql" | "mariadb" | "mssql" | "http" | "https"), _)) => {
                format!("an address that begins with `{scheme}:` and cannot be used")
            }
            _ => "an address that begins neither with `sqlite:` nor with `postgres://`".to_owned(),
        };
        reader.refuse(&text, &found, "`sqlite:FILE` or `postgres://USER:PASSWORD@HOST/DATABASE`");
        default
    }
}

/// Whether SQLite's file depends on the working directory.
fn is_relative(file: &str) -> bool {
    !file.starts_with('/') && !file.starts_with(':')
}

/// The address of PostgreSQL that follows `postgres://`.
///
/// A `/`, `?` or `#` in a password that is not encoded ends it early: what follows would be read as a port, a database or
/// parameters, and so be printed.
fn postgres(reader: &mut Reader<'_>, text: &Text, rest: &str) -> Option<Database> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (_, database) = path.split_once('/').unwrap_or((path, ""));
    if rest.contains('#') || database.contains('@') || !query.split('&').all(is_parameter) {
        let found = "an address of PostgreSQL with signs in its password, or elsewhere, that are not percent-encoded";
        reader.refuse(
            text,
            found,
            "`%2F` for `/`, `%3F` for `?`, `%23` for `#`, `%40` for `@` and `%25` for `%` in them",
        );
        return None;
    }
    if !query.split('&').all(is_known) {
        reader.warn("`database.url` has parameters that are not known; they are ignored".to_owned());
    }
    Some(Database { url: format!("postgres://{rest}") })
}

/// Whether it may be a parameter, or nothing at all.
fn is_parameter(pair: &str) -> bool {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let has_name = !name.is_empty() && !name.contains(['@', '/', ':']);
    pair.is_empty() || has_name && (is_known(pair) || !value.contains('@'))
}

fn is_known(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or_default();
    name.is_empty() || name.starts_with("options[") || PARAMETERS.contains(&name)
}

/// Shows SQLite's file; of a Postgres address only that it is one, since a password may stand anywhere in it.
impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = match self.url.starts_with("sqlite:") {
            true => self.url.split('?').next().unwrap_or_default(),
            false => "postgres://[redacted]",
        };
        f.debug_struct("Database").field("url", &shown).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Database;
    use crate::settings::fixture::{complaints, read};

    #[test]
    fn a_password_that_is_not_encoded_is_refused_without_any_of_it() {
        for address in [
            "app:12/hush@db/grantsync",
            "app:12?hush@db/grantsync",
            "app:12#hush@db/grantsync",
            "app:p@12/hush@db/grantsync",
            "app:p@12?hush@db/grantsync",
            "app:p@12?a=hush@db/grantsync",
            "app:hush/12@db",
            "app:12?hush/x&y@db",
        ] {
            for scheme in ["postgres", "postgresql"] {
                let faults = complaints("", &[("DATABASE_URL", &format!("{scheme}://{address}"))]);
                assert_eq!(faults.len(), 1, "{faults:?}");
                assert!(faults[0].contains("percent-encoded (`DATABASE_URL`): write `%2F` for `/`"), "{faults:?}");
                assert!(!faults[0].contains("hush") && !faults[0].contains("12"), "{faults:?}");
            }
        }
    }

    #[test]
    fn what_an_address_may_hold_is_taken_as_it_is() {
        for address in [
            "app:12%2Fhush@db:5432/grantsync",
            "app:p@ss:word@db/grantsync?sslmode=require&application_name=a@b",
            "%2Fvar%2Frun%2Fpostgresql/grantsync",
            "db/grantsync?user=app@server&password=a/b&options[search_path]=x",
            "app@[::1]/grantsync",
        ] {
            let settings = read("", &[("DATABASE_URL", &format!("postgres://{address}"))]).unwrap();
            assert_eq!((settings.database.url, settings.warnings.len()), (format!("postgres://{address}"), 0));
        }
        let warned = read("", &[("DATABASE_URL", "postgres://u@h/d?pgbouncer=true&hush=hush")]).unwrap().warnings;
        assert_eq!(warned, ["`database.url` has parameters that are not known; they are ignored"]);
    }

    #[test]
    fn a_relative_file_is_taken_from_the_folder_of_the_settings() {
        let url = |url: &str| Database { url: url.to_owned() }.in_folder(Path::new("/etc/g %?")).url;
        assert_eq!(url("sqlite:grantsync.db"), "sqlite:/etc/g %25%3F/grantsync.db");
        assert_eq!(url("sqlite://data/g.db?mode=rwc"), "sqlite:/etc/g %25%3F/data/g.db?mode=rwc");
        for absolute in ["sqlite:/var/g.db", "sqlite:///var/g.db", "sqlite::memory:", "postgres://h/d"] {
            assert_eq!(url(absolute), absolute);
        }
    }

    #[test]
    fn the_database_is_sqlite_or_postgres() {
        let url = |url: &str| read("", &[("DATABASE_URL", url)]).unwrap().database.url;
        assert_eq!(url("sqlite::memory:"), "sqlite::memory:");
        assert_eq!(url("postgresql://u:hush@h/d"), "postgres://u:hush@h/d");
        for refused in ["mysql://u:hush@h/d", "hush", "hush:hush", "sqlite:"] {
            let faults = complaints("", &[("DATABASE_URL", refused)]);
            assert!(faults[0].starts_with("`database.url` is an address that begins "), "{faults:?}");
            assert!(faults[0].contains("(`DATABASE_URL`): write `sqlite:FILE`"), "{faults:?}");
            assert!(!faults[0].contains("hush"), "{faults:?}");
        }
    }
}
